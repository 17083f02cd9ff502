"""Frames with nothing on them, in several kinds of noise: what a search finds is a false alarm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LEVEL = 1000.0
SIGMA = 20.0

Image = NDArray[np.float32]


def white(random: np.random.Generator, shape: tuple[int, int]) -> Image:
    """Independent Gaussian noise, 2 % per pixel."""
    return (LEVEL + SIGMA * random.standard_normal(shape)).astype(np.float32)


def correlated(random: np.random.Generator, shape: tuple[int, int]) -> Image:
    """Gaussian noise of the same rms, correlated over about three pixels, as after resampling."""
    smooth = ndimage.gaussian_filter(random.standard_normal(shape), 1.2, mode="wrap")
    return (LEVEL + SIGMA * smooth / smooth.std()).astype(np.float32)


def gradient(random: np.random.Generator, shape: tuple[int, int]) -> Image:
    """White noise on a level that doubles along the diagonal, as a post-flash does."""
    ramp = np.add.outer(np.linspace(0, 0.5, shape[0]), np.linspace(0, 0.5, shape[1]))
    return (white(random, shape) * (1 + ramp)).astype(np.float32)


def banded_rows(random: np.random.Generator, shape: tuple[int, int]) -> Image:
    """White noise, and an offset of 1 % rms from row to row."""
    bands = LEVEL * 0.01 * random.standard_normal((shape[0], 1))
    return (white(random, shape) + bands).astype(np.float32)


def hot_pixels(random: np.random.Generator, shape: tuple[int, int]) -> Image:
    """White noise; one pixel in a thousand is up to fifty times too bright."""
    image = white(random, shape)
    hot = random.random(shape) < 1e-3
    image[hot] *= random.uniform(2, 50, np.count_nonzero(hot)).astype(np.float32)
    return image


def cosmic_rays(random: np.random.Generator, shape: tuple[int, int]) -> Image:
    """White noise and straight bright tracks, one in 2000 pixels."""
    image = white(random, shape)
    rows, cols = shape
    for _ in range(max(1, rows * cols // 2000)):
        steps, angle = np.arange(random.uniform(2, 20)), random.uniform(0, np.pi)
        y = np.round(random.uniform(0, rows) + steps * np.sin(angle)).astype(int) % rows
        x = np.round(random.uniform(0, cols) + steps * np.cos(angle)).astype(int) % cols
        image[y, x] += np.float32(LEVEL * 10 ** random.uniform(-0.5, 1))
    return image


KINDS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Image]] = {
    kind.__name__: kind
    for kind in (white, correlated, gradient, banded_rows, hot_pixels, cosmic_rays)
}


def blank_frame(kind: str, *, shape: tuple[int, int] = (512, 512), seed: int = 0) -> Image:
    """Give one frame of one of the `KINDS`; the same seed gives the same bytes."""
    return KINDS[kind](np.random.Generator(np.random.PCG64(seed)), shape)
