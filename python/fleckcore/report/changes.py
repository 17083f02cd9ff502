"""A picture of what changed between two nights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleckcore.report.panels import Box, FigureRecord, Picture, plot_panels

if TYPE_CHECKING:
    from fleckcore.track import Changes, Event

__all__ = ["plot_changes"]

COLOURS = {
    "appeared": "tab:red",
    "vanished": "tab:blue",
    "moved": "tab:orange",
    "deeper": "tab:purple",
    "shallower": "tab:green",
}
MOST = 8
"""Changes that are shown one by one."""


def plot_changes(found: Changes, path: str | Path, *, overwrite: bool = False) -> None:
    """Draw both nights and their ratio: the whole frame, then each change.

    Parameters
    ----------
    found : Changes
        Of `find_changes`.
    path : path-like
        Ends in .png, .pdf or .svg.
    overwrite : bool
        Replace an older file.

    Raises
    ------
    MissingExtraError
        ``R17`` without matplotlib.
    OutputError
        ``R08``, ``R01``: the file cannot be written.
    """
    counts = {kind: sum(one.kind == kind for one in found.changes) for kind in COLOURS}
    told = [f"{count} {kind}" for kind, count in counts.items() if count] or ["nothing changed"]
    caption = (
        f"{', '.join(told)}; {found.stayed} stayed. Light over its level, earlier and later, and the ratio of "
        "both: blue where something appeared, red where something went"
    )
    rows = [_row(found, None)] + [_row(found, one) for one in found.changes[:MOST]]
    plot_panels(FigureRecord(0, caption, tuple(rows)), path, overwrite=overwrite)


def _row(found: Changes, one: Event | None) -> tuple[Picture, ...]:
    boxes = tuple(box for change in found.changes for box in _boxes(change))
    part = _part(found.ratio.shape, one)
    images = found.before, found.after, found.ratio
    names = ("earlier", "later", "ratio")
    titles = [name if one is None else f"{one.kind}: {name}" for name in names]
    depths = [_depth(change) for change in ((one,) if one else found.changes)]
    depth = float(np.clip(max([*depths, _noise(found.ratio[part])]), 0.005, 1.0))
    return tuple(
        Picture(
            image[part],
            title,
            part[1].start,
            part[0].start,
            low=1 - depth,
            high=1 + depth,
            boxes=boxes,
            signed=name == "ratio",
            label="",
        )
        for image, title, name in zip(images, titles, names, strict=True)
    )


def _depth(one: Event) -> float:
    return 1.5 * max(one.depth_before, one.depth_after)


def _noise(image: NDArray[np.float32]) -> float:
    """Give two standard deviations of the pixels."""
    known = image[np.isfinite(image)]
    return 3.0 * float(np.median(np.abs(known - np.median(known)))) if known.size else 0.0


def _places(one: Event) -> list[tuple[float, float]]:
    both = ((one.x_before, one.y_before), (one.x_after, one.y_after))
    return [(x, y) for x, y in both if not math.isnan(x)]


def _boxes(one: Event) -> list[Box]:
    reach = max(one.radius, 3.0) + 2
    return [
        Box(
            x + 0.5 - reach,
            y + 0.5 - reach,
            x + 0.5 + reach,
            y + 0.5 + reach,
            COLOURS[one.kind],
            round=True,
        )
        for x, y in _places(one)
    ]


def _part(shape: tuple[int, ...], one: Event | None) -> tuple[slice, slice]:
    """Give the frame, or the square around a change."""
    if one is None:
        return slice(0, shape[0]), slice(0, shape[1])
    places = np.array(_places(one))
    middle = places.mean(axis=0)
    reach = float(np.ptp(places, axis=0).max()) / 2 + 2 * max(one.radius, 5.0)
    spans = [
        slice(max(0, round(at - reach)), min(size, round(at + reach) + 1))
        for at, size in zip(middle[::-1], shape, strict=True)
    ]
    return spans[0], spans[1]
