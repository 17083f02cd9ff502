"""How complete a search of a frame is: known shadows are put on it, and searched for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import QTable
from astropy.units import Quantity
from numpy.typing import NDArray

from fleckcore.detection.catalog import plain_values, to_rows
from fleckcore.detection.injection import HOLE, PLACING, Cell, Round, make_cells, plan
from fleckcore.detection.purity import (
    Found,
    mean_frame,
    purity_by_halves,
    purity_by_mirror,
    wilson,
)
from fleckcore.detection.search import DEFAULTS, Options, bias_name, search, without_bias
from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import as_frame
from fleckcore.io.catalogs import read_catalog, write_catalog
from fleckcore.simulate import obscure, pair_nearest

if TYPE_CHECKING:
    from fleckcore.detection.search import SearchResult
    from fleckcore.frame import Frame

__all__ = ["Completeness", "completeness", "depth_reaching"]

MATCHING = (
    "recovered: centre within 3 px or a quarter of the radius, whichever is more, and radius (at 5 % of the loss, "
    "of a large shadow's model at half of it) within 30 % or 1 px (of a streak the centre alone); located: centre "
    "within 5 px or 0.6 of the radius; one to one; not what the plain search lists within 3 px or a quarter of its "
    "radius, with a radius within 30 % or 1 px"
)

_DESCRIPTIONS = {
    "kind": "of the shadow that was put on the frame",
    "radius": "of it: of half the loss, of a fleck the 5 % contour, of a streak half the length",
    "depth": "greatest fraction of light that it takes",
    "injected": "shadows put on the frame",
    "recovered": "found again at the right place with the right size",
    "fraction": "recovered / injected",
    "fraction_low": "lower end of the 68 % interval (Wilson)",
    "fraction_high": "upper end of it",
    "located": "found again at about the right place, of any size",
    "located_fraction": "located / injected",
    "centre_error": "median distance from the true centre, of those located",
    "radius_error": "median of measured / true radius - 1 (both as matched), of those located",
    "depth_50": "depth from which half of this size are recovered, never less than the shallowest tried",
    "depth_95": "depth from which 95 % of this size are recovered, never less than the shallowest tried",
}
_UNITS = {"radius": "pix", "centre_error": "pix"}


@dataclass(frozen=True, eq=False)
class Completeness:
    """What became of the shadows that were put on a frame.

    Attributes
    ----------
    cells : QTable
        One row per kind, radius and depth. Columns: ``kind``, ``radius``, ``depth``, ``injected``, ``recovered``,
        ``fraction`` with ``fraction_low`` and ``fraction_high``, ``located``, ``located_fraction``,
        ``centre_error``, ``radius_error``, and of the row's kind and radius ``depth_50`` and ``depth_95``; each
        column's description says more. What is not known is NaN. ``meta`` says what was searched and how,
        the seed, the trials, how places were chosen and matched, and the ``purity`` by size.
    """

    cells: QTable

    @property
    def limits(self) -> QTable:
        """One row per kind and radius: ``kind``, ``radius``, ``depth_50``, ``depth_95``."""
        names = ("kind", "radius", "depth_50", "depth_95")
        seen: dict[tuple[str, float], int] = {}
        for index, row in enumerate(self.cells):
            seen.setdefault((str(row["kind"]), float(row["radius"].value)), index)
        return self.cells[list(seen.values())][names]

    @property
    def purity(self) -> list[dict[str, Any]]:
        """How much of what the search lists is real, by size: see `fleckcore.completeness`."""
        rows: list[dict[str, Any]] = self.cells.meta["purity"]
        return rows

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write `cells` as ECSV, FITS or CSV by the ending of ``path``, see `write_catalog`."""
        write_catalog(self.cells, path, overwrite=overwrite)

    @classmethod
    def read(cls, path: str | Path) -> Completeness:
        """Read back what `write` wrote as ECSV or FITS."""
        return cls(read_catalog(path))

    def to_json(self) -> dict[str, Any]:
        """Give meta, cells and limits as plain values, in the columns' units; NaN becomes None."""
        return {
            "meta": {key: None if v != v else v for key, v in self.cells.meta.items()},
            "cells": to_rows(self.cells),
            "limits": to_rows(self.limits),
        }


