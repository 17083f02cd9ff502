"""Normalisation: what light would be there if nothing stood in front, divided out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.parallel import bands, parallel_map
from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.kernels import median_filter, mesh_statistics

__all__ = [
    "METHODS",
    "Method",
    "Normalised",
    "fitting",
    "normalise",
    "over_level",
    "require_level",
    "sections",
]

Method = Literal["ratio", "literal", "difference", "none"]
METHODS: tuple[Method, ...] = get_args(Method)

LITERAL_MESH = 64
LEVEL_STEP = 4
"""Of every so many pixels each way of a large frame the level is looked at for what is typical."""


@dataclass(frozen=True, eq=False)
class Normalised:
    """A frame whose undisturbed level is 1.

    Attributes
    ----------
    transmission : ndarray of float32, shape (rows, cols)
        1 where all light comes through, NaN where ``mask`` is set.
    error : ndarray of float32, shape (rows, cols), or None
        One standard deviation of it, from the frame's error plane.
    level : ndarray of float32, shape (rows, cols)
        What was divided out, in the frame's unit.
    mask : ndarray of bool, shape (rows, cols)
        Pixels that are not searched.
    method : str
        How it was made.
    unlit : int
        Pixels left out because they receive less than ``unlit_below`` of the typical light.
    """

    transmission: NDArray[np.float32]
    error: NDArray[np.float32] | None
    level: NDArray[np.float32]
    mask: NDArray[np.bool_]
    method: Method
    unlit: int = 0


def normalise(
    frame: Frame,
    method: Method,
    *,
    window: int,
    stripe_window: int,
    unlit_below: float,
    reference: Frame | None = None,
    threads: int | None = None,
) -> Normalised:
    """Divide a frame by the level that it would have without features.

    Parameters
    ----------
    frame : Frame
        Bias-subtracted light: its zero must be the zero of light, or transmissions come out too high.
    method : {"ratio", "literal", "difference", "none"}
        ``ratio``: over the median in a large window, then over running medians along rows and along columns,
        which take out column patterns, amplifier steps and the bias of the window near an edge.
        ``literal``: over a large-scale mesh only; the published recipe then filters the result itself, and has
        its own thresholds (5 sigma, 25 pixels).
        ``difference``: the ratio, less the ratio of ``reference`` (a stack from before), plus 1; what both have
        in common is gone.
        ``none``: the frame is already normalised.
    window : int
        Side of the square median window in pixels, odd. Features wider than about 0.7 of it are weakened.
    stripe_window : int
        Length of the running medians in pixels, odd; streaks longer than half of it are weakened.
    unlit_below : float
        Pixels whose level is below this fraction of the frame's median level are not searched: there the ratio
        is of two small numbers.
    reference : Frame, optional
        For ``difference``.
    threads : int, optional
        Threads for the kernels.

    Raises
    ------
    ArrayError
        ``A06`` when the typical level is not positive, ``A12`` when ``reference`` has another shape.
    """
    if method not in METHODS:
        raise MetadataError(
            f"unknown normalisation {method!r}, wanted one of {', '.join(METHODS)}.", code="M07"
        )
    if method == "none":
        return _as_it_is(frame)
    if method == "literal":
        level = _mesh_level(frame, threads)
        return _divide(frame, level, frame.mask, "literal", 0.0, threads)
    normalised = _ratio(frame, window, stripe_window, unlit_below, threads)
    if method == "ratio":
        return normalised
    if reference is None:
        raise MetadataError("difference needs a reference frame.", code="M07")
    if reference.shape != frame.shape:
        raise ArrayError(
            f"reference has shape {reference.shape}, the frame has {frame.shape}.",
            code="A12",
            path=frame.meta.path,
            extension=frame.meta.extension or None,
        )
    before = _ratio(reference, window, stripe_window, unlit_below, threads)
    return _subtract(normalised, before)


def _as_it_is(frame: Frame) -> Normalised:
    with np.errstate(over="ignore"):
        data = frame.data.astype(np.float32)
        error = None if frame.error is None else frame.error.astype(np.float32)
    mask = frame.mask | ~np.isfinite(data)
    data[mask] = np.nan
    return Normalised(data, error, np.ones(frame.shape, np.float32), mask, "none")


def _mesh_level(frame: Frame, threads: int | None) -> NDArray[np.float32]:
    mesh = mesh_statistics(frame.data, LITERAL_MESH, mask=frame.mask, threads=threads)
    return mesh.filled().median_filtered().interpolate("level", threads=threads)


def _ratio(
    frame: Frame, window: int, stripe_window: int, unlit_below: float, threads: int | None
) -> Normalised:
    mask = frame.mask
    level = np.empty(frame.shape, np.float32)
    for part in sections(frame):
        size = fitting(window, level[part].shape)
        median = median_filter(frame.data[part], size, mask=mask[part], threads=threads)
        with np.errstate(over="ignore"):
            level[part] = median
    transmission, left_out = _transmission(frame, level, mask, unlit_below, threads)
    for part in sections(frame):
        rows, cols = fitting(stripe_window, level[part].shape)
        along = np.empty(level[part].shape, np.float32)
        for stripe in ((1, cols), (rows, 1)):
            median_filter(transmission[part], stripe, threads=threads, out=along)
            _take_out(along, transmission[part], level[part], unlit_below, threads)

    def leave_out(rows: slice, _: int) -> int:
        np.logical_not(np.isfinite(transmission[rows]), out=left_out[rows])
        np.copyto(transmission[rows], np.nan, where=left_out[rows])
        return int(np.count_nonzero(left_out[rows] & ~mask[rows]))

    unlit = sum(parallel_map(leave_out, bands(len(mask)), threads))
    error = _relative_error(frame, level, threads)
    return Normalised(transmission, error, level, left_out, "ratio", unlit)


def _take_out(
    along: NDArray[np.float32],
    transmission: NDArray[np.float32],
    level: NDArray[np.float32],
    unlit_below: float,
    threads: int | None,
) -> None:
    """Divide the transmission by running medians, which become a part of the level."""

    def divide(rows: slice, _: int) -> None:
        medians = along[rows]
        medians[~(medians > unlit_below)] = np.nan  # a dead row or column
        transmission[rows] /= medians
        level[rows] *= medians

    parallel_map(divide, bands(len(along)), threads)


def sections(frame: Frame) -> list[tuple[slice, slice]]:
    """The parts of the frame between the seams of its amplifiers, each normalised by itself."""
    ends = {"row": [0, frame.shape[0]], "col": [0, frame.shape[1]]}
    for axis, index in frame.meta.seams:
        if 0 < index < ends[axis][-1]:
            ends[axis].insert(-1, index)
    rows, cols = ([slice(a, b) for a, b in pairwise(sorted(ends[axis]))] for axis in ("row", "col"))
    return [(r, c) for r in rows for c in cols]


def _divide(
    frame: Frame,
    level: NDArray[np.float32],
    mask: NDArray[np.bool_],
    method: Method,
    unlit_below: float,
    threads: int | None,
) -> Normalised:
    transmission, left_out = _transmission(frame, level, mask, unlit_below, threads)
    error = _relative_error(frame, level, threads)
    unlit = int(np.count_nonzero(left_out)) - int(np.count_nonzero(mask))
    return Normalised(transmission, error, level, left_out, method, unlit)


def _transmission(
    frame: Frame,
    level: NDArray[np.float32],
    mask: NDArray[np.bool_],
    unlit_below: float,
    threads: int | None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The frame over its level, and ``mask`` with what is unlit."""
    typical = require_level(frame, level, mask)
    least = max(unlit_below * typical, float(np.finfo(np.float32).tiny))
    transmission, left_out = np.empty(frame.shape, np.float32), np.empty(frame.shape, bool)

    def divide(rows: slice, _: int) -> None:
        with np.errstate(invalid="ignore"):
            np.logical_not(level[rows] > least, out=left_out[rows])
        left_out[rows] |= mask[rows]
        over_level(frame.data[rows], level[rows], transmission[rows])
        np.copyto(transmission[rows], np.nan, where=left_out[rows])

    parallel_map(divide, bands(len(level)), threads)
    return transmission, left_out


