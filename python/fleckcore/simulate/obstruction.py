"""What blocks light on the simulated chip, and how much of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.simulate.edges import bar_profile, disc_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["FLECKS", "KINDS", "Kind", "Obstruction"]

Kind = Literal["fleck", "freckle", "disc", "ring", "streak"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Radii, in units of the 5 % contour, between which a fleck's loss falls from 1 to 0 as a half
# cosine. They put the 50 % contour at sqrt(67/144): the larger ACS/WFC fleck covers 144 pixels, of
# which 67 lose more than half.
_CORE, _RIM = 0.236, 1.128
_SUBPIXELS = 5
_SOFT = 1.0
"""From this softness on, a pixel's mean is its centre's value, the edge widened by the pixel."""
_REACH_SIGMA = 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstruction:
    """One known shadow.

    Attributes
    ----------
    x, y : float
        0-based pixel centre, x = column, y = row.
    width, height : float
        Full extent in x and y, pixels: of the 5 % contour of a fleck, of the whole of a freckle, of the contour of
        half the loss of a disc or ring. Of a streak, its length along ``angle`` and its breadth across.
    loss : float
        Fraction of light lost where most is lost, 0 to 1.
    kind : {"fleck", "freckle", "disc", "ring", "streak"}
        ``"fleck"``: an ellipse, opaque core and soft rim. ``"freckle"``: a rectangle that loses the
        same everywhere. ``"disc"``: the shadow of dust out of focus, an ellipse that loses the same everywhere, with
        a soft edge. ``"ring"``: the same seen through a pupil with a central hole. ``"streak"``: a straight bar with
        soft edges.
    name : str
        For people.
    softness : float
        Standard deviation of the Gaussian that blurs the edges of a disc, ring or streak, pixels; of an ellipse,
        where its radius is the mean one. Below 0.1 it is drawn as 0.1.
    hole : float
        Inner radius of a ring, as a fraction of the outer one.
    angle : float
        Of a streak, degrees from +x towards +y.

    Raises
    ------
    MetadataError
        ``M07`` a kind that does not exist.
    ArrayError
        ``A09`` a place that is not finite, or a size, loss, softness or hole out of range.
    """

    x: float
    y: float
    width: float
    height: float
    loss: float = 1.0
    kind: Kind = "fleck"
    name: str = ""
    softness: float = 1.0
    hole: float = 0.5
    angle: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise MetadataError(
                f"unknown kind {self.kind!r}, wanted one of {', '.join(KINDS)}.", code="M07"
            )
        for names, good, wanted in (
            (("x", "y", "angle"), math.isfinite, "a finite number"),
            (("width", "height"), lambda size: 0 < size < math.inf, "a finite size above 0"),
            (("loss",), lambda loss: 0 <= loss <= 1, "a fraction from 0 to 1"),
            (("softness",), lambda sigma: 0 <= sigma < math.inf, "a finite number from 0"),
            (("hole",), lambda hole: 0 < hole < 1, "a fraction between 0 and 1"),
        ):
            for name in names:
                if not good(getattr(self, name)):
                    raise ArrayError(
                        f"{name}={getattr(self, name)!r} of a {self.kind}, wanted {wanted}.",
                        code="A09",
                    )

    @property
    def reach(self) -> tuple[int, int]:
        """Half-size of `stamp` in rows and columns."""
        if self.kind in ("fleck", "freckle"):
            return int(np.ceil(0.6 * self.height)) + 1, int(np.ceil(0.6 * self.width)) + 1
        half_x, half_y = self.width / 2, self.height / 2
        blur = _REACH_SIGMA * self._sigma
        if self.kind == "streak":
            along, across = abs(math.cos(self._turn)), abs(math.sin(self._turn))
            half_x, half_y = half_x * along + half_y * across, half_x * across + half_y * along
            return math.ceil(half_y + blur) + 1, math.ceil(half_x + blur) + 1
        blur /= math.sqrt(half_x * half_y)
        return math.ceil(half_y * (1 + blur)) + 1, math.ceil(half_x * (1 + blur)) + 1

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
        parts = self._subpixels
        dy = (_subpixel_centres(rows, parts) - (self.y - round(self.y)))[:, None]
        dx = _subpixel_centres(cols, parts) - (self.x - round(self.x))
        loss = self.loss * self._shape(dy, dx)
        blocks = loss.reshape(2 * rows + 1, parts, 2 * cols + 1, parts)
        averaged: NDArray[np.float64] = blocks.mean(axis=(1, 3))
        return averaged

    def _shape(self, dy: NDArray[np.float64], dx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the loss over the greatest loss, at distances from the centre in pixels."""
        if self.kind == "streak":
            along = dx * math.cos(self._turn) + dy * math.sin(self._turn)
            across = dy * math.cos(self._turn) - dx * math.sin(self._turn)
            length = bar_profile(along, self.width, self._sigma)
            return length * bar_profile(across, self.height, self._sigma)
        v, u = dy / (self.height / 2), dx / (self.width / 2)
        if self.kind == "freckle":
            inside: NDArray[np.bool_] = (np.abs(v) <= 1) & (np.abs(u) <= 1)
            return inside.astype(float)
        radius: NDArray[np.float64] = np.sqrt(v**2 + u**2)
        if self.kind == "fleck":
            phase = np.clip((radius - _CORE) / (_RIM - _CORE), 0, 1)
            rim: NDArray[np.float64] = (1 + np.cos(np.pi * phase)) / 2
            return rim
        mean = math.sqrt(self.width * self.height) / 2
        disc = disc_profile(mean * radius, mean, self._sigma)
        if self.kind == "ring":
            disc -= disc_profile(mean * radius, self.hole * mean, self._sigma)
        return disc

    @property
    def _turn(self) -> float:
        return math.radians(self.angle)

    @property
    def _subpixels(self) -> int:
        """Parts of a pixel in each direction over which a stamp is averaged."""
        soft = self.kind not in ("fleck", "freckle") and self.softness >= _SOFT
        return 1 if soft else _SUBPIXELS

    @property
    def _sigma(self) -> float:
        """Blur of the edges as drawn: a pixel has a variance of 1/12, and no edge is sharper than half a part."""
        if self.softness >= _SOFT:
            return math.sqrt(self.softness**2 + 1 / 12)
        return max(self.softness, 0.5 / _SUBPIXELS)


def _subpixel_centres(reach: int, parts: int) -> NDArray[np.float64]:
    count = (2 * reach + 1) * parts
    return (np.arange(count) + 0.5) / parts - reach - 0.5


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
