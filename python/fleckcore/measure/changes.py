"""Two nights of one detector: what stands in front of it in one of them only, or elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.depths import Template
from fleckcore.detection.joint import JointResult
from fleckcore.detection.options import DEFAULTS
from fleckcore.errors import MetadataError
from fleckcore.frame import Frame
from fleckcore.kernels import gaussian_filter
from fleckcore.measure.night import (
    Measured,
    Night,
    by_filter,
    level_out,
    mean_light,
    require_one_detector,
    square,
)

if TYPE_CHECKING:
    from astropy.table import QTable

__all__ = ["Change", "Changes", "Drift", "find_changes"]

Array = NDArray[np.float64]
Image = NDArray[np.float32]

KINDS = ("moved", "appeared", "vanished")
SURE = 5.0
"""Errors by which the depths of two nights must differ."""
SEEN = 4.0
"""Errors by which a filter must show a feature to tell of it."""
GONE = 0.5
"""Largest part of a feature's depth that is left where it is not."""
NEAR, NEAR_RADII = 2.0, 0.25
"""Pixels, or radii, within which features of two nights are one."""
ALIKE = 2.0
"""Largest ratio of their radii, and of their depths."""
FEW = 5
"""From fewer features no drift is taken."""
REACH = 60.0
"""Pixels that a feature moves at most: what appears farther from what vanished is another."""
OTHER_RADIUS, OTHER_DEPTH = 0.25, 0.4
"""Largest relative differences of one feature in two places, beside one error of the depths."""
HALF_PIXEL = 0.5
"""By which two radii may differ besides."""
SAME_SHAPE = 0.5
"""Least correlation of its light in both."""
PATCH = 1.3
"""Half of the side of the square that is correlated, in radii."""
WINDOW, STRIPE = 255, 511
"""Of the level under the light of both nights, pixels."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How far features lie from where they were, on the whole.

    Attributes
    ----------
    dx, dy : float
        Pixels, later less earlier: medians.
    scatter : float
        Of one feature in one direction, pixels.
    count : int
        Of features; with fewer than five the drift is 0.
    """

    dx: float = 0.0
    dy: float = 0.0
    scatter: float = math.nan
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Change:
    """One feature that is not what it was.

    Attributes
    ----------
    kind : {"appeared", "vanished", "moved"}
        What happened.
    x_before, y_before, x_after, y_after : float
        0-based pixels of the frame; NaN in the night that does not show it.
    radius : float
        Pixels; of what moved, in the later night.
    depth_before, depth_before_err, depth_after, depth_after_err : float
        Fraction of light lost, and one standard deviation: each where that night shows it, else where the other
        does.
    significance : float
        Errors by which the nights differ there; of what moved, the lesser of both places.
    filters : tuple of str
        Which told: those that show it.
    similarity : float
        Of what moved, the correlation of its light in both places; else NaN.
    """

    kind: str
    x_before: float
    y_before: float
    x_after: float
    y_after: float
    radius: float
    depth_before: float
    depth_before_err: float
    depth_after: float
    depth_after_err: float
    significance: float
    filters: tuple[str, ...]
    similarity: float = math.nan

    @property
    def distance(self) -> float:
        """Pixels that it moved; NaN for the others."""
        return math.hypot(self.x_after - self.x_before, self.y_after - self.y_before)

    def to_json(self) -> dict[str, Any]:
        """Give a dict of plain values; NaN becomes None."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        } | {"filters": list(self.filters)}

    def __str__(self) -> str:
        before, after = (
            f"({x:.1f}, {y:.1f})"
            for x, y in ((self.x_before, self.y_before), (self.x_after, self.y_after))
        )
        place = {"moved": f"{before} to {after}", "appeared": after, "vanished": before}[self.kind]
        depths = " to ".join(
            f"{100 * depth:.2f} +- {100 * error:.2f} %"
            for depth, error in (
                (self.depth_before, self.depth_before_err),
                (self.depth_after, self.depth_after_err),
            )
        )
        return f"{self.kind:8} {place}, radius {self.radius:.0f}: depth {depths}, {self.significance:.0f} sigma"


@dataclass(frozen=True, kw_only=True, eq=False)
class Changes:
    """What differs between two nights.

    Attributes
    ----------
    changes : tuple of Change
        Moved, appeared, vanished; each by falling significance.
    stayed : int
        Features that both nights list at one place.
    drift : Drift
        Of these.
    filters : tuple of str
        That both nights have.
    earlier, later : JointResult
        What each night shows by itself.
    before, after : ndarray of float32, shape (rows, cols)
        Light of each night over its level, mean of the filters.
    ratio : ndarray of float32, shape (rows, cols)
        Light of the later night over that of the earlier, over its level: below 1 where something appeared.
    """

    changes: tuple[Change, ...]
    stayed: int
    drift: Drift
    filters: tuple[str, ...]
    earlier: JointResult
    later: JointResult
    before: Image
    after: Image
    ratio: Image

    def to_table(self) -> QTable:
        """Give the changes as a table, a row each."""
        from astropy.table import QTable

        names = [part.name for part in fields(Change)]
        columns: dict[str, Any] = {
            name: [getattr(one, name) for one in self.changes] for name in names
        }
        columns["filters"] = ["+".join(one.filters) for one in self.changes]
        kinds = {"kind": str, "filters": str}
        table = QTable(
            {name: np.array(values, kinds.get(name, float)) for name, values in columns.items()}
        )
        for name in (*_PLACES, "radius"):
            table[name].unit = "pix"
        table.meta = {
            "filters": list(self.filters),
            "stayed": self.stayed,
            "drift": [self.drift.dx, self.drift.dy],
        }
        return table


_PLACES = ("x_before", "y_before", "x_after", "y_after")


def find_changes(
    earlier: Iterable[Any],
    later: Iterable[Any],
    *,
    bias: Any = None,
    threads: int | None = None,
) -> Changes:
    """Find what appeared, vanished or moved from one night to another.

    Each night is searched by itself, all of its filters at once. What only one of them lists is then measured in
    both, filter by filter, with all other features: a change is what takes light in one night and less than half of
    it in the other, by five errors. So another light, another focus or a shift of everything change nothing, nor does
    what is just below the limit of one search.

    Parameters
    ----------
    earlier, later : sequence of Frame, ndarray, CCDData, ... of shape (rows, cols)
        Flats, or other evenly lit frames, of one detector. Those of filters that the other night does not have are
        left out.
    bias : Frame, ndarray of shape (rows, cols), float, or a tuple of two of these, optional
        Subtracted first; of two, the first from the earlier night.
    threads : int, optional
        Threads; by default `fleckcore.kernels.default_threads`.

    Returns
    -------
    Changes

    Raises
    ------
    ArrayError
        ``A09`` a night without frames; ``A12`` frames of different shapes.
    MetadataError
        ``M07`` no filter that both nights have, or frames of different chips.
    """
    biases = bias if isinstance(bias, tuple) else (bias, bias)
    nights = [
        by_filter(frames, of_night, name)
        for frames, of_night, name in zip(
            (earlier, later), biases, ("earlier", "later"), strict=True
        )
    ]
    require_one_detector([frame for night in nights for part in night.values() for frame in part])
    filters = tuple(sorted(nights[0].keys() & nights[1].keys()))
    if not filters:
        names = " and ".join(", ".join(sorted(night)) or "no filter" for night in nights)
        raise MetadataError(f"the nights have no filter in common: {names}.", code="M07")
    before, after = (
        Night([mean_light(night[name], threads) for name in filters], threads) for night in nights
    )
    return _Comparison(before, after, filters, threads).run()


@dataclass(frozen=True, eq=False)
class _Single:
    """A feature that one night lists; ``here`` is what it loses in that night, ``there`` in the other.

    ``light`` is a square around it, in that night.
    """

    x: float
    y: float
    radius: float
    here: float
    here_err: float
    there: float
    there_err: float
    filters: tuple[str, ...]
    light: Image

    @property
    def significance(self) -> float:
        return (self.here - self.there) / math.hypot(self.here_err, self.there_err)

    @property
    def is_change(self) -> bool:
        return self.significance > SURE and self.there < GONE * self.here


class _Comparison:
    def __init__(
        self, before: Night, after: Night, filters: tuple[str, ...], threads: int | None
    ) -> None:
        self.before, self.after, self.filters = before, after, filters
        self.threads = threads

    def run(self) -> Changes:
        pairs, lone = self._match()
        drift = self._drift(pairs)
        vanished, appeared = self._measure(pairs, lone, drift)
        moved = self._moves(vanished, appeared)
        gone, new = ([pair[side] for pair in moved] for side in (0, 1))
        changes = [
            *(_change("moved", *pair) for pair in moved),
            *(_change("appeared", None, one, math.nan) for one in appeared if one not in new),
            *(_change("vanished", one, None, math.nan) for one in vanished if one not in gone),
        ]
        before, after = self._light(self.before.found.frame), self._light(self.after.found.frame)
        return Changes(
            changes=tuple(
                sorted(changes, key=lambda one: (KINDS.index(one.kind), -one.significance))
            ),
            stayed=len(pairs),
            drift=drift,
            filters=self.filters,
            earlier=self.before.found,
            later=self.after.found,
            before=before,
            after=after,
            ratio=self._ratio(np.isfinite(before) & np.isfinite(after)),
        )

    def _match(self) -> tuple[list[tuple[int, int]], tuple[list[int], list[int]]]:
        """Pair features of both nights at one place, the nearest first; then give those of each night that have none.

        What stands where the other night lists something much deeper is the rest of that, and not listed.
        """
        a, b = self.before, self.after
        apart = np.hypot(a.x[:, None] - b.x, a.y[:, None] - b.y)
        near = apart < np.maximum(NEAR, NEAR_RADII * np.minimum(a.radius[:, None], b.radius))
        near &= _ratios(a.radius, b.radius, 1.0) < ALIKE
        same = near & (_ratios(a.depth, b.depth, 1e-9) < ALIKE)
        pairs: list[tuple[int, int]] = []
        for i, j in sorted(zip(*np.nonzero(same), strict=True), key=lambda pair: apart[pair]):
            if all(i != one and j != other for one, other in pairs):
                pairs.append((int(i), int(j)))
        rest = near & ~same
        left = (
            (rest & (a.depth[:, None] < b.depth)).any(axis=1),
            (rest & (a.depth[:, None] > b.depth)).any(axis=0),
        )
        lone = tuple(
            [row for row in np.flatnonzero(~of_night).tolist() if row not in paired]
            for of_night, paired in zip(
                left, map(set, zip(*pairs, strict=True)) if pairs else ((), ()), strict=True
            )
        )
        return pairs, (lone[0], lone[1])

    def _light(self, frame: Frame) -> Image:
        light: Image = level_out(frame, WINDOW, STRIPE, self.threads).transmission
        return light

    def _ratio(self, lit: NDArray[np.bool_]) -> Image:
        """Later over earlier, over its own level: what illuminates both does not matter."""
        before, after = self.before.found.frame, self.after.found.frame
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(lit, after.data / before.data, np.float32(np.nan))
        return self._light(before.replace(data=ratio, error=None))

    def _drift(self, pairs: Sequence[tuple[int, int]]) -> Drift:
        if len(pairs) < FEW:
            return Drift(count=len(pairs))
        i, j = np.array(pairs).T
        moves = np.stack([self.after.x[j] - self.before.x[i], self.after.y[j] - self.before.y[i]])
        middle = np.median(moves, axis=1)
        scatter = 1.4826 * float(np.median(np.abs(moves - middle[:, None])))
        return Drift(dx=float(middle[0]), dy=float(middle[1]), scatter=scatter, count=len(pairs))

    def _measure(
        self, pairs: Sequence[tuple[int, int]], lone: Sequence[Sequence[int]], drift: Drift
    ) -> tuple[list[_Single], list[_Single]]:
        """Measure what only one night lists, in both, with all that both list; keep what changed."""
        shape = self.before.found.frame.shape
        step = round(drift.dy), round(drift.dx)
        gone = [self.before.templates[i] for i in lone[0]]
        new = [self.after.templates[j] for j in lone[1]]
        earlier = [self.before.templates[i] for i, _ in pairs] + gone
        earlier += [_stepped(one, -step[0], -step[1], shape) for one in new]
        later = [self.after.templates[j] for _, j in pairs]
        later += [_stepped(one, *step, shape) for one in gone] + new
        before, after = self.before.measure(earlier), self.after.measure(later)
        first = range(len(pairs), len(pairs) + len(gone))
        vanished = [
            self._single(self.before, row, at, before, after)
            for row, at in zip(lone[0], first, strict=True)
        ]
        appeared = [
            self._single(self.after, row, at, after, before)
            for row, at in zip(lone[1], range(first.stop, first.stop + len(new)), strict=True)
        ]
        changed = [[one for one in part if one and one.is_change] for part in (vanished, appeared)]
        return _sure(changed[0], changed[1]), _sure(changed[1], changed[0])

    def _single(
        self, night: Night, row: int, at: int, own: Measured, other: Measured
    ) -> _Single | None:
        """Average over the filters that show a feature; None where none does, or its middle is not in the frame."""
        if not night.is_inside(row):
            return None
        here, here_err, there, there_err = (
            values[at] for values in (own.depth, own.error, other.depth, other.error)
        )
        with np.errstate(invalid="ignore"):
            seen = (here > SEEN * here_err) & np.isfinite(there)
        if not seen.any():
            return None
        weight = 1 / (here_err[seen] ** 2 + there_err[seen] ** 2)
        weight /= weight.sum()
        x, y, radius = (float(values[row]) for values in (night.x, night.y, night.radius))
        return _Single(
            x=x,
            y=y,
            radius=radius,
            here=float(weight @ here[seen]),
            here_err=math.sqrt(weight**2 @ here_err[seen] ** 2),
            there=float(weight @ there[seen]),
            there_err=math.sqrt(weight**2 @ there_err[seen] ** 2),
            filters=tuple(name for name, tells in zip(self.filters, seen, strict=True) if tells),
            light=own.patch(at, x, y, math.ceil(PATCH * max(radius, 2.0))),
        )

    def _moves(
        self, vanished: Sequence[_Single], appeared: Sequence[_Single]
    ) -> list[tuple[_Single, _Single, float]]:
        """Pair what vanished with what appeared and is like it, the most similar first."""
        possible = [
            (one, other, _similarity(one, other))
            for one, other in product(vanished, appeared)
            if _may_be_one(one, other)
        ]
        found: list[tuple[_Single, _Single, float]] = []
        for one, other, similarity in sorted(possible, key=lambda item: -item[2]):
            if similarity > SAME_SHAPE and all(
                one is not pair[0] and other is not pair[1] for pair in found
            ):
                found.append((one, other, similarity))
        return found


def _ratios(a: Array, b: Array, least: float) -> Array:
    """Give the ratio of every value of one night with every one of the other, the greater over the lesser."""
    a, b = np.maximum(a, least)[:, None], np.maximum(b, least)
    ratio: Array = np.maximum(a / b, b / a)
    return ratio


def _sure(features: Sequence[_Single], others: Sequence[_Single]) -> list[_Single]:
    """Keep what is more than an imperfect model may leave of ``others``, which touch it in the other night."""
    kept = []
    for one in features:
        touching = [
            other.here
            for other in others
            if math.hypot(one.x - other.x, one.y - other.y) < one.radius + other.radius
        ]
        left = DEFAULTS.model_error * max(touching, default=0.0)
        kept.append(replace(one, there_err=math.hypot(one.there_err, left)))
    return [one for one in kept if one.is_change]


def _stepped(feature: Template, down: int, right: int, shape: tuple[int, ...]) -> Template:
    """Give a feature some pixels away, where that is in the frame."""
    rows, cols = (
        slice(part.start + step, part.stop + step)
        for part, step in zip(feature.cut, (down, right), strict=True)
    )
    if min(rows.start, cols.start) < 0 or rows.stop > shape[0] or cols.stop > shape[1]:
        return feature
    return replace(feature, cut=(rows, cols))


def _may_be_one(gone: _Single, new: _Single) -> bool:
    """Tell whether size, depth and distance allow it."""
    apart = math.hypot(gone.x - new.x, gone.y - new.y)
    wider = abs(gone.radius - new.radius) - OTHER_RADIUS * max(gone.radius, new.radius)
    errors = math.hypot(gone.here_err, new.here_err)
    deeper = abs(gone.here - new.here) - OTHER_DEPTH * max(gone.here, new.here)
    return apart < REACH and wider < HALF_PIXEL and deeper < errors


def _similarity(gone: _Single, new: _Single) -> float:
    """Correlate the light of what vanished with that of what appeared."""
    middles = [one.light.shape[0] // 2 for one in (gone, new)]
    sigma = max(gone.radius, new.radius) / 8
    patches = []
    for one, middle in zip((gone, new), middles, strict=True):
        patch = square(one.light, middle, middle, min(middles))
        smooth = gaussian_filter(patch, sigma, mask=~np.isfinite(patch), threads=1)
        patches.append(np.where(np.isfinite(patch), smooth, np.nan))
    both = np.isfinite(patches[0]) & np.isfinite(patches[1])
    if np.count_nonzero(both) < both.size / 4:
        return 0.0
    return float(np.corrcoef(patches[0][both], patches[1][both])[0, 1])


def _change(kind: str, gone: _Single | None, new: _Single | None, similarity: float) -> Change:
    """Tell of what only the earlier night has, only the later, or each in its own place."""
    shown = [one for one in (gone, new) if one]
    last = shown[-1]
    before = (gone.here, gone.here_err) if gone else (last.there, last.there_err)
    after = (new.here, new.here_err) if new else (last.there, last.there_err)
    return Change(
        kind=kind,
        x_before=gone.x if gone else math.nan,
        y_before=gone.y if gone else math.nan,
        x_after=new.x if new else math.nan,
        y_after=new.y if new else math.nan,
        radius=last.radius,
        depth_before=before[0],
        depth_before_err=before[1],
        depth_after=after[0],
        depth_after_err=after[1],
        significance=min(one.significance for one in shown),
        filters=tuple(sorted({name for one in shown for name in one.filters})),
        similarity=similarity,
    )
