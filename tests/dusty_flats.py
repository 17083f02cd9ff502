"""A flat with flecks of known place, size and depth, and what a catalogue of it comes down to."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore import Catalog

LEVEL = 1000.0
NOISE = 0.02


class Fleck(NamedTuple):
    """A round shadow with a sharp edge, in pixels."""

    y: int
    x: int
    radius: int
    loss: float


FLECKS = (Fleck(60, 70, 3, 0.6), Fleck(120, 180, 5, 0.8), Fleck(150, 40, 2, 0.5))


def dusty_flat(
    shape: tuple[int, int] = (192, 256),
    *,
    flecks: tuple[Fleck, ...] = FLECKS,
    noise: float = NOISE,
    seed: int = 1,
) -> NDArray[np.float32]:
    """A flat of 1000 e- with 2 % noise; a fleck beyond the frame is left out."""
    random = np.random.Generator(np.random.PCG64(seed))
    image = LEVEL * (1 + noise * random.standard_normal(shape))
    y, x = np.ogrid[: shape[0], : shape[1]]
    for fleck in flecks:
        image[np.hypot(y - fleck.y, x - fleck.x) <= fleck.radius] *= 1 - fleck.loss
    return image.astype(np.float32)


def assert_finds(catalog: Catalog, flecks: tuple[Fleck, ...] = FLECKS) -> None:
    """The catalogue lists these flecks and nothing else."""
    assert catalog.meta["status"] == "OK"
    found = sorted(zip(catalog["y_centroid"].value, catalog["x_centroid"].value, strict=True))
    wanted = sorted((fleck.y, fleck.x) for fleck in flecks)
    assert len(found) == len(wanted), found
    np.testing.assert_allclose(found, wanted, atol=0.5)


def digest(catalog: Catalog) -> str:
    """A hash of every column: name, type, unit and bytes."""
    parts = hashlib.sha256()
    for name in catalog.colnames:
        column = catalog[name]
        values = np.asarray(getattr(column, "value", column))
        parts.update(f"{name} {values.dtype} {column.info.unit}".encode())
        parts.update(values.tobytes())
    return parts.hexdigest()
