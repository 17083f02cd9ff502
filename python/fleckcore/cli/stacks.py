"""What commands that combine exposures share: reading, bias, progress and the record."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from fleckcore.errors import FleckError, OutputError

if TYPE_CHECKING:
    from fleckcore.frame import Frame

__all__ = [
    "FITS_ENDINGS",
    "BiasFit",
    "Exposures",
    "bias_option",
    "show_progress",
    "unused",
    "without_mean_bias",
    "write_record",
]

FITS_ENDINGS = (
    ".fits",
    ".fit",
    ".fts",
    ".fits.gz",
    ".fit.gz",
    ".fts.gz",
    ".fits.fz",
    ".fit.fz",
)
"""Of the files in a folder that are taken for FITS."""


BiasFit = Literal["constant", "line", "none"]


def bias_option(command: Callable[..., int]) -> Callable[..., int]:
    """Add ``--bias-level`` to a command."""
    option = click.option(
        "--bias-level",
        type=click.Choice(get_args(BiasFit)),
        default="constant",
        show_default=True,
        help="Of raw exposures with overscan: how each amplifier's level is taken from its prescan before its gain "
        "makes electrons. none: keep DN.",
    )
    return option(command)


@dataclass
class Exposures:
    """The files that a command combines, and those that it cannot use, which are said and listed."""

    files: tuple[Path, ...]
    profile: str | None
    chip: int | None
    bias_level: BiasFit
    room: Path
    left_out: list[dict[str, str]] = field(default_factory=list)

    def each_chip(self) -> Generator[list[Frame]]:
        """Give the frames of one chip after another, raw ones in electrons.

        Files stay where they are; what raw ones become waits on disk, in ``room``, until the next chip is asked for.
        """
        from fleckcore.io import read

        chips: dict[int | None, list[Path]] = {}
        for path in self.files:
            with self._used(path):
                for frame in read(path, profile=self.profile, chip=self.chip):
                    chips.setdefault(frame.meta.chip, []).append(path)
        for chip, paths in chips.items():
            with TemporaryDirectory(prefix=".fleckcore-", dir=self.room) as folder:
                ready = []
                for path in paths:
                    with self._used(path):
                        for frame in read(path, profile=self.profile, chip=chip):
                            ready.append(self._in_electrons(frame, Path(folder)))
                if ready:
                    yield ready

    @contextmanager
    def _used(self, path: Path | None) -> Iterator[None]:
        from fleckcore.io import clean_text

        try:
            yield
        except OutputError:  # no fault of this file
            raise
        except FleckError as error:
            message = clean_text(str(error))
            self.left_out.append(
                {"input": clean_text(str(path)), "code": error.code, "error": message}
            )
            click.echo(f"not used: {message}", err=True)

    def _in_electrons(self, frame: Frame, folder: Path) -> Frame:
        from fleckcore.calibrate import measure_bias, subtract_bias, to_electrons
        from fleckcore.io import put_aside, read

        if self.bias_level == "none" or frame.meta.unit != "DN" or frame.meta.path is None:
            return frame
        (raw,) = read(frame.meta.path, profile=self.profile, chip=frame.meta.chip, trim=False)
        if raw.meta.x_offset >= 0:
            return frame
        made = to_electrons(subtract_bias(raw, measure_bias(raw, fit=self.bias_level)))
        return put_aside(made, folder / str(len(list(folder.iterdir()))))


def without_mean_bias(lit: Sequence[Frame], frames: Sequence[Frame]) -> tuple[list[Frame], str]:
    """Subtract the mean of the biases among ``frames`` from those in DN, and say so."""
    import numpy as np

    biases = [frame for frame in frames if frame.meta.kind == "bias"]
    if not biases or any(frame.meta.unit != "DN" for frame in lit):
        return list(lit), "no bias subtracted"
    mean = np.mean([frame.data for frame in biases], axis=0, dtype=np.float64).astype(np.float32)
    found = [frame.replace(data=frame.data - mean) for frame in lit]
    return found, f"less the mean of {len(biases)} biases"


@contextmanager
def show_progress(label: str, *, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, told the rows that are done and how many there are."""
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def unused(left_out: list[dict[str, str]]) -> int:
    """Give the exit code of a run that used some of its inputs."""
    from fleckcore.cli import EXIT_SOME_QUARANTINED

    return EXIT_SOME_QUARANTINED if left_out else 0


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write what was done, in numbers."""
    from fleckcore.io import atomic_write

    with atomic_write(path, overwrite=True) as file:
        file.write(json.dumps(record, allow_nan=False, indent=1).encode())
