"""When something appeared or vanished: a step in a series of depths, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError

__all__ = ["Interval", "Presence", "date_presence"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

OUTLIER = 5.0
"""Errors from both levels beyond which a value is left out, and listed."""
RANGE = 1.0
"""Depths are taken to lie between 0 and this, all alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Between two frames.

    Attributes
    ----------
    after, before : float
        MJD of the last frame without and the first with it; infinite beyond the series.
    probability : float
        That it happened there, given that it happened once.
    """

    after: float
    before: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Since when, and until when, a feature was there.

    Attributes
    ----------
    appeared : tuple of Interval
        Where it appeared, the likeliest first, until they hold ``confidence`` together; empty if it was there from
        the first frame on.
    vanished : tuple of Interval
        Likewise; empty if it is there in the last frame.
    absent, absent_err, present, present_err : float
        Depth without and with it, and one standard deviation. Without a step both are the mean of all.
    significance : float
        Errors by which they differ: the root of what the step saves in chi-square.
    false_alarms : float
        Expected number of steps at least as significant among ``places`` series of noise.
    scatter : float
        By what the errors were multiplied, since the values scatter more than they say; at least 1.
    outliers : tuple of int
        Values that were left out: beyond what a shadow can have, or far from both levels.
    """

    appeared: tuple[Interval, ...] = ()
    vanished: tuple[Interval, ...] = ()
    absent: float = math.nan
    absent_err: float = math.nan
    present: float = math.nan
    present_err: float = math.nan
    significance: float = 0.0
    false_alarms: float = math.inf
    scatter: float = 1.0
    outliers: tuple[int, ...] = ()


def date_presence(
    mjd: Any,
    depth: Any,
    error: Any,
    *,
    places: float = 1.0,
    confidence: float = 0.95,
    partial: bool = False,
) -> Presence:
    """Date the appearance of a feature, and its end, from its depths in frames, whether or not these show it.

    The depth has one value while the feature is there and another while it is not. Every pair of frames between which
    it may have come, and gone, is weighed by its likelihood; both depths are integrated over. All moments are equally
    likely beforehand, so a longer gap is likelier.

    Parameters
    ----------
    mjd : array_like of float, shape (n,)
        Dates, in any order. Values without a finite date, depth or error are not used.
    depth, error : array_like of float, shape (n,)
        Fraction of light lost, and one standard deviation.
    places : float
        How many series like this one were, or could have been, looked at: `Presence.false_alarms` grows with it.
    confidence : float
        Probability that the listed intervals hold.
    partial : bool
        The values are means over some time: the first one with the feature, and the first one after it, may have any
        depth from 0 to 1, all of which are equally likely.

    Returns
    -------
    Presence

    Raises
    ------
    ArrayError
        ``A12`` columns of different lengths; ``A09`` an error that is not positive, or an option out of range.

    Notes
    -----
    Errors are taken for Gaussian and independent, and multiplied by the scatter about both levels where that is
    larger. A false alarm is counted for every pair of frames: an upper bound (Bonferroni).
    """
    series = _Series.of(mjd, depth, error)
    if not (places > 0 and 0 < confidence < 1):
        raise ArrayError(
            f"places={places}, confidence={confidence}: wanted above 0, and between 0 and 1.",
            code="A09",
        )
    if len(series) < 2:
        return Presence()
    step, clean, outliers = _without_outliers(series, partial)
    scatter = max(1.0, math.sqrt(step.chi_square / max(1, len(clean) - 3)))
    clean = _Series(clean.mjd, clean.depth, clean.error * scatter)
    ways = _ways(clean, partial)
    step = _best(clean, ways)
    n = len(clean)
    trials = places * (n * (n + 1) / 2 - 1)
    gain = math.sqrt(max(0.0, _chi_square(clean) - step.chi_square))
    appeared, vanished = _intervals(clean, step, ways, confidence)
    return Presence(
        appeared=appeared,
        vanished=vanished,
        absent=step.absent[0],
        absent_err=step.absent[1],
        present=step.present[0],
        present_err=step.present[1],
        significance=gain,
        false_alarms=trials * 0.5 * math.erfc(gain / math.sqrt(2)),
        scatter=scatter,
        outliers=outliers,
    )


@dataclass(frozen=True, eq=False)
class _Series:
    """Values in order of their dates."""

    mjd: Floats
    depth: Floats
    error: Floats

    @classmethod
    def of(cls, mjd: Any, depth: Any, error: Any) -> _Series:
        columns = [np.asarray(values, float) for values in (mjd, depth, error)]
        if any(column.ndim != 1 or column.shape != columns[0].shape for column in columns):
            shapes = ", ".join(str(column.shape) for column in columns)
            raise ArrayError(
                f"dates, depths and errors have shapes {shapes}, wanted one.", code="A12"
            )
        if (columns[2] <= 0).any():
            raise ArrayError("an error is not positive.", code="A09")
        known = np.isfinite(columns).all(axis=0)
        order = np.argsort(columns[0][known], kind="stable")
        return cls(*(column[known][order] for column in columns))

    def __len__(self) -> int:
        return len(self.mjd)


@dataclass(frozen=True)
class _Step:
    """Present from value ``first`` on, before value ``stop``; every value else is absent."""

    first: int
    stop: int
    chi_square: float
    absent: tuple[float, float]
    present: tuple[float, float]


class _Ways(NamedTuple):
    """Every way to be there in part of a series only, as columns.

    Attributes
    ----------
    first, stop : ndarray of int
        There from value ``first`` on, before value ``stop``.
    begins, ends : ndarray of int
        1 where value ``first``, or value ``stop``, is between both levels.
    chi_square : ndarray of float
        With what such values cost; infinite where it is no deeper while it is there.
    log : ndarray of float
        Logarithm of the evidence: both levels are integrated over, from 0 to `RANGE`.
    """

    first: Whole
    stop: Whole
    begins: Whole
    ends: Whole
    chi_square: Floats
    log: Floats


