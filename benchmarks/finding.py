"""How much of what people see on real flats is found, once, at the right place and size.

``python benchmarks/finding.py [--peers sep,photutils,sextractor,skimage] [--pictures DIR] [--json FILE]``

Every flat of `real_flats.FLATS` that is there is searched by fleckcore with its defaults, and by the other programs
that are installed. Each of those gets several settings, the same for all flats, and the best one on that very
flat is shown, see `_merit`: no one could choose so well without the labels.

The arcsat flats are also searched together (``fleckcore together``); on each, the rows that it shows are scored.

A *strict* match is a sure feature of the labels with a detection within max(3, 0.25 r) pixels and 30 % of
its radius. A duplicate is a second detection of a feature, a false one is near none. In the table: ``sure``
features of the labels, ``plain`` and ``strict`` recall of them, ``f+d`` false alarms and duplicates, seconds, and by
how much the goal for that flat is missed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fleckcore
import real_flats
from peers import PEERS, Circles, inverted
from real_flats import FLATS, Flat


class Goal(NamedTuple):
    """Least recall of sure features, and most false alarms and duplicates."""

    plain: float
    strict: float
    alarms: int


GOALS = {
    "arcsat_20190503": Goal(0.92, 0.85, 10),
    "ccdchar_st7_L": Goal(0.0, 11 / 12, 5),
    "msfc_esis1": Goal(1.0, 0.0, 5),
    "orion_g3": Goal(1.0, 1.0, 3),
}
TOGETHER = [f"arcsat_20190503_{band}" for band in "griz"]
CENTRE_ERROR, RADIUS_SCATTER = 3.0, 0.1  # px; of the radius

COLUMNS = {
    "flat": "{:<21}",
    "tool": "{:<18}",
    "sure": "{:>4}",
    "plain": "{:>5.2f}",
    "strict": "{:>6.2f}",
    "false": "{:>5}",
    "dupl.": "{:>5}",
    "f+d": "{:>4}",
    "centre px": "{:>9.2f}",
    "radius/label": "{:>12}",
    "s": "{:>6.2f}",
    "goal": "{}",
}


def main() -> None:
    """Print one row for each flat and tool."""
    options = _arguments()
    tools = _installed(options.peers.split(",") if options.peers else [])
    results = []
    print(_header())
    for flat in _flats(options.flats):
        for tool in ("fleckcore", *tools):
            try:
                row = _measured(flat, tool)
            except FileNotFoundError as missing:
                print(f"{flat.name}: {missing}")
                break
            print(_line(row), flush=True)
            results.append(row)
        if options.pictures:
            _picture(flat, options.pictures)
        if options.json:
            options.json.write_text(json.dumps({"versions": tools, "rows": results}, indent=1))
    for row in _together([name for name in options.flats.split(",") if name in TOGETHER]):
        print(_line(row), flush=True)
        results.append(row)
    if options.json:
        options.json.write_text(json.dumps({"versions": tools, "rows": results}, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Search real flats and score what is found.")
    parser.add_argument("--peers", default=",".join(PEERS), help="%(default)s; '' for none")
    parser.add_argument("--flats", default=",".join(FLATS), help="%(default)s")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw every flat")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all settings tried")
    options = parser.parse_args()
    for given, known in ((options.peers, PEERS), (options.flats, FLATS)):
        for name in filter(None, given.split(",")):
            if name not in known:
                parser.error(f"{name!r} is none of {', '.join(known)}")
    return options


def _installed(names: list[str]) -> dict[str, str]:
    """Print and give the version of each program that is there."""
    print(f"fleckcore {fleckcore.__version__}, defaults")
    versions = {}
    for name in names:
        version = PEERS[name].version()
        if version is None:
            print(f"{name} is not installed: skipped")
        else:
            print(
                f"{name} {version}, the best of {len(PEERS[name].settings)} settings on each flat"
            )
            versions[name] = version
    return versions


def _flats(names: str) -> Iterator[Flat]:
    for name in names.split(","):
        try:
            yield real_flats.flat(name)
        except FileNotFoundError as missing:
            print(f"{name}: {missing}")


def _measured(flat: Flat, tool: str) -> dict[str, Any]:
    """Score one tool on one flat; of several settings, the best, and all under ``tried``."""
    tried = [_scored(flat, circles, s, about) for circles, s, about in _runs(flat, tool)]
    best = max(tried, key=_merit)
    row = {"flat": flat.name, "tool": tool} | best
    return row | {"goal": _verdict(row), "tried": tried}


def _merit(row: dict[str, Any]) -> tuple[Any, ...]:
    """Most strict matches, with no more false alarms and duplicates than sure features, or than 10."""
    return row["f+d"] <= max(row["sure"], 10), row["strict"], row["plain"], -row["f+d"]


def _runs(flat: Flat, tool: str) -> Iterator[tuple[Circles, float, dict[str, Any]]]:
    """Give what each setting finds, with the seconds it took."""
    if tool == "fleckcore":
        fleckcore.find(flat.data[:128, :128])  # imports are not timed
        yield *_timed(lambda: _fleckcore(flat)), {}
        return
    image, peer = inverted(flat), PEERS[tool]
    for setting in peer.settings:
        yield *_timed(lambda s=setting: peer.run(image, flat.mask, s)), dict(setting)


def _timed(run: Any) -> tuple[Circles, float]:
    start = time.perf_counter()
    return run(), time.perf_counter() - start


def _fleckcore(flat: Flat) -> Circles:
    return _circles(fleckcore.find(flat.data, mask=flat.mask))


def _score(flat: Flat, found: Circles) -> dict[str, Any]:
    return real_flats.score(*found, flat.labels, flat.offset, chance=0)


def _together(names: list[str]) -> Iterator[dict[str, Any]]:
    """Score the list of all filters on each, by the rows that it shows; with the seconds of the whole search."""
    flats = list(_flats(",".join(names))) if names else []
    if len(flats) < 2:
        return
    catalog, seconds = _timed(lambda: fleckcore.find_all([flat.data for flat in flats]))
    for k, flat in enumerate(flats):
        seen = catalog[catalog["depths"][:, k] > 4 * catalog["depths_err"][:, k]]
        try:
            row = {"flat": flat.name, "tool": "fleckcore together"}
            row |= _scored(flat, _circles(seen), seconds, {})
        except FileNotFoundError as missing:
            print(f"{flat.name}: {missing}")
            continue
        yield row | {"goal": _verdict(row)}


def _circles(catalog: fleckcore.Catalog) -> Circles:
    return Circles(*(catalog[name].value for name in ("x_centroid", "y_centroid", "radius")))


def _scored(flat: Flat, found: Circles, seconds: float, setting: dict[str, Any]) -> dict[str, Any]:
    score = _score(flat, found)
    missing = float("nan")
    return {
        "sure": score["n_sure"],
        "plain": score["recall"],
        "strict": score["strict"],
        "false": score["false"],
        "dupl.": score["duplicates"],
        "f+d": score["false"] + score["duplicates"],
        "centre px": missing if score["loc_median_px"] is None else score["loc_median_px"],
        "radius ratio": score["radius_ratio_median"],
        "radius scatter": score["radius_scatter"],
        "s": seconds,
        "setting": setting,
    }


def _verdict(row: dict[str, Any]) -> str:
    """Say by how much each goal is missed."""
    name = next((name for name in GOALS if row["flat"].startswith(name)), "msfc_esis1")
    goal = GOALS[name]
    missed = {
        "plain": goal.plain - row["plain"],
        "strict": goal.strict - row["strict"],
        "f+d": row["f+d"] - goal.alarms,
        "centre": row["centre px"] - CENTRE_ERROR,
        "scatter": (row["radius scatter"] or 0.0) - RADIUS_SCATTER,
    }
    over = [f"{what} {by:.2g}" for what, by in missed.items() if by > 5e-3]
    return "missed by " + ", ".join(over) if over else "met"


def _header() -> str:
    widths = {name: form.split(".")[0].strip("{:}f") for name, form in COLUMNS.items()}
    return "  ".join(f"{name:{width}}" for name, width in widths.items())


def _line(row: dict[str, Any]) -> str:
    ratio, scatter = row["radius ratio"], row["radius scatter"]
    size = "-" if ratio is None else f"{ratio:.2f} ± {scatter:.2f}"
    values = row | {"radius/label": size}
    line = "  ".join(form.format(values[name]) for name, form in COLUMNS.items())
    setting = " ".join(f"{key}={value}" for key, value in row["setting"].items())
    return f"{line}  [{setting}]" if setting else line


def _picture(flat: Flat, folder: Path) -> None:
    from pictures import draw

    folder.mkdir(parents=True, exist_ok=True)
    catalog = fleckcore.find(flat.data, mask=flat.mask)
    try:
        labels = real_flats.labels(flat.labels)
        false = _score(flat, _circles(catalog))["_false_idx"]
    except FileNotFoundError:
        labels, false = [], []
    draw(flat, catalog, labels, np.asarray(false, int), folder / f"{flat.name}.png")


if __name__ == "__main__":
    main()
