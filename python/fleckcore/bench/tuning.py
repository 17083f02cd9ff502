"""Trying the kernels' choices on this machine, and keeping the ones that pay.

A choice changes how long a kernel takes, never its result. Values take turns on the same frames; of every task the
shortest time counts.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from errno import EISDIR
from functools import partial
from os import strerror
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.bench import frames as built_in
from fleckcore.errors import FleckError, OutputError
from fleckcore.frame import as_frame
from fleckcore.io import atomic_write
from fleckcore.kernels import (
    build_config,
    default_threads,
    forget_tuning,
    gaussian_filter,
    label_components,
    machine,
    median_filter,
    mesh_statistics,
    profile_path,
    set_tuning,
)

__all__ = ["MOST_FRAMES", "Trial", "Tuned", "tune"]

MOST_FRAMES = 4
"""More take longer and tell the same."""
ROUNDS = 4
"""At least so often each value has its turn: enough to see how much the times waver."""
LEAST_GAIN = 0.02
BUILT_IN_MASKED = 1e-4

Value = int | str
Task = Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class Trial:
    """What came of one choice.

    Attributes
    ----------
    choice, about : str
        Its name, and what it says, for people.
    default, best : int or str
        The value that is used without a profile, and the fastest.
    ms : dict
        For each value the shortest time of all its tasks together, in milliseconds.
    wavers : float
        By which fraction those times differ between the turns of even and of odd number.
    """

    choice: str
    about: str
    default: Value
    best: Value
    ms: dict[Value, float]
    wavers: float

    @property
    def gain(self) -> float:
        """How many times as fast the best is as the default."""
        return self.ms[self.default] / self.ms[self.best]

    @property
    def pays(self) -> bool:
        """Whether the gain is larger than what the times waver by: twice that, and at least 2 %."""
        return self.gain > 1 + max(LEAST_GAIN, 2 * self.wavers)

    @property
    def chosen(self) -> Value:
        """The best where it pays, else the default."""
        return self.best if self.pays else self.default


@dataclass(frozen=True)
class Tuned:
    """What `tune` found.

    Attributes
    ----------
    path : Path
        The profile that was written.
    frames : tuple of str
        What was measured on.
    threads : int or None
        Of the tasks; None when their number was a choice itself.
    trials : tuple of Trial
        In the order of measuring; each with what was chosen before.
    """

    path: Path
    frames: tuple[str, ...]
    threads: int | None
    trials: tuple[Trial, ...]

    @property
    def choices(self) -> dict[str, Value]:
        """What differs from the defaults."""
        return {trial.choice: trial.chosen for trial in self.trials if trial.pays}


def tune(
    frames: Sequence[Any] = (),
    *,
    seconds: float = 60.0,
    threads: int | None = None,
    output: str | Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Tuned:
    """Measure the kernels' choices on this machine, and write a profile that later runs use.

    Results are the same bytes with any profile; `tune` compares them before it measures. Other programs should be
    quiet meanwhile, and no other thread may call a kernel.

    Parameters
    ----------
    frames : sequence of Frame or array_like, optional
        Measured on, with their masks: the first four, of large ones the middle 2048 x 4096 pixels. By default a flat
        field of that size, made from a seed.
    seconds : float
        About how long to measure. Each value has at least four turns, however long they take.
    threads : int, optional
        Measure with so many. By default their number is one of the choices.
    output : path-like, optional
        Where to write; by default where later runs look: ``FLECKCORE_TUNING``, else
        ``$XDG_CONFIG_HOME/fleckcore/tuning.json``, else ``~/.config/fleckcore/tuning.json``. An older profile is
        replaced.
    progress : callable, optional
        Called with the name of each choice before it is measured.

    Returns
    -------
    Tuned

    Raises
    ------
    OutputError
        ``R08``, before anything is measured: the profile cannot be written.
    FleckError
        ``R20`` another thread is running a kernel.
    ArrayError
        ``A09`` a frame, ``seconds`` or ``threads`` that cannot be used.
    """
    path = _prepared(output)
    samples = [_sample(frame) for frame in frames[:MOST_FRAMES]] or [_built_in()]
    set_tuning({})
    try:
        trials = tuple(_trials(samples, threads, seconds, progress or (lambda _: None)))
    finally:
        forget_tuning()
    measured_with = threads if threads or "threads" not in {t.choice for t in trials} else None
    tuned = Tuned(path, tuple(sample.name for sample in samples), measured_with, trials)
    _write(tuned)
    return tuned


# --- Frames ------------------------------------------------------------------------------------------------------


@dataclass
class Sample:
    """A frame to measure on; copies in other types are made when they are wanted."""

    name: str
    data: NDArray[Any]
    mask: NDArray[np.bool_] | None
    copies: dict[str, NDArray[Any]] = field(default_factory=dict)

    def as_type(self, dtype: str | None) -> NDArray[Any]:
        """Give the frame as it is for None."""
        if dtype is None:
            return self.data
        if dtype not in self.copies:
            self.copies[dtype] = self.data.astype(dtype)
        return self.copies[dtype]


def _sample(source: Any) -> Sample:
    frame = as_frame(source)
    middle = tuple(
        slice(max(0, (side - most) // 2), max(0, (side - most) // 2) + most)
        for side, most in zip(frame.shape, built_in.SHAPE, strict=True)
    )
    data, mask = frame.data[middle], frame.mask[middle]
    file = frame.meta.path.name if frame.meta.path else "array"
    name = f"{file}{f'[{frame.meta.extension}]' if frame.meta.extension else ''}"
    return Sample(_described(name, data), data, mask if mask.any() else None)


def _built_in() -> Sample:
    data = built_in.flat()
    return Sample(_described("built-in flat", data), data, built_in.masked(BUILT_IN_MASKED))


def _described(name: str, data: NDArray[Any]) -> str:
    return f"{name}, {data.shape[0]} x {data.shape[1]} {data.dtype.name}"


# --- Choices -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tunable:
    """A choice: its name, what it says, its values, the default first, and what it is measured by on one frame."""

    name: str
    about: str
    values: tuple[Value, ...]
    tasks: Callable[[Sample, int | None], list[Task]]


def _tunables(threads: int | None) -> list[Tunable]:
    """All choices, the widest in effect first."""
    return [
        Tunable("isa", "instruction set", _isas(), _everything),
        Tunable("threads", "threads", _numbers_of_threads(threads), _everything),
        Tunable(
            "network_side_32",
            "small medians, 32 bits: networks for windows up to",
            (21, 17, 13, 9),
            partial(_medians, sides=(11, 15, 19, 21), dtype="f4"),
        ),
        Tunable(
            "network_side_64",
            "small medians, 64 bits: networks for windows up to",
            (21, 17, 13, 9),
            partial(_medians, sides=(11, 15, 19, 21), dtype="f8"),
        ),
        Tunable(
            "network_trimmed",
            "small medians: trimmed networks first (1 yes, 0 no)",
            (1, 0),
            partial(_medians, sides=(11, 15, 21), dtype="f4"),
        ),
        Tunable(
            "network_cols",
            "small medians: columns of a lane",
            (256, 64, 128, 512, 1024),
            partial(_medians, sides=(5, 15), dtype="f4"),
        ),
        _band_rows("21", (24, 16, 32, 48), (15, 21)),
        _band_rows("63", (48, 24, 32, 64, 96), (31, 63)),
        _band_rows("101", (64, 32, 48, 96, 128), (101,)),
        _band_rows("any", (128, 48, 64, 96), (151,)),
        Tunable("gaussian_rows", "Gaussian filter: rows at a time", (64, 32, 128, 256), _gaussians),
    ]


def _band_rows(name: str, values: tuple[int, ...], sides: tuple[int, ...]) -> Tunable:
    """Windows a little wider than high have no network."""
    windows = "of more rows" if name == "any" else f"up to {name} rows"
    tasks = partial(_medians, sides=sides, dtype="f4", wider=2)
    return Tunable(f"band_rows_{name}", f"medians {windows}: rows of a tile", values, tasks)


def _isas() -> tuple[Value, ...]:
    """All, the widest first; just one where ``FLECKCORE_ISA`` says which."""
    config = build_config()
    return (config["isa"],) if os.environ.get("FLECKCORE_ISA") else config["isas"][::-1]


def _numbers_of_threads(wanted: int | None) -> tuple[Value, ...]:
    """The default, powers of two below it, half and three quarters; just one where somebody says how many."""
    most = default_threads()
    if wanted or os.environ.get("FLECKCORE_NUM_THREADS"):
        return (wanted or most,)
    smaller = {2**i for i in range(most.bit_length()) if 2**i < most} | {most // 2, 3 * most // 4}
    return (most, *sorted(smaller - {0, most}, reverse=True))


def _medians(
    sample: Sample,
    threads: int | None,
    *,
    sides: tuple[int, ...],
    dtype: str | None = None,
    wider: int = 0,
) -> list[Task]:
    """Medians of these windows."""
    data = sample.as_type(dtype)
    rows, cols = data.shape
    out: NDArray[Any] = np.empty(
        data.shape, np.float32 if data.dtype.char == "e" else data.dtype.newbyteorder("=")
    )
    filtered = partial(median_filter, data, mode="nearest", threads=threads, out=out)
    return [
        partial(filtered, (side, side + wider))
        for side in sides
        if side <= rows and side + wider <= cols
    ]


def _gaussians(sample: Sample, threads: int | None) -> list[Task]:
    return [
        partial(gaussian_filter, sample.data, sigma, mask=sample.mask, threads=threads)
        for sigma in (2.0, 8.0)
    ]


def _everything(sample: Sample, threads: int | None) -> list[Task]:
    """What a search does most, on the frame as it is."""
    data, mask = sample.data, sample.mask
    finite = data[np.isfinite(data)] if data.dtype.kind == "f" else data
    threshold = float(np.quantile(finite.reshape(-1)[::16], 0.95)) if finite.size else 0.0

    def boxes() -> NDArray[Any]:
        return mesh_statistics(data, 64, mask=mask, threads=threads).level

    def objects() -> NDArray[Any]:
        return label_components(data, threshold, mask=mask, threads=threads).area

    return [
        *_medians(sample, threads, sides=(5, 15, 63)),
        *_gaussians(sample, threads),
        boxes,
        objects,
    ]


# --- Measuring ---------------------------------------------------------------------------------------------------


def _trials(
    samples: list[Sample], threads: int | None, seconds: float, progress: Callable[[str], None]
) -> Iterator[Trial]:
    """Measure choice after choice, each with what was chosen before, and share out the time that is left."""
    end = time.perf_counter() + seconds
    tunables = [tunable for tunable in _tunables(threads) if len(tunable.values) > 1]
    chosen: dict[str, Value] = {}
    for i, tunable in enumerate(tunables):
        tasks = [task for sample in samples for task in tunable.tasks(sample, threads)]
        if not tasks:
            continue
        progress(tunable.about)
        now = time.perf_counter()
        trial = _tried(tunable, tasks, chosen, now + (end - now) / (len(tunables) - i))
        if trial.pays:
            chosen[trial.choice] = trial.best
        yield trial


def _tried(tunable: Tunable, tasks: list[Task], chosen: dict[str, Value], end: float) -> Trial:
    settings = [chosen | {tunable.name: value} for value in tunable.values]
    _compare(settings, tasks)
    turns: list[list[list[float]]] = [[] for _ in settings]
    while len(turns[-1]) < ROUNDS or time.perf_counter() < end:
        for setting, taken in zip(settings, turns, strict=True):
            set_tuning(setting)
            taken.append([_ms(task) for task in tasks])
    ms = dict(zip(tunable.values, map(_shortest, turns), strict=True))
    wavers = max(abs(_shortest(t[::2]) / _shortest(t[1::2]) - 1) for t in turns)
    best = min(ms, key=ms.__getitem__)
    return Trial(tunable.name, tunable.about, tunable.values[0], best, ms, wavers)


def _shortest(turns: list[list[float]]) -> float:
    """All tasks together, of each its shortest time."""
    return math.fsum(map(min, zip(*turns, strict=True)))


def _ms(task: Task) -> float:
    start = time.perf_counter()
    result = task()
    took = time.perf_counter() - start
    del result
    return 1e3 * took


def _compare(settings: list[dict[str, Value]], tasks: list[Task]) -> None:
    """Raise unless every setting gives the same bytes (R20)."""
    for task in tasks:
        wanted: bytes | None = None
        for setting in settings:
            set_tuning(setting)
            seen = task().tobytes()
            wanted = seen if wanted is None else wanted
            if seen != wanted:
                raise FleckError(
                    f"{setting} gives another result than {settings[0]}.",
                    code="R20",
                    advice="No profile was written; please report this.",
                )


# --- The profile -------------------------------------------------------------------------------------------------


def _prepared(output: str | Path | None) -> Path:
    """Where the profile goes, found writable."""
    path = profile_path() if output is None else Path(output)
    if path is None:
        raise OutputError(
            "there is no place for a tuning profile: FLECKCORE_TUNING is off, or nobody knows a home folder.",
            code="R08",
            advice="Name one with --output.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(EISDIR, strerror(EISDIR))
        with NamedTemporaryFile(dir=path.parent, prefix=".fleckcore-writable"):
            pass
    except OSError as error:
        raise OutputError(
            f"the tuning profile cannot be written: {error.strerror}.",
            code="R08",
            path=path,
            advice="Name another file with --output.",
        ) from error
    return path


def _write(tuned: Tuned) -> None:
    profile = machine() | {
        "cores": os.cpu_count(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "frames": tuned.frames,
        "choices": tuned.choices,
        "measured": [asdict(trial) for trial in tuned.trials],
    }
    with atomic_write(tuned.path, overwrite=True) as file:
        file.write((json.dumps(profile, indent=1) + "\n").encode())
