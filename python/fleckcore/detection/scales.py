"""Significance on several scales: how unlikely each pixel's loss is, smoothed to every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.parallel import parallel_map
from fleckcore.kernels import gaussian_filter, mesh_statistics

__all__ = [
    "DEVIATION",
    "LEAST_NOISE",
    "Candidate",
    "Scale",
    "candidates",
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
    noise : ndarray of float32, shape (rows, cols)
        One standard deviation of ``smooth``.
    significance : ndarray of float32, shape (rows, cols)
        ``smooth / (noise * tail)``.
    tail : float
        How much farther than a Gaussian's the opposite side's 99.9 % quantile lies, at least 1.
    """

    sigma: float
    smooth: NDArray[np.float32]
    noise: NDArray[np.float32]
    significance: NDArray[np.float32]
    tail: float


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


def make_scales(
    loss: NDArray[np.float32],
    error: NDArray[np.float32] | None,
    mask: NDArray[np.bool_],
    *,
    sigmas: Sequence[float],
    mesh: int,
    threads: int | None,
    doubt: NDArray[np.float32] | None = None,
) -> tuple[list[Scale], NDArray[np.bool_]]:
    """Smooth the loss to every size and measure each one's noise where it stands.

    The noise is that of a mesh over the smoothed image itself, so that correlated noise and fixed patterns count
    as what they are; where the frame's own error plane promises more (as white noise, smoothed), that. The tail of
    the opposite side of the same image (bright, for a search of shadows) then says how far from Gaussian the frame
    is.

    Parameters
    ----------
    loss : ndarray of float32, shape (rows, cols)
        1 - transmission for shadows, its negative for bright features.
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
    scales : list of Scale
    mask : ndarray of bool
        ``mask`` and the single pixels that deviate to the opposite side by more than 6 sigma (hot pixels and
        cosmic rays, in a search of shadows), which would hide what they stand in.
    """
    noise = mesh_noise(loss, mask, mesh, threads)
    with np.errstate(invalid="ignore"):
        mask = mask | (loss < -DEVIATION * noise)
    scales = parallel_map(
        lambda sigma, own: _make_scale(loss, error, doubt, mask, sigma, mesh, own),
        sorted(sigmas, reverse=True),  # the one that takes longest first
        threads,
    )
    return scales[::-1], mask


def mesh_noise(
    image: NDArray[np.float32], mask: NDArray[np.bool_], box: int, threads: int | None
) -> NDArray[np.float32]:
    """One standard deviation of a pixel, on a mesh; infinite where nothing tells it.

    Boxes that are mostly masked take the noise of others. If all are, few pixels must do.
    """
    mesh = mesh_statistics(image, box, mask=mask, threads=threads)
    if not mesh.count.any():
        few = few_valid(box)
        mesh = mesh_statistics(image, box, mask=mask, min_valid=few, threads=threads)
    return usable_noise(mesh.filled().median_filtered().interpolate("noise", threads=threads))


def few_valid(box: int) -> float:
    """Part of a box's pixels that must do for its noise where no box has more."""
    return min(1.0, LEAST_PIXELS / box**2)


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
    smooth = gaussian_filter(loss, sigma, mask=mask, threads=threads) if sigma else loss.copy()
    coarse = int(box * max(1.0, sigma / 2))  # boxes that hold enough independent values
    noise = mesh_noise(smooth, mask, coarse, threads)
    if error is not None:
        promised = error / np.float32(max(1.0, 2 * np.sqrt(np.pi) * sigma))
        np.fmax(noise, promised, out=noise)
    if doubt is not None:
        left = gaussian_filter(doubt, sigma, threads=threads) if sigma else doubt
        np.hypot(noise, left, out=noise)
    unknown = ~np.isfinite(smooth)
    unknown |= mask
    np.copyto(smooth, 0.0, where=unknown)
    with np.errstate(over="ignore"):
        significance = np.divide(smooth, noise)
    np.isinf(significance, out=unknown)
    np.copyto(significance, 0.0, where=unknown)
    tail = _tail(significance, mask)
    if tail > 1:
        significance *= np.float32(1 / tail)
    return Scale(sigma, smooth, noise, significance, tail)


def _tail(significance: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    sample = -significance[::3, ::3][~mask[::3, ::3]]
    if sample.size < 1000:
        return 1.0
    quantile = float(np.quantile(sample, TAIL_QUANTILE))
    return max(1.0, quantile / NormalDist().inv_cdf(TAIL_QUANTILE))


def candidates(scales: Sequence[Scale], limit: float) -> list[Candidate]:
    """Give the local maxima (of 3 x 3 pixels) above ``limit`` on every scale, most significant first."""
    found: list[Candidate] = []
    for index, scale in enumerate(scales):
        padded = np.pad(scale.significance, 1, constant_values=-np.inf)
        ys, xs = np.nonzero(scale.significance > limit)
        centre = padded[ys + 1, xs + 1]
        highest = np.ones(len(ys), dtype=bool)
        for dy in (0, 1, 2):
            for dx in (0, 1, 2):
                neighbour = padded[ys + dy, xs + dx]
                if (dy, dx) < (1, 1):
                    highest &= centre > neighbour  # of equal pixels the last one counts
                elif (dy, dx) > (1, 1):
                    highest &= centre >= neighbour
        found += [
            Candidate(-float(value), index, int(y), int(x))
            for value, y, x in zip(centre[highest], ys[highest], xs[highest], strict=True)
        ]
    return sorted(found)
