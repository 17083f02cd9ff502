"""The bias level, from the columns of a raw frame that see no light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import MetadataError
from fleckcore.frame import Area, Frame

__all__ = ["BiasLevel", "measure_bias", "subtract_bias", "to_electrons"]

Side = Literal["near", "far", "both"]


@dataclass(frozen=True, kw_only=True)
class BiasLevel:
    """The bias of one amplifier.

    Attributes
    ----------
    amplifier : str
        Its name.
    level : float
        Mean of the unlit pixels that were not clipped, in the unit of the data; of a line, at the middle row.
    slope : float
        Change from row to row; 0 of a constant.
    noise : float
        Standard deviation of one unlit pixel about the level or line: read noise, in the unit of the data.
    error : float
        Of the level.
    pixels : int
        Unlit pixels that were used.
    middle : float
        Row that ``level`` belongs to.
    """

    amplifier: str
    level: float
    slope: float
    noise: float
    error: float
    pixels: int
    middle: float


def measure_bias(
    raw: Frame, *, fit: Literal["constant", "line"] = "constant", side: Side = "near", skip: int = 0
) -> tuple[BiasLevel, ...]:
    """Measure each amplifier's bias level in its physical prescan.

    Parameters
    ----------
    raw : Frame
        From ``read(path, trim=False)``.
    fit : {"constant", "line"}
        One constant, as the flecks report does it, or a straight line along the rows.
    side : {"near", "far", "both"}
        Which unlit columns: those beside the edge of the image that the amplifier's area touches (of an area that
        touches both, the left ones), those on the other side, which hold charge that serial transfer left behind,
        or both.
    skip : int
        Columns next to the light that are left out.

    Returns
    -------
    tuple of BiasLevel
        One for each of ``raw.meta.areas``.

    Raises
    ------
    MetadataError
        ``M07``: no unlit columns, as in a trimmed frame, or an unknown ``fit`` or ``side``.

    Notes
    -----
    Rows that see light are used, so that charge in the virtual overscan plays no part; pixels beyond 4 standard
    deviations from the median are clipped, as cosmic rays reach the prescan too.
    """
    if fit not in ("constant", "line") or side not in ("near", "far", "both"):
        raise MetadataError(
            f"fit={fit!r}, side={side!r}, wanted constant or line, and near, far or both.",
            code="M07",
        )
    if not raw.meta.areas:
        raise MetadataError(
            "the frame does not say which amplifier reads what.",
            code="M07",
            path=raw.meta.path,
            advice="Choose an instrument profile.",
        )
    return tuple(_measure(raw, area, fit, side, skip) for area in raw.meta.areas)


def _measure(raw: Frame, area: Area, fit: str, side: Side, skip: int) -> BiasLevel:
    columns = _unlit_columns(raw, area, side, skip)
    rows = np.concatenate([np.arange(*span) for span in area.lit_rows])
    values = np.asarray(raw.data, np.float64)[np.ix_(rows, columns)]
    good = _clipped(values)
    place = np.broadcast_to(rows[:, None], values.shape)[good]
    seen = values[good]
    middle = float(rows.mean())
    slope = 0.0
    if fit == "line":
        off = place - place.mean()
        slope = float((off * seen).sum() / (off**2).sum())
    level = float((seen - slope * (place - middle)).mean())
    noise = float((seen - level - slope * (place - middle)).std(ddof=1 + (fit == "line")))
    return BiasLevel(
        amplifier=area.amplifier,
        level=level,
        slope=slope,
        noise=noise,
        error=noise / float(np.sqrt(seen.size)),
        pixels=int(seen.size),
        middle=middle,
    )


def _unlit_columns(raw: Frame, area: Area, side: Side, skip: int) -> NDArray[np.intp]:
    first, stop = area.columns
    left = np.arange(first, max(first, area.lit_columns[0][0] - skip))
    right = np.arange(min(stop, area.lit_columns[-1][1] + skip), stop)
    near, far = (left, right) if left.size else (right, left)
    chosen = {"near": near, "far": far, "both": np.concatenate([left, right])}[side]
    if not chosen.size:
        raise MetadataError(
            f"amplifier {area.amplifier} has no unlit columns on the {side} side.",
            code="M07",
            path=raw.meta.path,
            advice="Give a raw frame, read with trim=False.",
        )
    return chosen


def _clipped(values: NDArray[np.float64], limit: float = 4.0) -> NDArray[np.bool_]:
    good = np.isfinite(values)
    for _ in range(10):
        middle, deviation = np.median(values[good]), values[good].std()
        kept = good & (np.abs(values - middle) <= limit * deviation)
        if kept.sum() == good.sum() or kept.sum() < 3:
            break
        good = kept
    return good


def subtract_bias(raw: Frame, levels: Sequence[BiasLevel]) -> Frame:
    """Subtract bias levels and trim the overscan.

    Parameters
    ----------
    raw : Frame
        From ``read(path, trim=False)``.
    levels : sequence of BiasLevel
        From `measure_bias`, of every amplifier of the frame.

    Returns
    -------
    Frame
        What sees light, as float32; quality trimmed, without errors.

    Raises
    ------
    MetadataError
        ``M07``: an amplifier without a level.
    """
    by_name = {level.amplifier: level for level in levels}
    data = np.array(raw.data, np.float32)
    for area in raw.meta.areas:
        if area.amplifier not in by_name:
            raise MetadataError(
                f"no bias level for amplifier {area.amplifier}, found {', '.join(by_name) or 'none'}.",
                code="M07",
                path=raw.meta.path,
            )
        level = by_name[area.amplifier]
        line = level.level + level.slope * (np.arange(*area.rows) - level.middle)
        data[area.place] -= line[:, None].astype(np.float32)
    return _trimmed(raw.replace(data=data, error=None))


def _trimmed(raw: Frame) -> Frame:
    """Keep what sees light; a frame that is trimmed already stays as it is."""
    areas = raw.meta.areas
    rows = sorted({span for area in areas for span in area.lit_rows})
    columns = sorted({span for area in areas for span in area.lit_columns})
    ys = np.concatenate([np.arange(*span) for span in rows])
    xs = np.concatenate([np.arange(*span) for span in columns])
    new_row = {int(y): i for i, y in enumerate(ys)}
    new_column = {int(x): i for i, x in enumerate(xs)}

    def moved(area: Area) -> Area:
        row_span = (new_row[area.lit_rows[0][0]], new_row[area.lit_rows[-1][1] - 1] + 1)
        column_span = (
            new_column[area.lit_columns[0][0]],
            new_column[area.lit_columns[-1][1] - 1] + 1,
        )
        return replace(
            area,
            rows=row_span,
            columns=column_span,
            lit_rows=(row_span,),
            lit_columns=(column_span,),
        )

    def cut(plane: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if plane is None else np.ascontiguousarray(plane[np.ix_(ys, xs)])

    meta = replace(
        raw.meta,
        areas=tuple(moved(area) for area in areas),
        x_offset=raw.meta.x_offset + int(xs[0]),
        y_offset=raw.meta.y_offset + int(ys[0]),
        x_file=raw.meta.x_file + int(xs[0]),
        y_file=raw.meta.y_file + int(ys[0]),
        seams=_seams(areas, new_row, new_column),
    )
    data = cut(raw.data)
    assert data is not None
    return raw.replace(data=data, quality=cut(raw.quality), meta=meta)


def _seams(
    areas: Sequence[Area], new_row: dict[int, int], new_column: dict[int, int]
) -> tuple[tuple[str, int], ...]:
    rows = {("row", new_row[area.lit_rows[0][0]]) for area in areas}
    columns = {("col", new_column[area.lit_columns[0][0]]) for area in areas}
    return tuple(sorted(seam for seam in rows | columns if seam[1] > 0))


def to_electrons(frame: Frame) -> Frame:
    """Multiply by each amplifier's gain, and give every pixel its noise.

    Parameters
    ----------
    frame : Frame
        Bias-subtracted DN, with ``meta.areas``.

    Returns
    -------
    Frame
        Electrons as float32, with the error ``sqrt(max(signal, 0) + read_noise**2)`` of calacs.

    Raises
    ------
    MetadataError
        ``M07``: a gain or read noise that is not known, or data that are not DN.
    """
    if frame.meta.unit != "DN" or not frame.meta.areas:
        raise MetadataError(
            f"wanted DN of known amplifiers, found {frame.meta.unit}.",
            code="M07",
            path=frame.meta.path,
        )
    data = np.array(frame.data, np.float32)
    noise = np.empty_like(data)
    for area in frame.meta.areas:
        if area.gain_e is None or area.read_noise_e is None:
            raise MetadataError(
                f"gain or read noise of amplifier {area.amplifier} is not known.",
                code="M07",
                path=frame.meta.path,
                advice="Give them in the instrument profile; photon_transfer measures them.",
            )
        data[area.place] *= np.float32(area.gain_e)
        noise[area.place] = np.float32(area.read_noise_e) ** 2
    error = np.sqrt(np.maximum(data, 0) + noise)
    meta = replace(
        frame.meta,
        unit="electron",
        gain_e=1.0,
        areas=tuple(replace(area, gain_e=1.0) for area in frame.meta.areas),
    )
    return frame.replace(data=data, error=error, meta=meta)
