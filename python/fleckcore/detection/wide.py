"""Normalisation for large shadows: a level that follows nothing smaller than they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.measure import grow
from fleckcore.detection.normalise import fitting, sections
from fleckcore.detection.options import Options
from fleckcore.detection.scores import BINNING, Image, halved
from fleckcore.frame import Frame
from fleckcore.kernels import gaussian_filter, median_filter

__all__ = ["wide_loss"]

COARSE = 2
"""How many more times the frame is halved before the level is taken."""

WINDOW = 31
"""Of the median, in pixels of the coarse image: 248 pixels of the frame."""

STRIPE = 255
"""Of the running medians, in pixels of the binned image: 510 pixels of the frame."""

BRIGHT_SIGMA = 6.0


def wide_loss(
    frame: Frame, options: Options, threads: int | None, *, deepest: float
) -> tuple[Image, Image]:
    """Give what every pixel of the binned frame loses, and how much of it is valid.

    The level is the median of 248 x 248 pixels, smoothed, and then running medians of 510 pixels along rows and
    columns, in each amplifier's part by itself. Shadows of up to some 150 pixels radius survive; gradients,
    vignetting, column patterns and steps do not. Pixels with less than ``options.unlit_below`` of the typical light,
    those much brighter than their surroundings, and what is deeper than ``deepest``, count as not valid.

    Returns
    -------
    lost, valid : ndarray of float32, shape (rows // 2, cols // 2)
    """
    with np.errstate(over="ignore"):
        data = frame.data.astype(np.float32)
    usable = ~frame.mask & np.isfinite(data)
    binned, valid = halved(np.where(usable, data, np.float32(0)), usable.astype(np.float32))
    lost = np.zeros_like(binned)
    for part in _parts(frame, binned.shape):
        lost[part], valid[part] = _loss(binned[part], valid[part], options.unlit_below, threads)
    if options.bright:
        lost = -lost
    known = lost[valid > 0.5]
    if known.size:
        low, middle = np.quantile(known, [0.1587, 0.5])
        glaring = lost < middle - BRIGHT_SIGMA * (middle - low)
        valid[glaring | grow(lost > deepest, 2)] = 0
    lost[valid < 0.5] = 0
    return lost, valid


def _parts(frame: Frame, shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    for part in sections(frame):
        rows, cols = (
            slice(-(-s.start // BINNING), min(s.stop // BINNING, n))
            for s, n in zip(part, shape, strict=True)
        )
        if rows.start < rows.stop and cols.start < cols.stop:
            yield rows, cols


def _loss(
    light: Image, valid: Image, unlit_below: float, threads: int | None
) -> tuple[Image, Image]:
    level = _smooth_level(light, valid, threads)
    known = level[np.isfinite(level) & (valid > 0.5)]
    typical = float(np.median(known)) if known.size else 0.0
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        dark = (valid < 0.5) | ~(
            level > max(unlit_below * typical, float(np.finfo(np.float32).tiny))
        )
        ratio = np.where(dark, np.float32(np.nan), light / level)
        rows, cols = fitting(STRIPE, light.shape)
        for stripe in ((1, cols), (rows, 1)):
            along = median_filter(ratio, stripe, threads=threads)
            along[~(along > unlit_below)] = np.nan
            ratio /= along
    seen = np.isfinite(ratio)
    return np.where(seen, 1 - ratio, 0).astype(np.float32), np.where(seen, valid, 0).astype(
        np.float32
    )


def _smooth_level(light: Image, valid: Image, threads: int | None) -> Image:
    coarse, weight = light, valid
    for _ in range(COARSE):
        if min(coarse.shape) < 4:
            break
        coarse, weight = halved(coarse, weight)
    size = fitting(WINDOW, coarse.shape)
    median = median_filter(coarse, size, mask=weight < 0.5, threads=threads)
    smooth = gaussian_filter(median, 2.0, threads=threads)
    rows, cols = (_positions(n, m) for n, m in zip(light.shape, coarse.shape, strict=True))
    return _between(_between(smooth, *rows, axis=0), *cols, axis=1)


def _positions(fine: int, coarse: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each of ``fine`` pixels the coarse one before it, and the part of the way to the next."""
    step = max(1, fine // coarse)
    at = np.clip((np.arange(fine) + 0.5) / step - 0.5, 0, coarse - 1)
    first = np.minimum(at.astype(np.intp), max(coarse - 2, 0))
    return first, (at - first).astype(np.float32)


def _between(
    image: Image, first: NDArray[np.intp], part: NDArray[np.float32], *, axis: int
) -> Image:
    last = np.minimum(first + 1, image.shape[axis] - 1)
    weight = part[:, None] if axis == 0 else part[None, :]
    below, above = np.take(image, first, axis), np.take(image, last, axis)
    between: Image = below + weight * (above - below)
    return between
