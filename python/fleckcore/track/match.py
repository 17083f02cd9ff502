"""Which detections of many frames are one feature, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.track.detections import Detections

__all__ = ["REASONS", "Known", "Matching", "Rules", "match_detections"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

FIRST, PLACE, REST, PART, BLEND = range(5)
REASONS = ("first", "place", "other depth", "part", "blend")
"""Why a detection is of its feature.

``first``: nothing known lies there, a new feature. ``place``: it lies there, as large and as deep. ``other depth``:
it lies there and is as large. ``part``: it lies within a larger feature that is not seen in whole; a new feature, of
which that is the parent, since something else may have come there. ``blend``: it is as large as this and other known
features together, none of which is seen by itself.
"""

PENDING = 256
"""So many new features are searched one by one before the tree is built again."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When two detections are one feature.

    Attributes
    ----------
    near, near_radii : float
        They lie no farther apart than this: pixels, or radii of the smaller, whichever is more.
    alike : float
        Neither their radii nor their depths differ by a greater factor.
    least_radius : float
        Pixels; smaller ones count as this large.
    memory : int
        The place of a feature is the mean of about so many of its last detections, so that it may creep.
    blend : float
        What blends reach, together, to within this factor of the radius of their blend.
    """

    near: float = 2.0
    near_radii: float = 0.25
    alike: float = 2.0
    least_radius: float = 2.0
    memory: int = 10
    blend: float = 1.4


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Features that are known before, as columns: ``chip``, ``x``, ``y``, ``radius``, ``depth``."""

    chip: NDArray[np.int32]
    x: Floats
    y: Floats
    radius: Floats
    depth: Floats

    def __len__(self) -> int:
        return len(self.chip)


@dataclass(frozen=True, kw_only=True, eq=False)
class Matching:
    """Which feature each detection is of.

    Attributes
    ----------
    feature : ndarray of int32, shape (n_detections,)
        Place in ``features``; those that were known before come first.
    reason : ndarray of uint8, shape (n_detections,)
        Place in `REASONS`.
    distance : ndarray of float32, shape (n_detections,)
        From where the feature was expected, pixels; 0 for a first detection.
    parent : ndarray of int32, shape (n_features,)
        The larger feature within which it was first seen as a part; -1 for most.
    blended : ndarray of int32, shape (n, 2)
        Detection and feature: further features that a blend holds.
    features : Known
        Where each feature was in the end.
    """

    feature: NDArray[np.int32]
    reason: NDArray[np.uint8]
    distance: NDArray[np.float32]
    parent: NDArray[np.int32]
    blended: NDArray[np.int32]
    features: Known


def match_detections(
    detections: Detections,
    *,
    known: Known | None = None,
    rules: Rules | None = None,
) -> Matching:
    """Say which detections are of one feature.

    Looks are taken in the order of their dates, those without a date last, each chip by itself. In a look every
    feature has one detection at most; of several possible pairs the nearest counts.

    Parameters
    ----------
    detections : Detections
        Of any number of looks.
    known : Known, optional
        Features of an earlier registry.
    rules : Rules, optional
        When two detections are one.

    Returns
    -------
    Matching
    """
    rules = rules or Rules()
    before = known or Known(chip=np.zeros(0, np.int32), **{n: np.zeros(0) for n in _NUMBERS})
    sky = _Features(before, rules)
    n = len(detections)
    feature, reason = np.full(n, -1, np.int32), np.zeros(n, np.uint8)
    distance = np.zeros(n, np.float32)
    blended: list[tuple[int, int]] = []
    for look, rows in _in_order(detections):
        chip = detections.looks[look].chip
        found = _Rows(*(getattr(detections, name)[rows] for name in _NUMBERS))
        matched = _Look(sky, chip, found, rules)
        feature[rows], reason[rows] = matched.feature, matched.reason
        distance[rows] = matched.distance
        blended += [(int(rows[row]), other) for row, other in matched.blended]
    return Matching(
        feature=feature,
        reason=reason,
        distance=distance,
        parent=np.array(sky.parents, np.int32),
        blended=np.array(blended, np.int32).reshape(-1, 2),
        features=sky.known(),
    )


_NUMBERS = ("x", "y", "radius", "depth")


class _Rows(NamedTuple):
    x: Floats
    y: Floats
    radius: Floats
    depth: Floats


def _in_order(detections: Detections) -> Iterator[tuple[int, Whole]]:
    """Give each look that found anything, by date and then by place, and its rows."""
    mjd = np.array([look.mjd for look in detections.looks])
    order = np.lexsort((np.arange(len(mjd)), np.where(np.isfinite(mjd), mjd, np.inf)))
    rows = np.argsort(detections.look, kind="stable")
    ends = np.searchsorted(detections.look[rows], np.arange(len(mjd) + 1))
    for look in order.tolist():
        if ends[look] < ends[look + 1]:
            yield look, rows[ends[look] : ends[look + 1]]


