"""What blocks light on the simulated chip, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["FLECKS", "Obstruction"]

# Radii, in units of the 5 % contour, between which a fleck's loss falls from 1 to 0 as a half
# cosine. They put the 50 % contour at sqrt(67/144): the larger ACS/WFC fleck covers 144 pixels, of
# which 67 lose more than half.
_CORE, _RIM = 0.236, 1.128
_SUBPIXELS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstruction:
    """One known shadow.

    Attributes
    ----------
    x, y : float
        0-based pixel centre, x = column, y = row.
    width, height : float
        Full extent in x and y, pixels: of the 5 % contour of a fleck, of the whole of a freckle.
    loss : float
        Fraction of light lost where most is lost, 0 to 1.
    kind : str
        ``"fleck"``: an ellipse, opaque core and soft rim. ``"freckle"``: a rectangle that loses the
        same everywhere.
    name : str
        For people.
    """

    x: float
    y: float
    width: float
    height: float
    loss: float = 1.0
    kind: str = "fleck"
    name: str = ""

    @property
    def reach(self) -> tuple[int, int]:
        """Half-size of `stamp` in rows and columns."""
        return int(np.ceil(0.6 * self.height)) + 1, int(np.ceil(0.6 * self.width)) + 1

    @property
    def area(self) -> int:
        """Pixels that lose more than 5 %."""
        return int(np.count_nonzero(self.stamp() > 0.05))

    def stamp(self) -> NDArray[np.float64]:
        """Give the fraction lost, averaged over each pixel, around the pixel nearest to the centre.

        Returns
        -------
        ndarray of float64, shape (2 * reach[0] + 1, 2 * reach[1] + 1)
        """
        rows, cols = self.reach
        v = (_subpixel_centres(rows) - (self.y - round(self.y))) / (self.height / 2)
        u = (_subpixel_centres(cols) - (self.x - round(self.x))) / (self.width / 2)
        if self.kind == "freckle":
            inside = (np.abs(v)[:, None] <= 1) & (np.abs(u) <= 1)
            loss = self.loss * inside
        else:
            radius = np.sqrt((v**2)[:, None] + u**2)
            phase = np.clip((radius - _CORE) / (_RIM - _CORE), 0, 1)
            loss = self.loss * (1 + np.cos(np.pi * phase)) / 2
        blocks = loss.reshape(2 * rows + 1, _SUBPIXELS, 2 * cols + 1, _SUBPIXELS)
        averaged: NDArray[np.float64] = blocks.mean(axis=(1, 3))
        return averaged


def _subpixel_centres(reach: int) -> NDArray[np.float64]:
    count = (2 * reach + 1) * _SUBPIXELS
    return (np.arange(count) + 0.5) / _SUBPIXELS - reach - 0.5


FLECKS: Mapping[int, tuple[Obstruction, ...]] = {
    1: (
        Obstruction(x=3509.3, y=353.7, width=4.4, height=13.8, name="elongated"),
        Obstruction(x=1849.0, y=1754.0, width=5.6, height=5.6, name="tiny"),
    ),
    2: (Obstruction(x=1520.3, y=1771.7, width=14.0, height=12.9, name="larger"),),
}
"""The flecks of 2017-05-05 by chip, after ACS ISR 2018-03; the size of the tiny one is assumed.

Published 1-based: larger (1521, 1773) on WFC2, elongated (3510, 355) and tiny (1850, 1755) on WFC1.
Areas are 144, 52 and 25 pixels, of which 67, 21 and 9 lose more than half.
"""
