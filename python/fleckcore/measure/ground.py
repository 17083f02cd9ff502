"""The smooth ground on which a feature stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.measure.cutout import SIGMA_OF_MAD, CutOut

__all__ = ["Ground", "fit_ground", "lost_light", "polynomial"]

_SWEEPS = 4
_LEAST = 16
_ROUNDING = 1e-12

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ground:
    """A plane, or another smooth surface, through the pixels around a feature.

    Attributes
    ----------
    level : ndarray of float64, shape (rows, cols)
        The surface.
    even : ndarray of bool, shape (rows, cols)
        Pixels that it was put through: those around the feature without outliers.
    noise : float
        Standard deviation of these about the plane.
    """

    level: Array
    even: Mask
    noise: float
    _axes: Array
    _inverse: Array

    @property
    def terms(self) -> int:
        """How many the surface has."""
        return len(self._axes)

    def covariance(self, weights: Array) -> Array:
        """Give the covariance, shape (k, k), of k weighted sums of the level; weights have shape (k, rows, cols)."""
        sums = np.tensordot(weights, self._axes, ((1, 2), (1, 2)))
        covariance: Array = self.noise**2 * sums @ self._inverse @ sums.T
        return covariance


def fit_ground(
    data: Array, around: Mask, *, axes: Array | None = None, clip_sigma: float = 4.0
) -> Ground:
    """Put a surface through some pixels, without those that are off by more than ``clip_sigma``.

    ``axes``, shape (n, rows, cols), are what it is the sum of; by default those of a plane. Raises `ArrayError` (A09)
    for fewer than 16 pixels, or twice as many as there are axes.
    """
    if axes is None:
        axes = polynomial(data.shape, 1)
    seen = int(np.count_nonzero(around))
    if seen < max(_LEAST, 2 * len(axes)):
        rows, cols = data.shape
        raise ArrayError(
            f"{seen} of {cols} x {rows} pixels of ground beside the feature.",
            code="A09",
            advice="Cut out a larger part.",
        )
    level: Array = np.full(data.shape, np.median(data[around]))
    distance = np.abs(data - level)
    noise = SIGMA_OF_MAD * float(np.median(distance[around])) or math.sqrt(
        float(np.mean(distance[around] ** 2))
    )
    rounding = _ROUNDING * float(np.abs(data[around]).max())
    for _ in range(_SWEEPS):
        even = around & (np.abs(data - level) <= clip_sigma * noise + rounding)
        inverse = np.asarray(np.linalg.pinv(axes[:, even] @ axes[:, even].T), np.float64)
        level = np.tensordot(inverse @ (axes[:, even] @ data[even]), axes, 1)
        noise = float((data - level)[even].std())
    return Ground(level, even, noise, axes, inverse)


def polynomial(shape: tuple[int, ...], degree: int) -> Array:
    """Give the terms of a polynomial at each pixel, shape (terms, rows, cols)."""
    y, x = np.meshgrid(
        *(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape), indexing="ij"
    )
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack([y**i * x**j for i, j in powers])


def lost_light(cut: CutOut, window: Mask) -> tuple[Array, Array, Ground]:
    """Give loss and error against the ground around a window, both 0 outside of it, and that ground.

    Raises `ArrayError` A12 for a window of another shape, A09 for too little ground or where no light is lost.
    """
    if window.shape != cut.light.shape:
        raise ArrayError(
            f"the mask has shape {window.shape}, the cut-out {cut.light.shape}.", code="A12"
        )
    ground = fit_ground(np.where(cut.usable, cut.light, 0.0), cut.usable & ~window)
    inside = cut.usable & window
    lost = np.where(inside, 1 - cut.light / ground.level, 0.0)
    if not lost.sum() > 0:
        raise ArrayError("no light is lost.", code="A09")
    return lost, np.where(inside, cut.error / ground.level, 0.0), ground
