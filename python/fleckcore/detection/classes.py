"""What each feature is, with a probability: statements about measured numbers, weighed by their errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.feature import KINDS, Feature
from fleckcore.detection.footprint import STREAK_ELONGATION, STREAK_LENGTH
from fleckcore.detection.measure import grow
from fleckcore.detection.planes import Plane
from fleckcore.detection.profile import EXPECTED, HOLE, USUAL_HOLE
from fleckcore.frame import FrameMeta

__all__ = ["Surroundings", "classify"]

LEAST_RUN = 4.0
"""So many times as long as wide is what lies along a border or a seam."""

DISC_RADIUS = 8.0
DISC_SOFTNESS = 1 / 3
"""Of the radius: with softer edges than this a feature has no flat floor."""

RING_FILL = 0.5
HOLE_RADIUS = 1.0
COLUMN_WIDTH = 3.5
COLUMN_DRIFT = 1.0
END_DISTANCE = 3.0
PIXEL = 1 / math.sqrt(12)
"""Standard deviation of a place that is known to a pixel."""

MOMENT_ERROR, RADIUS_ERROR = 0.1, 0.3
"""Relative, of the ratio of the axes by moments and of the measured radius, where there is no fit."""

_BORDER = 12
"""How far a border of the light can be and still count, pixels."""

_LEAST_DARK = 25
"""Pixels of a part without light."""

_NORMAL = NormalDist()


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where features lie.

    Attributes
    ----------
    labels : ndarray of int32, shape (rows, cols)
        Their footprints.
    mask : Plane of bool
        Pixels that were not searched: defects, and where no light falls.
    about : FrameMeta
        Seams and readout direction.
    """

    labels: NDArray[np.int32]
    mask: Plane
    about: FrameMeta

    @property
    def axis(self) -> int:
        """Of the array, along which columns are read; the first when that is unknown."""
        return 1 if (self.about.readout or "").endswith("x") else 0

    def seams(self, axis: int) -> list[int]:
        """First index beyond each seam that cuts ``axis``."""
        name = ("row", "col")[axis]
        return [index for cut, index in self.about.seams if cut == name]


@dataclass(frozen=True, slots=True)
class _Number:
    """A measured number and one standard deviation of it."""

    value: float
    err: float

    def above(self, limit: float) -> float:
        """Probability that the true value is above; 0 when nothing is known."""
        if not (math.isfinite(self.value) and math.isfinite(self.err)):
            return 0.0
        return _NORMAL.cdf((self.value - limit) / max(self.err, 1e-9))

    def below(self, limit: float) -> float:
        """Probability that the true value is below; 0 when nothing is known."""
        return _Number(-self.value, self.err).above(-limit)


class _Place(NamedTuple):
    """Numbers of a feature that need the whole frame; fields as in `Feature`."""

    edge_run: float
    seam_run: float
    end_distance: float


def classify(features: Sequence[Feature], around: Surroundings) -> list[Feature]:
    """Give the features with `KINDS` weighed, and the numbers that need the whole frame.

    Each probability is the chance that the statement of its kind holds and that of no earlier one does, with normal
    and independent errors: bright, edge, seam, column, streak, ring, disc, and fleck for the rest. They sum to 1.
    """
    along = 90.0 if around.axis == 0 else 0.0
    return [_classified(feature, _place(feature, around), along) for feature in features]


def _classified(feature: Feature, place: _Place, along: float) -> Feature:
    statements = {
        "bright": _Number(feature.transmission_mean, feature.transmission_mean_err).above(1),
        "edge": _runs_along(place.edge_run, feature.area_detected),
        "seam": _runs_along(place.seam_run, feature.area_detected),
        "column": _is_column(feature, place.end_distance, along),
        "streak": _is_long(feature),
        "ring": _is_ring(feature),
        "disc": _is_disc(feature),
        "fleck": 1.0,
    }
    chance: dict[str, float] = {}
    left = 1.0
    for kind, holds in statements.items():
        chance[kind] = left * holds
        left -= chance[kind]
    likeliest = max(KINDS, key=lambda kind: chance[kind])
    columns: dict[str, Any] = {f"p_{kind}": chance[kind] for kind in KINDS} | place._asdict()
    return replace(feature, kind=likeliest, kind_probability=chance[likeliest], **columns)


def _runs_along(run: float, area: int) -> float:
    """Chance that a feature is `LEAST_RUN` times as long as wide; a pixel more or less, each way, is its error."""
    if run <= 0:
        return 0.0
    width = math.sqrt(area / run)
    return _Number(math.log(run), math.hypot(2 * PIXEL / width, 1 / math.sqrt(area))).above(
        math.log(LEAST_RUN)
    )


def _is_long(feature: Feature) -> float:
    """Chance that it is `STREAK_ELONGATION` times as long as wide, and `STREAK_LENGTH` pixels at least."""
    ratio = _Number(feature.axis_ratio, feature.axis_ratio_err)
    if math.isnan(ratio.value):
        moments = feature.semiminor_axis / feature.semimajor_axis
        ratio = _Number(moments, MOMENT_ERROR * moments)
    return ratio.below(1 / STREAK_ELONGATION) * _length(feature).above(STREAK_LENGTH)


def _length(feature: Feature) -> _Number:
    """Of even loss: the longer axis; the square root of twelve times its standard deviation."""
    if math.isfinite(feature.radius_fit * feature.axis_ratio):
        length = 2 * feature.radius_fit / math.sqrt(feature.axis_ratio)
        return _Number(length, 2 * feature.radius_err + PIXEL)
    return _Number(math.sqrt(12) * feature.semimajor_axis, PIXEL)


