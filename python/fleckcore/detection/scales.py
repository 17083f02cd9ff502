"""Significance on several scales: how unlikely each pixel's loss is, smoothed to every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.parallel import bands, parallel_map
from fleckcore.kernels import Mesh, gaussian_filter, mesh_statistics

__all__ = [
    "DEVIATION",
    "LEAST_NOISE",
    "Candidate",
    "Scale",
    "candidates",
    "deviating",
    "few_valid",
    "make_scales",
    "mesh_noise",
    "significance_limit",
    "usable_noise",
]

LEAST_NOISE = 1e-5
"""Rounding of a float32 ratio; keeps a noiseless frame from dividing by zero."""

LEAST_PIXELS = 100
"""So many valid pixels in a box tell its noise to 7 %."""

DEVIATION = 6.0
"""Single pixels so many standard deviations to the opposite side are hot pixels or cosmic rays."""

TAIL_QUANTILE = 0.999


@dataclass(frozen=True, eq=False)
class Scale:
    """The loss smoothed to one size.

    Attributes
    ----------
    sigma : float
        Of the Gaussian in pixels; 0 is the pixel itself.
    smooth : ndarray of float32, shape (rows, cols)
        Loss, 0 where nothing can be said.
    mask : ndarray of bool, shape (rows, cols)
        Pixels that are not searched.
    mesh : Mesh
        Noise of ``smooth``.
    error : ndarray of float32, shape (rows, cols), or None
        One standard deviation of the loss before it was smoothed.
    doubt : ndarray of float32, shape (rows, cols), or None
        What a subtracted model may have left in ``smooth``, as one more standard deviation.
    """

    sigma: float
    smooth: NDArray[np.float32]
    mask: NDArray[np.bool_]
    mesh: Mesh
    error: NDArray[np.float32] | None
    doubt: NDArray[np.float32] | None

    def noise(self, part: Window) -> NDArray[np.float32]:
        """One standard deviation of ``smooth``, in a part of the frame."""
        noise = _interpolated(self.mesh, part)
        if self.error is not None:
            white = np.float32(max(1.0, 2 * np.sqrt(np.pi) * self.sigma))
            np.fmax(noise, self.error[part] / white, out=noise)
        if self.doubt is not None:
            np.hypot(noise, self.doubt[part], out=noise)
        return noise

    def significance(self, part: Window) -> NDArray[np.float32]:
        """``smooth`` over its noise, in a part of the frame."""
        with np.errstate(over="ignore"):
            significance = np.divide(self.smooth[part], self.noise(part))
        np.copyto(significance, 0.0, where=np.isinf(significance))
        return significance


@dataclass(frozen=True, order=True)
class Candidate:
    """A local maximum of significance; sorts by falling significance, then by place."""

    minus_significance: float
    scale: int
    y: int
    x: int

    @property
    def significance(self) -> float:
        """In standard deviations, tail included."""
        return -self.minus_significance


def significance_limit(n_pixels: int, sigmas: Sequence[float], false_alarms: float) -> float:
    """Significance that Gaussian noise passes ``false_alarms`` times in a frame of ``n_pixels``.

    White noise smoothed to ``sigma`` has about ``n_pixels * t**2 / (4 pi sigma**2)`` chances to pass ``t``, and never
    more than one per pixel: the expected number of maxima of a Gaussian field (Adler 1981, The Geometry of Random
    Fields) over the chance of one value. The scales are counted as if they were independent.
    """
    normal = NormalDist()
    limit = 5.0
    for _ in range(8):  # converges to five digits
        trials = sum(
            n_pixels * min(1.0, limit**2 / (4 * np.pi * sigma**2) if sigma else 1.0)
            for sigma in sigmas
        )
        limit = -normal.inv_cdf(min(0.5, false_alarms / max(trials, 1.0)))
    return limit


def deviating(
    loss: NDArray[np.float32], mask: NDArray[np.bool_], box: int, threads: int | None
) -> NDArray[np.bool_]:
    """``mask`` and the single pixels beyond `DEVIATION` on the opposite side, which would hide what they stand in."""
    mesh = _noise_mesh(loss, mask, box, threads)
    out = mask.copy()

    def look(rows: slice, _: int) -> None:
        part = rows, slice(None)
        with np.errstate(invalid="ignore"):
            out[part] |= loss[part] < -DEVIATION * _interpolated(mesh, part)

    parallel_map(look, bands(len(loss)), threads)
    return out


def make_scales(
    loss: NDArray[np.float32],
    error: NDArray[np.float32] | None,
    mask: NDArray[np.bool_],
    *,
    sigmas: Sequence[float],
    mesh: int,
    threads: int | None,
    doubt: NDArray[np.float32] | None = None,
) -> list[Scale]:
    """Smooth the loss to every size and measure each one's noise where it stands.

    The noise is that of a mesh over the smoothed image itself, so that correlated noise and fixed patterns count
    as what they are; where the frame's own error plane promises more (as white noise, smoothed), that.

    Parameters
    ----------
    loss : ndarray of float32, shape (rows, cols)
        1 - transmission for shadows, its negative for bright features; 0 where ``mask`` is set, else finite.
    error : ndarray of float32, shape (rows, cols), or None
        One standard deviation of ``loss``.
    mask : ndarray of bool, shape (rows, cols)
        Pixels that are not searched.
    sigmas : sequence of float
        Sizes; the first must be 0.
    mesh : int
        Side of a mesh box in pixels.
    threads : int, optional
        Threads for the kernels.
    doubt : ndarray of float32, shape (rows, cols), optional
        What a subtracted model may leave, as one more standard deviation; it is alike from pixel to pixel, so its
        mean over a scale is no less.

    Returns
    -------
    list of Scale
        The first one's ``smooth`` is ``loss``.
    """
    scales = parallel_map(
        lambda sigma, own: _make_scale(loss, error, doubt, mask, sigma, mesh, own),
        sorted(sigmas, reverse=True),  # the one that takes longest first
        threads,
    )
    return scales[::-1]


def mesh_noise(
    image: NDArray[np.float32], mask: NDArray[np.bool_], box: int, threads: int | None
) -> NDArray[np.float32]:
    """One standard deviation of a pixel, on a mesh; infinite where nothing tells it."""
    return _interpolated(_noise_mesh(image, mask, box, threads), np.s_[:, :], threads)


def _noise_mesh(
    image: NDArray[np.float32], mask: NDArray[np.bool_], box: int, threads: int | None
) -> Mesh:
    """Noise of a mesh: boxes that are mostly masked take that of others. If all are, few pixels must do."""
    mesh = mesh_statistics(image, box, mask=mask, threads=threads)
    if not mesh.count.any():
        few = few_valid(box)
        mesh = mesh_statistics(image, box, mask=mask, min_valid=few, threads=threads)
    return mesh.filled().median_filtered()


def few_valid(box: int) -> float:
    """Part of a box's pixels that must do for its noise where no box has more."""
    return min(1.0, LEAST_PIXELS / box**2)


