"""Normalisation for large shadows: a level that follows nothing smaller than they are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray

from fleckcore.detection.explained import Explained
from fleckcore.detection.footprint import Window
from fleckcore.detection.measure import grow
from fleckcore.detection.normalise import fitting, sections
from fleckcore.detection.options import Options
from fleckcore.detection.parallel import parallel_map
from fleckcore.detection.scores import BINNING, Image, Noise, halved
from fleckcore.frame import Frame
from fleckcore.kernels import gaussian_filter, label_components, median_filter

__all__ = ["WideLoss", "compact_spots"]

COARSE = 2
"""How many more times the frame is halved before the level is taken."""

WINDOW = 47
"""Of the median, in pixels of the coarse image: 376 pixels of the frame, of which the largest shadow covers half."""

STRIPE = 511
"""Of the running medians, in pixels of the binned image: 1022 pixels of the frame."""

BAND = 64
"""Rows of the binned image that are binned at once."""

BRIGHT_SIGMA = 6.0

COMPACT_PEAK = 10.0
COMPACT_LEAST = 3.0
COMPACT_SHARE = 0.25
COMPACT_EXTENT = 0.8
"""A dark spot is compact if its peak, smoothed, is so many standard deviations high, and what stands above so many of
them and so much of the peak is narrower than so many of the least diameter."""

SHADOW = 5
"""Of the median that shows where shadows are, in pixels of the coarse image."""

DEGREE = 4
BELOW = 0.1
ROUNDS = 10
LEAST_SURFACE = 0.1
SHADOW_SIGMA = (5.0, 3.0)
"""Shadows are as far below a polynomial surface, of so many usual distances of what lies above it. The surface is
fitted with a tenth of the weight for what lies below it, so that most does: 1 % of Gaussian noise is shadow. One that
falls to a tenth of its height is none."""


class WideLoss:
    """What every pixel of a binned frame loses, taken when it is first asked for.

    The level is a smooth surface above most of the frame, the median of 376 x 376 pixels, smoothed, and then running
    medians of 1022 pixels along rows and columns, in each amplifier's part by itself. What is plainly shadowed tells
    none of the medians, so that rows half of which are shadowed stay right between the shadows. Shadows of up to some
    150 pixels radius survive, as deep as they are; gradients,
    vignetting, column patterns and steps do not.

    Parameters
    ----------
    frame : Frame
    options : Options
        Pixels with less than ``unlit_below`` of the typical light do not count.
    threads : int, optional
        Threads for the kernels.
    """

    def __init__(self, frame: Frame, options: Options, threads: int | None) -> None:
        self.frame, self.options, self.threads = frame, options, threads

    def without(self, explained: Explained) -> WideLoss:
        """That of the frame with models divided out."""
        if not explained.found:
            return self
        return WideLoss(explained.divided_out(self.frame), self.options, self.threads)

    def up_to(self, deepest: float) -> tuple[Image, Image]:
        """Give what is lost, and how much of every pixel is valid.

        What is deeper than ``deepest``, or much brighter than its surroundings, counts as not valid.

        Returns
        -------
        lost, valid : ndarray of float32, shape (rows // 2, cols // 2)
        """
        lost, valid = (image.copy() for image in self._every)
        valid[grow(lost > deepest, 2)] = 0
        lost[valid < 0.5] = 0
        return lost, valid

    @cached_property
    def _every(self) -> tuple[Image, Image]:
        """As deep as it is, and how much is valid and not glaring."""
        binned, valid = _binned(self.frame, self.threads)
        lost = np.zeros_like(binned)
        for part in _parts(self.frame, binned.shape):
            lost[part], valid[part] = _loss(binned[part], valid[part], self.options, self.threads)
        if self.options.bright:
            lost = -lost
        known = lost[valid > 0.5]
        if known.size:
            low, middle = np.quantile(known, [0.1587, 0.5], overwrite_input=True)
            valid[lost < middle - BRIGHT_SIGMA * (middle - low)] = 0
        return lost, valid


def _binned(frame: Frame, threads: int | None) -> tuple[Image, Image]:
    """Bin a frame, in bands that stay in the cache; how much of each binned pixel is valid."""
    rows, cols = (n // BINNING for n in frame.shape)
    binned, valid = np.empty((rows, cols), np.float32), np.empty((rows, cols), np.float32)
    left_out = frame.mask

    def fill(first: int, _: int) -> None:
        band = slice(BINNING * first, BINNING * min(first + BAND, rows))
        with np.errstate(over="ignore"):
            data = frame.data[band].astype(np.float32, copy=False)
        usable = np.isfinite(data)
        usable &= ~left_out[band]
        own = slice(first, first + BAND)
        binned[own], valid[own] = halved(
            np.where(usable, data, np.float32(0)), usable.astype(np.float32)
        )

    parallel_map(fill, range(0, rows, BAND), threads)
    return binned, valid


def _parts(frame: Frame, shape: tuple[int, ...]) -> Iterator[Window]:
    for part in sections(frame):
        rows, cols = (
            slice(-(-s.start // BINNING), min(s.stop // BINNING, n))
            for s, n in zip(part, shape, strict=True)
        )
        if rows.start < rows.stop and cols.start < cols.stop:
            yield rows, cols


def _loss(light: Image, valid: Image, options: Options, threads: int | None) -> tuple[Image, Image]:
    level, shadowed = _level(light, valid, threads)
    known = level[np.isfinite(level) & (valid > 0.5)]
    typical = float(np.median(known)) if known.size else 0.0
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        dark = (valid < 0.5) | ~(
            level > max(options.unlit_below * typical, float(np.finfo(np.float32).tiny))
        )
        ratio = np.where(dark, np.float32(np.nan), light / level)
        # Many flecks in a row would pull its median.
        shadowed |= compact_spots(
            np.where(dark, np.float32(0), 1 - ratio), dark, options.least_radius, threads
        )
        rows, cols = fitting(STRIPE, light.shape)
        for stripe in ((1, cols), (rows, 1)):
            along = _unshadowed_median(ratio, stripe, shadowed, threads)
            along[~(along > options.unlit_below)] = np.nan
            ratio /= along
    seen = np.isfinite(ratio)
    return np.where(seen, 1 - ratio, 0).astype(np.float32), np.where(seen, valid, 0).astype(
        np.float32
    )


def compact_spots(
    lost: Image, blind: NDArray[np.bool_], least: float, threads: int | None
) -> NDArray[np.bool_]:
    """Dark spots much smaller than anything that is looked for: flecks, a few of which would pass for a ring."""
    smooth = gaussian_filter(lost, 1.0, mask=blind, threads=threads)
    noise = Noise.of(smooth)
    spots = np.zeros(lost.shape, bool)
    if not np.isfinite(noise.sigma):
        return spots
    dark = label_components(
        smooth, noise.middle + COMPACT_LEAST * noise.sigma, mask=blind, threads=threads
    )
    assert dark.labels is not None
    for i in np.flatnonzero(dark.peak - noise.middle > COMPACT_PEAK * noise.sigma):
        y0, y1, x0, x1 = dark.bbox[i]
        cut = slice(y0, y1 + 1), slice(x0, x1 + 1)
        core = (dark.labels[cut] == i + 1) & (smooth[cut] > COMPACT_SHARE * dark.peak[i])
        extent = max(np.ptp(at) + 1 for at in np.nonzero(core))
        if BINNING * extent < COMPACT_EXTENT * 2 * least:
            spots[cut] |= core
    return grow(spots, 2)


def _level(light: Image, valid: Image, threads: int | None) -> tuple[Image, NDArray[np.bool_]]:
    """Give the smooth level, and where shadows are, which do not tell it if there is anything else."""
    coarse, weight = light, valid
    for _ in range(COARSE):
        if min(coarse.shape) < 4:
            break
        coarse, weight = halved(coarse, weight)
    seen = np.where(weight < 0.5, np.float32(np.nan), coarse).astype(np.float32)
    surface, shadowed = _surface(
        median_filter(seen, fitting(SHADOW, coarse.shape), threads=threads)
    )
    level = _unshadowed_median(seen / surface, fitting(WINDOW, coarse.shape), shadowed, threads)
    level = surface * gaussian_filter(level, 2.0, threads=threads)
    rows, cols = (_positions(n, m) for n, m in zip(light.shape, coarse.shape, strict=True))
    nearest = np.ix_(*(np.where(part > 0.5, last, first) for first, last, part in (rows, cols)))
    return _between(_between(level, *rows, axis=0), *cols, axis=1), shadowed[nearest]


def _surface(light: Image) -> tuple[Image, NDArray[np.bool_]]:
    """Give a smooth surface that most lies below, 1 where that cannot be told, and where it is much darker."""
    flat, shadowed = np.ones_like(light), np.zeros(light.shape, bool)
    known = np.isfinite(light)
    every = _terms(light.shape)
    terms, values = every[:, known], light[known].astype(float)
    if len(values) < 4 * len(terms):
        return flat, shadowed
    below = np.zeros(len(values), bool)
    for _ in range(ROUNDS):
        above, found = _above(values, terms, np.where(below, BELOW, 1.0))
        if np.array_equal(below, above < 0):
            break
        below = above < 0
    for sigmas in SHADOW_SIGMA:
        if (above > 0).any():
            below = above < -sigmas * np.quantile(above[above > 0], 0.6827)
        shadowed[known] = below
        above, found = _above(values, terms, ~grow(shadowed, 1)[known])
    surface = np.tensordot(found, every, 1)
    if not surface.min() > LEAST_SURFACE * surface.max():
        return flat, np.zeros(light.shape, bool)
    return surface.astype(np.float32), shadowed


def _above(
    values: NDArray[np.float64], terms: NDArray[np.float64], weight: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a surface: what lies above it, and the parts of its terms."""
    weighted = terms * weight
    found = np.linalg.lstsq(weighted @ terms.T, weighted @ values, rcond=None)[0]
    return values - found @ terms, found


def _terms(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Products of Legendre polynomials along rows and columns, up to `DEGREE` in all."""
    rows, cols = (legvander(np.linspace(-1, 1, n), DEGREE) for n in shape)
    orders = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    return np.stack([np.outer(rows[:, i], cols[:, j]) for i, j in orders])


def _unshadowed_median(
    image: Image, size: tuple[int, int], shadowed: NDArray[np.bool_], threads: int | None
) -> Image:
    """Running median of what is not shadowed; of everything where all is."""
    median: Image = median_filter(image, size, mask=shadowed, threads=threads)
    if not np.isfinite(median).all():
        every = median_filter(image, size, threads=threads)
        median = np.where(np.isfinite(median), median, every)
    return median


def _positions(
    fine: int, coarse: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of ``fine`` pixels the coarse ones before and after it, and the part of the way between them."""
    step = max(1, fine // coarse)
    at = np.clip((np.arange(fine) + 0.5) / step - 0.5, 0, coarse - 1)
    first = np.minimum(at.astype(np.intp), max(coarse - 2, 0))
    return first, np.minimum(first + 1, coarse - 1), (at - first).astype(np.float32)


def _between(
    image: Image,
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    part: NDArray[np.float32],
    *,
    axis: int,
) -> Image:
    weight = part[:, None] if axis == 0 else part[None, :]
    below, above = np.take(image, first, axis), np.take(image, last, axis)
    between: Image = below + weight * (above - below)
    return between
