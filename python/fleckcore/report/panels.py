"""Figures of panels: pictures with boxes and outlines, histograms, points with errors. All of it from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.report.canvas import new_figure, printable, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Box", "FigureRecord", "Histogram", "Picture", "Points", "Series", "plot_panels"]

_COLOURS = ("tab:red", "tab:blue", "tab:green", "tab:orange", "tab:purple", "tab:cyan")


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels, from (x0, y0) to before (x1, y1), or a circle that fits into it."""

    x0: float
    y0: float
    x1: float
    y1: float
    colour: str = "tab:red"
    round: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """A part of a frame.

    Attributes
    ----------
    image : ndarray, shape (rows, cols)
        Row 0 at the bottom.
    title : str
        Above it.
    x0, y0 : int
        Position of pixel ``[0, 0]``.
    low, high : float, optional
        Drawn black and white; by default the 1st and 99th percentile.
    boxes : tuple of Box
        Around pixels.
    outline : ndarray of bool, of the shape of the image, optional
        Its border is drawn.
    signed : bool
        Red is above and blue below the middle of ``low`` and ``high``.
    label : str
        Of the colour bar; without one there is none.
    """

    image: NDArray[Any]
    title: str = ""
    x0: int = 0
    y0: int = 0
    low: float | None = None
    high: float | None = None
    boxes: tuple[Box, ...] = ()
    outline: NDArray[np.bool_] | None = None
    signed: bool = False
    label: str = ""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts between edges, with named vertical lines."""

    edges: NDArray[Any]
    counts: NDArray[Any]
    title: str = ""
    xlabel: str = ""
    lines: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Series:
    """Points with errors; names beside them, if there are any."""

    label: str
    x: Sequence[float] | NDArray[Any]
    y: Sequence[float] | NDArray[Any]
    error: Sequence[float] | NDArray[Any] | None = None
    names: Sequence[str] = ()
    joined: bool = False


@dataclass(frozen=True, eq=False)
class Points:
    """Series over one axis, with named vertical lines."""

    series: tuple[Series, ...]
    xlabel: str
    ylabel: str
    title: str = ""
    lines: Mapping[str, float] = field(default_factory=dict)


Panel = Picture | Histogram | Points


@dataclass(frozen=True, eq=False)
class FigureRecord:
    """A figure: rows of panels, and what they show.

    Attributes
    ----------
    number : int
        Its number.
    caption : str
        What is to be seen.
    rows : tuple of tuple of panels
        From the top.
    """

    number: int
    caption: str
    rows: tuple[tuple[Panel, ...], ...]


def plot_panels(record: FigureRecord, path: str | Path, *, overwrite: bool = False) -> None:
    """Draw a figure.

    Parameters
    ----------
    record : FigureRecord
        What is drawn.
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
    columns = max(len(row) for row in record.rows)
    wide = any(isinstance(panel, Points) for row in record.rows for panel in row)
    size = 2.6 if columns > 2 else 3.6
    figure = new_figure(
        max(columns * size * (1.6 if wide else 1.0), 6.0), len(record.rows) * size + 0.9
    )
    figure.suptitle(f"Figure {record.number}: {printable(record.caption)}", fontsize=9, wrap=True)
    axes = figure.subplots(len(record.rows), columns, squeeze=False)
    for row, places in zip(record.rows, axes, strict=True):
        for panel, ax in zip(row, places, strict=False):
            _draw(panel, ax)
        for ax in places[len(row) :]:
            ax.set_axis_off()
    save(figure, path, overwrite=overwrite)


def _draw(panel: Panel, ax: Axes) -> None:
    ax.set_title(printable(panel.title), fontsize=8)
    ax.tick_params(labelsize=7)
    match panel:
        case Picture():
            _draw_picture(panel, ax)
        case Histogram():
            ax.stairs(panel.counts, panel.edges, fill=True, color="0.6")
            ax.set_yscale("log", nonpositive="clip")
            ax.set_xlabel(panel.xlabel, fontsize=8)
            _draw_lines(panel.lines, ax)
        case Points():
            _draw_points(panel, ax)


def _draw_picture(panel: Picture, ax: Axes) -> None:
    from matplotlib.patches import Ellipse, Patch, Rectangle

    image = np.asarray(panel.image, float)
    known = image[np.isfinite(image)]
    low, high = panel.low, panel.high
    if low is None or high is None:
        low, high = np.percentile(known, (1, 99)) if known.size else (0.0, 1.0)
    rows, cols = image.shape
    extent = (panel.x0 - 0.5, panel.x0 + cols - 0.5, panel.y0 - 0.5, panel.y0 + rows - 0.5)
    drawn = ax.imshow(
        image,
        origin="lower",
        extent=extent,
        cmap="RdBu_r" if panel.signed else "gray",
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )
    ax.locator_params(nbins=4)
    for box in panel.boxes:
        width, height = box.x1 - box.x0, box.y1 - box.y0
        patch: Patch
        if box.round:
            middle = box.x0 - 0.5 + width / 2, box.y0 - 0.5 + height / 2
            patch = Ellipse(middle, width, height, fill=False, color=box.colour, lw=1)
        else:
            place = box.x0 - 0.5, box.y0 - 0.5
            patch = Rectangle(place, width, height, fill=False, color=box.colour, lw=1)
        ax.add_patch(patch)
    if panel.outline is not None:
        _draw_outline(panel, ax)
    if panel.label:
        bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
        bar.set_label(panel.label, fontsize=7)
        bar.ax.tick_params(labelsize=6)


def _draw_outline(panel: Picture, ax: Axes) -> None:
    """Draw the pixels' own edges where the mask ends."""
    from matplotlib.collections import LineCollection

    mask = np.pad(np.asarray(panel.outline, bool), 1)
    across = np.argwhere(mask[:, 1:] != mask[:, :-1])
    along = np.argwhere(mask[1:] != mask[:-1])
    x0, y0 = panel.x0 - 0.5, panel.y0 - 0.5
    lines = [((x0 + x, y0 + y - 1), (x0 + x, y0 + y)) for y, x in across]
    lines += [((x0 + x - 1, y0 + y), (x0 + x, y0 + y)) for y, x in along]
    ax.add_collection(LineCollection(lines, colors="tab:red", linewidths=1))


def _draw_points(panel: Points, ax: Axes) -> None:
    for series, colour in zip(panel.series, _COLOURS, strict=False):
        ax.errorbar(
            series.x,
            series.y,
            yerr=series.error,
            fmt="o-" if series.joined else "o",
            ms=3,
            lw=0.8,
            color=colour,
            label=printable(series.label),
        )
        for x, y, name in zip(series.x, series.y, series.names, strict=False):
            ax.annotate(
                printable(name), (x, y), xytext=(3, 4), textcoords="offset points", fontsize=6
            )
    ax.set_xlabel(panel.xlabel, fontsize=8)
    ax.set_ylabel(panel.ylabel, fontsize=8)
    _draw_lines(panel.lines, ax)
    if len(panel.series) > 1 or panel.lines:
        ax.legend(fontsize=6)


def _draw_lines(lines: Mapping[str, float], ax: Axes) -> None:
    for (label, x), colour in zip(lines.items(), ("tab:orange", "tab:green", "0.4"), strict=False):
        ax.axvline(x, color=colour, lw=1, ls="--", label=printable(label))
    if lines:
        ax.legend(fontsize=6)
