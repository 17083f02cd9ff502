"""What the processor can do at the most."""

from __future__ import annotations

from fleckcore import _core

__all__ = ["compare_in_registers"]


def compare_in_registers(dtype: str, rounds: int) -> int:
    """Take minima and maxima of numbers that stay in registers; return how many.

    ``dtype`` is float32 or int16: what the median networks compute in.
    """
    return {"float32": _core.compare_float32, "int16": _core.compare_int16}[dtype](rounds)
