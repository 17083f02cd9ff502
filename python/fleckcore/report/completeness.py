"""A picture of what a search of a frame finds and what it misses. Needs matplotlib (extra ``report``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fleckcore.report.canvas import new_figure, printable, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from fleckcore.detection.completeness import Completeness

__all__ = ["plot_completeness"]

_CELL = 0.62
_COLOURS = "cividis"
_GRID: dict[str, Any] = {"color": "white", "linewidth": 0.6, "alpha": 0.6, "zorder": 1.5}
_LINES = {
    "depth_50": ("half are found, from this depth on", "o", (0, (2, 1.5))),
    "depth_95": ("95 % are found, from this depth on", "s", "-"),
}
_NAMES = {
    "fleck": "flecks (soft rim)",
    "disc": "discs (flat, soft edge)",
    "ring": "rings (hole of half the radius)",
    "streak": "streaks (radius: half the length)",
}


def plot_completeness(result: Completeness, path: str | Path, *, overwrite: bool = False) -> None:
    """Draw how many of the shadows that were put on a frame were found again, by radius and depth.

    Parameters
    ----------
    result : Completeness
        Of `fleckcore.completeness`.
    path : path-like
        ``.png``, ``.pdf`` or ``.svg``.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    MissingExtraError
        ``R17`` without matplotlib.
    OutputError
        ``R08`` when the file exists or cannot be written, or its ending is another.

    Notes
    -----
    One panel per kind; the number in a cell is the share in per cent, a dash where none could be put. The lines join
    the depths from which half and 95 % are found; a size that stays below has no point.
    """
    cells = result.cells
    kinds = list(dict.fromkeys(str(kind) for kind in cells["kind"]))
    panels = [_Panel(cells[np.asarray(cells["kind"]) == kind]) for kind in kinds]
    widths = [max(3, len(panel.radii)) for panel in panels]
    tallest = max(4, *(len(panel.depths) for panel in panels))
    width = max(7.5, _CELL * sum(widths) + 1.0 * len(kinds) + 1.5)
    figure = new_figure(width, _CELL * tallest + 2.3)
    axes = figure.subplots(1, len(kinds), squeeze=False, width_ratios=widths)[0]
    for panel, kind, ax in zip(panels, kinds, axes, strict=True):
        picture = _draw(ax, panel)
        ax.set_title(_NAMES.get(kind, kind), fontsize=10)
    axes[0].set_ylabel("greatest loss of light, %")
    bar = figure.colorbar(picture, ax=list(axes), pad=0.01, fraction=0.03)
    bar.set_label("found again, %")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(_title(result), fontsize=11, parse_math=False)
    save(figure, path, overwrite=overwrite)


class _Panel:
    """The cells of one kind as an image, one row per depth and one column per radius."""

    def __init__(self, cells: Any) -> None:
        radius, depth = np.asarray(cells["radius"].value), np.asarray(cells["depth"])
        self.radii, column = np.unique(radius, return_inverse=True)
        self.depths, row = np.unique(depth, return_inverse=True)
        self.fraction = np.full((len(self.depths), len(self.radii)), np.nan)
        self.fraction[row, column] = cells["fraction"]
        self.limits = {name: np.full(len(self.radii), np.nan) for name in _LINES}
        for name, values in self.limits.items():
            values[column] = cells[name]

    def row_of(self, depth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where depths lie between the rows, which are one apart."""
        return np.interp(np.log(depth), np.log(self.depths), np.arange(len(self.depths)))


def _draw(axes: Axes, panel: _Panel) -> Any:
    from matplotlib import colormaps

    colours = colormaps[_COLOURS].with_extremes(bad="white")
    picture = axes.imshow(
        100 * panel.fraction, cmap=colours, vmin=0, vmax=100, origin="lower", aspect="auto"
    )
    for (row, column), share in np.ndenumerate(panel.fraction):
        text = "\N{EN DASH}" if np.isnan(share) else f"{100 * share:.0f}"
        dark = np.isnan(share) or share > 0.55
        axes.text(
            column - 0.42,
            row + 0.42,
            text,
            ha="left",
            va="top",
            fontsize=8,
            color="black" if dark else "white",
        )
    for name, (label, marker, style) in _LINES.items():
        axes.plot(
            np.arange(len(panel.radii)),
            panel.row_of(panel.limits[name]),
            label=label,
            marker=marker,
            linestyle=style,
            color="#D55E00",
            markeredgecolor="white",
            markersize=7,
            linewidth=2,
            clip_on=False,
        )
    axes.hlines(np.arange(1, len(panel.depths)) - 0.5, -0.5, len(panel.radii) - 0.5, **_GRID)
    axes.vlines(np.arange(1, len(panel.radii)) - 0.5, -0.5, len(panel.depths) - 0.5, **_GRID)
    axes.set_xlim(-0.5, len(panel.radii) - 0.5)
    axes.set_ylim(-0.5, len(panel.depths) - 0.5)
    axes.set_xticks(np.arange(len(panel.radii)), [f"{radius:g}" for radius in panel.radii])
    axes.set_yticks(np.arange(len(panel.depths)), [f"{100 * depth:g}" for depth in panel.depths])
    axes.set_xlabel("radius, pixels")
    return picture


def _title(result: Completeness) -> str:
    meta = result.cells.meta
    chip = "" if meta["chip"] is None else f", chip {meta['chip']}"
    frames = "" if meta["frames"] == 1 else f" and {meta['frames'] - 1} more, averaged"
    tried = sorted({int(n) for n in result.cells["injected"] if n}) or [0]
    count = f"{tried[0]}" if tried[0] == tried[-1] else f"{tried[0]} to {tried[-1]}"
    name = printable(f"{meta['input']}{chip}{frames}")
    return (
        f"{name}: which shadows does the search find?\n"
        f"{count} of each were put on the frame; shown: share found again, place and size right"
    )
