"""How a shadow differs from one light to another, and how far above the detector what casts it lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.measure import grow
from fleckcore.errors import ArrayError
from fleckcore.kernels import label_components
from fleckcore.measure.cutout import CutOut
from fleckcore.measure.ground import Ground, fit_ground

__all__ = [
    "ApertureShift",
    "CommonShift",
    "Height",
    "Penumbra",
    "aperture_shift",
    "common_shift",
    "height_of_penumbra",
    "height_of_shift",
    "penumbra",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOSS = 0.05
"""Of a pixel that belongs to an aperture, ACS ISR 2018-03."""
MARGIN = 5
"""Pixels around those that lose half of the most, over which a shadow is summed."""
PIXEL_VARIANCE = 1 / 12
"""Of where in its pixel light falls, pixels squared."""

_ONE_SIDED_95 = 1.6448536269514722
_SOFTEST = 2.0
_SHARPEST = 1e-2
_SWEEPS = 4
_REACH = 4.0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shift:
    dx: float
    dy: float
    covariance: Array

    @property
    def dx_error(self) -> float:
        """One standard deviation of ``dx``."""
        return math.sqrt(self.covariance[0, 0])

    @property
    def dy_error(self) -> float:
        """One standard deviation of ``dy``."""
        return math.sqrt(self.covariance[1, 1])

    @property
    def length(self) -> float:
        """Pixels; noise makes it longer than it is."""
        return math.hypot(self.dx, self.dy)

    @property
    def angle(self) -> float:
        """Degrees from +x towards +y."""
        return math.degrees(math.atan2(self.dy, self.dx))

    @property
    def chi2_none(self) -> float:
        """Chi-square about no shift at all, with 2 degrees of freedom."""
        return _chi2(np.array([self.dx, self.dy]), self.covariance)


@dataclass(frozen=True, kw_only=True, eq=False)
class ApertureShift(_Shift):
    """Where a shadow lies in one light, less where it lies in another.

    Attributes
    ----------
    dx, dy : float
        Pixels: centroid of the lost light in ``other`` less that in ``one``. Above 0 it lies further right, and
        further up, in ``other``.
    covariance : ndarray of float64, shape (2, 2)
        Of ``dx`` and ``dy``.
    x0, y0 : int
        Position of pixel ``[0, 0]`` of the maps in the frames.
    only_one, only_other, both : ndarray of bool, shape (rows, cols)
        Pixels of the aperture in one light alone, in the other alone, and in both.
    """

    x0: int
    y0: int
    only_one: Mask
    only_other: Mask
    both: Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class CommonShift(_Shift):
    """One shift for several features.

    Attributes
    ----------
    dx, dy : float
        Weighted mean, pixels.
    covariance : ndarray of float64, shape (2, 2)
        Of ``dx`` and ``dy``, if the shift is common.
    chi2 : float
        Of the features about the mean.
    degrees : int
        Of freedom: two for each feature but one.
    p_value : float
        Probability that chance alone makes them differ so much; small where they do not share one shift.
    """

    chi2: float
    degrees: int
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Penumbra:
    """How soft the edge of a shadow is.

    Attributes
    ----------
    variance, variance_error : float
        Of the Gaussian that makes a sharp disc of the same area as soft, pixels squared, without the blur of pixel
        and detector; below 0 where noise makes it so.
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


