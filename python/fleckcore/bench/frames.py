"""The frames that are measured on: the same for everybody, made from a seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.kernels import gaussian_filter

__all__ = [
    "DTYPES",
    "HARD",
    "SHAPE",
    "flashed",
    "flat",
    "hard",
    "masked",
    "scattered",
    "smooth_noise",
]

SHAPE = (2048, 4096)
"""Rows and columns of a Hubble ACS/WFC chip."""

DTYPES = ("uint8", "int16", "uint16", "int32", "float32", "float64")
"""Types of pixels that kernels read as they are."""

LEVEL = 20_000.0
NOISE = 0.02
SHADOWS = 100
HOT_PIXELS = 4000
COSMIC_RAYS = 500


def flat(dtype: str = "float32", shape: tuple[int, int] = SHAPE) -> NDArray[Any]:
    """A flat field with vignetting, 2 % noise, 100 discs and rings, hot pixels and cosmic rays.

    What an integer type does not hold is clipped; one byte per pixel sees it divided by 256.
    """
    frame = _flat(shape)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return frame.astype(kind)
    limits = np.iinfo(kind)
    scaled = frame / 256 if kind.itemsize == 1 else frame
    return scaled.clip(limits.min, limits.max).astype(kind)


@lru_cache(maxsize=1)
def _flat(shape: tuple[int, int]) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    rows, cols = shape
    y, x = np.ogrid[:rows, :cols]
    frame = LEVEL * (1 - 0.15 * (((x - cols / 2) / cols) ** 2 + ((y - rows / 2) / rows) ** 2))
    for _ in range(SHADOWS):
        _shade(frame, rng)
    frame *= 1 + NOISE * rng.standard_normal(shape, dtype=np.float32)
    at = rng.integers(0, rows, HOT_PIXELS), rng.integers(0, cols, HOT_PIXELS)
    frame[at] += rng.exponential(LEVEL, HOT_PIXELS)
    for _ in range(COSMIC_RAYS):
        angle, steps = rng.uniform(0, np.pi), np.arange(rng.integers(3, 40))
        cy = (rng.uniform(0, rows) + steps * np.sin(angle)).astype(int) % rows
        cx = (rng.uniform(0, cols) + steps * np.cos(angle)).astype(int) % cols
        frame[cy, cx] += rng.exponential(LEVEL / 4)
    return frame.astype(np.float32)


def _shade(frame: NDArray[np.floating], rng: np.random.Generator) -> None:
    rows, cols = frame.shape
    cy, cx = rng.uniform(0, rows), rng.uniform(0, cols)
    radius, depth, is_ring = rng.uniform(3, 60), rng.uniform(0.01, 0.3), rng.random() < 0.5
    y0, x0 = int(max(cy - radius, 0)), int(max(cx - radius, 0))
    cut = frame[y0 : int(cy + radius) + 1, x0 : int(cx + radius) + 1]
    y, x = np.ogrid[y0 : y0 + cut.shape[0], x0 : x0 + cut.shape[1]]
    distance = np.hypot(y - cy, x - cx)
    cut[(distance < radius) & ((distance > radius / 2) | (not is_ring))] *= 1 - depth


@lru_cache(maxsize=1)
def flashed(shape: tuple[int, int] = SHAPE) -> NDArray[np.float32]:
    """A flashed dark of 64 electrons, read noise of 4, 1 % hot pixels, and 2 % hit by cosmic rays of up to 50 000."""
    rng = np.random.default_rng(5)
    frame = rng.normal(64.0, 8.9, shape).astype(np.float32)
    hot, hit = scattered(0.01, shape), rng.random(shape) < 0.02
    frame[hot] += rng.exponential(200.0, np.count_nonzero(hot))
    frame[hit] += np.minimum(100.0 * rng.pareto(1.0, np.count_nonzero(hit)), 50_000.0)
    return frame


def scattered(fraction: float, shape: tuple[int, int] = SHAPE) -> NDArray[np.bool_]:
    """Single pixels."""
    return np.random.default_rng(1).random(shape) < fraction


def masked(fraction: float) -> NDArray[np.bool_]:
    """Single pixels, a few dead columns and a disc."""
    mask = scattered(fraction)
    mask[:, np.random.default_rng(4).integers(0, SHAPE[1], 4)] = True
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    disc: NDArray[np.bool_] = (y - 700) ** 2 + (x - 1500) ** 2 < 60**2
    return mask | disc


HARD = ("ramp", "constant", "two values", "sorted columns", "bimodal", "sawtooth")


def hard(kind: str) -> NDArray[np.float32]:
    """Inputs that an algorithm may like least."""
    rng = np.random.default_rng(2)
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    makers: dict[str, Callable[[], NDArray[Any]]] = {
        "ramp": lambda: y + 3.0 * x,
        "constant": lambda: np.full(SHAPE, 7.0),
        "two values": lambda: rng.random(SHAPE) < 0.5,
        "sorted columns": lambda: np.sort(rng.standard_normal(SHAPE), axis=0),
        "bimodal": lambda: (
            rng.standard_normal(SHAPE) + np.where(rng.random(SHAPE) < 0.5, 100, 1000)
        ),
        "sawtooth": lambda: (7 * y + 13 * x) % 97,
    }
    return np.ascontiguousarray(makers[kind](), np.float32)


@lru_cache(maxsize=1)
def smooth_noise(shape: tuple[int, int] = SHAPE) -> NDArray[np.float32]:
    """Noise smoothed over a few pixels: objects of many shapes at any threshold."""
    noise = np.random.default_rng(3).standard_normal(shape, dtype=np.float32)
    return gaussian_filter(noise, 1.5)