def _interpolated(mesh: Mesh, part: Window, threads: int | None = 1) -> NDArray[np.float32]:
    return usable_noise(mesh.interpolate("noise", part=part, threads=threads))


def usable_noise(noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make noise to divide by, in place: infinite where nothing tells it, nowhere next to nothing."""
    np.copyto(noise, np.inf, where=np.isnan(noise))
    return np.maximum(noise, np.float32(LEAST_NOISE), out=noise)


def _make_scale(
    loss: NDArray[np.float32],
    error: NDArray[np.float32] | None,
    doubt: NDArray[np.float32] | None,
    mask: NDArray[np.bool_],
    sigma: float,
    box: int,
    threads: int | None,
) -> Scale:
    coarse = int(box * max(1.0, sigma / 2))  # boxes that hold enough independent values
    if not sigma:
        return Scale(sigma, loss, mask, _noise_mesh(loss, mask, coarse, threads), error, doubt)
    smooth = gaussian_filter(loss, sigma, mask=mask, threads=threads)
    mesh = _noise_mesh(smooth, mask, coarse, threads)
    for rows in bands(len(smooth)):
        unknown = ~np.isfinite(smooth[rows])
        unknown |= mask[rows]
        np.copyto(smooth[rows], 0.0, where=unknown)
    left = None if doubt is None else gaussian_filter(doubt, sigma, threads=threads)
    return Scale(sigma, smooth, mask, mesh, error, left)


@dataclass(frozen=True, eq=False)
class _Look:
    """What a band of one scale holds: places above the limit, and a sample of the opposite side.

    Each column of ``around`` is a place with its 8 neighbours, in the order of the frame.
    """

    ys: NDArray[np.intp]
    xs: NDArray[np.intp]
    around: NDArray[np.float32]
    opposite: NDArray[np.float32]


def candidates(
    scales: Sequence[Scale], limit: float, threads: int | None = None
) -> list[Candidate]:
    """Give the local maxima (of 3 x 3 pixels) above ``limit`` on every scale, most significant first.

    The significance is divided by the scale's tail: how much farther than a Gaussian's the 99.9 % quantile of the
    opposite side (bright, for a search of shadows) lies, at least 1. It says how far from Gaussian the frame is.
    """
    pieces = bands(len(scales[0].smooth))
    looks = parallel_map(
        lambda place, _: _look(place[0], place[1], limit), list(product(scales, pieces)), threads
    )
    found: list[Candidate] = []
    for index in range(len(scales)):
        found += _maxima(index, looks[index * len(pieces) : (index + 1) * len(pieces)], limit)
    return sorted(found)


def _look(scale: Scale, rows: slice, limit: float) -> _Look:
    height, width = scale.smooth.shape
    top, bottom = rows.start, rows.stop
    first, last = max(0, top - 1), min(height, bottom + 1)
    padded = np.full((bottom - top + 2, width + 2), -np.inf, np.float32)
    padded[first - top + 1 : last - top + 1, 1:-1] = scale.significance(np.s_[first:last, :])
    inner = padded[1:-1, 1:-1]
    ys, xs = np.nonzero(inner > limit)
    around = np.stack([padded[ys + dy, xs + dx] for dy, dx in product(range(3), range(3))])
    every_third = np.s_[-top % 3 :: 3, ::3]
    opposite = -inner[every_third][~scale.mask[rows][every_third]]
    return _Look(ys + top, xs, around, opposite)


def _maxima(index: int, looks: Sequence[_Look], limit: float) -> list[Candidate]:
    around = np.concatenate([look.around for look in looks], axis=1)
    tail = _tail(np.concatenate([look.opposite for look in looks]))
    if tail > 1:
        around *= np.float32(1 / tail)
    centre = around[4]
    highest = centre > limit
    for neighbour in around[:4]:
        highest &= centre > neighbour  # of equal pixels the last one counts
    for neighbour in around[5:]:
        highest &= centre >= neighbour
    ys = np.concatenate([look.ys for look in looks])[highest]
    xs = np.concatenate([look.xs for look in looks])[highest]
    return [
        Candidate(-float(value), index, int(y), int(x))
        for value, y, x in zip(centre[highest], ys, xs, strict=True)
    ]


def _tail(opposite: NDArray[np.float32]) -> float:
    if opposite.size < 1000:
        return 1.0
    quantile = float(np.quantile(opposite, TAIL_QUANTILE))
    return max(1.0, quantile / NormalDist().inv_cdf(TAIL_QUANTILE))
