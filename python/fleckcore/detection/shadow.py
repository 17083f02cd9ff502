"""The shadow of something round and out of focus: its profile, and how it is fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FREE", "Shadow", "edge", "fit_shadow"]

Array = NDArray[np.float64]

FREE = ("x", "y", "radius", "hole", "softness", "fill", "depth", "e1", "e2")
"""Names of the fitted values, in order; three of a plane beside the shadow follow."""

_REACH = 1.45
_ITERATIONS = 25
_STIFFNESS = 10.0
"""Pixels that are as good as one: noise on the scale of a shadow is correlated."""

_MOST_STRETCH = 1.2

_STRAY = 0.2
"""A fit stays so near its start, as a part of the radius."""

_SOFTEST = 0.15
_SOFTEST_PIXELS = 6.0
"""The softest edge, as a part of the radius, and in pixels for small ones: over 0.66 of the radius it falls from 90
to 10 %. Real ones stay below 0.14; a softer fit follows the unevenness of the ground."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A disc or ring with soft edges, the shadow of a pupil, round or stretched to an ellipse.

    ``depth * (edge(radius) - (1 - fill) * edge(hole * radius))`` at distance r, where ``edge(a)`` falls from 1 to 0
    about r = a as a logistic function of width ``softness``. With dx, dy from the centre, and s**2 = 1 + e1**2 +
    e2**2, the distance is r**2 = s * (dx**2 + dy**2) - e1 * (dx**2 - dy**2) - 2 * e2 * dx * dy, which keeps the
    area of an ellipse what that of the circle is.

    Attributes
    ----------
    x, y : float
        Centre, 0-based pixels.
    radius : float
        Where the outer edge has half of its loss, pixels; of an ellipse, the geometric mean of its half axes.
    hole : float
        Radius of the hole over ``radius``.
    softness : float
        Scale of the logistic edges, pixels.
    fill : float
        Loss in the hole over ``depth``: 1 for a disc, about 0 for a ring.
    depth : float
        Fraction of light lost.
    e1, e2 : float
        Stretch along the columns' axis x (and, negative, along y), and along the diagonal; 0 for a circle.
    """

    x: float
    y: float
    radius: float
    hole: float
    softness: float
    fill: float
    depth: float
    e1: float = 0.0
    e2: float = 0.0

    @property
    def stretch(self) -> float:
        """Ratio of the axes, at least 1."""
        e = math.hypot(self.e1, self.e2)
        return math.sqrt(1 + e * e) + e

    @property
    def orientation(self) -> float:
        """Angle of the major axis in degrees, from +x towards +y."""
        return math.degrees(math.atan2(self.e2, self.e1)) / 2

    @property
    def half_major(self) -> float:
        """Half of the major axis, pixels."""
        return self.radius * math.sqrt(self.stretch)

    @property
    def reach(self) -> float:
        """Distance beyond which less than 1 % of ``depth`` is lost."""
        return (self.radius + 4.6 * self.softness) * math.sqrt(self.stretch)

    def loss(self, y: NDArray[np.floating], x: NDArray[np.floating]) -> Array:
        """Fraction lost at ``y``, ``x`` (arrays that broadcast)."""
        values = _values(self)
        return _loss(values, _radial(values, y, x))


def _values(shadow: Shadow) -> Array:
    return np.array([getattr(shadow, name) for name in FREE])


def edge(t: Array) -> Array:
    """A logistic edge: 0 far below 0, 1 far above."""
    height: Array = 0.5 + 0.5 * np.tanh(0.5 * t)
    return height


def _radial(p: Array, y: NDArray[np.floating], x: NDArray[np.floating]) -> Array:
    dx, dy, e1, e2 = x - p[0], y - p[1], p[7], p[8]
    stretched = np.sqrt(1 + e1**2 + e2**2) * (dx**2 + dy**2)
    stretched -= e1 * (dx**2 - dy**2) + 2 * e2 * dx * dy
    r: Array = np.sqrt(np.maximum(stretched, 0))
    return r


def _loss(p: Array, r: Array) -> Array:
    radius, hole, softness, fill, depth = p[2:7]
    loss: Array = depth * (
        edge((radius - r) / softness) - (1 - fill) * edge((hole * radius - r) / softness)
    )
    return loss


def _derivatives(p: Array, y: Array, x: Array) -> tuple[Array, Array]:
    """Model without the plane, and its derivative by each of its values."""
    radius, hole, softness, fill, depth, e1, e2 = p[2:9]
    dx, dy, s = x - p[0], y - p[1], np.sqrt(1 + e1**2 + e2**2)
    r = np.maximum(_radial(p, y, x), 1e-6)
    out, into = edge((radius - r) / softness), edge((hole * radius - r) / softness)
    d_out, d_into = out * (1 - out) / softness, into * (1 - into) / softness
    shape = out - (1 - fill) * into
    by_r = depth * (-d_out + (1 - fill) * d_into) / r
    by = np.empty((9, r.size))
    by[0] = -by_r * ((s - e1) * dx - e2 * dy)
    by[1] = -by_r * ((s + e1) * dy - e2 * dx)
    by[2] = depth * (d_out - (1 - fill) * hole * d_into)
    by[3] = -depth * (1 - fill) * radius * d_into
    by[4] = depth * (-(radius - r) * d_out + (1 - fill) * (hole * radius - r) * d_into) / softness
    by[5] = depth * into
    by[6] = shape
    by[7] = 0.5 * by_r * (e1 / s * (dx**2 + dy**2) - (dx**2 - dy**2))
    by[8] = 0.5 * by_r * (e2 / s * (dx**2 + dy**2) - 2 * dx * dy)
    return depth * shape, by


def fit_shadow(
    start: Shadow,
    y: Array,
    x: Array,
    lost: Array,
    error: Array,
    softest: float,
    size: tuple[float, float, float] | None = None,
    stretch: float = 0.0,
) -> tuple[Shadow, Array, float] | None:
    """Fit a shadow and a plane to the pixels around it, robustly.

    Levenberg-Marquardt with weights that fall as 1/|residual| beyond one standard deviation.

    Parameters
    ----------
    start : Shadow
        First guess; the fit stays near it (centre within 20 %, radius within 30 %).
    y, x, lost, error : ndarray of float64, shape (n,)
        Pixels, what they lose, and one standard deviation of it.
    softest : float
        Least softness, pixels.
    size : (float, float, float), optional
        Expected radius and hole, and how much either may differ, relative to the radius.
    stretch : float
        Expected standard deviation of ``e1`` and ``e2``; 0 keeps them as they are.

    Returns
    -------
    shadow : Shadow
    covariance : ndarray, shape (9, 9)
        Of the values in the order of `FREE`, scaled by the residuals; NaN for what was kept.
    rms : float
        Of the residuals, in units of ``error``.
    """
    r0, n = start.radius, len(FREE)
    p = np.concatenate([_values(start), [0.0, 0.0, 0.0]])
    most = _MOST_STRETCH
    low = np.array(
        [p[0] - _STRAY * r0, p[1] - _STRAY * r0, 0.75 * r0, 0.05, softest, -0.7, 0.0, -most, -most]
    )
    high = np.array(
        [
            p[0] + _STRAY * r0,
            p[1] + _STRAY * r0,
            1.3 * r0,
            0.75,
            max(_SOFTEST * r0, _SOFTEST_PIXELS),
            1.0,
            1.0,
            most,
            most,
        ]
    )
    plane = np.stack([np.ones_like(x), (x - start.x) / r0, (y - start.y) / r0])
    p[:n] = np.clip(p[:n], low, high)
    outside = _radial(p, y, x) > 1.08 * r0
    if outside.sum() >= 5:
        p[n] = float(np.median(lost[outside]))
    wish, stiff = np.zeros(n + 3), np.zeros(n + 3)
    held = [] if stretch else [7, 8]
    stiff[7:9] = _STIFFNESS / stretch**2 if stretch else 1.0
    if size is not None:
        wish[2], wish[3] = size[0], size[1]
        stiff[2], stiff[3] = _STIFFNESS / (size[2] * size[0]) ** 2, _STIFFNESS / size[2] ** 2
    stiff[held], wish[held] = 1.0, p[held]
    damping, cost = 1e-2, np.inf
    jacobian = np.empty((n + 3, x.size))
    jacobian[n:] = plane
    normal = np.eye(n + 3)
    for _ in range(_ITERATIONS):
        model, jacobian[:n] = _derivatives(p, y, x)
        jacobian[held] = 0.0
        residual = (lost - model - p[n:] @ plane) / error
        weight = 1 / np.sqrt(1 + residual**2) / error
        scaled = jacobian * weight
        normal = scaled @ (jacobian / error).T + np.diag(stiff)
        gradient = scaled @ residual + stiff * (wish - p)
        cost = _cost(residual) + 0.5 * float(stiff @ (wish - p) ** 2)
        improved = False
        for _ in range(6):
            trial = p + _step(normal, gradient, damping)
            trial[:n] = np.clip(trial[:n], low, high)
            model = _loss(trial, _radial(trial, y, x))
            trial_cost = _cost((lost - model - trial[n:] @ plane) / error)
            trial_cost += 0.5 * float(stiff @ (wish - trial) ** 2)
            if trial_cost < cost:
                improved = True
                break
            damping *= 8
        if not improved:
            break
        p, gained = trial, cost - trial_cost
        damping = max(damping / 8, 1e-6)
        if gained < 1e-3 * cost:
            break
    if not np.isfinite(p).all() or p[6] <= 0:
        return None
    scale = 2 * cost / max(1, x.size - n - 3)
    covariance: Array = np.linalg.pinv(normal)[:n, :n].astype(float) * scale
    diagonal = np.diag(covariance)
    np.fill_diagonal(covariance, np.maximum(diagonal, 0))
    covariance[held], covariance[:, held] = np.nan, np.nan
    shadow = Shadow(*(float(v) for v in p[:n]))
    return shadow, covariance, float(np.sqrt(scale))


def _cost(residual: Array) -> float:
    return float(np.sum(np.sqrt(1 + residual**2) - 1))


def _step(normal: Array, gradient: Array, damping: float) -> Array:
    damped = normal + damping * np.diag(np.diag(normal) + 1e-12 * np.trace(normal))
    step: Array = np.linalg.lstsq(damped, gradient, rcond=None)[0].astype(float)
    return step