def completeness(
    source: Any,
    *,
    mask: Any = None,
    error: Any = None,
    bias: Any = None,
    reference: Any = None,
    options: Options = DEFAULTS,
    kinds: Sequence[str] | None = None,
    radii: Sequence[float] | None = None,
    depths: Sequence[float] | None = None,
    trials: int | None = None,
    seed: int = 0,
    purity: bool = True,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Completeness:
    """Say which shadows a search of this very frame would find, and how much of what it lists is real.

    Known shadows are put on the frame itself, many at a time and far apart, and the same search is run.

    Parameters
    ----------
    source : Frame, ndarray, MaskedArray, Quantity, NDData or CCDData, or a list or tuple of them
        A frame as for `fleckcore.find`. Of several exposures of one scene, their mean is searched.
    mask, error, bias, reference, threads
        As for `fleckcore.find`; of several exposures, for each of them.
    options : Options
        How to search; shadows only.
    kinds : sequence of {"fleck", "disc", "ring", "streak"}, optional
        What to put on the frame; fleck, disc and ring by default. A ring's hole has half its radius, a streak's
        breadth is a tenth of its length.
    radii : sequence of float, optional
        Pixels, for every kind. By default 1 to 8 for flecks, 4 to 150 for discs, 8 to 150 for rings, 8 to 64 for
        streaks. A size of which one shadow would cover more than 15 % of the frame is not tried.
    depths : sequence of float, optional
        Greatest fraction of light that a shadow takes, for every kind. By default 0.02 to 1 for flecks, else 0.002
        to 0.1.
    trials : int, optional
        Shadows of each kind, radius and depth; by default 24 up to 16 pixels radius, 5 of larger ones.
    seed : int
        The same seed gives the same result, with any number of threads.
    purity : bool
        Estimate the purity too: see Notes.
    progress : callable, optional
        Called with the searches done and due, after each.

    Returns
    -------
    Completeness

    Raises
    ------
    ArrayError, ArrayTypeError
        As for `fleckcore.find`; ``A09`` also for no frame, and a radius, depth, seed or number of trials out of
        range.
    MetadataError
        ``M07`` a kind that cannot be injected, a search of bright features, exposures that do not go together.

    Notes
    -----
    A shadow counts as recovered when a feature is found whose centre is within 3 pixels or a quarter of the radius,
    and whose radius is right to 30 % or 1 pixel; as located when the centre is within 5 pixels or 0.6 of the radius.
    What the plain search had found in that place already does not count.

    Purity, by size: of one frame, what the same search finds with the sign turned round, away from what is listed, is
    taken as the number of false alarms; of several, the share of features that both halves of the exposures show.
    """
    if options.bright:
        raise MetadataError(
            "completeness knows shadows only, bright=True cannot be meant.", code="M07"
        )
    if trials is not None and not (trials % 1 == 0 and 1 <= trials <= 100_000):
        raise ArrayError(f"trials={trials}, wanted a whole number from 1 to 100000.", code="A09")
    if not (seed % 1 == 0 and seed >= 0):
        raise ArrayError(f"seed={seed}, wanted a whole number of 0 or more.", code="A09")
    cells = make_cells(kinds, radii, depths)
    given = source if isinstance(source, (list, tuple)) else [source]
    if not given:
        raise ArrayError("no frame is given.", code="A09")
    lights = [without_bias(as_frame(one, mask=mask, error=error), bias) for one in given]
    light = mean_frame(lights)
    if reference is not None:
        reference = without_bias(as_frame(reference), bias)
    same: dict[str, Any] = {"reference": reference, "threads": threads}

    plain = search(light, options=options, **same)
    rounds = plan(cells, trials, plain.normalised.mask, np.random.Generator(np.random.PCG64(seed)))
    steps = _Steps(1 + len(rounds) + purity, progress)
    tally = _Tally(cells, Found(plain.catalog))
    for some in rounds:
        tally.count(
            some, Found(search(obscure(light, some.items), options=options, **same).catalog)
        )
        steps.done()
    purities = []
    if purity:
        purities = _purity(lights, light, plain, options, same)
        steps.done()
    meta = plain.catalog.meta | {
        "bias": bias_name(bias),
        "frames": len(lights),
        "seed": seed,
        "trials": "24 up to 16 px radius, else 5" if trials is None else trials,
        "searches": len(rounds),
        "hole": HOLE,
        "placing": PLACING,
        "matching": MATCHING,
        "listed": len(plain.catalog),
        "purity": purities,
    }
    return Completeness(tally.table(meta))


class _Steps:
    """Tells how many of the searches are done; the plain one is when this is made."""

    def __init__(self, due: int, tell: Callable[[int, int], None] | None) -> None:
        self.number, self.due, self.tell = 0, due, tell
        self.done()

    def done(self) -> None:
        self.number += 1
        if self.tell is not None:
            self.tell(self.number, self.due)


def _purity(
    lights: list[Frame], light: Frame, plain: SearchResult, options: Options, same: dict[str, Any]
) -> list[dict[str, Any]]:
    if len(lights) == 1:
        return purity_by_mirror(light, plain, options, **same)
    halves = [mean_frame(lights[first::2]) for first in (0, 1)]
    return purity_by_halves(halves, plain.catalog, options, **same)


class _Tally:
    """What became of the shadows of every cell."""

    def __init__(self, cells: Sequence[Cell], known: Found) -> None:
        self.cells = cells
        self.known = known
        self.injected, self.recovered, self.located = np.zeros((3, len(cells)), np.int64)
        self.centre_errors: list[list[float]] = [[] for _ in cells]
        self.radius_errors: list[list[float]] = [[] for _ in cells]

    def count(self, some: Round, found: Found) -> None:
        x, y, radius = some.circles.T
        distance = found.distances(x, y)
        new = ~_listed_before(found, self.known)
        located = (distance <= np.maximum(5.0, 0.6 * radius)[:, None]) & new
        right = located & (distance <= np.maximum(3.0, 0.25 * radius)[:, None])
        streaks = np.array([self.cells[index].kind == "streak" for index in some.cells])
        wanted = self._wanted_radii(some, found)
        right &= _alike(wanted, found.radius) | streaks[:, None]
        pairs = zip(
            some.cells, pair_nearest(distance, right), pair_nearest(distance, located), strict=True
        )
        for number, (index, sure, near) in enumerate(pairs):
            self.injected[index] += 1
            self.recovered[index] += sure is not None
            if near is not None:
                self.located[index] += 1
                self.centre_errors[index].append(float(distance[number, near]))
                ratio = found.radius[near] / wanted[number, near]
                self.radius_errors[index].append(float(ratio - 1))

    def _wanted_radii(self, some: Round, found: Found) -> NDArray[np.float64]:
        """What the radius of each feature is if it is this shadow, shape (shadows, features)."""
        half, low = (
            np.array([getattr(self.cells[index], name) for index in some.cells])[:, None]
            for name in ("radius", "radius_05")
        )
        wanted: NDArray[np.float64] = np.where(found.modelled, half, low)
        return wanted

    def table(self, meta: dict[str, Any]) -> QTable:
        tried = np.where(self.injected > 0, self.injected, np.nan)
        low, high = wilson(self.recovered, self.injected)
        columns: dict[str, NDArray[Any]] = {
            "kind": np.array([cell.kind for cell in self.cells]),
            "radius": np.array([cell.radius for cell in self.cells]),
            "depth": np.array([cell.depth for cell in self.cells]),
            "injected": self.injected,
            "recovered": self.recovered,
            "fraction": self.recovered / tried,
            "fraction_low": low,
            "fraction_high": high,
            "located": self.located,
            "located_fraction": self.located / tried,
            "centre_error": np.array([_median(errors) for errors in self.centre_errors]),
            "radius_error": np.array([_median(errors) for errors in self.radius_errors]),
        }
        for name, share in (("depth_50", 0.5), ("depth_95", 0.95)):
            columns[name] = self._limits(columns["fraction"], share)
        table = QTable(meta=plain_values(meta))
        for name, values in columns.items():
            table[name] = Quantity(values, _UNITS[name]) if name in _UNITS else values
            table[name].info.description = _DESCRIPTIONS[name]
        return table

    def _limits(self, fraction: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        """For every cell the depth from which its kind and size reach ``share``."""
        limits = np.empty(len(self.cells))
        for size in dict.fromkeys((cell.kind, cell.radius) for cell in self.cells):
            own = [i for i, cell in enumerate(self.cells) if (cell.kind, cell.radius) == size]
            depths = np.array([self.cells[i].depth for i in own])
            limits[own] = depth_reaching(depths, fraction[own], share)
        return limits


def depth_reaching(
    depths: NDArray[np.float64], fractions: NDArray[np.float64], share: float
) -> float:
    """Give the depth from which on at least ``share`` is found, on straight lines over the log of depth.

    Parameters
    ----------
    depths : ndarray of float64, shape (n,)
        Rising.
    fractions : ndarray of float64, shape (n,)
        Found at each; NaN where nothing was tried.
    share : float
        Wanted.

    Returns
    -------
    float
        To six digits. The shallowest depth when even there ``share`` is found; NaN when not even at the deepest.
    """
    tried = np.isfinite(fractions)
    depths, fractions = depths[tried], fractions[tried]
    short = np.flatnonzero(fractions < share)
    if not depths.size or (short.size and short[-1] == len(depths) - 1):
        return float("nan")
    if not short.size:
        return float(depths[0])
    pair = [short[-1], short[-1] + 1]
    return float(f"{10 ** np.interp(share, fractions[pair], np.log10(depths[pair])):.6g}")


def _listed_before(found: Found, known: Found) -> NDArray[np.bool_]:
    """Which features the plain search lists too, one to one."""
    distance = known.distances(found.x, found.y)
    near = distance <= np.fmax(3.0, 0.25 * known.radius)
    pairs = pair_nearest(distance, near & _alike(known.radius, found.radius[:, None]))
    return np.array([match is not None for match in pairs], dtype=bool)


def _alike(wanted: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a radius is right to 30 % or 1 pixel; what is unknown is not."""
    alike: NDArray[np.bool_] = np.abs(radius - wanted) <= np.maximum(1.0, 0.3 * wanted)
    return alike


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else float("nan")
