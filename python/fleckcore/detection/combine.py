"""Several frames of one detector as one: the mean of their transmissions, under their mean light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.normalise import Normalised
from fleckcore.detection.scales import LEAST_NOISE
from fleckcore.frame import Frame, FrameMeta
from fleckcore.kernels import mesh_statistics

__all__ = ["FrameMean", "typical_noise"]

Image = NDArray[np.float32]

GLARING_SIGMA = 6.0
"""How far the brightest of three values or more may stand above the others."""


class FrameMean:
    """A mean that frames are added to one by one.

    Transmissions are averaged, not light: frames may be lit differently, and a pixel that some frames mask keeps its
    level. Each frame has one weight, the inverse of its squared `typical_noise`; masked pixels have none. What takes
    up much of the normalisation's window is part of a frame's level, and comes back with the levels' mean.

    Parameters
    ----------
    shape : (int, int)
        ``(rows, cols)`` of every frame.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.weights: list[float] = []
        self._total, self._weight, self._count = (np.zeros(shape, np.float32) for _ in range(3))
        self._brightest, self._its_weight = (np.zeros(shape, np.float32) for _ in range(2))
        self._next = np.full(shape, -np.inf, np.float32)
        self._light, self._light_weight = (np.zeros(shape, np.float32) for _ in range(2))
        self._variance: Image | None = np.zeros(shape, np.float32)

    def add(self, normalised: Normalised, threads: int | None = None) -> None:
        """Add a frame."""
        weight = np.float32(typical_noise(normalised, threads) ** -2)
        self.weights.append(float(weight))
        self._add_transmission(normalised.transmission, weight)
        lit = np.isfinite(normalised.level)
        self._light += weight * np.where(lit, normalised.level, np.float32(0))
        self._light_weight += weight * lit
        if normalised.error is None or self._variance is None:
            self._variance = None
        else:
            seen = np.isfinite(normalised.transmission)
            self._variance += np.where(seen, weight * normalised.error, np.float32(0)) ** 2

    def _add_transmission(self, value: Image, weight: np.float32) -> None:
        """Keep the brightest value of each pixel apart from the sum of the others."""
        seen = np.isfinite(value)
        value, its_weight = np.where(seen, value, np.float32(0)), weight * seen.astype(np.float32)
        brighter = seen & ((self._its_weight == 0) | (value > self._brightest))
        less = np.where(brighter, self._brightest, value)
        less_weight = np.where(brighter, self._its_weight, its_weight)
        self._total += less_weight * less
        self._weight += less_weight
        np.maximum(self._next, less, out=self._next, where=less_weight > 0)
        self._count += seen
        np.copyto(self._brightest, value, where=brighter)
        np.copyto(self._its_weight, its_weight, where=brighter)

    def frame(self, meta: FrameMeta) -> Frame:
        """Give the mean of what was added, with an error plane when every frame has one.

        Where three frames or more are valid, a value that stands above all others by six standard deviations (a
        cosmic ray, a hot pixel) is left out. Where none is, the mean is NaN.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            light = self._light / self._light_weight
            others = (self._count - 1) / self._weight
            limit = GLARING_SIGMA * np.sqrt(1 / self._its_weight + others)
            glaring = (self._count >= 3) & (self._brightest - self._next > limit)
            kept = np.where(glaring, 0, self._its_weight)
            mean = (self._total + kept * self._brightest) / (self._weight + kept)
            error = None
            if self._variance is not None:
                error = light * np.sqrt(self._variance) / (self._weight + self._its_weight)
        return Frame((light * mean).astype(np.float32), error, meta=meta)


def typical_noise(normalised: Normalised, threads: int | None = None) -> float:
    """One standard deviation of a pixel's transmission: the median over a mesh."""
    mesh = mesh_statistics(normalised.transmission, mask=normalised.mask, threads=threads)
    known = mesh.noise[np.isfinite(mesh.noise)]
    return max(float(np.median(known)), LEAST_NOISE) if known.size else 1.0