class _Features:
    """Everything known so far, in columns that grow, with a tree for each chip to find neighbours."""

    def __init__(self, known: Known, rules: Rules) -> None:
        self.rules = rules
        self.count = 0
        self.columns = {name: np.zeros(1024) for name in (*_NUMBERS, "weight")}
        self.chips: list[int] = []
        self.parents: list[int] = []
        self._of_chip: dict[int, _Chip] = {}
        if not all(len(getattr(known, name)) == len(known) for name in _NUMBERS):
            raise ArrayError("the columns of what is known differ in length.", code="A12")
        for i, chip in enumerate(known.chip.tolist()):
            self.add(chip, [float(getattr(known, name)[i]) for name in _NUMBERS])
            self.columns["weight"][i] = rules.memory

    def add(self, chip: int, numbers: Sequence[float], parent: int = -1) -> int:
        """Begin a feature."""
        if self.count == len(self.columns["x"]):
            self.columns = {
                name: np.concatenate([old, np.zeros_like(old)])
                for name, old in self.columns.items()
            }
        for name, value in zip((*_NUMBERS, "weight"), (*numbers, 1.0), strict=True):
            self.columns[name][self.count] = value
        self.chips.append(chip)
        self.parents.append(parent)
        self.of_chip(chip).add(self.count)
        self.count += 1
        return self.count - 1

    def of_chip(self, chip: int) -> _Chip:
        return self._of_chip.setdefault(chip, _Chip(self))

    def follow(self, features: Whole, found: _Rows, rows: Whole) -> None:
        """Let features creep to where they were seen."""
        weight = np.minimum(self.columns["weight"][features] + 1, self.rules.memory)
        self.columns["weight"][features] = weight
        for name, values in zip(_NUMBERS, found, strict=True):
            now = self.columns[name][features]
            self.columns[name][features] = now + (values[rows] - now) / weight

    def known(self) -> Known:
        numbers = {name: self.columns[name][: self.count].copy() for name in _NUMBERS}
        return Known(chip=np.array(self.chips, np.int32), **numbers)


class _Chip:
    """The features of one chip. A tree finds them by where they were when it was built, to within MARGIN."""

    MARGIN = 2.0

    def __init__(self, features: _Features) -> None:
        self.features = features
        self.count = 0
        self.room: Whole = np.zeros(1024, np.int64)
        self.in_tree = 0
        self.tree_places = np.zeros((0, 2))

    def add(self, feature: int) -> None:
        if self.count == self.room.size:
            self.room = np.concatenate([self.room, np.zeros_like(self.room)])
        self.room[self.count] = feature
        self.count += 1

    @property
    def members(self) -> Whole:
        """Its features, in the order in which they began."""
        return self.room[: self.count]

    @property
    def largest(self) -> float:
        """Radius of the largest feature, pixels."""
        return float(self.features.columns["radius"][self.members].max(initial=0.0))

    def near(self, x: Floats, y: Floats, reach: Floats) -> tuple[Whole, Whole, Floats]:
        """Give rows, features and distances of all pairs that are no farther apart than ``reach`` of the row."""
        self._settle()
        rows, places = self._from_tree(x, y, reach)
        members = self.members
        pending = np.arange(self.in_tree, len(members))
        if pending.size:
            rows = np.concatenate([rows, np.repeat(np.arange(x.size), pending.size)])
            places = np.concatenate([places, np.tile(pending, x.size)])
        features = members[places]
        now = self.features.columns
        apart = np.hypot(x[rows] - now["x"][features], y[rows] - now["y"][features])
        kept = apart <= reach[rows]
        return rows[kept], features[kept], apart[kept]

    def _from_tree(self, x: Floats, y: Floats, reach: Floats) -> tuple[Whole, Whole]:
        if not self.in_tree:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        lists = self.tree.query_ball_point(np.stack([x, y], axis=1), reach + self.MARGIN)
        counts = np.fromiter(map(len, lists), np.int64, len(lists))
        places = np.fromiter((one for part in lists for one in part), np.int64, counts.sum())
        return np.repeat(np.arange(x.size), counts), places

    def _settle(self) -> None:
        """Build the tree again when it lacks many, or one of them crept away."""
        members = self.members
        now = np.stack([self.features.columns[name][members] for name in ("x", "y")], axis=1)
        crept = np.abs(now[: self.in_tree] - self.tree_places).max(initial=0.0)
        if len(members) - self.in_tree < PENDING and crept < self.MARGIN / 2:
            return
        from scipy.spatial import cKDTree

        self.tree, self.tree_places, self.in_tree = cKDTree(now), now, len(members)