def aperture_shift(
    one: CutOut,
    other: CutOut,
    *,
    margin: int = MARGIN,
    loss: float = LOSS,
    apertures: tuple[Mask, Mask] | None = None,
) -> ApertureShift:
    """Compare a shadow in two lights, such as lamp and post-flash.

    A particle above the detector casts its shadow away from the light: from two lights, to two places. How much it
    blocks and its outline may differ too, so what is compared are the centroids of the lost light, over the same
    pixels of both, with a plane through the pixels around them as light that is not lost.

    Parameters
    ----------
    one, other : CutOut
        Of the same feature. Errors of their pixels count as independent.
    margin : int
        Pixels around those that lose half of the most, which are summed over too.
    loss : float
        From which a pixel belongs to an aperture of the maps.
    apertures : (ndarray of bool, ndarray of bool), optional
        Apertures for the maps, such as master apertures, of the shapes of the cut-outs.

    Returns
    -------
    ApertureShift

    Raises
    ------
    ArrayError
        ``A09`` cut-outs that do not overlap, hold no shadow or no ground around it; ``A12`` apertures of other
        shapes.
    """
    masks = (one.loss > loss, other.loss > loss) if apertures is None else apertures
    for mask, cut in zip(masks, (one, other), strict=True):
        if mask.shape != cut.light.shape:
            raise ArrayError(
                f"an aperture of shape {mask.shape}, its cut-out has {cut.light.shape}.", code="A12"
            )
    x0, y0, parts = _overlap(one, other)
    first, second = (mask[part] for mask, part in zip(masks, parts, strict=True))
    light = [cut.light[part] for cut, part in zip((one, other), parts, strict=True)]
    error = [cut.error[part] for cut, part in zip((one, other), parts, strict=True)]
    window, around = _window(1 - (light[0] + light[1]) / 2, margin)
    places, covariances = zip(
        *(_centroid(*pair, window, around) for pair in zip(light, error, strict=True)), strict=True
    )
    dx, dy = places[1] - places[0]
    return ApertureShift(
        dx=float(dx),
        dy=float(dy),
        covariance=covariances[0] + covariances[1],
        x0=x0,
        y0=y0,
        only_one=first & ~second,
        only_other=second & ~first,
        both=first & second,
    )


def common_shift(shifts: Sequence[_Shift]) -> CommonShift:
    """Give the weighted mean of shifts, and whether they are the same.

    Parameters
    ----------
    shifts : sequence of ApertureShift
        Of several features, on one chip or more whose axes have the same directions.

    Returns
    -------
    CommonShift

    Raises
    ------
    ArrayError
        ``A09`` no shift, or one without an error.
    """
    if not shifts or any(not np.linalg.det(shift.covariance) > 0 for shift in shifts):
        raise ArrayError("wanted one or more shifts with errors.", code="A09")
    found = np.array([(shift.dx, shift.dy) for shift in shifts])
    weights = np.linalg.inv(np.array([shift.covariance for shift in shifts]))
    covariance = np.linalg.inv(weights.sum(axis=0))
    mean = covariance @ np.einsum("nij,nj->i", weights, found)
    chi2 = sum(
        _chi2(one - mean, shift.covariance) for one, shift in zip(found, shifts, strict=True)
    )
    degrees = 2 * (len(shifts) - 1)
    return CommonShift(
        dx=float(mean[0]),
        dy=float(mean[1]),
        covariance=covariance,
        chi2=chi2,
        degrees=degrees,
        p_value=_chance(chi2, degrees),
    )


def penumbra(
    cut: CutOut, *, margin: int = MARGIN, depth: float = 1.0, blur: float = 0.0
) -> Penumbra:
    """Measure how soft the edge of a shadow is.

    Where light is neither lost nor not, the product of both is not 0: its sum over the shadow, for a given area,
    grows with the blur of the edge. For a disc of radius a and a Gaussian of standard deviation s it is, over the sum
    of the loss, ``exp(-x) * (I0(x) + I1(x))`` with ``x = a**2 / (2 * s**2)``.

    Parameters
    ----------
    cut : CutOut
        With the shadow and ground around it.
    margin : int
        Pixels around those that lose half of the most, which are summed over too: at least these, and four standard
        deviations of the blur.
    depth : float
        Loss in the middle, if the edge were sharp; 1 for something opaque.
    blur : float
        Standard deviation of the blur in the detector itself, such as charge that diffuses, pixels.

    Returns
    -------
    Penumbra
        Of an opaque round disc. An outline that is longer than a circle's, or a rim that lets light through, is taken
        for blur: then it is an upper limit.

    Raises
    ------
    ArrayError
        ``A09`` a cut-out without a shadow or ground, or a shadow softer than twice its radius.
    """
    for _ in range(_SWEEPS):
        variance, error, radius = _blur(cut, margin, depth)
        needed = math.ceil(_REACH * math.sqrt(max(0.0, variance)))
        if needed <= margin:
            break
        margin = needed
    return Penumbra(
        variance=variance - PIXEL_VARIANCE - blur**2, variance_error=error, radius=radius
    )


