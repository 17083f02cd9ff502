"""A model of each compact feature: an ellipse with soft edges, fitted with errors; neighbours together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.measure import Measures
from fleckcore.detection.shadow import edge

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

Array = NDArray[np.float64]
Circle = tuple[float, float, float]
"""Centre x, y and radius, pixels."""

X, Y, RADIUS, COS, SIN, SOFTNESS, DEPTH, HOLE, FILL = range(9)
"""The fitted values of one feature.

Centre; log of the radius; log of the ratio of the axes, a vector of twice the orientation; log of the softness;
depth; inner radius over the radius; loss in the hole over that of the rim.
"""

EXPECTED = {RADIUS: 0.5, COS: 0.7, SIN: 0.7, SOFTNESS: 0.7, DEPTH: 1.0, HOLE: 0.2, FILL: 1.0}
"""How far each value may be from its start before any pixel is seen, one standard deviation."""

LEVEL = 0.5
"""The same of the level beside a feature, which is about 1, and of its slopes."""

KNOWN = 0.7
"""A value counts as measured when the pixels leave less than this part of what was expected of it."""

HOLED = 3.5
"""From this semi-minor axis on a hole is looked for, pixels."""

USUAL_HOLE = 0.45
SHARPEST = 0.15
CLIP = 3.0
DIVIDED_MISFIT = 0.3
MODEL_ERROR = 0.05
ROUND = 0.92
"""Square root of the ratio of the axes, above which nothing is divided."""

ROUNDISH = 0.6
LEAST_PART = 1.5
"""Radius of either part of what is divided, pixels: smaller ones are grains of one fleck."""

_ITERATIONS = 25
_ENOUGH = 3e-3
"""Gain in half chi-square below which a fit ends: less than a tenth of an error."""

ANY_DIRECTION = 180 / math.sqrt(12)
_PIXEL_SPREAD = 3 / math.pi**2 / 12
"""Squared logistic scale that has the variance of a pixel."""


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

    def values(self) -> Array:
        """In the order of the fitted values."""
        stretch, turn = math.log(self.elongation), math.radians(2 * self.orientation)
        softness = max(0.12 * self.radius, SHARPEST) + 0.2
        hole = self.radius_inner / self.radius if self.radius_inner else USUAL_HOLE
        fill = 0.2 if self.radius_inner else 1.0
        direction = stretch * math.cos(turn), stretch * math.sin(turn)
        size = math.log(self.radius), *direction, math.log(softness)
        return np.array([self.x, self.y, *size, self.depth, min(hole, 0.8), fill])


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels around one or several features; all arrays of shape (n,).

    Attributes
    ----------
    y, x : ndarray of float64
        Pixel centres.
    transmission : ndarray of float64
        About 1 beside the features.
    noise : ndarray of float64
        One standard deviation of it.
    """

    y: Array
    x: Array
    transmission: Array
    noise: Array

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
        rows, cols = np.ogrid[cut]
        reached = np.zeros(usable.shape, bool)
        for start in starts:
            reached |= np.hypot(cols - start.x, rows - start.y) < start.reach
        known = np.isfinite(transmission) & np.isfinite(noise) & (noise > 0)
        y, x = np.nonzero(usable & reached & known)
        values = y + cut[0].start, x + cut[1].start, transmission[y, x], noise[y, x]
        return cls(*(value.astype(float) for value in values))


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


def fit_profiles(patch: Patch, starts: Sequence[Start]) -> list[Profile]:
    """Fit one or several features and the sloping level that they stand on, all at once.

    Each takes ``depth * (edge(radius) - (1 - fill) * edge(radius_inner))`` of the light, where ``edge(a)`` falls from
    1 to 0 about the ellipse of radius a as a logistic function of width ``softness``; what overlaps multiplies.
    The model is averaged over each pixel. Levenberg-Marquardt; residuals beyond three standard deviations (of the
    noise, or of the misfit within the features if that is larger) lose weight. Broad expectations (`EXPECTED`)
    keep what the pixels do not tell near its start, and such values come back as NaN. The covariance is scaled by
    the mean square residual of each feature's pixels where that exceeds the noise.

    Parameters
    ----------
    patch : Patch
        At least the pixels within ``Start.reach`` of each, others' pixels left out.
    starts : sequence of Start
        First guesses.

    Returns
    -------
    list of Profile
        In the order of ``starts``; all NaN where there are too few pixels.
    """
    if patch.x.size < 12 + 7 * (len(starts) - 1):
        return [Profile() for _ in starts]
    fit = _Fit(patch, starts)
    fit.run()
    return fit.profiles()


