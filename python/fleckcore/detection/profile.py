"""A model of each compact feature: an ellipse with soft edges, fitted with errors; neighbours together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.measure import Measures
from fleckcore.kernels import PROFILE_START, ProfilePatch, profile_fit

__all__ = [
    "ANY_DIRECTION",
    "Patch",
    "Profile",
    "Start",
    "divide",
    "fit_profiles",
    "moment_profile",
    "window_of",
]

Circle = tuple[float, float, float]
"""Centre x, y and radius, pixels."""

X, Y, RADIUS, COS, SIN, SOFTNESS, DEPTH, HOLE, FILL = range(9)
"""The fitted values of one feature.

Centre; log of the radius; log of the ratio of the axes, a vector of twice the orientation; log of the softness;
depth; inner radius over the radius; loss in the hole over that of the rim.
"""

EXPECTED = {RADIUS: 0.5, COS: 0.7, SIN: 0.7, SOFTNESS: 0.7, DEPTH: 1.0, HOLE: 0.2, FILL: 1.0}
"""How far each value may be from its start before any pixel is seen, one standard deviation."""

KNOWN = 0.7
"""A value counts as measured when the pixels leave less than this part of what was expected of it."""

HOLED = 3.5
"""From this semi-minor axis on a hole is looked for, pixels."""

USUAL_HOLE = 0.45
SHARPEST = 0.15
DIVIDED_MISFIT = 0.3
MODEL_ERROR = 0.05
ROUND = 0.92
"""Square root of the ratio of the axes, above which nothing is divided."""

ROUNDISH = 0.6
LEAST_PART = 1.5
"""Radius of either part of what is divided, pixels: smaller ones are grains of one fleck."""

ANY_DIRECTION = 180 / math.sqrt(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The fitted values of a feature, and one standard deviation of each; fields as in `Feature`.

    What the pixels do not tell is NaN, with its error.
    """

    x_fit: float = math.nan
    x_err: float = math.nan
    y_fit: float = math.nan
    y_err: float = math.nan
    radius_fit: float = math.nan
    radius_err: float = math.nan
    axis_ratio: float = math.nan
    axis_ratio_err: float = math.nan
    orientation_fit: float = math.nan
    orientation_err: float = math.nan
    radius_inner_fit: float = math.nan
    radius_inner_err: float = math.nan
    fill: float = math.nan
    fill_err: float = math.nan
    depth: float = math.nan
    depth_err: float = math.nan
    softness: float = math.nan
    softness_err: float = math.nan
    residual: float = math.nan

    def columns(self) -> dict[str, Any]:
        """Its fields by their names."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Start:
    """A first guess: centre, radius where half is lost, ratio of the axes and its direction, depth, inner radius.

    Pixels; degrees from +x towards +y; depth below 0 where light is gained.
    """

    x: float
    y: float
    radius: float
    elongation: float
    orientation: float
    depth: float
    radius_inner: float = 0.0

    @classmethod
    def of(cls, measures: Measures, sign: float) -> Start:
        """From moments: of an even ellipse, an axis is twice its standard deviation."""
        radius = 2 * math.sqrt(measures.semimajor_axis * measures.semiminor_axis)
        ring = measures.radius_inner > 0
        return cls(
            measures.x_centroid,
            measures.y_centroid,
            max(measures.radius, 1.0) if ring else radius,
            measures.elongation,
            measures.orientation,
            sign * max(measures.loss_mean, 1e-4),
            measures.radius_inner,
        )

    @property
    def minor(self) -> float:
        """Semi-minor axis."""
        return self.radius / math.sqrt(self.elongation)

    @property
    def reach(self) -> float:
        """How far from the centre pixels are fitted."""
        return 1.5 * self.radius * math.sqrt(self.elongation) + 6.0

    @property
    def holed(self) -> bool:
        """Whether a hole is looked for."""
        return self.minor >= HOLED

    @property
    def own(self) -> float:
        """Up to here pixels are the feature's own."""
        return 1.2 * self.radius * math.sqrt(self.elongation) + 1

    @property
    def nodes(self) -> int:
        """How many places in a pixel are averaged, along each axis."""
        return 3 if self.radius < 2 else 2 if self.radius < 8 else 1

    def values(self) -> list[float]:
        """In the order of the fitted values."""
        stretch, turn = math.log(self.elongation), math.radians(2 * self.orientation)
        softness = max(0.12 * self.radius, SHARPEST) + 0.2
        hole = self.radius_inner / self.radius if self.radius_inner else USUAL_HOLE
        fill = 0.2 if self.radius_inner else 1.0
        direction = stretch * math.cos(turn), stretch * math.sin(turn)
        size = math.log(self.radius), *direction, math.log(softness)
        return [self.x, self.y, *size, self.depth, min(hole, 0.8), fill]

    def expected(self) -> list[float]:
        """How far each value may be from its start before any pixel is seen, one standard deviation."""
        place = 0.3 + 0.3 * self.radius
        expected = [place, place, *EXPECTED.values()]
        expected[DEPTH] = max(EXPECTED[DEPTH], 2 * abs(self.depth))
        return expected

    def bounds(self) -> tuple[list[float], list[float]]:
        """The least and the most that each value may be."""
        room, size, gain = 1 + 0.5 * self.radius, math.log(self.radius), self.depth < 0
        low = [self.x - room, self.y - room, max(size - 1, math.log(0.4)), -3.0, -3.0]
        high = [self.x + room, self.y + room, size + 1, 3.0, 3.0]
        low += [math.log(SHARPEST), -math.inf if gain else 0.0, 0.05, -0.5]
        high += [math.log(0.7 * self.radius + 0.5), 0.0 if gain else 1.1, 0.85, 1.0]
        return low, high


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels around one or several features; all arrays of shape (h, w).

    Attributes
    ----------
    cut : (slice, slice)
        Which part of the frame it is.
    transmission : ndarray of float32
        About 1 beside the features.
    noise : ndarray of float32
        One standard deviation of it.
    mask : ndarray of bool
        True where a pixel is left out.
    starts : sequence of Start
        First guesses of the features.
    """

    cut: Window
    transmission: NDArray[np.float32]
    noise: NDArray[np.float32]
    mask: NDArray[np.bool_]
    starts: Sequence[Start]

    @classmethod
    def of(
        cls,
        cut: Window,
        usable: NDArray[np.bool_],
        transmission: NDArray[np.float32],
        noise: NDArray[np.float32],
        starts: Sequence[Start],
    ) -> Patch:
        """Take the pixels that are ``usable`` and within reach; all arrays are of the part ``cut`` of the frame."""
        known = np.isfinite(transmission) & np.isfinite(noise) & (noise > 0)
        reached = _within(cut, [(start, start.reach) for start in starts])
        return cls(cut, transmission, noise, ~(usable & known & reached), starts)


def _within(cut: Window, circles: Sequence[tuple[Start, float]]) -> NDArray[np.bool_]:
    """Whether each pixel of a part of the frame lies within any of the radii about their starts."""
    rows, cols = (np.arange(part.start, part.stop) for part in cut)
    distances = (
        (cols - s.x) ** 2 + (rows[:, None] - s.y) ** 2 < radius**2 for s, radius in circles
    )
    within: NDArray[np.bool_] = reduce(np.logical_or, distances)
    return within


def window_of(starts: Sequence[Start], shape: tuple[int, int]) -> Window:
    """The part of a frame of ``shape`` that holds every pixel within reach."""
    ends = [
        (min(c - s.reach for c, s in at), max(c + s.reach for c, s in at))
        for at in ([(s.y, s) for s in starts], [(s.x, s) for s in starts])
    ]
    rows, cols = (
        slice(max(0, math.floor(low)), min(n, math.ceil(high) + 1))
        for (low, high), n in zip(ends, shape, strict=True)
    )
    return rows, cols


def moment_profile(measures: Measures) -> Profile:
    """Describe a streak by its moments, with the errors that an elliptical Gaussian of its S/N has.

    Source of the errors: Condon 1997, PASP 109, 166.
    """
    a, b = measures.semimajor_axis, measures.semiminor_axis
    snr = max(measures.lost_flux / max(measures.lost_flux_err, 1e-30), 1e-3)
    cos, sin = (f(math.radians(measures.orientation)) for f in (math.cos, math.sin))
    turn = math.degrees(2 / snr * a * b / max(a**2 - b**2, 1e-9))
    return Profile(
        x_fit=measures.x_centroid,
        x_err=math.hypot(a * cos, b * sin) / snr,
        y_fit=measures.y_centroid,
        y_err=math.hypot(a * sin, b * cos) / snr,
        axis_ratio=b / a,
        axis_ratio_err=b / a * 2 / snr,
        orientation_fit=measures.orientation,
        orientation_err=min(turn, ANY_DIRECTION),
    )


def fit_profiles(patches: Sequence[Patch], threads: int | None = None) -> list[list[Profile]]:
    """Fit the features of each patch and the sloping level that they stand on, all at once.

    Each takes ``depth * (edge(radius) - (1 - fill) * edge(radius_inner))`` of the light, where ``edge(a)`` falls from
    1 to 0 about the ellipse of radius a as a logistic function of width ``softness``; what overlaps multiplies.
    The model is averaged over each pixel. Levenberg-Marquardt; residuals beyond three standard deviations (of the
    noise, or of the misfit within the features if that is larger) lose weight. Broad expectations (`EXPECTED`)
    keep what the pixels do not tell near its start, and such values come back as NaN. The covariance is scaled by
    the mean square residual of each feature's pixels where that exceeds the noise.

    Parameters
    ----------
    patches : sequence of Patch
        At least the pixels within ``Start.reach`` of each feature, others' pixels left out.
    threads : int, optional
        Threads; by default all.

    Returns
    -------
    list of list of Profile
        For each patch, in the order of its ``starts``; all NaN where there are too few pixels.
    """
    return _fit(patches, threads)[0]


def divide(
    patches: Sequence[Patch], profiles: Sequence[Profile], threads: int | None = None
) -> list[list[Circle] | None]:
    """Explain features as two that overlap along the longer axis; None unless that is much better, and good.

    Much better: less than `DIVIDED_MISFIT` of the mean square misfit beyond the noise is left. Good: what is left is
    no more than `MODEL_ERROR` of the depth. Both must be significant, large and round enough, and centred apart.

    Parameters
    ----------
    patches : sequence of Patch
        As for `fit_profiles`, each of one feature.
    profiles : sequence of Profile
        Their fits.
    threads : int, optional
        Threads; by default all.

    Returns
    -------
    list of (list of (x, y, radius), or None)
    """
    halves = {
        i: replace(patch, starts=starts)
        for i, (patch, profile) in enumerate(zip(patches, profiles, strict=True))
        if (starts := _halves(patch.starts[0], profile))
    }
    divided: list[list[Circle] | None] = [None] * len(patches)
    for i, parts, misfit in zip(halves, *_fit(list(halves.values()), threads), strict=True):
        if _is_better(halves[i], parts, misfit - 1, profiles[i].residual ** 2 - 1):
            divided[i] = [(p.x_fit, p.y_fit, p.radius_fit) for p in parts]
    return divided


def _halves(start: Start, profile: Profile) -> list[Start]:
    """Two circles along the longer axis; none where a part would be too small, or the whole is round."""
    stretch = math.sqrt(profile.axis_ratio)
    minor = profile.radius_fit * stretch
    if not (minor > LEAST_PART and stretch < ROUND):
        return []
    apart = profile.radius_fit / stretch - minor
    turn = math.radians(profile.orientation_fit)
    depth = math.copysign(profile.depth, start.depth)
    return [
        Start(
            profile.x_fit + side * apart * math.cos(turn),
            profile.y_fit + side * apart * math.sin(turn),
            minor,
            1.0,
            0.0,
            depth,
        )
        for side in (-1, 1)
    ]


def _is_better(patch: Patch, parts: Sequence[Profile], left: float, misfit: float) -> bool:
    """Whether two with the misfit ``left`` beyond the noise are better than one with ``misfit``, and good."""
    if not (left < DIVIDED_MISFIT * misfit and _two(*parts)):
        return False
    own = ~patch.mask & _within(patch.cut, [(start, start.own) for start in patch.starts])
    noise = float(np.median(patch.noise[own]))
    return math.sqrt(max(left, 0)) * noise < MODEL_ERROR * abs(patch.starts[0].depth)


def _two(one: Profile, other: Profile) -> bool:
    """Whether both are there, and neither lies within the other."""
    distance = math.hypot(one.x_fit - other.x_fit, one.y_fit - other.y_fit)
    return distance > max(one.radius_fit, other.radius_fit) and all(
        p.depth > 5 * p.depth_err and p.radius_fit > LEAST_PART and p.axis_ratio > ROUNDISH
        for p in (one, other)
    )


def _fit(patches: Sequence[Patch], threads: int | None) -> tuple[list[list[Profile]], list[float]]:
    """The features of each patch, and the mean square residual of their pixels."""
    if not patches:
        return [], []
    parts = [
        ProfilePatch(p.cut[0].start, p.cut[1].start, p.transmission, p.noise, p.mask, len(p.starts))
        for p in patches
    ]
    table = _table([start for patch in patches for start in patch.starts])
    fitted, misfit = profile_fit(parts, table, threads=threads)
    error = np.sqrt(np.diagonal(fitted["covariance"], axis1=1, axis2=2))
    known = error <= KNOWN * table["expected"]
    names = fitted["value"], error, fitted["covariance"], known, fitted["rms"]
    profiles = iter(_profile(*row) for row in zip(*(n.tolist() for n in names), strict=True))
    return [[next(profiles) for _ in patch.starts] for patch in patches], misfit.tolist()


def _table(starts: Sequence[Start]) -> NDArray[np.void]:
    table = np.zeros(len(starts), PROFILE_START)
    table["value"] = [start.values() for start in starts]
    table["expected"] = [start.expected() for start in starts]
    table["low"], table["high"] = zip(*(start.bounds() for start in starts), strict=True)
    for name in ("reach", "own", "nodes", "holed"):
        table[name] = [getattr(start, name) for start in starts]
    return table


def _profile(
    value: list[float],
    error: list[float],
    covariance: list[list[float]],
    known: list[bool],
    rms: float,
) -> Profile:
    """Translate fitted values; what is hardly better known than expected becomes NaN."""
    if not all(map(math.isfinite, error[:HOLE])):
        return Profile()
    size = known[RADIUS]
    radius = math.exp(value[RADIUS]) if size else math.nan
    softness = math.exp(value[SOFTNESS]) if known[SOFTNESS] else math.nan
    directed = known[COS] and known[SIN]
    ratio, ratio_err, turn, turn_err = _axes(value, covariance) if directed else [math.nan] * 4
    hole = value[HOLE] * radius if known[HOLE] else math.nan
    return Profile(
        x_fit=value[X],
        x_err=error[X],
        y_fit=value[Y],
        y_err=error[Y],
        radius_fit=radius,
        radius_err=radius * error[RADIUS],
        axis_ratio=ratio,
        axis_ratio_err=ratio_err,
        orientation_fit=turn,
        orientation_err=turn_err,
        radius_inner_fit=hole,
        radius_inner_err=_spread(covariance, {RADIUS: hole, HOLE: radius}),
        fill=value[FILL] if known[FILL] else math.nan,
        fill_err=error[FILL] if known[FILL] else math.nan,
        depth=abs(value[DEPTH]) if size else math.nan,
        depth_err=error[DEPTH] if size else math.nan,
        softness=softness,
        softness_err=softness * error[SOFTNESS],
        residual=rms,
    )


def _axes(value: list[float], covariance: list[list[float]]) -> tuple[float, float, float, float]:
    """Minor over major axis, orientation in degrees, and their errors, from the stretch and its direction."""
    stretch = max(math.hypot(value[COS], value[SIN]), 1e-9)
    cos, sin = value[COS] / stretch, value[SIN] / stretch
    ratio = math.exp(-stretch)
    turn_err = math.degrees(_spread(covariance, {COS: -sin, SIN: cos}) / (2 * stretch))
    return (
        ratio,
        ratio * _spread(covariance, {COS: cos, SIN: sin}),
        math.degrees(math.atan2(sin, cos) / 2),
        min(turn_err, ANY_DIRECTION),
    )


def _spread(covariance: list[list[float]], slopes: dict[int, float]) -> float:
    """One standard deviation of what has these slopes by some of the values."""
    return math.sqrt(
        sum(a * b * covariance[i][j] for i, a in slopes.items() for j, b in slopes.items())
    )