def _blur(cut: CutOut, margin: int, depth: float) -> tuple[float, float, float]:
    """Give the variance of the blur of a disc, one standard deviation of it, and the radius."""
    window, around = _window(cut.loss, margin)
    lost, error, ground = _lost(cut.light, cut.error, window, around)
    lost, error = lost / depth, error / depth
    total = float(lost.sum())
    if not total > 0:
        raise ArrayError("no light is lost.", code="A09")
    soft = 1 - float((lost**2 - error**2).sum()) / total
    radius = math.sqrt(total / math.pi)
    ratio, slope = _invert(soft)
    # Of the variance, how much it changes with the loss of each pixel.
    change = ratio**2 / math.pi + 2 * radius**2 * ratio * slope * ((1 - soft) - 2 * lost) / total
    change[~window] = 0.0
    passed = change * (
        1 / depth - lost
    )  # an error of the ground changes losses where light is left
    spread = float((change**2 * error**2).sum()) + float(ground.covariance(passed[None])[0, 0])
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


def height_of_shift(shift: _Shift, *, tilt: tuple[float, float], pixel_size_um: float) -> Height:
    """Give the height of a particle from the shift of its shadow between two lights.

    ``shift * pixel_size_um = height * tilt``, by least squares of both components. Where the tilt is not known, the
    quotient of the shift and the height of `height_of_penumbra` is that tilt.

    Parameters
    ----------
    shift : ApertureShift or CommonShift
        From one light to the other.
    tilt : (float, float)
        Tangent of the angle of incidence of the other light less that of the one, along x and y: the direction in
        which light travels over the detector, per unit of height that it falls.
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


def _overlap(one: CutOut, other: CutOut) -> tuple[int, int, list[tuple[slice, slice]]]:
    """Give the place of what two cut-outs share, and its part of each."""
    cuts = (one, other)
    x0, y0 = max(cut.x0 for cut in cuts), max(cut.y0 for cut in cuts)
    x1 = min(cut.x0 + cut.light.shape[1] for cut in cuts)
    y1 = min(cut.y0 + cut.light.shape[0] for cut in cuts)
    if x1 <= x0 or y1 <= y0:
        raise ArrayError("the cut-outs do not overlap.", code="A09")
    return (
        x0,
        y0,
        [np.s_[y0 - cut.y0 : y1 - cut.y0, x0 - cut.x0 : x1 - cut.x0] for cut in cuts],
    )


def _window(loss: Array, margin: int) -> tuple[Mask, Mask]:
    """Give usable pixels of and around the deepest shadow, and those beyond, which tell the ground."""
    usable = np.isfinite(loss)
    seen = np.where(usable, loss, 0.0)
    found = label_components(seen, max(0.0, 0.5 * float(seen.max())))
    if found.labels is None or found.count == 0:
        raise ArrayError("no pixel loses light.", code="A09")
    reach = grow(found.labels == 1 + int(np.argmax(found.sum)), margin)
    return reach & usable, ~reach & usable


def _lost(light: Array, error: Array, window: Mask, around: Mask) -> tuple[Array, Array, Ground]:
    """Give loss and error against the ground, 0 outside of the window, and the ground over its own level."""
    filled = np.where(window | around, light, 0.0)
    ground = fit_ground(filled, around)
    lost = np.where(window, 1 - filled / ground.level, 0.0)
    return lost, np.where(window, error / ground.level, 0.0), ground


def _centroid(light: Array, error: Array, window: Mask, around: Mask) -> tuple[Array, Array]:
    """Give the centroid of the loss, x before y, and its covariance."""
    lost, error, ground = _lost(light, error, window, around)
    total = float(lost.sum())
    if not total > 0:
        raise ArrayError("no light is lost.", code="A09")
    axes = np.stack(np.meshgrid(*(np.arange(n, dtype=float) for n in lost.shape[::-1])))
    place = (axes * lost).sum(axis=(1, 2)) / total
    arm = np.where(window, axes - place[:, None, None], 0.0) / total
    covariance = np.einsum("iyx,jyx,yx->ij", arm, arm, error**2)
    return place, covariance + ground.covariance(arm * (1 - lost))


def _chi2(shift: Array, covariance: Array) -> float:
    return float(shift @ np.linalg.solve(covariance, shift))


def _chance(chi2: float, degrees: int) -> float:
    """Probability of a greater chi-square for an even number of degrees of freedom."""
    terms = [1.0]
    for n in range(1, degrees // 2):
        terms.append(terms[-1] * chi2 / 2 / n)
    return math.exp(-chi2 / 2) * math.fsum(terms) if degrees else 1.0


def _width(variance: float) -> float:
    return 4 * math.sqrt(max(0.0, variance))


def _softness(ratio: float) -> float:
    """Sum of loss times light over the sum of the loss, of a disc blurred by so many radii."""
    angle = (np.arange(4000) + 0.5) * (math.pi / 4000)
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
