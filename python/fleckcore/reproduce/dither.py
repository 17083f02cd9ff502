"""Section 8: whether the default dither line covers the flecks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["uncovered"]

DITHER_LINE = (5, 60)
"""Columns and rows from one exposure of ACS-WFC-DITHER-LINE to the next (HST Phase II instructions)."""


def uncovered(masks: Mapping[int, NDArray[np.bool_]]) -> int:
    """Count the flagged pixels of each chip that fall on flagged ones in the other exposure of the line."""
    dx, dy = DITHER_LINE
    return sum(int(np.count_nonzero(mask[dy:, dx:] & mask[:-dy, :-dx])) for mask in masks.values())