def divide(patch: Patch, start: Start, profile: Profile) -> list[Circle] | None:
    """Explain a feature as two that overlap along its longer axis; None unless that is much better, and good.

    Much better: less than `DIVIDED_MISFIT` of the mean square misfit beyond the noise is left. Good: what is left is
    no more than `MODEL_ERROR` of the depth. Both must be significant, large and round enough, and centred apart.

    Parameters
    ----------
    patch, start
        As for `fit_profiles`, of the one feature.
    profile : Profile
        Its fit.

    Returns
    -------
    list of (x, y, radius), or None
    """
    stretch = math.sqrt(profile.axis_ratio)
    minor = profile.radius_fit * stretch
    if not (minor > LEAST_PART and stretch < ROUND):
        return None
    apart = profile.radius_fit / stretch - minor
    turn = math.radians(profile.orientation_fit)
    depth = math.copysign(profile.depth, start.depth)
    two = _Fit(
        patch,
        [
            Start(
                profile.x_fit + side * apart * math.cos(turn),
                profile.y_fit + side * apart * math.sin(turn),
                minor,
                1.0,
                0.0,
                depth,
            )
            for side in (-1, 1)
        ],
    )
    two.run()
    parts = two.profiles()
    own = np.any([m.own for m in two.members], axis=0)
    left = float(np.mean(np.square(two.residual()[own]))) - 1
    misfit = profile.residual**2 - 1
    noise = float(np.median(patch.noise[own]))
    good = math.sqrt(max(left, 0)) * noise < MODEL_ERROR * abs(depth)
    if not (left < DIVIDED_MISFIT * misfit and good and _two(*parts)):
        return None
    return [(p.x_fit, p.y_fit, p.radius_fit) for p in parts]


def _two(one: Profile, other: Profile) -> bool:
    """Whether both are there, and neither lies within the other."""
    distance = math.hypot(one.x_fit - other.x_fit, one.y_fit - other.y_fit)
    return distance > max(one.radius_fit, other.radius_fit) and all(
        p.depth > 5 * p.depth_err and p.radius_fit > LEAST_PART and p.axis_ratio > ROUNDISH
        for p in (one, other)
    )


