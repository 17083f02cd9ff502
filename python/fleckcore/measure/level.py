"""The light beside a feature, and what it says of the noise: means over pixels get their errors here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.measure.cutout import CutOut
from fleckcore.measure.ground import Ground, fit_ground, polynomial

__all__ = ["Levelled", "MeanLight", "level_beside"]

Plane = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_SCATTER = ROUNDING = 1e-9
"""Of the light, and of a variance: less is rounding."""

LEAST_BLOCKS = 80
"""So many blocks tell by how much a mean is noisier than were its pixels independent."""


@dataclass(frozen=True)
class MeanLight:
    """Mean light over some pixels, relative to the light beside them; errors are one standard deviation.

    Attributes
    ----------
    mean : float
        1 where nothing is in the way.
    pixels : int
        Pixels with a value.
    error_pixels : float
        From the noise of the pixels, which is another one in every frame.
    error_level : float
        From the same noise in the level that is divided out.
    error_pattern : float
        From what the light beside scatters more than its errors say, in the pixels and in the level: sensitivities of
        pixels, mostly, which are the same in every frame of one filter and similar in all.
    """

    mean: float
    pixels: int
    error_pixels: float
    error_level: float
    error_pattern: float

    @property
    def error(self) -> float:
        """All together."""
        return math.hypot(self.error_pixels, self.error_level, self.error_pattern)


@dataclass(frozen=True, eq=False)
class Levelled:
    """A cut-out over the smooth level of the light beside a feature; planes of shape (rows, cols).

    Attributes
    ----------
    light, error : ndarray of float64
        As in `CutOut`, over the level; the mean of ``light`` beside the feature is 1.
    beside : ndarray of bool
        Pixels that the level was fitted to.
    scatter : float
        Standard deviation of ``light`` there.
    pattern : float
        The part of it that the pixels' errors do not explain.
    """

    light: Plane
    error: Plane
    beside: Mask
    scatter: float
    pattern: float
    _ground: Ground

    @property
    def noise(self) -> Plane:
        """One standard deviation of each pixel, its pattern included, which grows with the light."""
        return np.hypot(self.error, self.pattern * np.maximum(self.light, 0))

    def mean(self, mask: Mask) -> MeanLight:
        """Give the mean over the usable pixels of a mask, or raise `ArrayError` (A09) where there is none."""
        used = mask & np.isfinite(self.light)
        count = int(np.count_nonzero(used))
        if not count:
            raise ArrayError("no pixel of the aperture has a value.", code="A09")
        light = self.light[used]
        clumping = self.clumping(math.sqrt(count))
        weights = np.where(used, self.light, 0.0)[None] / count
        level = clumping * math.sqrt(self._ground.covariance(weights)[0, 0])
        share = self.pattern / self.scatter if self.scatter > 0 else 0.0
        pattern = clumping * self.pattern * float(np.linalg.norm(light)) / count
        return MeanLight(
            mean=float(light.mean()),
            pixels=count,
            error_pixels=clumping * float(np.linalg.norm(self.error[used])) / count,
            error_level=level * math.sqrt(1 - min(share, 1.0) ** 2),
            error_pattern=math.hypot(pattern, level * share),
        )

    def clumping(self, side: float) -> float:
        """By how much the mean over a square is noisier than were its pixels independent; 1 for white noise.

        Squares grow until fewer than `LEAST_BLOCKS` fit beside the feature, or ``side`` is reached.
        """
        factor, size = 1.0, 2
        if not self.scatter > 0:
            return factor
        residual = np.where(self.beside, self.light - 1, 0.0)
        while size <= side:
            count = _block_sums(self.beside, size)
            full = count >= 0.5 * size**2
            if np.count_nonzero(full) < LEAST_BLOCKS:
                break
            sums = _block_sums(residual, size)[full]
            freedom = sums.size - self._ground.terms
            factor = math.sqrt(float(np.sum(sums**2 / count[full])) / freedom) / self.scatter
            size *= 2
        return factor


def level_beside(
    cut: CutOut, leave_out: Mask, *, degree: int = 1, neighbours: Plane | None = None
) -> Levelled:
    """Divide a cut-out by a smooth level fitted to the pixels beside a feature.

    Parameters
    ----------
    cut : CutOut
    leave_out : ndarray of bool, shape (rows, cols)
        The feature, with what of it reaches beyond its aperture, and whatever else is no background.
    degree : {0, 1, 2}
        Of the polynomial: a constant, a plane, a parabola.
    neighbours : ndarray of float, shape (n, rows, cols), optional
        Where shallow features take light that reach into the cut-out, each in any unit: their depths are fitted with
        the polynomial, and are part of the level.

    Returns
    -------
    Levelled

    Raises
    ------
    ArrayError
        ``A09`` too few pixels are left, another degree, or a level that is not positive.

    Notes
    -----
    The mean is taken and not the median, which for photons lies a sixth of a count lower, and for whole counts
    jumps. Where the errors of all pixels are the same, they are the scatter of the whole cut-out (see `cut_out`);
    that of the pixels beside the feature takes their place.
    """
    if degree not in (0, 1, 2):
        raise ArrayError(f"degree={degree!r}, wanted 0, 1 or 2.", code="A09")
    axes = polynomial(cut.light.shape, degree)
    if neighbours is not None:
        axes = np.concatenate([axes, neighbours])
    ground = fit_ground(cut.light, cut.usable & np.isfinite(cut.error) & ~leave_out, axes=axes)
    surface, beside = ground.level, ground.even
    if not surface.min() > 0:
        raise ArrayError(f"the level beside the feature falls to {surface.min():g}.", code="A09")
    light, error = cut.light / surface, cut.error / surface
    freedom = np.count_nonzero(beside) - len(axes)
    variance = float(np.sum((light[beside] - 1) ** 2)) / freedom
    if np.ptp(cut.error) == 0:
        error = np.full(light.shape, max(math.sqrt(variance), LEAST_SCATTER))
    unknown = variance - float(np.mean(error[beside] ** 2))
    return Levelled(
        light=light,
        error=error,
        beside=beside,
        scatter=math.sqrt(variance),
        pattern=math.sqrt(unknown) if unknown > ROUNDING * variance else 0.0,
        _ground=ground,
    )


def _block_sums(image: NDArray[np.generic], size: int) -> Plane:
    """Sums over squares of ``size`` pixels; what does not fill one is left out."""
    rows, cols = (n // size for n in image.shape)
    whole = image[: rows * size, : cols * size].astype(float)
    sums: Plane = whole.reshape(rows, size, cols, size).sum(axis=(1, 3))
    return sums
