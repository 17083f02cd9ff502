"""A picture of a flat with what was found on it, and what people see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from real_flats import Flat

STRETCH = 0.02  # black to white is twice this, around the level
SMOOTHING = 1.5  # pixels: sees 0.3 % in noise of 1 %
FOUND, FALSE = "#00e5ff", "#ff2020"
LABELS = {"sure": "#7dff5a", "likely": "#ffd84d", "doubtful": "#d08cff"}


def draw(flat: Flat, catalog: Any, labels: Any, false: NDArray[np.intp], path: Path) -> None:
    """Draw ``catalog`` over the flat, the rows ``false`` in red, and the labels, moved to its x, y."""
    from matplotlib.figure import Figure

    rows, cols = flat.data.shape
    size = 16, 16 * rows / cols + 0.8
    figure = Figure(figsize=size, dpi=max(110, cols / 10), layout="constrained")
    axes = figure.add_subplot()
    image = flattened(flat, labels)
    axes.imshow(image, cmap="gray", vmin=1 - STRETCH, vmax=1 + STRETCH, origin="lower")
    for number, feature in enumerate(catalog):
        _feature(axes, feature, FALSE if number in false else FOUND)
    for label in labels:
        _label(axes, label, flat.offset)
    axes.set(xlim=(-0.5, cols - 0.5), ylim=(-0.5, rows - 0.5))
    _explain(figure, axes, flat, len(catalog), len(false))
    figure.savefig(path)


def flattened(flat: Flat, labels: Any) -> NDArray[np.float64]:
    """The flat over its large-scale level, slightly smoothed; NaN where masked."""
    ratio = np.asarray(flat.data, float) / _level(flat, labels)
    ratio[flat.mask] = np.nan
    seen = ndimage.gaussian_filter((~flat.mask).astype(float), SMOOTHING)
    smooth = ndimage.gaussian_filter(np.where(flat.mask, 0, ratio), SMOOTHING)
    return np.where(flat.mask, np.nan, smooth / np.maximum(seen, 1e-9))


def _level(flat: Flat, labels: Any) -> NDArray[np.float64]:
    """Medians in windows so wide that the largest sure feature is no part of the level.

    Where the light is curved they are off, so what is left is levelled again, twice.
    """
    sizes = [label["r"] for label in labels if label["conf"] == "sure" and label["kind"] != "line"]
    window = 4 * max([12, *sizes])
    left = np.where(flat.mask, np.median(flat.data[~flat.mask]), flat.data).astype(float)
    least = 0.02 * np.median(left)
    level = np.ones_like(left)
    for _ in range(3):
        level = np.maximum(level * _medians(left / level, window), least)
    return level


def _medians(image: NDArray[np.float64], window: float, block: int = 4) -> NDArray[np.float64]:
    """Medians in windows around every block of pixels, and smoothly between."""
    coarse = ndimage.median_filter(image, block)[block // 2 :: block, block // 2 :: block]
    medians = ndimage.median_filter(coarse, round(window / block), mode="nearest")
    smooth = ndimage.gaussian_filter(medians, window / block / 8, mode="nearest")
    places = [(np.arange(size) - block // 2) / block for size in image.shape]
    grid = np.meshgrid(*places, indexing="ij")
    return np.asarray(ndimage.map_coordinates(smooth, grid, order=1, mode="nearest"))


def _feature(axes: Any, feature: Any, colour: str) -> None:
    """A circle of its radius, a dashed one inside a ring, a line along a streak."""
    x, y = _value(feature, "x_centroid"), _value(feature, "y_centroid")
    if str(feature["kind"]) in ("streak", "column", "seam", "edge"):
        half = 1.73 * _value(feature, "semimajor_axis")  # of even light
        angle = np.radians(_value(feature, "orientation"))
        along = np.array([-half, half])
        axes.plot(x + along * np.cos(angle), y + along * np.sin(angle), color=colour, lw=1.2)
        return
    _circle(axes, x, y, _value(feature, "radius"), colour, 1.2)
    inner = _value(feature, "radius_inner")
    if inner > 0:
        _circle(axes, x, y, inner, colour, 1.0, (0, (4, 3)))


def _label(axes: Any, label: Any, offset: tuple[int, int]) -> None:
    x, y = label["x"] - offset[0], label["y"] - offset[1]
    colour = LABELS[str(label["conf"])]
    if label["kind"] == "line":
        x2, y2 = label["x2"] - offset[0], label["y2"] - offset[1]
        axes.plot([x, x2], [y, y2], color=colour, lw=0.7)
    else:
        _circle(axes, x, y, label["r"], colour, 0.7)


def _circle(
    axes: Any, x: float, y: float, radius: float, colour: str, width: float, style: Any = "-"
) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((x, y), radius, fill=False, ec=colour, lw=width, ls=style))


def _value(feature: Any, name: str) -> float:
    return float(getattr(feature[name], "value", feature[name]))


def _explain(figure: Any, axes: Any, flat: Flat, found: int, false: int) -> None:
    from matplotlib.lines import Line2D

    names = {f"found: {found - false}": FOUND, f"found, false: {false}": FALSE} | {
        f"people: {confidence}": colour for confidence, colour in LABELS.items()
    }
    lines = [Line2D([], [], color=colour, lw=2) for colour in names.values()]
    figure.legend(lines, names, loc="outside lower center", ncols=5, frameon=False)
    axes.set_title(f"{flat.name} over its level, black to white ±{STRETCH:.0%}")