class _Fit:
    """Fitted values of all features, then three of the level; only some of them are free."""

    def __init__(self, patch: Patch, starts: Sequence[Start]) -> None:
        self.patch, self.starts = patch, starts
        self.members = [_Member(patch, start) for start in starts]
        self.free = np.concatenate([m.free for m in self.members] + [np.ones(3, bool)])
        self.start = np.concatenate([start.values() for start in starts] + [np.zeros(3)])
        self.values = self.start.copy()
        expected = np.concatenate([m.expected for m in self.members] + [np.full(3, LEVEL)])
        self.stiff = 1 / expected[self.free] ** 2
        low, high = zip(*(m.bounds for m in self.members), strict=True)
        self.low = np.concatenate([*low, np.full(3, -0.5)])
        self.high = np.concatenate([*high, np.full(3, 0.5)])
        size = max(start.reach for start in starts)
        cx, cy = np.mean([(s.x, s.y) for s in starts], axis=0)
        self.plane = np.stack([np.ones_like(patch.x), (patch.x - cx) / size, (patch.y - cy) / size])
        self.normal = np.eye(int(self.free.sum()))

    def run(self) -> None:
        damping = 1e-3
        for _ in range(_ITERATIONS):
            residual, jacobian = self._linearised()
            spread = CLIP * self._spread(residual)
            weight = 1 / np.sqrt(1 + (residual / spread) ** 2)
            weighted = jacobian * weight
            self.normal = weighted @ jacobian.T
            away = (self.start - self.values)[self.free]
            gradient = weighted @ residual + self.stiff * away
            cost = _cost(residual, spread) + 0.5 * float(self.stiff @ away**2)
            before, gained = self.values, 0.0
            for _ in range(6):
                self.values = self._moved(before, gradient, damping)
                away = (self.start - self.values)[self.free]
                trial = _cost(self.residual(), spread) + 0.5 * float(self.stiff @ away**2)
                gained = cost - trial
                if gained > 0:
                    break
                damping *= 10
            if not gained > 0:
                self.values = before
                return
            damping = max(damping / 10, 1e-7)
            if gained < _ENOUGH * (spread / CLIP) ** 2:
                return

    def _moved(self, values: Array, gradient: Array, damping: float) -> Array:
        matrix = self.normal + np.diag(self.stiff)
        matrix += damping * np.diag(np.diag(matrix))
        moved = values.copy()
        moved[self.free] += np.linalg.solve(matrix, gradient)
        clipped: Array = np.clip(moved, self.low, self.high)
        return clipped

    def _part(self, index: int) -> Array:
        return self.values[9 * index : 9 * index + 9]

    def residual(self) -> Array:
        light = 1 + self.values[-3:] @ self.plane
        for i, member in enumerate(self.members):
            light *= 1 - member.loss(self._part(i))
        residual: Array = (self.patch.transmission - light) / self.patch.noise
        return residual

    def _linearised(self) -> tuple[Array, Array]:
        """Residuals, and the derivative of the model by each free value, in units of the noise."""
        base = 1 + self.values[-3:] @ self.plane
        parts = [m.derivatives(self._part(i)) for i, m in enumerate(self.members)]
        passed = [1 - loss for loss, _ in parts]
        rows = []
        for i, (member, (_, by)) in enumerate(zip(self.members, parts, strict=True)):
            others = base.copy()
            for j, light in enumerate(passed):
                if j != i:
                    others *= light
            rows.append(-others * by[member.free])
        through = np.prod(passed, axis=0)
        rows.append(self.plane * through)
        model = base * through
        noise = self.patch.noise
        return (self.patch.transmission - model) / noise, np.concatenate(rows) / noise

    def _spread(self, residual: Array) -> float:
        """Typical residual within the features, in units of the noise, at least 1."""
        own = np.abs(residual[np.any([m.own for m in self.members], axis=0)])
        return max(1.0, 1.4826 * float(np.median(own))) if own.size else 1.0

    def profiles(self) -> list[Profile]:
        residual = self.residual()
        rms = [m.rms(residual) for m in self.members]
        scale = np.concatenate(
            [
                np.full(int(m.free.sum()), max(r, 1.0))
                for m, r in zip(self.members, rms, strict=True)
            ]
            + [np.full(3, max(1.0, *rms))]
        )
        data = self.normal / np.outer(scale, scale)
        covariance: Array = np.linalg.inv(data + np.diag(self.stiff)).astype(float)
        profiles, first = [], 0
        for i, member in enumerate(self.members):
            n = int(member.free.sum())
            own = covariance[first : first + n, first : first + n]
            profiles.append(_profile(self._part(i), own, member, rms[i]))
            first += n
        return profiles


