"""What a detector gives for expected electrons: the mean of some exposures, with its error plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleckcore.frame import Frame, FrameMeta

READ_NOISE_E = 4.0
SIDE = 60


def exposed(
    mean: NDArray[np.float64], exposures: int, random: np.random.Generator, **meta: object
) -> Frame:
    """Expose, and average."""
    noise = READ_NOISE_E / np.sqrt(exposures) * random.standard_normal(mean.shape)
    data = random.poisson(mean * exposures) / exposures + noise
    error = np.sqrt((np.maximum(data, 0) + READ_NOISE_E**2) / exposures)
    return Frame(data, error, meta=FrameMeta(unit="electron", **meta))


def square(side: int, *, shape: tuple[int, int] = (SIDE, SIDE)) -> NDArray[np.bool_]:
    """An aperture in the middle."""
    mask = np.zeros(shape, bool)
    first = [n // 2 - side // 2 for n in shape]
    mask[first[0] : first[0] + side, first[1] : first[1] + side] = True
    return mask


def pull(found: list[float]) -> tuple[float, float]:
    """Mean and width of (found - true) / error."""
    return float(np.mean(found)), float(np.std(found))