def over_level(
    values: NDArray[Any], level: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Divide pixels, or their errors, by the level."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio: NDArray[np.float32] = np.divide(
            values, level, out=out, dtype=np.float32, casting="unsafe"
        )
    return ratio


def require_level(frame: Frame, level: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Give the typical level of a frame, or raise `ArrayError` (A06) where there is none to divide by."""
    typical = _typical(level, mask)
    if not 0 < typical < np.inf:
        raise ArrayError(
            f"LEVEL_TOO_LOW: the typical level of the frame is {typical:g}, wanted more than 0 and finite.",
            code="A06",
            path=frame.meta.path,
            extension=frame.meta.extension or None,
            advice="Subtract the right bias, or search a difference with normalise='none'.",
        )
    return typical


def _typical(level: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Median of the level, from every fourth pixel each way of a large frame; NaN when nothing is known."""
    step = LEVEL_STEP if level.size > 1_000_000 else 1
    lit = level[::step, ::step][~mask[::step, ::step]]
    lit = lit[~np.isnan(lit)]
    return float(np.median(lit)) if lit.size else np.nan


def _relative_error(
    frame: Frame, level: NDArray[np.float32], threads: int | None
) -> NDArray[np.float32] | None:
    if frame.error is None:
        return None
    error, out = frame.error, np.empty(frame.shape, np.float32)
    parallel_map(
        lambda rows, _: over_level(error[rows], level[rows], out[rows]), bands(len(out)), threads
    )
    return out


def _subtract(after: Normalised, before: Normalised) -> Normalised:
    mask = after.mask | before.mask
    transmission = after.transmission - before.transmission + np.float32(1)
    transmission[mask] = np.nan
    errors = [n.error for n in (after, before) if n.error is not None]
    error = np.hypot(*errors) if len(errors) == 2 else (errors[0] if errors else None)
    return Normalised(transmission, error, after.level, mask, "difference", after.unlit)


def fitting(size: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """The largest odd window, not larger than the frame."""
    rows, cols = (min(size, n if n % 2 else n - 1) for n in shape)
    return max(rows, 1), max(cols, 1)
