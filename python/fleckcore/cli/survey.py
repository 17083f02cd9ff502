"""Completeness for a person or a program: the run, its files and its lines of text."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli.results import SURVEY_ENDINGS

if TYPE_CHECKING:
    from fleckcore.detection.completeness import Completeness

__all__ = ["brief_survey", "describe_limits", "describe_purity", "survey", "write_survey"]

BRIEF: dict[str, Any] = {"kinds": ("disc",), "radii": (4, 16, 64), "trials": 10, "purity": False}


def survey(source: Any, label: str, **options: Any) -> Completeness:
    """Run `fleckcore.completeness` on a frame or several, and say on stderr how far it is."""
    from fleckcore.detection.completeness import completeness

    with _progress(label) as tell:
        return completeness(source, progress=tell, **options)


def brief_survey(source: Any, label: str, **options: Any) -> Completeness:
    """Do the same for discs of three sizes only."""
    return survey(source, label, **BRIEF, **options)


def write_survey(
    result: Completeness, folder: Path, stem: str, *, pictures: bool
) -> dict[str, Path]:
    """Write the table and, when asked for, the picture; older ones are replaced.

    Returns
    -------
    dict
        What each file is, and where.
    """
    files = {kind: folder / f"{stem}{ending}" for kind, ending in SURVEY_ENDINGS.items()}
    result.write(files["completeness"], overwrite=True)
    if not pictures:
        return {"completeness": files["completeness"]}
    from fleckcore.report import plot_completeness

    plot_completeness(result, files["completeness_picture"], overwrite=True)
    return files


def describe_limits(result: Completeness) -> list[str]:
    """Say in a line per kind and size from which depth on it is found."""
    return [
        f"  a {row['kind']} of {row['radius'].value:g} px radius {_limit(result, row)}"
        for row in result.limits
    ]


def _limit(result: Completeness, row: Any) -> str:
    cells = result.cells
    own = cells[(cells["kind"] == row["kind"]) & (cells["radius"] == row["radius"])]
    if not own["injected"].any():
        return "does not fit on the frame often enough to say"
    for name, share in (("depth_95", "with 95 %"), ("depth_50", "with 50 %")):
        depth = float(row[name])
        if math.isfinite(depth):
            at_least = " or less" if depth <= own["depth"].min() else ""
            return f"is found {share} from {100 * depth:.2g} % depth{at_least}"
    return f"is found with less than 50 % up to {100 * own['depth'].max():.2g} % depth"


def describe_purity(result: Completeness) -> list[str]:
    """Say in a line per class of size how much of what is listed is real."""
    if not result.purity:
        return ["  purity: not known, the published recipe has no mirror"]
    rows = [row for row in result.purity if row["listed"] or row.get("mirrored")]
    return [f"  {_size(row)}: {_verdict(row)}" for row in rows]


def _size(row: dict[str, Any]) -> str:
    if row["radius_to"] is None:
        return f"from {row['radius_from']:g} px radius"
    return f"{row['radius_from']:g} to {row['radius_to']:g} px radius"


def _verdict(row: dict[str, Any]) -> str:
    if row["method"] == "mirror":
        counts = f"{row['listed']} listed, {row['mirrored']} elsewhere with the sign turned round"
    else:
        counts = f"{row['listed']} listed, {row['confirmed']} in both halves of the frames"
    if row["purity"] is None:
        return counts
    low, middle, high = (100 * row[name] for name in ("purity_low", "purity", "purity_high"))
    return f"{counts}: {middle:.0f} % real ({low:.0f} to {high:.0f} %)"


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; else a line for every tenth of the way. Both on stderr."""
    if not sys.stderr.isatty():
        yield lambda done, due: _say_tenths(label, done, due)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("completeness", total=None)
        yield lambda done, due: bar.update(task, completed=done, total=due)


def _say_tenths(label: str, done: int, due: int) -> None:
    if done == due or 10 * done // due > 10 * (done - 1) // due:
        click.echo(f"completeness of {label}: {done} of {due} searches", err=True)
