"""A map of what was found, and a sheet of cut-outs. Needs matplotlib (extra ``report``), no display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fleckcore.errors import ArrayError
from fleckcore.io.catalogs import KIND_COLOURS
from fleckcore.report.canvas import new_figure, printable, save

if TYPE_CHECKING:
    from astropy.table import Row, Table
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from fleckcore.frame import Frame

__all__ = ["plot_features", "plot_thumbnails"]

_MAP_PIXELS = 1800
_LINE_STYLES: dict[str, Any] = {
    "fleck": "-",
    "disc": (0, (4, 1)),
    "ring": (0, (1.5, 0.7)),
    "streak": (0, (4, 1, 1, 1)),
    "column": (0, (1, 1)),
    "seam": (0, (1, 2)),
    "edge": (0, (1, 3)),
}
_LONG = ("streak", "column", "seam", "edge")
_MASKED_COLOUR = "#7fb3d5"
_LETTER = 0.012
"""Height of a number on the map, of the frame's breadth."""


def plot_features(
    frame: Frame,
    catalog: Table,
    path: str | Path,
    *,
    normalised: NDArray[Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Draw the frame with every feature circled.

    Parameters
    ----------
    frame : Frame
        The frame that was searched.
    catalog : Table
        Its features: a `~fleckcore.detection.catalog.Catalog`.
    path : path-like
        ``.png``, ``.pdf`` or ``.svg``.
    normalised : ndarray, shape (rows, cols), optional
        Shown in place of the frame's data: the frame divided by its smooth level.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ArrayError
        ``A12`` when ``normalised`` is of another shape.
    MissingExtraError
        ``R17`` without matplotlib.
    OutputError
        ``R08`` when the file exists or cannot be written, or its ending is another.

    Notes
    -----
    Stretched by zscale. Large frames are averaged in blocks; masked pixels are blue. An outline
    is at least 1 % of the frame wide, so that it can be seen; the catalogue has the true sizes. A number is left
    out where others leave it no room, the least significant first.
    """
    figure = new_figure(12.0, 1.8 + 9.6 * frame.shape[0] / frame.shape[1])
    axes = figure.add_subplot()
    image = _shown(frame, normalised)
    step = max(1, -(-max(frame.shape) // _MAP_PIXELS))
    blocks = _block_mean(image, step)
    rows, cols = (step * size for size in blocks.shape)
    low, high = _zscale(blocks)
    picture = axes.imshow(
        blocks,
        cmap=_grey(),
        vmin=low,
        vmax=high,
        origin="lower",
        extent=(-0.5, cols - 0.5, -0.5, rows - 0.5),
        interpolation="nearest",
    )
    bar = figure.colorbar(picture, ax=axes, pad=0.01, shrink=0.85)
    bar.set_label(frame.meta.unit if normalised is None else "ratio to the smooth level")
    at_least = 0.01 * max(frame.shape)
    for feature in catalog:
        _outline(axes, feature, at_least)
    _number(axes, catalog, frame.shape, at_least)
    axes.set_xlim(-0.5, frame.shape[1] - 0.5)
    axes.set_ylim(-0.5, frame.shape[0] - 0.5)
    axes.set_xlabel("x, pixels (0-based: the centre of the first pixel is 0)")
    axes.set_ylabel("y, pixels (0-based)")
    axes.set_title(_title(frame, f"{len(catalog)} found"), parse_math=False)
    _legend(figure, catalog)
    save(figure, path, overwrite=overwrite)


def plot_thumbnails(
    frame: Frame,
    catalog: Table,
    path: str | Path,
    *,
    normalised: NDArray[Any] | None = None,
    limit: int = 48,
    overwrite: bool = False,
) -> None:
    """Draw a sheet of cut-outs, the most significant feature first.

    Parameters
    ----------
    frame, catalog, path, normalised, overwrite
        As for `plot_features`.
    limit : int
        Most cut-outs on the sheet.

    Raises
    ------
    ArrayError
        ``A09`` when ``limit`` is below 1, ``A12`` when ``normalised`` is of another shape.
    MissingExtraError
        ``R17`` without matplotlib.
    OutputError
        ``R08`` when the file exists or cannot be written, or its ending is another.

    Notes
    -----
    All cut-outs share one stretch, the span of the middle 99 % of their pixels; each has a scale bar.
    Blue is masked or beyond the edge of the frame.
    """
    if limit < 1:
        raise ArrayError(f"limit={limit}, wanted at least 1.", code="A09")
    image = _shown(frame, normalised)
    features = sorted(catalog, key=lambda row: (-_snr(row), int(row["label"])))[:limit]
    cuts = [_cut_out(image, feature) for feature in features]
    pixels = np.concatenate([cut.ravel() for cut in cuts] or [np.zeros(0, image.dtype)])
    pixels = pixels[np.isfinite(pixels)]
    low, high = np.percentile(pixels, (0.5, 99.5)) if pixels.size else (0.0, 1.0)

    across = min(8, max(4, len(cuts)))
    down = max(1, -(-len(cuts) // across))
    figure = new_figure(1.65 * across + 0.2, 2.2 * down + 0.7)
    note = (
        f"{len(cuts)} of {len(catalog)} found, by significance; white {high:.3g}, black {low:.3g}"
    )
    note += f" {frame.meta.unit}" if normalised is None else " of the smooth level"
    figure.suptitle(_title(frame, note), fontsize=10, parse_math=False)
    for number, (feature, cut) in enumerate(zip(features, cuts, strict=True), start=1):
        axes = figure.add_subplot(down, across, number)
        axes.imshow(cut, cmap=_grey(), vmin=low, vmax=high, origin="lower", interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(_caption(feature), fontsize=7, linespacing=1.1)
        _scale_bar(axes, cut.shape[1], frame.meta.pixel_size_um)
    save(figure, path, overwrite=overwrite)


def _shown(frame: Frame, normalised: NDArray[Any] | None) -> NDArray[np.float32]:
    """Give the picture in float32, NaN where pixels are masked."""
    image = frame.data if normalised is None else normalised
    if image.shape != frame.shape:
        raise ArrayError(f"normalised has shape {image.shape}, data has {frame.shape}.", code="A12")
    shown = image.astype(np.float32)
    shown[frame.mask | ~np.isfinite(shown)] = np.nan
    return shown


def _block_mean(image: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Average blocks of ``step`` by ``step`` pixels, NaN aside; the frame is padded with NaN."""
    if step == 1:
        return image
    rows, cols = (-(-size // step) for size in image.shape)
    padded = np.full((rows * step, cols * step), np.nan, dtype=np.float32)
    padded[: image.shape[0], : image.shape[1]] = image
    blocks = padded.reshape(rows, step, cols, step)
    seen = np.isfinite(blocks)
    count = seen.sum(axis=(1, 3))
    total = np.where(seen, blocks, 0).sum(axis=(1, 3), dtype=np.float64)
    mean: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.astype(np.float32)


def _zscale(image: NDArray[np.float32]) -> tuple[float, float]:
    from astropy.visualization import ZScaleInterval

    if not np.isfinite(image).any():
        return 0.0, 1.0
    low, high = ZScaleInterval().get_limits(image)
    return float(low), float(high)


def _grey() -> Any:
    from matplotlib import colormaps

    return colormaps["gray"].with_extremes(bad=_MASKED_COLOUR)


def _value(row: Row, name: str) -> float:
    return float(getattr(row[name], "value", row[name]))


def _snr(row: Row) -> float:
    return float(np.nan_to_num(_value(row, "snr"), nan=-np.inf))


def _colour(kind: str) -> str:
    return KIND_COLOURS.get(kind, "#FFFFFF")


def _outline(axes: Axes, feature: Row, at_least: float) -> None:
    """Draw a circle that leaves a rim of half a radius free, at most 6 pixels, or an ellipse along a streak."""
    from matplotlib.patches import Ellipse
    from matplotlib.patheffects import withStroke

    kind = str(feature["kind"])
    x, y = _value(feature, "x_centroid"), _value(feature, "y_centroid")
    width = height = _outlined(feature, at_least)
    angle = 0.0
    if kind in _LONG:  # of even light, a streak is 3.5 sigma long
        width = float(np.fmax(3.8 * _value(feature, "semimajor_axis"), at_least))
        angle = _value(feature, "orientation")
    axes.add_patch(
        Ellipse(
            (x, y),
            width,
            height,
            angle=angle,
            fill=False,
            linewidth=1.7,
            edgecolor=_colour(kind),
            linestyle=_LINE_STYLES.get(kind, "-"),
            path_effects=[withStroke(linewidth=3.2, foreground="black")],
        )
    )


def _outlined(feature: Row, at_least: float) -> float:
    """Breadth of a feature's outline, pixels."""
    if str(feature["kind"]) in _LONG:
        return float(np.fmax(6 * _value(feature, "semiminor_axis"), at_least))
    radius = _value(feature, "radius")
    return float(np.fmax(2 * (radius + min(0.5 * radius, 6.0)), at_least))


def _number(axes: Axes, catalog: Table, shape: tuple[int, int], at_least: float) -> None:
    """Put each label at the first corner of its outline that is on the frame, clear of others and of all centres."""
    from matplotlib.patheffects import withStroke

    high = _LETTER * shape[1]
    names = ("x_centroid", "y_centroid")
    centres = np.array([[_value(row, name) for name in names] for row in catalog]).reshape(-1, 2)
    taken = np.hstack([centres - 0.25 * high, centres + 0.25 * high])
    for feature in sorted(catalog, key=lambda row: -_snr(row)):
        text = str(feature["label"])
        half = np.array([0.35 * high * len(text), 0.5 * high])
        centre = np.array([_value(feature, name) for name in names])
        reach = 0.36 * _outlined(feature, at_least) + half
        for corner in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            middle = centre + np.multiply(corner, reach)
            box = np.concatenate([middle - half, middle + half])
            on_frame = (box[:2] >= 0).all() and (box[2:] <= (shape[1], shape[0])).all()
            apart = (taken[:, 2:] <= box[:2]) | (taken[:, :2] >= box[2:])
            if on_frame and apart.any(axis=1).all():
                taken = np.vstack([taken, box])
                axes.text(
                    middle[0],
                    middle[1],
                    text,
                    gid=f"number {text}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white",
                    path_effects=[withStroke(linewidth=2.2, foreground="black")],
                )
                break


def _legend(figure: Figure, catalog: Table) -> None:
    from matplotlib.lines import Line2D

    kinds = [str(kind) for kind in catalog["kind"]]
    lines = [
        Line2D([], [], color=colour, linestyle=_LINE_STYLES.get(kind, "-"), linewidth=2)
        for kind, colour in KIND_COLOURS.items()
    ]
    names = [f"{kind}: {kinds.count(kind)}" for kind in KIND_COLOURS]
    figure.legend(lines, names, loc="outside lower center", ncols=4, frameon=False)


def _title(frame: Frame, note: str) -> str:
    meta = frame.meta
    name = meta.path.name if meta.path else meta.rootname or "frame"
    chip = "" if meta.chip is None else f", chip {meta.chip}"
    return printable(f"{name}{chip}: {note}")


def _caption(feature: Row) -> str:
    depth = 100 * (1 - _value(feature, "transmission_min"))
    decimals = 0 if abs(depth) >= 10 else 1 if abs(depth) >= 1 else 2
    return (
        f"{feature['label']}  {feature['kind']}  S/N {_value(feature, 'snr'):.0f}\n"
        f"x {_value(feature, 'x_centroid'):.1f}  y {_value(feature, 'y_centroid'):.1f}\n"
        f"r {_value(feature, 'radius'):.1f} px  depth {depth:.{decimals}f} %"
    )


def _cut_out(image: NDArray[np.float32], feature: Row) -> NDArray[np.float32]:
    """Cut a square of five radii, at least 25 pixels; NaN beyond the edge of the frame."""
    half = max(12, int(np.ceil(2.5 * np.nan_to_num(_value(feature, "radius")))))
    x, y = round(_value(feature, "x_centroid")), round(_value(feature, "y_centroid"))
    cut = np.full((2 * half + 1, 2 * half + 1), np.nan, dtype=np.float32)
    y0, x0 = max(0, y - half), max(0, x - half)
    part = image[y0 : max(0, y + half + 1), x0 : max(0, x + half + 1)]
    top, left = y0 - (y - half), x0 - (x - half)
    cut[top : top + part.shape[0], left : left + part.shape[1]] = part
    return cut


def _scale_bar(axes: Axes, width: int, pixel_size_um: float | None) -> None:
    length = max(n for n in (5, 10, 20, 50, 100, 200) if n == 5 or n <= 0.4 * width)
    left, base = 0.05 * width, 0.06 * width
    for colour, thickness in (("black", 4.0), ("white", 2.0)):
        axes.plot([left, left + length], [base, base], color=colour, linewidth=thickness)
    microns = "" if pixel_size_um is None else f" = {length * pixel_size_um:g} \N{MICRO SIGN}m"
    axes.set_xlabel(f"bar {length} px{microns}", fontsize=6, labelpad=2, loc="left")
