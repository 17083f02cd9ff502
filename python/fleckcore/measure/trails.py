"""What readout leaves behind a dark feature: charge that its pixels' traps took from the rows that follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.kernels import Trails, trail_scan

__all__ = ["Deficit", "PixelBox", "Step", "box_deficit", "find_step", "scan_trails", "shadow_boxes"]

SHADOW = (3, 11)
"""Rows behind and columns across, of ACS ISR 2018-03."""


@dataclass(frozen=True)
class PixelBox:
    """Whole pixels: first column and row, and those after the last."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Index of the pixels."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


@dataclass(frozen=True, kw_only=True)
class Deficit:
    """Signal of a box, less that of an equal one beside it.

    Attributes
    ----------
    value, error : float
        In the unit of the frame; negative where signal is missing. The error is that of all pixels of both boxes.
    total, total_beside : float
        The two signals.
    root_of_total : float
        Square root of the signal in the box, which ACS ISR 2018-03 takes for the noise. Of a mean of n exposures that
        is the square root of n too large, but for the noise of the other box and of the amplifier.
    mjd : float or None
        Of the frame.
    """

    value: float
    error: float
    total: float
    total_beside: float
    root_of_total: float
    mjd: float | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A series of deficits with one step.

    Attributes
    ----------
    before, before_error, after, after_error : float
        Weighted means on both sides.
    last_before, first_after : float
        MJD of the frames on both sides of the step.
    chi_square : float
        By which two levels describe the series better than one.
    scatter : float
        Reduced chi-square about the two levels; much above 1 where errors are too small.
    """

    before: float
    before_error: float
    after: float
    after_error: float
    last_before: float
    first_after: float
    chi_square: float
    scatter: float


def shadow_boxes(
    span: tuple[int, int, int, int],
    readout: str,
    *,
    size: tuple[int, int] = SHADOW,
    apart: int = 5,
) -> tuple[PixelBox, PixelBox]:
    """Place a box where the shadow of a feature falls, and an equal one beside it.

    Parameters
    ----------
    span : (int, int, int, int)
        First and last column, first and last row of the feature. What its rim takes beyond them counts as its shadow.
    readout : {"-y", "+y"}
        The edge that charge moves to, `FrameMeta.readout`: the shadow lies on the other side.
    size : (int, int)
        Rows and columns of a box.
    apart : int
        Columns between the feature and the box beside, which lies towards larger x.

    Raises
    ------
    ArrayError
        ``A09``: another direction.
    """
    if readout not in ("-y", "+y"):
        raise ArrayError(f"readout={readout!r}, wanted -y or +y.", code="A09")
    left, right, bottom, top = span
    rows, columns = size
    y0 = top + 1 if readout == "-y" else bottom - rows
    x0 = (left + right + 1 - columns) // 2
    away = max(right + 1 + apart - x0, columns)
    return (
        PixelBox(x0, y0, x0 + columns, y0 + rows),
        PixelBox(x0 + away, y0, x0 + away + columns, y0 + rows),
    )


def box_deficit(frame: Frame, box: PixelBox, beside: PixelBox) -> Deficit:
    """Compare the signal of two boxes.

    Parameters
    ----------
    frame : Frame
        Electrons, with its error plane: of a mean of exposures, that of the mean.
    box, beside : PixelBox
        Of one size. Masked pixels, and their counterparts in the other box, do not count.

    Returns
    -------
    Deficit

    Raises
    ------
    ArrayError
        ``A12`` boxes of other sizes, ``A09`` a box outside of the frame.
    MetadataError
        ``M07`` a frame without errors.
    """
    if frame.error is None:
        raise MetadataError("the frame has no errors.", code="M07", path=frame.meta.path)
    rows, cols = frame.shape
    for one in (box, beside):
        if not (0 <= one.x0 < one.x1 <= cols and 0 <= one.y0 < one.y1 <= rows):
            raise ArrayError(f"{one} is not inside of {cols} x {rows} pixels.", code="A09")
    data, other = frame.data[box.place], frame.data[beside.place]
    if data.shape != other.shape:
        raise ArrayError(f"boxes of {data.shape} and {other.shape} pixels.", code="A12")
    mask = frame.mask
    used = ~(mask[box.place] | mask[beside.place])
    totals = [float(part[used].sum(dtype=np.float64)) for part in (data, other)]
    variance = sum(
        float((frame.error[one.place][used].astype(np.float64) ** 2).sum()) for one in (box, beside)
    )
    return Deficit(
        value=totals[0] - totals[1],
        error=math.sqrt(variance),
        total=totals[0],
        total_beside=totals[1],
        root_of_total=math.sqrt(max(totals[0], 0.0)),
        mjd=frame.meta.mjd,
    )


def find_step(series: Sequence[Deficit]) -> Step:
    """Find where a series of deficits changes from one level to another.

    Parameters
    ----------
    series : sequence of Deficit
        With dates, two or more, in any order.

    Returns
    -------
    Step
        The two levels that describe the series best.

    Raises
    ------
    MetadataError
        ``M07``: fewer than two deficits, or one without a date.
    """
    dated = sorted((one.mjd, one.value, one.error) for one in series if one.mjd is not None)
    if len(dated) < len(series) or len(dated) < 2:
        raise MetadataError(f"{len(dated)} of {len(series)} deficits have dates.", code="M07")
    dates, values, errors = np.array(dated).T
    weights = 1 / errors**2
    misfits = [
        _misfit(values[:at], weights[:at]) + _misfit(values[at:], weights[at:])
        for at in range(1, len(dated))
    ]
    at = 1 + int(np.argmin(misfits))
    sides = [(values[part], weights[part]) for part in (slice(None, at), slice(at, None))]
    before, after = (float((value * weight).sum() / weight.sum()) for value, weight in sides)
    totals = [float(weight.sum()) for _, weight in sides]
    return Step(
        before=before,
        before_error=totals[0] ** -0.5,
        after=after,
        after_error=totals[1] ** -0.5,
        last_before=float(dates[at - 1]),
        first_after=float(dates[at]),
        chi_square=float(_misfit(values, weights) - min(misfits)),
        scatter=float(min(misfits) / max(len(dated) - 2, 1)),
    )


def _misfit(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    mean = (values * weights).sum() / weights.sum()
    return float((weights * (values - mean) ** 2).sum())


_AWAY: dict[str | None, Literal["+y", "-y", "+x", "-x"]] = {
    "-y": "+y",
    "+y": "-y",
    "-x": "+x",
    "+x": "-x",
}


def scan_trails(
    frame: Frame,
    *,
    threshold: float = -10.0,
    length: int = 60,
    n_sigma: float = 2.0,
    threads: int | None = None,
) -> Trails:
    """Follow the trail behind every pixel of a frame that is darker, or brighter, than its surroundings.

    Parameters
    ----------
    frame : Frame
        One exposure or a mean; ``meta.readout`` says which way charge moves.
    threshold : float
        Of a pixel less its background, in the frame's unit: below 0 for dark pixels, above it for bright ones.
    length : int
        Most steps of a trail.
    n_sigma : float
        Significance from which a step counts; ``-inf`` makes every trail as long as ``length``, and so its depth
        unbiased.
    threads : int, optional
        Threads; by default `fleckcore.kernels.default_threads`.

    Returns
    -------
    Trails
        Length, depth and profile of each, see `fleckcore.kernels.trail_scan`, whose notes apply.

    Raises
    ------
    MetadataError
        ``M07`` the direction of readout is not known.
    ArrayError
        ``A09`` an option out of range.
    """
    if frame.meta.readout not in _AWAY:
        raise MetadataError(
            f"readout is {frame.meta.readout!r}, wanted -y, +y, -x or +x.",
            code="M07",
            path=frame.meta.path,
        )
    return trail_scan(
        frame.data,
        direction=_AWAY[frame.meta.readout],
        seed_threshold=threshold,
        max_length=length,
        n_sigma=n_sigma,
        noise=frame.error,
        mask=frame.mask,
        threads=threads,
    )