class _Member:
    """One feature of a fit."""

    def __init__(self, patch: Patch, start: Start) -> None:
        nodes = 3 if start.radius < 2 else 2 if start.radius < 8 else 1
        distance = np.hypot(patch.x - start.x, patch.y - start.y)
        self.near = np.flatnonzero(distance < start.reach - 3)
        self.own = distance < 1.2 * start.radius * math.sqrt(start.elongation) + 1
        self.size = patch.x.size
        (dy, dx), self.weight = _nodes(nodes)
        self.blur = _PIXEL_SPREAD if nodes == 1 else 0.0
        self.y = patch.y[self.near] + dy[:, None]
        self.x = patch.x[self.near] + dx[:, None]
        self.free = np.ones(9, bool)
        self.free[[HOLE, FILL]] = self.holed = start.minor >= HOLED
        place = 0.3 + 0.3 * start.radius
        self.expected = np.array([place, place, *EXPECTED.values()])
        self.expected[DEPTH] = max(EXPECTED[DEPTH], 2 * abs(start.depth))
        self.bounds = self._bounds(start)

    def _bounds(self, start: Start) -> tuple[Array, Array]:
        p, room = start.values(), 1 + 0.5 * start.radius
        gain = start.depth < 0
        low = [p[X] - room, p[Y] - room, max(p[RADIUS] - 1, math.log(0.4)), -3.0, -3.0]
        high = [p[X] + room, p[Y] + room, p[RADIUS] + 1, 3.0, 3.0]
        low += [math.log(SHARPEST), -np.inf if gain else 0.0, 0.05, -0.5]
        high += [math.log(0.7 * start.radius + 0.5), 0.0 if gain else 1.1, 0.85, 1.0]
        return np.array(low), np.array(high)

    def rms(self, residual: Array) -> float:
        """Of the residuals of its own pixels, in units of the noise."""
        own = residual[self.own]
        return math.sqrt(float(own @ own) / max(1, own.size - int(self.free.sum())))

    def loss(self, p: Array) -> Array:
        """Fraction lost in every pixel of the patch."""
        r = np.sqrt(self._distance2(p)[0])
        softness = math.sqrt(math.exp(2 * p[SOFTNESS]) + self.blur)
        radius = math.exp(p[RADIUS])
        shape = edge((radius - r) / softness)
        if self.holed:
            shape -= (1 - p[FILL]) * edge((p[HOLE] * radius - r) / softness)
        loss = np.zeros(self.size)
        loss[self.near] = p[DEPTH] * (self.weight @ shape)
        return loss

    def _distance2(self, p: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Squared distance in the ellipse, dx, dy, and the second moments that the stretch acts on."""
        dx, dy = self.x - p[X], self.y - p[Y]
        stretch = math.hypot(p[COS], p[SIN])
        cosh, sinh = math.cosh(stretch), _sinh_over(stretch)
        xx, yy = dx * dx, dy * dy
        across, cross = xx - yy, 2 * dx * dy
        r2 = cosh * (xx + yy) - sinh * (p[COS] * across + p[SIN] * cross)
        return np.maximum(r2, 1e-9), dx, dy, across, cross

    def derivatives(self, p: Array) -> tuple[Array, Array]:
        """`loss`, and its derivative by each value, shape (9, n)."""
        r2, dx, dy, across, cross = self._distance2(p)
        r = np.sqrt(r2)
        sharp = math.exp(p[SOFTNESS])
        softness = math.sqrt(sharp**2 + self.blur)
        radius, depth = math.exp(p[RADIUS]), p[DEPTH]
        shape = edge((radius - r) / softness)
        slope = shape * (1 - shape) / softness
        by_radius, by_softness = slope.copy(), (r - radius) * slope
        by = np.zeros((9, self.size))
        near = self.near
        if self.holed:
            inner, empty = p[HOLE] * radius, 1 - p[FILL]
            core = edge((inner - r) / softness)
            core_slope = core * (1 - core) / softness
            shape = shape - empty * core
            slope -= empty * core_slope
            by_radius -= empty * p[HOLE] * core_slope
            by_softness -= empty * (r - inner) * core_slope
            by[HOLE, near] = -depth * empty * radius * (self.weight @ core_slope)
            by[FILL, near] = depth * (self.weight @ core)
        by_r2 = -depth * slope / (2 * r)
        stretch = math.hypot(p[COS], p[SIN])
        cosh, sinh = math.cosh(stretch), _sinh_over(stretch)
        by[X, near] = self.weight @ (
            by_r2 * (-2 * (cosh - sinh * p[COS]) * dx + 2 * sinh * p[SIN] * dy)
        )
        by[Y, near] = self.weight @ (
            by_r2 * (-2 * (cosh + sinh * p[COS]) * dy + 2 * sinh * p[SIN] * dx)
        )
        by[RADIUS, near] = depth * radius * (self.weight @ by_radius)
        common = sinh * (dx * dx + dy * dy)
        common -= _sinh_over_slope(stretch) * (p[COS] * across + p[SIN] * cross)
        by[COS, near] = self.weight @ (by_r2 * (p[COS] * common - sinh * across))
        by[SIN, near] = self.weight @ (by_r2 * (p[SIN] * common - sinh * cross))
        by[SOFTNESS, near] = depth * (sharp / softness) ** 2 * (self.weight @ by_softness)
        by[DEPTH, near] = self.weight @ shape
        return depth * by[DEPTH], by


def _profile(p: Array, covariance: Array, member: _Member, rms: float) -> Profile:
    """Translate fitted values; what is hardly better known than expected becomes NaN."""
    error = np.sqrt(np.diag(covariance))
    if not np.isfinite(error).all():
        return Profile()
    known = error <= KNOWN * member.expected[: error.size]
    size = bool(known[RADIUS])
    radius = math.exp(p[RADIUS]) if size else math.nan
    softness = math.exp(p[SOFTNESS]) if known[SOFTNESS] else math.nan
    ratio, ratio_err, turn, turn_err = _axes(p, covariance)
    if not (known[COS] and known[SIN]):
        ratio = ratio_err = turn = turn_err = math.nan
    hole = fill = hole_err = fill_err = math.nan
    if member.holed and known[FILL]:
        fill, fill_err = p[FILL], error[FILL]
    if member.holed and size and known[HOLE]:
        hole = p[HOLE] * radius
        slopes = np.array([hole, radius])
        part = covariance[np.ix_([RADIUS, HOLE], [RADIUS, HOLE])]
        hole_err = math.sqrt(float(slopes @ part @ slopes))
    return Profile(
        x_fit=float(p[X]),
        x_err=float(error[X]),
        y_fit=float(p[Y]),
        y_err=float(error[Y]),
        radius_fit=radius,
        radius_err=radius * float(error[RADIUS]),
        axis_ratio=ratio,
        axis_ratio_err=ratio_err,
        orientation_fit=turn,
        orientation_err=turn_err,
        radius_inner_fit=float(hole),
        radius_inner_err=hole_err,
        fill=float(fill),
        fill_err=float(fill_err),
        depth=abs(float(p[DEPTH])) if size else math.nan,
        depth_err=float(error[DEPTH]) if size else math.nan,
        softness=softness,
        softness_err=softness * float(error[SOFTNESS]),
        residual=rms,
    )


def _axes(p: Array, covariance: Array) -> tuple[float, float, float, float]:
    """Minor over major axis, orientation in degrees, and their errors, from the stretch and its direction."""
    stretch = max(math.hypot(p[COS], p[SIN]), 1e-9)
    cos, sin = p[COS] / stretch, p[SIN] / stretch
    part = covariance[COS : SIN + 1, COS : SIN + 1]
    along, across = np.array([cos, sin]), np.array([-sin, cos])
    ratio = math.exp(-stretch)
    turn_err = math.degrees(math.sqrt(float(across @ part @ across)) / (2 * stretch))
    return (
        ratio,
        ratio * math.sqrt(float(along @ part @ along)),
        math.degrees(math.atan2(sin, cos) / 2),
        min(turn_err, ANY_DIRECTION),
    )


@cache
def _nodes(n: int) -> tuple[tuple[Array, Array], Array]:
    """Places in a pixel, and weights, of Gauss-Legendre integration over it."""
    at, weight = np.polynomial.legendre.leggauss(n)
    dy, dx = (grid.ravel() / 2 for grid in np.meshgrid(at, at, indexing="ij"))
    return (dy, dx), np.outer(weight, weight).ravel() / 4


def _cost(residual: Array, spread: float) -> float:
    return spread**2 * float(np.sum(np.sqrt(1 + (residual / spread) ** 2) - 1))


def _sinh_over(s: float) -> float:
    return math.sinh(s) / s if s > 1e-4 else 1.0


def _sinh_over_slope(s: float) -> float:
    """Slope of sinh(s) / s, over s."""
    return (s * math.cosh(s) - math.sinh(s)) / s**3 if s > 1e-2 else 1 / 3
