"""Which known shadows to put on a frame, and where, many at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.simulate import Obstruction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleckcore.simulate.obstruction import Kind

__all__ = [
    "GRIDS",
    "HOLE",
    "PLACING",
    "TRIALS_LARGE",
    "TRIALS_SMALL",
    "Cell",
    "Grid",
    "Round",
    "make_cells",
    "plan",
]

TRIALS_SMALL, TRIALS_LARGE = 24, 5
"""Shadows of each kind, radius and depth by default; of small ones more find room."""
HOLE = 0.5
"""Inner radius of a ring, as a fraction of the outer one."""
COVERED = 0.15
"""Most of the searched pixels that the shadows of one round may cover."""
COVERED_BY_LARGER = 0.01
"""Most of the searched pixels that larger shadows of the same round may cover."""
SMALL = 16.0
"""Shadows up to this radius are small."""
GAP = 24.0
MASKED = 0.1
_ATTEMPTS = 64

PLACING = (
    "Uniform over the searched pixels, also on top of what is there; the whole shadow on the frame, its centre not "
    f"masked and at most {MASKED:.0%} of its square. What is put on together is of one depth and, but for larger "
    f"shadows on {COVERED_BY_LARGER:.0%} of the searched pixels, of one size, for deep and large ones hide others; "
    f"outlines are {GAP:g} px or half the larger radius apart and cover at most {COVERED:.0%} of the searched pixels."
)


class Grid(NamedTuple):
    """Radii in pixels and depths as fractions of the light."""

    radii: tuple[float, ...]
    depths: tuple[float, ...]


_SHALLOW = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)

GRIDS: Mapping[str, Grid] = {
    "fleck": Grid((1, 2, 4, 8), (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)),
    "disc": Grid((4, 8, 16, 32, 64, 100, 150), _SHALLOW),
    "ring": Grid((8, 16, 32, 64, 100, 150), _SHALLOW),
    "streak": Grid((8, 16, 32, 64), _SHALLOW),
}
"""The default grid of every kind that can be injected."""


@dataclass(frozen=True)
class Cell:
    """One kind of shadow of one size and depth.

    Attributes
    ----------
    kind : str
        One of `GRIDS`.
    radius : float
        Pixels: of the 5 % contour of a fleck, of the contour of half the loss of a disc or ring, half the length of a
        streak.
    depth : float
        Fraction of light lost where most is lost.
    """

    kind: Kind
    radius: float
    depth: float

    @property
    def radius_05(self) -> float:
        """Where the loss falls to 5 % of its largest: 1.645 sigma beyond half of it."""
        if self.kind not in ("disc", "ring"):
            return self.radius
        return self.radius + 1.645 * math.hypot(self.softness, math.sqrt(1 / 12))

    @property
    def softness(self) -> float:
        """Blur of the edges, pixels."""
        return 0.5 if self.kind == "streak" else max(0.5, 0.05 * self.radius)

    def at(self, x: float, y: float, angle: float) -> Obstruction:
        """Give the shadow with its centre at a place; only a streak has an angle, in degrees."""
        streak = self.kind == "streak"
        return Obstruction(
            x=x,
            y=y,
            width=2 * self.radius,
            height=max(2.0, 0.2 * self.radius) if streak else 2 * self.radius,
            loss=self.depth,
            kind=self.kind,
            softness=self.softness,
            hole=HOLE,
            angle=angle if streak else 0.0,
        )


@dataclass(eq=False)
class Round:
    """Shadows that are put on the frame together.

    Attributes
    ----------
    cells : list of int
        For every shadow the index of its cell.
    items : list of Obstruction
        The shadows.
    covered : float
        Pixels within their outer circles.
    """

    cells: list[int] = field(default_factory=list)
    items: list[Obstruction] = field(default_factory=list)
    covered: float = 0.0

    @property
    def circles(self) -> NDArray[np.float64]:
        """Centre x, y and outer radius of every shadow, shape (n, 3)."""
        return np.array([(i.x, i.y, i.width / 2) for i in self.items]).reshape(-1, 3)

    def covered_by_larger(self, radius: float) -> float:
        """Pixels within the outer circles of shadows larger than ``radius``."""
        larger = self.circles[self.circles[:, 2] > radius, 2]
        return math.pi * float(np.sum(larger**2))

    def add(self, index: int, item: Obstruction) -> None:
        """Put a shadow of cell ``index`` into the round."""
        self.cells.append(index)
        self.items.append(item)
        self.covered += math.pi * (item.width / 2) ** 2


def make_cells(
    kinds: Sequence[str] | None,
    radii: Sequence[float] | None,
    depths: Sequence[float] | None,
) -> tuple[Cell, ...]:
    """Give every combination, by kind as given, then by rising radius and depth.

    Parameters
    ----------
    kinds : sequence of str, optional
        Of `GRIDS`; fleck, disc and ring by default.
    radii : sequence of float, optional
        Pixels; those of `GRIDS` by default.
    depths : sequence of float, optional
        Fractions; those of `GRIDS` by default.

    Raises
    ------
    MetadataError
        ``M07`` a kind that cannot be injected.
    ArrayError
        ``A09`` no kind, radius or depth, or one out of range.
    """
    kinds = ("fleck", "disc", "ring") if kinds is None else tuple(dict.fromkeys(kinds))
    for kind in kinds:
        if kind not in GRIDS:
            raise MetadataError(
                f"unknown kind {kind!r}, wanted one of {', '.join(GRIDS)}.", code="M07"
            )
    _check("radii", radii, 1000.0, "radii from 0.5 to 1000 pixels", least=0.5)
    _check("depths", depths, 1.0, "fractions above 0 and up to 1", least=1e-9)
    _check("kinds", [1.0] * len(kinds), 1.0, "at least one kind", least=0.0)
    return tuple(
        Cell(kind, float(radius), float(depth))  # type: ignore[arg-type]  # the kinds of GRIDS
        for kind in kinds
        for radius in sorted(set(GRIDS[kind].radii if radii is None else radii))
        for depth in sorted(set(GRIDS[kind].depths if depths is None else depths))
    )


def _check(
    name: str, values: Sequence[float] | None, most: float, wanted: str, *, least: float
) -> None:
    if values is None:
        return
    numbers = np.atleast_1d(np.asarray(values))
    good = numbers.ndim == 1 and numbers.dtype.kind in "iuf" and np.ndim(values) == 1
    if not (good and numbers.size and ((least <= numbers) & (numbers <= most)).all()):
        raise ArrayError(f"{name}={values!r}, wanted {wanted}.", code="A09")


def plan(
    cells: Sequence[Cell], trials: int | None, mask: NDArray[np.bool_], random: np.random.Generator
) -> list[Round]:
    """Place every cell's shadows in as few rounds as their distances allow, as `PLACING` says.

    Parameters
    ----------
    cells : sequence of Cell
        What to place.
    trials : int, optional
        Shadows of each cell; by default more of small ones than of large.
    mask : ndarray of bool, shape (rows, cols)
        True where nothing is searched.
    random : Generator
        Decides; the same state gives the same plan.

    Returns
    -------
    list of Round
        Without the shadows for which the frame has no place.
    """
    site = _Site(mask, random)
    return [
        some
        for depth in sorted({cell.depth for cell in cells})
        for some in _rounds_of_one_depth(cells, depth, trials, site)
    ]


def _rounds_of_one_depth(
    cells: Sequence[Cell], depth: float, trials: int | None, site: _Site
) -> list[Round]:
    """Place the largest shadows first, kinds in random order."""
    own = [
        index
        for index, cell in enumerate(cells)
        for _ in range(trials or (TRIALS_SMALL if cell.radius <= SMALL else TRIALS_LARGE))
        if cell.depth == depth
    ]
    order = site.random.permutation(own).tolist()
    rounds: list[Round] = []
    homeless: set[float] = set()
    for index in sorted(order, key=lambda i: -cells[i].radius):
        radius = cells[index].radius
        home = None if radius in homeless else site.place(radius, rounds)
        if home is None:
            homeless.add(radius)
            continue
        number, x, y = home
        if number == len(rounds):
            rounds.append(Round())
        rounds[number].add(index, cells[index].at(x, y, float(site.random.uniform(0, 180))))
    return rounds


class _Site:
    """The frame as a place for shadows."""

    def __init__(self, mask: NDArray[np.bool_], random: np.random.Generator) -> None:
        self.mask = mask
        self.random = random
        searched = float(np.count_nonzero(~mask))
        self.most, self.most_by_larger = COVERED * searched, COVERED_BY_LARGER * searched
        self.sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
        mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1, out=self.sums[1:, 1:])

    def place(self, radius: float, rounds: Sequence[Round]) -> tuple[int, float, float] | None:
        """Give the emptiest round (or the next new one) that has a place, and the place; None without any."""
        area = math.pi * radius**2
        if area > self.most:
            return None
        order = sorted(range(len(rounds)), key=lambda i: (rounds[i].covered, i))
        for number in order:
            if rounds[number].covered + area > self.most:
                break
            if rounds[number].covered_by_larger(radius) > self.most_by_larger:
                continue
            spot = self._spot(radius, rounds[number].circles)
            if spot is not None:
                return (number, *spot)
        for _ in range(16):
            spot = self._spot(radius, np.zeros((0, 3)))
            if spot is not None:
                return (len(rounds), *spot)
        return None

    def _spot(self, radius: float, circles: NDArray[np.float64]) -> tuple[float, float] | None:
        rows, cols = self.mask.shape
        if min(rows, cols) - 1 < 2 * radius:
            return None
        x = self.random.uniform(radius, cols - 1 - radius, _ATTEMPTS)
        y = self.random.uniform(radius, rows - 1 - radius, _ATTEMPTS)
        gap = np.maximum(GAP, 0.5 * np.maximum(radius, circles[:, 2]))
        distance = np.hypot(x[:, None] - circles[:, 0], y[:, None] - circles[:, 1])
        free = (distance >= radius + circles[:, 2] + gap).all(axis=1) & self._searched(x, y, radius)
        good = np.flatnonzero(free)
        return (float(x[good[0]]), float(y[good[0]])) if good.size else None

    def _searched(
        self, x: NDArray[np.float64], y: NDArray[np.float64], radius: float
    ) -> NDArray[np.bool_]:
        """Whether the centre is searched, and almost all of the square around the shadow."""
        y0, x0 = (np.floor(v - radius + 0.5).astype(int) for v in (y, x))
        y1, x1 = (np.floor(v + radius + 0.5).astype(int) + 1 for v in (y, x))
        sums = self.sums
        masked = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        centre = self.mask[np.rint(y).astype(int), np.rint(x).astype(int)]
        good: NDArray[np.bool_] = (masked <= MASKED * (y1 - y0) * (x1 - x0)) & ~centre
        return good
