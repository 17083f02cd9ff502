"""How soft a shadow is, and how far above the detector what casts it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.measure.cutout import CutOut, grown
from fleckcore.measure.ground import lost_light
from fleckcore.measure.shift import MARGIN, Shift

__all__ = ["Height", "Penumbra", "height_of_penumbra", "height_of_shift", "penumbra"]

Mask = NDArray[np.bool_]

PIXEL_VARIANCE = 1 / 12
"""Of where in its pixel light falls, pixels squared."""

_ONE_SIDED_95 = 1.6448536269514722
_SOFTEST = 2.0
_SHARPEST = 1e-2
_SWEEPS = 4
_REACH = 4.0


@dataclass(frozen=True, kw_only=True)
class Penumbra:
    """How soft the edge of a shadow is.

    Attributes
    ----------
    variance, variance_error : float
        Of the Gaussian that makes a sharp disc of the same area as soft, pixels squared, without that of a
        pixel; below 0 where noise makes it so.
    radius : float
        Of that disc, pixels.
    """

    variance: float
    variance_error: float
    radius: float

    @property
    def width(self) -> float:
        """Diameter of an even disc of this variance along each axis, pixels: four standard deviations, at least 0."""
        return _width(self.variance)

    @property
    def width_error(self) -> float:
        """Half of what one standard deviation up and down makes of `width`."""
        up, down = (self.variance + sign * self.variance_error for sign in (1, -1))
        return (_width(up) - _width(down)) / 2

    @property
    def width_limit(self) -> float:
        """Upper limit of the width, 95 %."""
        return _width(max(0.0, self.variance) + _ONE_SIDED_95 * self.variance_error)


@dataclass(frozen=True, kw_only=True)
class Height:
    """How far above the detector a particle lies.

    Attributes
    ----------
    um, error_um : float
        Micrometres; of a shift it may come out negative by chance.
    limit_um : float
        Upper limit, 95 %.
    """

    um: float
    error_um: float
    limit_um: float


def penumbra(cut: CutOut, feature: Mask) -> Penumbra:
    """Measure how soft the edge of a shadow is.

    Where light is neither lost nor not, the product of both is not 0: its sum over the shadow, for a given area,
    grows with the blur of the edge. For a disc of radius a and a Gaussian of standard deviation s it is, over the sum
    of the loss, ``exp(-x) * (I0(x) + I1(x))`` with ``x = a**2 / (2 * s**2)``.

    Parameters
    ----------
    cut : CutOut
        With the shadow and ground around it.
    feature : ndarray of bool, of the shape of the cut-out
        Its pixels. Those within 5 of them, or within four standard deviations of the blur, are summed over too.

    Returns
    -------
    Penumbra
        Of an opaque round disc. An outline that is longer than a circle's, or a rim that lets light through, is taken
        for blur: then it is an upper limit.

    Raises
    ------
    ArrayError
        ``A12`` a mask of another shape; ``A09`` a cut-out without a shadow or ground, or a shadow softer than twice
        its radius.
    """
    margin = MARGIN
    for _ in range(_SWEEPS):
        variance, error, radius = _blur(cut, grown(feature, margin))
        needed = math.ceil(_REACH * math.sqrt(max(0.0, variance)))
        if needed <= margin:
            break
        margin = needed
    return Penumbra(variance=variance - PIXEL_VARIANCE, variance_error=error, radius=radius)


def _blur(cut: CutOut, window: Mask) -> tuple[float, float, float]:
    """Give the variance of the blur of a disc, one standard deviation of it, and the radius."""
    lost, error, ground = lost_light(cut, window)
    total = float(lost.sum())
    soft = 1 - float((lost**2 - error**2).sum()) / total
    radius = math.sqrt(total / math.pi)
    ratio, slope = _invert(soft)
    # Of the variance, how much it changes with the loss of each pixel; an error of the ground changes losses where
    # light is left.
    change = ratio**2 / math.pi + 2 * radius**2 * ratio * slope * ((1 - soft) - 2 * lost) / total
    change[~(window & cut.usable)] = 0.0
    of_ground = ground.covariance((change * (1 - lost))[None])[0, 0]
    spread = float((change**2 * error**2).sum() + of_ground)
    return (ratio * radius) ** 2, math.sqrt(spread), radius


def height_of_penumbra(soft: Penumbra, *, f_ratio: float, pixel_size_um: float) -> Height:
    """Give the height of an opaque particle from the softness of its shadow.

    In light that comes as a cone of ratio f, the edge is as wide as the cone at the particle:
    ``height = width * pixel_size_um * f_ratio``.

    Parameters
    ----------
    soft : Penumbra
        Of its shadow.
    f_ratio : float
        Of the light, evenly from a round pupil.
    pixel_size_um : float
        Pixel pitch, micrometres.

    Returns
    -------
    Height
    """
    scale = f_ratio * pixel_size_um
    return Height(
        um=scale * soft.width,
        error_um=scale * soft.width_error,
        limit_um=scale * soft.width_limit,
    )


def height_of_shift(shift: Shift, *, tilt: tuple[float, float], pixel_size_um: float) -> Height:
    """Give the height of a particle from the shift of its shadow between two lights.

    ``shift * pixel_size_um = height * tilt``, by least squares of both components. Where the tilt is not known, the
    quotient of the shift and the height of `height_of_penumbra` is that tilt.

    Parameters
    ----------
    shift : Shift
        Of `light_shift`, or of several.
    tilt : (float, float)
        Along x and y, the way of the one light over the detector per unit of height that it falls, less that of the
        other.
    pixel_size_um : float
        Pixel pitch, micrometres.

    Returns
    -------
    Height
        Where the shift is none within its error, the limit counts.

    Raises
    ------
    ArrayError
        ``A09`` no tilt.
    """
    if not math.hypot(*tilt) > 0:
        raise ArrayError("lights of one direction tell no height.", code="A09")
    weighted = np.array(tilt) @ np.linalg.inv(shift.covariance)
    strength = float(weighted @ np.array(tilt))
    um = pixel_size_um * float(weighted @ np.array([shift.dx, shift.dy])) / strength
    error_um = pixel_size_um / math.sqrt(strength)
    return Height(um=um, error_um=error_um, limit_um=max(0.0, um) + _ONE_SIDED_95 * error_um)


def _width(variance: float) -> float:
    return 4 * math.sqrt(max(0.0, variance))


def _softness(ratio: float) -> float:
    """Sum of loss times light over the sum of the loss, of a disc blurred by so many radii."""
    angle = (np.arange(500) + 0.5) * (math.pi / 500)
    falling = np.exp((np.cos(angle) - 1) / (2 * ratio**2))
    return float(np.mean(falling * (1 + np.cos(angle))))


def _invert(soft: float) -> tuple[float, float]:
    """Give the blur in radii of which `_softness` is ``soft``, and its derivative."""
    if soft >= _softness(_SOFTEST):
        raise ArrayError(f"the shadow is softer than {_SOFTEST:g} of its radii.", code="A09")
    low, high = _SHARPEST, _SOFTEST
    if soft <= _softness(low):  # a straight edge
        return soft * math.sqrt(math.pi) / 2, math.sqrt(math.pi) / 2
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (middle, high) if _softness(middle) < soft else (low, middle)
    step = 1e-4 * low
    return low, 2 * step / (_softness(low + step) - _softness(low - step))
