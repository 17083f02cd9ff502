"""Significance on several scales: how unlikely each pixel's loss is, smoothed to every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.parallel import bands, parallel_map
from fleckcore.kernels import Mesh, Peaks, gaussian_filter, mesh_statistics, peak_search

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

TAIL_FLOOR = 2.0
"""A quantile below this is that of no tail, wherever it is."""


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
            np.fmax(noise, self.error[part] / np.float32(self._white), out=noise)
        if self.doubt is not None:
            np.hypot(noise, self.doubt[part], out=noise)
        return noise

    def peaks(self, limit: float, threads: int | None) -> Peaks:
        """Local maxima of ``smooth`` over its noise."""
        return peak_search(
            self.smooth,
            self.mesh,
            limit,
            least_noise=LEAST_NOISE,
            error=self.error,
            white=self._white,
            doubt=self.doubt,
            mask=self.mask,
            opposite_floor=TAIL_FLOOR,
            threads=threads,
        )

    @property
    def _white(self) -> float:
        """What smoothing divides white noise by."""
        return max(1.0, 2 * float(np.sqrt(np.pi)) * self.sigma)


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


def candidates(
    scales: Sequence[Scale], limit: float, threads: int | None = None
) -> list[Candidate]:
    """Give the local maxima (of 3 x 3 pixels) above ``limit`` on every scale, most significant first.

    The significance is divided by the scale's tail: how much farther than a Gaussian's the 99.9 % quantile of the
    opposite side (bright, for a search of shadows) lies, at least 1. It says how far from Gaussian the frame is.
    """
    found: list[Candidate] = []
    for index, scale in enumerate(scales):
        peaks = scale.peaks(limit, threads)
        significance = peaks.significance * np.float32(1 / _tail(peaks))
        high = np.flatnonzero(significance > limit)
        found += [
            Candidate(-float(significance[i]), index, int(peaks.ys[i]), int(peaks.xs[i]))
            for i in high
        ]
    return sorted(found)


def _tail(peaks: Peaks) -> float:
    if peaks.sampled < 1000:
        return 1.0
    at = TAIL_QUANTILE * (peaks.sampled - 1)
    below = int(at)
    first = below - (peaks.sampled - peaks.opposite.size)
    if first < 0:  # not even the floor
        return 1.0
    low, high = np.partition(peaks.opposite, [first, first + 1])[first : first + 2].astype(float)
    quantile = float(low + (at - below) * (high - low))
    return max(1.0, quantile / NormalDist().inv_cdf(TAIL_QUANTILE))