class _Look:
    """One look: every detection is given its feature, in the order of `REASONS`, and new ones begin."""

    def __init__(self, sky: _Features, chip: int, found: _Rows, rules: Rules) -> None:
        self.sky, self.chip, self.found, self.rules = sky, chip, found, rules
        n = found.x.size
        self.feature = np.full(n, -1, np.int32)
        self.reason = np.zeros(n, np.uint8)
        self.distance = np.zeros(n, np.float32)
        self.blended: list[tuple[int, int]] = []
        self.taken: set[int] = set()
        self.size = np.maximum(found.radius, rules.least_radius)
        self._by_place()
        left = np.flatnonzero(self.feature < 0)
        if left.size:
            self._by_parts(left)
        for row in np.flatnonzero(self.feature < 0).tolist():
            self._give(row, self._begin(row), FIRST, 0.0)

    def _begin(self, row: int, parent: int = -1) -> int:
        return self.sky.add(self.chip, [float(values[row]) for values in self.found], parent)

    def _give(self, row: int, feature: int, reason: int, distance: float) -> None:
        self.feature[row], self.reason[row], self.distance[row] = feature, reason, distance
        self.taken.add(feature)

    def _by_place(self) -> None:
        rules, now = self.rules, self.sky.columns
        reach = np.maximum(rules.near, rules.near_radii * self.found.radius)
        rows, features, apart = self.sky.of_chip(self.chip).near(self.found.x, self.found.y, reach)
        radius = now["radius"][features]
        near = apart <= np.maximum(
            rules.near, rules.near_radii * np.minimum(radius, self.found.radius[rows])
        )
        near &= _factor(self.size[rows], np.maximum(radius, rules.least_radius)) < rules.alike
        rows, features, apart = rows[near], features[near], apart[near]
        as_deep = _factor(self.found.depth[rows], now["depth"][features]) < rules.alike
        for reason, of_it in ((PLACE, as_deep), (REST, ~as_deep)):
            self._nearest_first(rows[of_it], features[of_it], apart[of_it], reason)
        placed = np.flatnonzero((self.feature >= 0) & (self.reason == PLACE))
        self.sky.follow(self.feature[placed].astype(np.int64), self.found, placed)

    def _nearest_first(self, rows: Whole, features: Whole, apart: Floats, reason: int) -> None:
        order = np.lexsort((features, rows, apart))
        pairs = zip(rows[order].tolist(), features[order].tolist(), apart[order], strict=True)
        for row, feature, distance in pairs:
            if self.feature[row] < 0 and feature not in self.taken:
                self._give(row, feature, reason, distance)

    def _by_parts(self, left: Whole) -> None:
        """Parts of a feature that is not seen in whole, then blends of several."""
        chip, now = self.sky.of_chip(self.chip), self.sky.columns
        x, y, radius = self.found.x[left], self.found.y[left], self.found.radius[left]
        reach = np.maximum(radius, self.rules.blend * chip.largest)
        rows, features, apart = chip.near(x, y, reach)
        free = ~np.isin(features, list(self.taken))
        rows, features, apart = left[rows[free]], features[free], apart[free]
        inside = apart + self.found.radius[rows] <= now["radius"][features] * self.rules.blend
        inside &= self.found.radius[rows] < now["radius"][features]
        inside &= self.found.depth[rows] < self.rules.alike * now["depth"][features]
        self._parts(rows[inside], features[inside], apart[inside])
        covered = (apart <= self.found.radius[rows]) & (
            now["radius"][features] < self.found.radius[rows]
        )
        self._blends(rows[covered], features[covered], apart[covered])

    def _parts(self, rows: Whole, features: Whole, apart: Floats) -> None:
        order = np.lexsort((features, rows, apart, -self.found.radius[rows]))
        for at in order.tolist():
            row, feature = int(rows[at]), int(features[at])
            if self.feature[row] < 0:
                self._give(row, self._begin(row, feature), PART, float(apart[at]))

    def _blends(self, rows: Whole, features: Whole, apart: Floats) -> None:
        now = self.sky.columns
        for row in np.unique(rows).tolist():
            at = [i for i in np.flatnonzero(rows == row).tolist() if features[i] not in self.taken]
            if self.feature[row] >= 0 or len(at) < 2:
                continue
            reach = float((apart[at] + now["radius"][features[at]]).max())
            if self.found.radius[row] > self.rules.blend * reach:
                continue
            held = sorted(int(features[i]) for i in at)
            self._give(row, held[0], BLEND, float(apart[at][np.argmin(features[at])]))
            self.taken.update(held)
            self.blended += [(row, other) for other in held[1:]]


def _factor(a: Floats, b: Floats) -> Floats:
    """The greater over the lesser."""
    a, b = np.maximum(a, 1e-9), np.maximum(b, 1e-9)
    ratio: Floats = np.maximum(a / b, b / a)
    return ratio
