"""By how much a feature moved between two epochs of one light, and its shadow between two lights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.measure.cutout import SIGMA_OF_MAD, CutOut, against_others, grown
from fleckcore.measure.ground import lost_light
from fleckcore.measure.ratio import require_same_place

__all__ = [
    "CommonShift",
    "Shift",
    "centroid_scatter",
    "combine_shifts",
    "light_shift",
    "measure_shift",
]

SMOOTH = 1.0
"""Standard deviation of the Gaussian that both epochs are smoothed with, pixels."""
REACH = 4.0
"""Largest shift that is looked for, pixels."""
MARGIN = 5
"""Pixels around a feature over which its shadow is summed: it fades, and moves."""
LEAST_PLACES = 20
_STEPS = 30

Image = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shift:
    """The way of a feature from an earlier to a later epoch.

    Attributes
    ----------
    dx, dy : float
        Pixels; positive where it moved towards larger x (columns) and y (rows).
    covariance : ndarray of float64, shape (2, 2)
        Of (dx, dy).
    """

    dx: float
    dy: float
    covariance: Image

    @property
    def dx_error(self) -> float:
        """Standard deviation of `dx`."""
        return float(math.sqrt(self.covariance[0, 0]))

    @property
    def dy_error(self) -> float:
        """Standard deviation of `dy`."""
        return float(math.sqrt(self.covariance[1, 1]))

    @property
    def chi_square(self) -> float:
        """Of no shift, with 2 degrees of freedom."""
        moved = np.array([self.dx, self.dy])
        return float(moved @ np.linalg.solve(self.covariance, moved))

    @property
    def significance(self) -> float:
        """Gaussian sigmas that are as unlikely as the chi-square: a chance of ``exp(-chi_square / 2)``."""
        return _sigmas(self.chi_square)


@dataclass(frozen=True, eq=False)
class CommonShift(Shift):
    """The mean of several shifts.

    Attributes
    ----------
    disagreement : float
        Chi-square of the shifts about their mean.
    degrees : int
        Of freedom: two for each shift but one.
    """

    disagreement: float
    degrees: int

    @property
    def common_p(self) -> float:
        """Probability that chance makes equal shifts differ so much; small where they are not the same."""
        half, terms = self.disagreement / 2, [1.0]
        for n in range(1, self.degrees // 2):
            terms.append(terms[-1] * half / n)
        return math.exp(-half) * math.fsum(terms) if self.degrees else 1.0


def measure_shift(later: CutOut, earlier: CutOut, feature: NDArray[np.bool_]) -> Shift:
    """Measure how far a feature moved.

    Parameters
    ----------
    later, earlier : CutOut
        Of one place and shape, in the same light.
    feature : ndarray of bool, of their shape
        Its pixels, in both epochs.

    Returns
    -------
    Shift

    Raises
    ------
    ArrayError
        ``A12`` cut-outs of other places or shapes, ``A09`` nothing whose shift could be seen.

    Notes
    -----
    A dark thing that moves to +y makes the pixels above it darker and those below it brighter: in the ratio later
    over earlier a dark upper half means +y.

    Both epochs are smoothed by the same Gaussian and moved towards each other by half the shift, by a phase in
    Fourier space, and the shift is what leaves the least squares. Each epoch is treated like the other, so noise does
    not draw the result towards 0, as it does when one is fitted with the gradient of the other. Errors are propagated
    from every pixel's own.
    """
    require_same_place(later, earlier)
    epochs = [_smoothed(cut, feature) for cut in (later, earlier)]
    window = grown(feature, math.ceil(2 * SMOOTH) + 1)
    moved = _coarse(epochs)
    for _ in range(_STEPS):
        gradient, difference = _compared(epochs, moved)
        normal = _products(gradient, gradient, window)
        if not np.linalg.det(normal) > 0:
            raise ArrayError("the feature has no structure that could move.", code="A09")
        step = -np.linalg.solve(normal, _products(gradient, difference[None], window)[:, 0])
        moved = np.clip(moved + step, -2 * REACH, 2 * REACH)
        if np.abs(step).max() < 1e-6:
            break
    gradient, _ = _compared(epochs, moved)
    return Shift(float(moved[0]), float(moved[1]), _covariance(gradient, window, later, earlier))


def light_shift(
    one: CutOut, other: CutOut, feature: NDArray[np.bool_], *, covariance: Image | None = None
) -> Shift:
    """Measure how far a shadow lies from where it lies in another light, such as flash and lamp.

    Parameters
    ----------
    one, other : CutOut
        Of one place and shape.
    feature : ndarray of bool, of their shape
        Its pixels, in either light.
    covariance : ndarray, shape (2, 2), optional
        Of the centroid in ``one``, from `centroid_scatter`. Without it, and in ``other``, pixels count as
        independent: in darks that were corrected for charge transfer they are not, and errors come out up to half as
        large as they are.

    Returns
    -------
    Shift
        Centroid of the lost light in `one`, less that in `other`.

    Raises
    ------
    ArrayError
        ``A12`` cut-outs of other places or shapes, ``A09`` no shadow, or too little around it.

    Notes
    -----
    A particle above the detector casts its shadow away from the light. How much light it takes and its outline may
    differ from light to light too, so nothing is subtracted, as `measure_shift` does, but centroids are compared:
    over the feature and the pixels within 5 of it, relative to a plane through those beyond.
    """
    require_same_place(one, other)
    window = grown(feature, MARGIN)
    (place, own), (from_place, from_covariance) = (_centroid(cut, window) for cut in (one, other))
    dx, dy = place - from_place
    own = own if covariance is None else covariance
    return Shift(float(dx), float(dy), own + from_covariance)


def centroid_scatter(empty: Sequence[CutOut], other: CutOut, feature: NDArray[np.bool_]) -> Image:
    """Measure how well a frame tells where a shadow lies, at places where there is none.

    Parameters
    ----------
    empty : sequence of CutOut
        Of the frame, of the shape of ``other``, 20 or more.
    other : CutOut
        The shadow in another light, which is cast on each of these places.
    feature : ndarray of bool, of their shape
        Its pixels.

    Returns
    -------
    ndarray of float64, shape (2, 2)
        Covariance of the centroid, pixels squared, x before y, without places that are 4 standard deviations off.

    Raises
    ------
    ArrayError
        ``A12`` a cut-out of another shape, ``A09`` too few places.
    """
    window = grown(feature, MARGIN)
    lost, _, _ = lost_light(other, window)
    found = np.array([_centroid(_cast(cut, lost), window)[0] for cut in empty])
    if len(found) < LEAST_PLACES:
        raise ArrayError(f"{len(found)} empty places, wanted {LEAST_PLACES}.", code="A09")
    off = found - np.median(found, axis=0)
    sigma = SIGMA_OF_MAD * np.median(np.abs(off), axis=0)
    return np.asarray(np.cov(off[(np.abs(off) <= 4 * sigma).all(axis=1)].T))


def _cast(cut: CutOut, lost: Image) -> CutOut:
    """Cast a shadow, in which photons are as noisy as fewer of them are."""
    if cut.light.shape != lost.shape:
        raise ArrayError(f"cut-outs of {cut.light.shape} and {lost.shape}.", code="A12")
    left = np.clip(1 - lost, 0, None)
    return replace(cut, light=left + (cut.light - 1) * np.sqrt(left))


def combine_shifts(shifts: Sequence[Shift]) -> CommonShift:
    """Give the mean of independent shifts, weighted by their errors, and whether they are the same.

    Raises `ArrayError` A09 where there are none.
    """
    if not shifts:
        raise ArrayError("no shift to combine.", code="A09")
    moves = [np.array([shift.dx, shift.dy]) for shift in shifts]
    weights = [np.linalg.inv(shift.covariance) for shift in shifts]
    covariance = np.linalg.inv(np.sum(weights, axis=0))
    mean = covariance @ sum(w @ move for w, move in zip(weights, moves, strict=True))
    rest = sum((m - mean) @ w @ (m - mean) for w, m in zip(weights, moves, strict=True))
    return CommonShift(
        float(mean[0]), float(mean[1]), covariance, float(rest), 2 * (len(shifts) - 1)
    )


def _centroid(cut: CutOut, window: NDArray[np.bool_]) -> tuple[Image, Image]:
    """Give the centroid of the loss, x before y, and its covariance."""
    lost, error, ground = lost_light(cut, window)
    axes = np.stack(np.meshgrid(*(np.arange(n, dtype=float) for n in lost.shape[::-1])))
    place = (axes * lost).sum(axis=(1, 2)) / lost.sum()
    arm = np.where(window & cut.usable, axes - place[:, None, None], 0.0) / lost.sum()
    covariance = np.einsum("iyx,jyx,yx->ij", arm, arm, error**2)
    return place, covariance + ground.covariance(arm * (1 - lost))


def _smoothed(cut: CutOut, feature: NDArray[np.bool_]) -> NDArray[np.complex128]:
    """Give the Fourier transform of the smoothed loss; pixels without a value lose nothing."""
    loss = against_others(cut, grown(feature, 2)).loss
    return np.asarray(np.fft.fft2(np.where(np.isfinite(loss), loss, 0.0)) * _gaussian(loss.shape))


def _frequencies(shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    return 2 * np.pi * np.fft.fftfreq(shape[1])[None, :], 2 * np.pi * np.fft.fftfreq(shape[0])[
        :, None
    ]


def _gaussian(shape: tuple[int, ...]) -> Image:
    kx, ky = _frequencies(shape)
    return np.asarray(np.exp(-0.5 * SMOOTH**2 * (kx**2 + ky**2)))


def _shifted(transform: NDArray[np.complex128], dx: float, dy: float) -> NDArray[np.complex128]:
    kx, ky = _frequencies(transform.shape)
    return np.asarray(transform * np.exp(-1j * (kx * dx + ky * dy)))


def _compared(epochs: Sequence[NDArray[np.complex128]], moved: Image) -> tuple[Image, Image]:
    """Give the gradient of the mean of both epochs, moved to where they meet, and what differs there.

    A shift that is too small by s leaves later - earlier = -s times the gradient.
    """
    half = moved / 2
    later, earlier = _shifted(epochs[0], *-half), _shifted(epochs[1], *half)
    kx, ky = _frequencies(later.shape)
    mean = (later + earlier) / 2
    gradient = np.stack([np.fft.ifft2(1j * k * mean).real for k in (kx, ky)])
    return gradient, np.fft.ifft2(later - earlier).real


def _products(one: Image, other: Image, window: NDArray[np.bool_]) -> Image:
    return np.asarray(np.einsum("ap,bp->ab", one[:, window], other[:, window]))


def _coarse(epochs: Sequence[NDArray[np.complex128]]) -> Image:
    """Give the whole pixels by which the epochs are most alike, within reach."""
    alike = np.fft.ifft2(epochs[0] * np.conj(epochs[1])).real
    rows, cols = alike.shape
    y, x = (np.rint(np.fft.fftfreq(size) * size) for size in (rows, cols))
    alike[(np.abs(y)[:, None] > REACH) | (np.abs(x) > REACH)] = -np.inf
    row, col = np.unravel_index(int(np.argmax(alike)), alike.shape)
    return np.array([x[col], y[row]])


def _covariance(
    gradient: Image, window: NDArray[np.bool_], later: CutOut, earlier: CutOut
) -> Image:
    variance = np.where(
        np.isfinite(later.error + earlier.error), later.error**2 + earlier.error**2, 0
    )
    smooth = _gaussian(variance.shape)
    weights = np.stack(
        [np.fft.ifft2(np.fft.fft2(part * window) * smooth).real for part in gradient]
    )
    everywhere = np.ones(window.shape, bool)
    normal = _products(gradient, gradient, window)
    # The gradient is that of noise too, which adds to its square.
    kx, ky = _frequencies(variance.shape)
    kernel = (smooth**2 * (kx**2 + ky**2)).mean() / 2
    normal -= np.eye(2) * kernel * float((variance / 4)[window].sum())
    if not np.linalg.eigvalsh(normal).min() > 0:
        raise ArrayError("the feature is too faint for its shift to be seen.", code="A09")
    inverse = np.linalg.inv(normal)
    return np.asarray(inverse @ _products(weights * variance, weights, everywhere) @ inverse)


def _sigmas(chi_square: float) -> float:
    """Solve erfc(s / sqrt(2)) = exp(-chi_square / 2)."""
    low, high = 0.0, math.sqrt(chi_square)
    for _ in range(60):
        middle = (low + high) / 2
        if middle > 36 or math.log(math.erfc(middle / math.sqrt(2))) < -chi_square / 2:
            high = middle
        else:
            low = middle
    return low
