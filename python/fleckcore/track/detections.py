"""What searches of many frames found, as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog

__all__ = ["Detections", "Look"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One frame that was searched, or several together.

    Attributes
    ----------
    name : str
        File or epoch.
    chip : int
        CCDCHIP, -1 when unknown.
    mjd : float
        When, MJD; NaN when not known.
    kind : str
        What was exposed, as `FrameMeta.kind`.
    filters : tuple of str
        In the beam.
    """

    name: str
    chip: int = -1
    mjd: float = math.nan
    kind: str = "unknown"
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections:
    """Rows of many catalogues, as columns of equal length.

    Attributes
    ----------
    looks : tuple of Look
        The frames, also those in which nothing was found.
    look : ndarray of int32
        Of each row, the place of its frame in ``looks``.
    x, y : ndarray of float64
        0-based pixels.
    radius : ndarray of float64
        Pixels.
    depth : ndarray of float64
        Fraction of light lost.
    """

    looks: tuple[Look, ...]
    look: NDArray[np.int32]
    x: Floats
    y: Floats
    radius: Floats
    depth: Floats

    def __post_init__(self) -> None:
        n = self.look.shape
        for name in ("look", "x", "y", "radius", "depth"):
            values = getattr(self, name)
            if values.ndim != 1 or values.shape != n:
                raise ArrayError(f"{name} has shape {values.shape}, look has {n}.", code="A12")
            if not np.isfinite(values).all():
                raise ArrayError(f"{name} has values that are not finite.", code="A09")
        if n[0] and not (self.look.min() >= 0 and self.look.max() < len(self.looks)):
            raise ArrayError(
                f"look is {self.look.min()} to {self.look.max()}, there are {len(self.looks)} looks.",
                code="A09",
            )

    def __len__(self) -> int:
        return len(self.look)

    @classmethod
    def from_catalogs(cls, catalogs: Sequence[Catalog], looks: Sequence[Look]) -> Detections:
        """Join catalogues of `find` or `find_all`, one for each look.

        The depth of a row is the greatest that any frame of its catalogue shows; of one frame, that at its deepest
        pixel. A row without a finite depth has 0.
        """
        counts = [len(catalog) for catalog in catalogs]
        if len(counts) != len(looks):
            raise ArrayError(f"{len(counts)} catalogues for {len(looks)} looks.", code="A12")

        def column(name: str) -> Floats:
            parts = [np.asarray(catalog[name].value, float) for catalog in catalogs]
            return np.concatenate(parts) if parts else np.zeros(0)

        depth = [_depth(catalog) for catalog in catalogs]
        return cls(
            looks=tuple(looks),
            look=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
            x=column("x_centroid"),
            y=column("y_centroid"),
            radius=column("radius"),
            depth=np.concatenate(depth) if depth else np.zeros(0),
        )


def _depth(catalog: Catalog) -> Floats:
    depth: Floats
    if "depths" in catalog.colnames:
        depths = np.array(catalog["depths"], float).reshape(len(catalog), -1)
        depth = np.nanmax(depths, axis=1, initial=0.0)
    else:
        depth = np.nan_to_num(1 - np.asarray(catalog["transmission_min"], float))
    return depth
