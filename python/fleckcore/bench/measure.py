"""Taking turns, and keeping the shortest time of each."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Case",
    "Comparison",
    "Measurement",
    "Rival",
    "agreement",
    "measure_all",
    "rewriting",
    "take_turns",
]

LONGEST_S = 8.0
"""No more turns of a program once it has taken so long; it has had at least one after the check."""


@dataclass(frozen=True)
class Rival:
    """Another program at the same task.

    ``agrees`` compares its result with ours; ``None`` where the methods differ. ``share`` is the part of the pixels
    that it is run on, where the whole frame would take minutes; its time is scaled.
    """

    name: str
    version: str
    run: Callable[[], Any]
    agrees: Callable[[Any, Any], bool] | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Case:
    """One task on a frame: ours with a number of threads, and what it is compared with."""

    kernel: str
    name: str
    run: Callable[[int], Any]
    rivals: tuple[Rival, ...] = ()
    threads: tuple[int, ...] = (1, 2)
    frame: NDArray[Any] | None = None


@dataclass(frozen=True)
class Comparison:
    """A rival's shortest time; ``agrees`` is None where results cannot be compared."""

    name: str
    version: str
    ms: float
    agrees: bool | None
    share: float


@dataclass
class Measurement:
    """A case's shortest times by number of threads, and its memory beyond what it returns, with one thread."""

    kernel: str
    name: str
    ms: dict[int, float]
    extra_mb: float | None
    rivals: list[Comparison] = field(default_factory=list)


def measure_all(cases: Iterable[Case], repeats: int) -> Iterator[Measurement]:
    """Measure case after case."""
    for case in cases:
        yield _measure(case, repeats)


def _measure(case: Case, repeats: int) -> Measurement:
    ours, extra_mb = _with_peak_memory(lambda: case.run(1))
    agreed = [agreement(rival, ours) for rival in case.rivals]
    del ours
    turns: list[Callable[[], Any]] = [partial(case.run, n) for n in case.threads]
    turns += [rival.run for rival in case.rivals]
    shortest = take_turns(turns, repeats)
    own = dict(zip(case.threads, shortest, strict=False))
    rivals = [
        Comparison(rival.name, rival.version, ms / rival.share, agrees, rival.share)
        for rival, ms, agrees in zip(
            case.rivals, shortest[len(case.threads) :], agreed, strict=True
        )
    ]
    return Measurement(case.kernel, case.name, own, extra_mb, rivals)


def rewriting(run: Callable[..., Any]) -> Callable[..., Any]:
    """Give ``run``'s last argument, the output, what its last call returned: new memory takes time of its own."""
    out = None

    def again(*arguments: Any) -> Any:
        nonlocal out
        out = run(*arguments, out)
        return out

    return again


def agreement(rival: Rival, ours: Any) -> bool | None:
    """Whether its result is ours; None where results cannot be compared."""
    return None if rival.agrees is None else bool(rival.agrees(ours, rival.run()))


def take_turns(turns: Sequence[Callable[[], Any]], repeats: int, turn_s: float = 0) -> list[float]:
    """Shortest time of each, in milliseconds. A turn of ``turn_s`` has as many runs as fit, at least one."""
    shortest, total = [np.inf] * len(turns), [0.0] * len(turns)
    for _ in range(repeats):
        for i, run in enumerate(turns):
            end = min(total[i] + turn_s, LONGEST_S)
            while total[i] <= end:
                start = time.perf_counter()
                result = run()
                took = time.perf_counter() - start
                del result
                total[i] += took
                shortest[i] = min(shortest[i], 1e3 * took)
    return shortest


def _with_peak_memory(run: Callable[[], Any]) -> tuple[Any, float | None]:
    """The result, and how many MB more than it the process needed at the most; None where nobody counts."""
    before = _reset_peak()
    result = run()
    peak = _status("VmHWM")
    if before is None or peak is None:
        return result, None
    return result, max(0.0, (peak - before) / 1024 - _size(result) / 2**20)


def _size(result: Any) -> int:
    """Bytes of an array, or of all arrays of an object."""
    arrays = [result, *getattr(result, "__dict__", {}).values()]
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


def _reset_peak() -> int | None:
    """Kilobytes in use, after freed memory went back to the system: it would hide what the next task needs."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _status("VmRSS")
    return None


def _status(name: str) -> int | None:
    """Kilobytes, from the Linux kernel's books."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return None
