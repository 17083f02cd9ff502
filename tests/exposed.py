"""What a detector gives for expected electrons: the mean of some exposures, with its error plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleckcore.frame import Frame, FrameMeta
from fleckcore.measure import CutOut, cut_out
from fleckcore.simulate import Obstruction
from fleckcore.simulate.shading import shade

LAMP, FLASH = (60_000.0, 3), (64.0, 28)
"""Electrons of an exposure, and exposures."""
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


def shadow(
    item: Obstruction,
    light: tuple[float, int],
    random: np.random.Generator,
    *,
    response: float | np.ndarray = 1.0,
    slope: tuple[float, float] = (0.0, 0.0),
    shape: tuple[int, int] = (40, 40),
) -> CutOut:
    """A cut-out of a shadow, in light that varies over the frame."""
    level, exposures = light
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    mean = level * (1 + slope[0] * x + slope[1] * y) * response
    shade((mean,), item)
    return cut_out(exposed(mean, exposures, random), SIDE / 2, SIDE / 2, shape=shape)
