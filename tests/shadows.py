"""Small frames with one known shadow and the noise of a detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleckcore.frame import Frame, FrameMeta
from fleckcore.simulate import Obstruction

SIZES = {"larger": (14.0, 12.9), "elongated": (4.4, 13.8), "tiny": (5.6, 5.6)}
READ_NOISE = 4.0
MIDDLE = 30
Image = NDArray[np.float64]


def fleck(name: str = "larger", dx: float = 0.0, dy: float = 0.0, **changes: float) -> Obstruction:
    """A fleck about the middle of a frame."""
    width, height = SIZES[name]
    settings = {"width": width, "height": height} | changes
    return Obstruction(x=MIDDLE + dx, y=MIDDLE + dy, **settings)


def transmission(item: Obstruction, size: int = 2 * MIDDLE) -> Image:
    """What comes through, pixel by pixel."""
    through = np.ones((size, size))
    rows, cols = item.reach
    y, x = round(item.y), round(item.x)
    through[y - rows : y + rows + 1, x - cols : x + cols + 1] -= item.stamp()
    return through


def exposed(through: Image, level: float, seed: int, exposures: int = 1) -> Frame:
    """A mean of exposures, with the errors of its counts."""
    random = np.random.default_rng(seed)
    counts = random.poisson(level * through * exposures)
    data = (counts + random.normal(0, READ_NOISE * exposures**0.5, counts.shape)) / exposures
    error = np.sqrt((np.maximum(data, 0) + READ_NOISE**2) / exposures)
    meta = FrameMeta(unit="electron", pixel_size_um=15.0, read_noise_e=READ_NOISE)
    return Frame(data.astype(np.float32), error.astype(np.float32), meta=meta)


def pulls(found: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Mean and width of (value - truth) / error."""
    off = np.array([(value - truth) / error for value, truth, error in found])
    return float(off.mean()), float(off.std())