def _is_column(feature: Feature, end_distance: float, along: float) -> float:
    """Chance that it is long and narrow, keeps to its column, and ends where the defect of a column does.

    ``along`` is the direction of the columns, degrees from +x.
    """
    width = _Number(math.sqrt(12) * feature.semiminor_axis, PIXEL)
    end = _Number(end_distance, PIXEL)
    length, turn = _length(feature).value, math.radians(feature.orientation_fit - along)
    drift = _Number(
        length * abs(math.sin(turn)),
        math.hypot(length * math.radians(feature.orientation_err), PIXEL),
    )
    keeps = drift.above(-COLUMN_DRIFT) - drift.above(COLUMN_DRIFT)
    return _is_long(feature) * width.below(COLUMN_WIDTH) * keeps * end.below(END_DISTANCE)


def _is_ring(feature: Feature) -> float:
    """Chance that the hole loses less than half of what the rim does, and is wider than a pixel."""
    fill = _Number(feature.fill, feature.fill_err).below(RING_FILL)
    across = 1.0 if math.isnan(feature.axis_ratio) else math.sqrt(feature.axis_ratio)
    hole = _Number(across * feature.radius_inner_fit, feature.radius_inner_err)
    if math.isnan(hole.value):  # what the fit expects
        hole = _Number(
            across * USUAL_HOLE * feature.radius_fit, EXPECTED[HOLE] * feature.radius_fit
        )
    return fill * hole.above(HOLE_RADIUS)


def _is_disc(feature: Feature) -> float:
    """Chance that it is large and, as far as its edges are known, has a flat floor."""
    radius = _Number(feature.radius_fit, feature.radius_err)
    if math.isnan(radius.value):
        radius = _Number(feature.radius, RADIUS_ERROR * feature.radius)
    edges = _Number(feature.softness, feature.softness_err)
    flat = edges.below(DISC_SOFTNESS * radius.value) if math.isfinite(edges.value) else 1.0
    return radius.above(DISC_RADIUS) * flat


def _place(feature: Feature, around: Surroundings) -> _Place:
    """Measure a feature against the borders of the frame, of the light and of the amplifiers."""
    cut = (
        slice(feature.bbox_ymin, feature.bbox_ymax + 1),
        slice(feature.bbox_xmin, feature.bbox_xmax + 1),
    )
    places = np.nonzero(around.labels[cut] == feature.label)
    if not places[0].size:
        return _Place(feature.edge_run, feature.seam_run, feature.end_distance)
    y, x = places[0] + cut[0].start, places[1] + cut[1].start
    seams = [
        _run(_across(position, seam))
        for axis, position in enumerate((y, x))
        for seam in around.seams(axis)
    ]
    return _Place(
        edge_run=_run(_to_border(y, x, around.mask)),
        seam_run=max(seams, default=0.0),
        end_distance=_end_distance(cut, around),
    )


def _run(distance: NDArray[np.floating]) -> float:
    """Length along a line over width across it, from each pixel's distance to it; without the outer 5 %."""
    last = distance.size - 1  # np.quantile takes five times as long for the few of a feature
    low, high = np.interp([0.05 * last, 0.95 * last], np.arange(last + 1), np.sort(distance))
    return float(distance.size / max(max(high, 0) - min(low, 0), 1.0) ** 2)


def _across(position: NDArray[np.intp], seam: int) -> NDArray[np.float64]:
    """Signed distance from a seam to the far side of each pixel."""
    distance: NDArray[np.float64] = np.where(position < seam, position - seam, position - seam + 1)
    return distance


def _to_border(y: NDArray[np.intp], x: NDArray[np.intp], mask: Plane) -> NDArray[np.float64]:
    """Distance from the frame's edge, or from a nearer dark part, to the far side of each pixel."""
    rows, cols = mask.shape
    nearest = np.minimum(np.minimum(y + 1, rows - y), np.minimum(x + 1, cols - x))
    to_edge: NDArray[np.float64] = nearest.astype(float)
    top, left = max(0, y.min() - _BORDER), max(0, x.min() - _BORDER)
    dark = mask[top : y.max() + 1 + _BORDER, left : x.max() + 1 + _BORDER]
    if np.count_nonzero(dark) < _LEAST_DARK:
        return to_edge
    dark = grow(~grow(~dark, 2), 2) & dark  # not single pixels and columns
    place = y - top, x - left
    to_dark = np.full(y.size, np.inf)
    for steps in range(0, 2 * _BORDER, 2):
        for more in (1, 2):
            grown = grow(dark, more)
            to_dark[grown[place]] = np.minimum(to_dark[grown[place]], steps + more)
        dark = grown
    distance: NDArray[np.float64] = np.minimum(to_edge, to_dark)
    return distance


def _end_distance(cut: tuple[slice, slice], around: Surroundings) -> float:
    """From either end, along the columns, to an amplifier's border or to pixels that were not searched."""
    axis = around.axis
    first, last = cut[axis].start, cut[axis].stop
    borders = [0, *around.seams(axis), around.mask.shape[axis]]
    distance = min(abs(end - border) for end in (first, last) for border in borders)
    own = around.mask[:, cut[1]] if axis == 0 else around.mask[cut[0]]
    defects = np.flatnonzero(own.any(axis=1 - axis))
    for end in (first - 1, last):  # the pixel beyond
        distance = np.abs(defects - end).min(initial=distance)
    return float(distance)
