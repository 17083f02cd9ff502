"""What this machine can do at the most: memory, and minima and maxima, by one thread."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from fleckcore.bench.frames import SHAPE
from fleckcore.bench.measure import take_turns
from fleckcore.kernels import compare_in_registers

__all__ = ["Limits", "measure_limits"]

ROUNDS = 100_000  # some milliseconds


@dataclass(frozen=True)
class Limits:
    """Shortest times for a float32 frame in milliseconds; minima and maxima of registers, 10^9 numbers a second."""

    copy_ms: float
    read_ms: float
    compare_float32: float
    compare_int16: float

    def better(self, other: Limits) -> Limits:
        """The best of both: neighbours on a machine only make it slower."""
        return Limits(
            min(self.copy_ms, other.copy_ms),
            min(self.read_ms, other.read_ms),
            max(self.compare_float32, other.compare_float32),
            max(self.compare_int16, other.compare_int16),
        )


def measure_limits(shape: tuple[int, int] = SHAPE, repeats: int = 20) -> Limits:
    """Measure them; the frame has this shape."""
    frame = np.ones(shape, np.float32)
    out = np.empty_like(frame)
    copy, read = take_turns([lambda: np.copyto(out, frame), frame.max], repeats)
    return Limits(copy, read, _compared("float32", repeats), _compared("int16", repeats))


def _compared(dtype: str, repeats: int) -> float:
    """10^9 a second."""
    most = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        numbers = compare_in_registers(dtype, ROUNDS)
        most = max(most, numbers / (time.perf_counter() - start) / 1e9)
    return most
