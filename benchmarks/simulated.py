"""Known shadows and blank frames: what is recovered, how exactly, and what is invented.

``python benchmarks/simulated.py [--quick] [--json FILE]``

Recovered means strictly so: one detection for one shadow, within max(3, 0.25 r) pixels of its centre, and
its radius within 30 %. The radius r is where the loss falls to 5 %, as in a catalogue; half the length of a streak;
the tables name discs and rings by the radius of half the loss. A catalogue gives the radius of a large shadow's model
at half of the loss too, so its ``radius/true`` is below 1. Cells that even a matched filter would see with
less than 5 sigma are left out (``-``). Errors are those of shadows inside the frame and apart from others, over
the least that white noise allows (Cramér-Rao): 1 is perfect. A radius counts by its scatter; what all have in
common is in the last column.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

import fleckcore
from fleckcore import Options
from fleckcore.simulate import BLANK_KINDS, blank_frame
from fleckcore.simulate.obstruction import Kind
from known_shadows import DETECTABLE, Shadow, apart, frame, limit, pairs, shadow

SITUATIONS = ("inside", "cut", "touching", "half")
SIZES: dict[Kind, tuple[int, ...]] = {
    "fleck": (1, 2, 4),
    "disc": (8, 15, 30, 60, 100, 150),
    "ring": (8, 15, 30, 60, 100, 150),
    "streak": (15, 60, 150),
}
DEPTHS = (0.002, 0.005, 0.01, 0.03, 0.1, 0.3)
QUICK_SIZES: dict[Kind, tuple[int, ...]] = {
    "fleck": (2,),
    "disc": (15, 60),
    "ring": (30, 100),
    "streak": (60,),
}
QUICK_DEPTHS = (0.005, 0.03, 0.3)
LEAST_OF_A_PAIR = 4  # pixels, radius; closer ones are one shadow
ALONG = np.sqrt(3)  # half the length of an evenly dark streak over its semimajor axis


class Cell(NamedTuple):
    kind: Kind
    size: float
    depth: float


class Match(NamedTuple):
    """A shadow and what was found for it: distance and radius, pixels, `inf` and `nan` for nothing."""

    shadow: Shadow
    distance: float
    radius: float

    @property
    def strict(self) -> bool:
        wanted = self.shadow.radius
        return self.distance <= max(3, 0.25 * wanted) and abs(self.radius / wanted - 1) <= 0.3


class Search(NamedTuple):
    """One frame: a match for each shadow, false alarms with duplicates, and seconds."""

    matches: list[Match]
    alarms: int
    seconds: float


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Search frames whose shadows are known.")
    parser.add_argument("--quick", action="store_true", help="a coarse grid, about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    sizes, depths = (QUICK_SIZES, QUICK_DEPTHS) if options.quick else (SIZES, DEPTHS)
    print(f"fleckcore {fleckcore.__version__}, defaults")
    searches = {cell: _searches(cell) for cell in _cells(sizes, depths)}
    for kind in sizes:
        _print_recovered(kind, sizes[kind], depths, searches)
    _print_alarms(sizes, depths, searches)
    _print_errors(searches)
    blank = _blank_counts(10 if options.quick else 100)
    _print_blank(blank)
    if options.json:
        rows = [_plain(cell, found) for cell, found in searches.items()]
        options.json.write_text(json.dumps({"cells": rows, "blank": blank}, indent=1))


def _cells(sizes: dict[Kind, tuple[int, ...]], depths: tuple[float, ...]) -> Iterator[Cell]:
    """Give what a matched filter would see."""
    for kind, depth in itertools.product(sizes, depths):
        for size in sizes[kind]:
            if limit(shadow(kind, 0, 0, size, depth)).significance >= DETECTABLE:
                yield Cell(kind, size, depth)


def _searches(cell: Cell) -> list[Search]:
    """Search the frames of one cell."""
    random = np.random.default_rng([ord(cell.kind[0]), int(cell.size), int(1e4 * cell.depth)])
    scenes = [list(apart(*cell, random))]
    if cell.kind != "streak" and cell.size >= LEAST_OF_A_PAIR:
        scenes.append(list(pairs(*cell, random)))
    return [_search(scene, frame(scene, random)) for scene in scenes]


def _search(scene: list[Shadow], image: NDArray[np.float32]) -> Search:
    start = time.perf_counter()
    catalog = fleckcore.find(image)
    seconds = time.perf_counter() - start
    x, y, radius, along = (
        np.asarray(catalog[name].value)
        for name in ("x_centroid", "y_centroid", "radius", "semimajor_axis")
    )
    distance = np.array([np.hypot(x - s.obstruction.x, y - s.obstruction.y) for s in scene])
    partner = _pair(scene, distance)
    matches = []
    for number, item in enumerate(scene):
        found = partner.get(number)
        size = ALONG * along if item.obstruction.kind == "streak" else radius
        values = (np.inf, np.nan) if found is None else (distance[number, found], size[found])
        matches.append(Match(item, *map(float, values)))
    return Search(matches, len(catalog) - len(partner), seconds)


def _pair(scene: list[Shadow], distance: NDArray[np.float64]) -> dict[int, int]:
    """Pair shadows and detections one to one, nearest in all, within 0.6 radii or 5 pixels."""
    reach = np.maximum(5.0, [0.6 * item.radius for item in scene])
    share = distance / reach[:, None]
    pairs = zip(*linear_sum_assignment(np.where(share <= 1, share - 10, 0)), strict=True)
    return {int(i): int(j) for i, j in pairs if share[i, j] <= 1}


def _print_recovered(
    kind: Kind,
    sizes: tuple[int, ...],
    depths: tuple[float, ...],
    searches: dict[Cell, list[Search]],
) -> None:
    print(f"\n{kind}: recovered per cent, {' / '.join(SITUATIONS)}")
    print("  radius px" + "".join(f"{depth:>19.1%}" for depth in depths))
    for size in sizes:
        cells = [searches.get(Cell(kind, size, depth), []) for depth in depths]
        print(f"{size:>11}" + "".join(f"{_recovered(found):>19}" for found in cells))


def _recovered(searches: list[Search]) -> str:
    return "/".join(
        "  -" if share is None else f"{share:3.0f}"
        for share in (_share(searches, situation) for situation in SITUATIONS)
    )


def _share(searches: list[Search], situation: str) -> float | None:
    strict = [
        match.strict
        for search in searches
        for match in search.matches
        if match.shadow.situation == situation
    ]
    return 100 * sum(strict) / len(strict) if strict else None


def _print_alarms(
    sizes: dict[Kind, tuple[int, ...]],
    depths: tuple[float, ...],
    searches: dict[Cell, list[Search]],
) -> None:
    print("\nfalse alarms and duplicates per frame (and shadows per frame)")
    print("            " + "".join(f"{depth:>16.1%}" for depth in depths))
    for kind in sizes:
        line = f"{kind:>12}"
        for depth in depths:
            every = [
                search
                for cell, found in searches.items()
                if (cell.kind, cell.depth) == (kind, depth)
                for search in found
            ]
            alarms = [search.alarms for search in every]
            shadows = [len(search.matches) for search in every]
            text = f"{np.mean(alarms):.2f} ({np.mean(shadows):.0f})" if every else "-"
            line += f"{text:>16}"
        print(line)
    seconds = [search.seconds for found in searches.values() for search in found]
    print(f"{len(seconds)} frames, {np.median(seconds):.2f} s each (median), {sum(seconds):.0f} s")


def _print_errors(searches: dict[Cell, list[Search]]) -> None:
    print(
        "\nerrors of what was recovered inside, over the least possible; radius over the true one"
    )
    print("    kind  radius px   depth    n  limit px  centre  radius  radius/true")
    for cell, found in searches.items():
        about = _errors(cell, found)
        if about:
            print(
                f"{cell.kind:>8}{cell.size:>11}{cell.depth:>8.1%}{about['n']:>5}"
                f"{about['limit_px']:>10.3f}{about['centre']:>8.2f}{about['radius']:>8.2f}"
                f"{about['radius_ratio']:>13.3f}"
            )


def _errors(cell: Cell, searches: list[Search]) -> dict[str, Any]:
    """Compare robust errors with the limits; the median distance of two Gaussians is 1.177 sigma."""
    inside = [m for s in searches for m in s.matches if m.strict and m.shadow.situation == "inside"]
    if len(inside) < 3 or cell.kind == "streak":
        return {}
    limits = [limit(match.shadow) for match in inside]
    centre = [m.distance / least.centre / 1.177 for m, least in zip(inside, limits, strict=True)]
    true = inside[0].shadow.radius
    ratio = np.array([match.radius for match in inside]) / true
    scatter = 1.4826 * true * np.median(np.abs(ratio - np.median(ratio)))
    return {
        "n": len(inside),
        "limit_px": float(np.median([least.centre for least in limits])),
        "centre": float(np.median(centre)),
        "radius": float(scatter / np.median([least.radius for least in limits])),
        "radius_ratio": float(np.median(ratio)),
    }


def _blank_counts(frames: int) -> dict[str, Any]:
    """Count what is found on blank frames of every kind of noise."""
    counts: defaultdict[str, int] = defaultdict(int)
    for kind, seed in itertools.product(BLANK_KINDS, range(frames)):
        counts[kind] += len(fleckcore.find(blank_frame(kind, seed=seed)))
    return {"frames": frames, "counts": counts}


def _print_blank(blank: dict[str, Any]) -> None:
    frames, stated = blank["frames"], Options().false_alarms
    print(f"\nfound on {frames} blank frames of 512 x 512; stated: {stated:g} per frame")
    print("         noise  found  per frame  95 % limits")
    for kind, count in blank["counts"].items():
        low, high = (bound / frames for bound in _poisson_limits(count))
        verdict = "" if low <= stated else "  more than stated"
        print(f"{kind:>14}{count:>7}{count / frames:>11.3f}  {low:.3f} to {high:.3f}{verdict}")


def _poisson_limits(count: int) -> tuple[float, float]:
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low), float(chi2.ppf(0.975, 2 * count + 2) / 2)


def _plain(cell: Cell, searches: list[Search]) -> dict[str, Any]:
    shares = {situation: _share(searches, situation) for situation in SITUATIONS}
    return {
        **cell._asdict(),
        "recovered_pct": shares,
        "alarms": [search.alarms for search in searches],
        "shadows": [len(search.matches) for search in searches],
        "seconds": [search.seconds for search in searches],
        "errors": _errors(cell, searches),
    }


if __name__ == "__main__":
    main()