def _sums(series: _Series) -> tuple[Floats, Floats, Floats]:
    """Give sums of weight, weighted depth and its square over the values before each place; depth from its mean."""
    weight = series.error**-2
    depth = series.depth - weight @ series.depth / weight.sum()  # else squares cancel
    parts = (weight, weight * depth, weight * depth**2)
    first, second, third = (np.concatenate([[0.0], np.cumsum(part)]) for part in parts)
    return first, second, third


def _chi_square(series: _Series) -> float:
    weight, value, square = (part[-1] for part in _sums(series))
    return float(square - value**2 / weight)


def _ways(series: _Series, partial: bool) -> _Ways:
    n = len(series)
    first, stop = np.triu_indices(n + 1, k=1)
    edges = ((0, 0), (0, 1), (1, 0), (1, 1)) if partial else ((0, 0),)
    begins, ends = (np.repeat([edge[side] for edge in edges], first.size) for side in (0, 1))
    first, stop = np.tile(first, len(edges)), np.tile(stop, len(edges))
    absent = first + n - stop - ends
    kept = (absent > 0) & (first + begins < stop) & (first >= begins) & (stop + ends <= n)
    first, stop, begins, ends = (part[kept] for part in (first, stop, begins, ends))
    sums = _sums(series)
    inside, outside = [], []
    for total in sums:
        inside.append(total[stop] - total[first + begins])
        outside.append(total[-1] - (total[stop + ends] - total[first]))
    cost = np.append(2 * np.log(RANGE / (series.error * math.sqrt(2 * math.pi))), 0.0)
    chi_square = np.maximum(
        inside[2] - inside[1] ** 2 / inside[0] + outside[2] - outside[1] ** 2 / outside[0], 0.0
    )
    chi_square += np.maximum(cost[first] * begins + cost[stop] * ends, 0.0)
    widths = np.log(inside[0]) + np.log(outside[0])
    log = math.log(2 * math.pi / RANGE**2) - 0.5 * (chi_square + widths)
    deeper = inside[1] / inside[0] > outside[1] / outside[0]
    chi_square, log = np.where(deeper, chi_square, np.inf), np.where(deeper, log, -np.inf)
    return _Ways(first, stop, begins, ends, chi_square, log)


def _best(series: _Series, ways: _Ways) -> _Step:
    everything = np.ones(len(series), bool)
    if not np.isfinite(ways.chi_square).any():
        level = _level(series, everything)
        return _Step(0, len(series), _chi_square(series), level, level)
    at = int(np.argmin(ways.chi_square))
    first, stop, begins, ends = (int(part[at]) for part in ways[:4])
    inside, outside = ~everything, everything.copy()
    inside[first + begins : stop] = True
    outside[first : stop + ends] = False
    levels = _level(series, outside), _level(series, inside)
    return _Step(first, stop, float(ways.chi_square[at]), *levels)


def _level(series: _Series, chosen: NDArray[np.bool_]) -> tuple[float, float]:
    weight = series.error[chosen] ** -2
    total = float(weight.sum())
    return float(weight @ series.depth[chosen]) / total, total**-0.5


def _without_outliers(series: _Series, partial: bool) -> tuple[_Step, _Series, tuple[int, ...]]:
    """Leave out what no shadow has, then what lies far from both levels, if it may be partial not between them."""
    depth, error = series.depth, series.error
    kept = (depth > -OUTLIER * error) & (depth < RANGE + OUTLIER * error)
    if np.count_nonzero(kept) < 2:
        kept = np.ones(len(series), bool)
    while True:
        clean = _Series(series.mjd[kept], depth[kept], error[kept])
        step = _best(clean, _ways(clean, partial))
        levels = np.array([[step.absent[0]], [step.present[0]]])
        off = (np.abs(depth - levels) / error).min(axis=0) > OUTLIER
        if partial:
            off &= (depth < levels[0]) | (depth > levels[1])
        fewer = kept & ~off
        if np.count_nonzero(fewer) < 2 or (fewer == kept).all():
            return step, clean, tuple(np.flatnonzero(~kept).tolist())
        kept = fewer


def _intervals(
    series: _Series, step: _Step, ways: _Ways, confidence: float
) -> tuple[tuple[Interval, ...], tuple[Interval, ...]]:
    """Give where it appeared and where it vanished; of both, the other summed over."""
    n, mjd = len(series), series.mjd
    first, stop = ways.first, ways.stop
    same = ((first > 0) == (step.first > 0)) & ((stop < n) == (step.stop < n))
    ends = np.concatenate([[-np.inf], mjd, [np.inf]])
    gaps = np.concatenate([[1.0], np.diff(mjd), [1.0]])  # nothing is said beyond the series
    with np.errstate(divide="ignore"):
        log = np.where(same, ways.log + np.log(gaps[first]) + np.log(gaps[stop]), -np.inf)
    weight = np.exp(log - log.max()) if np.isfinite(log).any() else np.zeros_like(log)

    def along(places: Whole) -> tuple[Interval, ...]:
        total = np.bincount(places, weight, minlength=n + 1)
        chance = total / total.sum()
        order = np.argsort(-chance, kind="stable")
        enough = int(np.searchsorted(np.cumsum(chance[order]), confidence)) + 1
        return tuple(
            Interval(
                after=float(ends[at]), before=float(ends[at + 1]), probability=float(chance[at])
            )
            for at in order[:enough].tolist()
        )

    if not weight.any():
        return (), ()
    return along(first) if step.first > 0 else (), along(stop) if step.stop < n else ()
