"""Frames with nothing on them, in several kinds of noise: what a search finds is a false alarm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.kernels import gaussian_filter

__all__ = ["BLANK_KINDS", "LEVEL", "SIGMA", "blank_frame"]

LEVEL = 1000.0
"""Light on a blank frame."""
SIGMA = 20.0
"""Noise of a pixel."""

_BLUR = 1.2
_BORDER = 6
"""Pixels drawn around a correlated frame, so that its edges are like its middle."""

Image = NDArray[np.float32]
Shape = tuple[int, int]


def blank_frame(kind: str, *, shape: tuple[int, int] = (512, 512), seed: int = 0) -> Image:
    """Give a frame without features.

    Parameters
    ----------
    kind : str
        ``"white"``: independent Gaussian noise, 2 % per pixel, on a level of 1000. ``"correlated"``: of the same
        rms, over about three pixels, as after resampling. ``"gradient"``: on a level that doubles along the
        diagonal. ``"banded_rows"``: with an offset of 1 % rms from row to row. ``"hot_pixels"``: one pixel in a
        thousand is up to fifty times too bright. ``"cosmic_rays"``: with bright tracks, one in 2000 pixels.
    shape : (int, int)
        ``(rows, cols)``.
    seed : int
        The same seed gives the same bytes.

    Returns
    -------
    ndarray of float32, shape (rows, cols)

    Raises
    ------
    MetadataError
        ``M07`` a kind that does not exist.
    ArrayError
        ``A09`` a shape without pixels.
    """
    if kind not in _MAKERS:
        raise MetadataError(
            f"unknown kind {kind!r}, wanted one of {', '.join(BLANK_KINDS)}.", code="M07"
        )
    if min(shape) < 1:
        raise ArrayError(f"shape={shape}, wanted at least one row and column.", code="A09")
    return _MAKERS[kind](np.random.Generator(np.random.PCG64(seed)), shape)


def _white(random: np.random.Generator, shape: Shape) -> Image:
    image: NDArray[np.float64] = LEVEL + SIGMA * random.standard_normal(shape)
    return image.astype(np.float32)


def _correlated(random: np.random.Generator, shape: Shape) -> Image:
    noise = random.standard_normal((shape[0] + 2 * _BORDER, shape[1] + 2 * _BORDER))
    smooth = gaussian_filter(noise, _BLUR)[_BORDER:-_BORDER, _BORDER:-_BORDER]
    expected = 1 / (2 * np.sqrt(np.pi) * _BLUR)  # rms of white noise after the blur
    image: NDArray[np.float64] = LEVEL + SIGMA / expected * smooth.astype(float)
    return image.astype(np.float32)


def _gradient(random: np.random.Generator, shape: Shape) -> Image:
    down, across = (np.linspace(0, 0.5, size) for size in shape)
    image: NDArray[np.float64] = _white(random, shape) * (1 + np.add.outer(down, across))
    return image.astype(np.float32)


def _banded_rows(random: np.random.Generator, shape: Shape) -> Image:
    bands = LEVEL * 0.01 * random.standard_normal((shape[0], 1))
    image: NDArray[np.float64] = _white(random, shape) + bands
    return image.astype(np.float32)


def _hot_pixels(random: np.random.Generator, shape: Shape) -> Image:
    image = _white(random, shape)
    hot = random.random(shape) < 1e-3
    image[hot] *= random.uniform(2, 50, np.count_nonzero(hot)).astype(np.float32)
    return image


def _cosmic_rays(random: np.random.Generator, shape: Shape) -> Image:
    image = _white(random, shape)
    rows, cols = shape
    for _ in range(max(1, rows * cols // 2000)):
        steps, angle = np.arange(random.uniform(2, 20)), random.uniform(0, np.pi)
        y = np.round(random.uniform(0, rows) + steps * np.sin(angle)).astype(int) % rows
        x = np.round(random.uniform(0, cols) + steps * np.cos(angle)).astype(int) % cols
        image[y, x] += np.float32(LEVEL * 10 ** random.uniform(-0.5, 1))
    return image


_MAKERS: dict[str, Callable[[np.random.Generator, Shape], Image]] = {
    maker.__name__.removeprefix("_"): maker
    for maker in (_white, _correlated, _gradient, _banded_rows, _hot_pixels, _cosmic_rays)
}
BLANK_KINDS: tuple[str, ...] = tuple(_MAKERS)
"""The kinds of `blank_frame`."""
