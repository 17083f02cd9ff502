"""How evenly a source lights the detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_pattern", "illumination"]


def illumination(
    chip: int, shape: tuple[int, int], *, peak: float = 1.1, falloff: float = 0.26
) -> NDArray[np.float64]:
    """Give the light relative to nominal; the gap is above chip 2 and below chip 1.

    ``peak - falloff * r**2``: circular around a place a little off the gap, r about 1 at the edges. The defaults are
    those of ACS's post-flash (ISR 2014-01): brightest far from the amplifiers, a factor of two over the field.
    """
    rows, cols = shape
    y = (np.arange(rows) + 0.5) / rows - (1.04 if chip == 2 else 0.04)
    x = 2 * ((np.arange(cols) + 0.5) / cols - 0.53)
    pattern: NDArray[np.float64] = peak - falloff * ((y**2)[:, None] + x**2)
    return pattern


def column_pattern(random: np.random.Generator, cols: int, rms: float) -> NDArray[np.float64]:
    """Give smooth structure from column to column about 1, with a seventh of it white."""
    period = 64
    knots = random.standard_normal(cols // period + 2)
    smooth = np.interp(np.arange(cols) / period, np.arange(knots.size), knots)
    return 1 + rms * (smooth + random.standard_normal(cols) / 7)
