"""The shadow of something round and out of focus: its profile, and how it is fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FREE", "Shadow", "fit_shadow"]

Array = NDArray[np.float64]

FREE = ("x", "y", "radius", "hole", "softness", "fill", "depth")
"""Names of the fitted values, in order; three of a plane beside the shadow follow."""

_REACH = 1.45
_ITERATIONS = 25
_STIFFNESS = 10.0
"""Pixels that are as good as one: noise on the scale of a shadow is correlated."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A disc or ring with soft edges, the shadow of a pupil.

    ``depth * (edge(radius) - (1 - fill) * edge(hole * radius))`` at distance r, where ``edge(a)`` falls from 1 to 0
    about r = a as a logistic function of width ``softness``.

    Attributes
    ----------
    x, y : float
        Centre, 0-based pixels.
    radius : float
        Where the outer edge has half of its loss, pixels.
    hole : float
        Radius of the hole over ``radius``.
    softness : float
        Scale of the logistic edges, pixels.
    fill : float
        Loss in the hole over ``depth``: 1 for a disc, about 0 for a ring.
    depth : float
        Fraction of light lost.
    """

    x: float
    y: float
    radius: float
    hole: float
    softness: float
    fill: float
    depth: float

    @property
    def reach(self) -> float:
        """Distance beyond which less than 1 % of ``depth`` is lost."""
        return self.radius + 4.6 * self.softness

    def loss(self, y: NDArray[np.floating], x: NDArray[np.floating]) -> Array:
        """Fraction lost at ``y``, ``x`` (arrays that broadcast)."""
        return _loss(_values(self), np.hypot(x - self.x, y - self.y))


def _values(shadow: Shadow) -> Array:
    return np.array([getattr(shadow, name) for name in FREE])


def _edge(t: Array) -> Array:
    edge: Array = 0.5 * (1 + np.tanh(0.5 * t))
    return edge


def _loss(p: Array, r: Array) -> Array:
    _, _, radius, hole, softness, fill, depth = p[:7]
    loss: Array = depth * (
        _edge((radius - r) / softness) - (1 - fill) * _edge((hole * radius - r) / softness)
    )
    return loss


def _derivatives(p: Array, y: Array, x: Array) -> tuple[Array, Array]:
    """Model without the plane, and its derivative by each of the seven values."""
    cx, cy, radius, hole, softness, fill, depth = p[:7]
    r = np.maximum(np.hypot(x - cx, y - cy), 1e-6)
    out, into = _edge((radius - r) / softness), _edge((hole * radius - r) / softness)
    d_out, d_into = out * (1 - out) / softness, into * (1 - into) / softness
    shape = out - (1 - fill) * into
    by_r = depth * (-d_out + (1 - fill) * d_into)
    by = np.empty((7, r.size))
    by[0] = -by_r * (x - cx) / r
    by[1] = -by_r * (y - cy) / r
    by[2] = depth * (d_out - (1 - fill) * hole * d_into)
    by[3] = -depth * (1 - fill) * radius * d_into
    by[4] = depth * (-(radius - r) * d_out + (1 - fill) * (hole * radius - r) * d_into) / softness
    by[5] = depth * into
    by[6] = shape
    return depth * shape, by


def fit_shadow(
    start: Shadow,
    y: Array,
    x: Array,
    lost: Array,
    error: Array,
    size: tuple[float, float, float] | None = None,
) -> tuple[Shadow, Array, float] | None:
    """Fit a shadow and a plane to the pixels around it, robustly.

    Levenberg-Marquardt with weights that fall as 1/|residual| beyond one standard deviation.

    Parameters
    ----------
    start : Shadow
        First guess; the fit stays near it (centre and radius within 30 %).
    y, x, lost, error : ndarray of float64, shape (n,)
        Pixels, what they lose, and one standard deviation of it.
    size : (float, float, float), optional
        Expected radius and hole, and how much either may differ, relative to the radius.

    Returns
    -------
    shadow : Shadow
    covariance : ndarray, shape (7, 7)
        Of the values in the order of `FREE`, scaled by the residuals.
    rms : float
        Of the residuals, in units of ``error``.
    """
    r0 = start.radius
    p = np.concatenate([_values(start), [0.0, 0.0, 0.0]])
    low = np.array([start.x - 0.3 * r0, start.y - 0.3 * r0, 0.75 * r0, 0.05, 0.03 * r0, -0.7, 0.0])
    high = np.array([start.x + 0.3 * r0, start.y + 0.3 * r0, 1.3 * r0, 0.75, 0.25 * r0, 1.0, 1.0])
    plane = np.stack([np.ones_like(x), (x - start.x) / r0, (y - start.y) / r0])
    p[:7] = np.clip(p[:7], low, high)
    outside = np.hypot(x - start.x, y - start.y) > 1.08 * r0
    if outside.sum() >= 5:
        p[7] = float(np.median(lost[outside]))
    wish, stiff = np.zeros(10), np.zeros(10)
    if size is not None:
        wish[2], wish[3] = size[0], size[1]
        stiff[2], stiff[3] = _STIFFNESS / (size[2] * size[0]) ** 2, _STIFFNESS / size[2] ** 2
    damping, cost = 1e-2, np.inf
    jacobian = np.empty((10, x.size))
    jacobian[7:] = plane
    normal = np.eye(10)
    for _ in range(_ITERATIONS):
        model, jacobian[:7] = _derivatives(p, y, x)
        residual = (lost - model - p[7:] @ plane) / error
        weight = 1 / np.sqrt(1 + residual**2) / error
        scaled = jacobian * weight
        normal = scaled @ (jacobian / error).T + np.diag(stiff)
        gradient = scaled @ residual + stiff * (wish - p)
        cost = _cost(residual) + 0.5 * float(stiff @ (wish - p) ** 2)
        improved = False
        for _ in range(6):
            trial = p + _step(normal, gradient, damping)
            trial[:7] = np.clip(trial[:7], low, high)
            model = _loss(trial, np.hypot(x - trial[0], y - trial[1]))
            trial_cost = _cost((lost - model - trial[7:] @ plane) / error)
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
    scale = 2 * cost / max(1, x.size - 10)
    covariance: Array = np.linalg.pinv(normal)[:7, :7].astype(float) * scale
    shadow = Shadow(*(float(v) for v in p[:7]))
    return shadow, covariance, float(np.sqrt(scale))


def _cost(residual: Array) -> float:
    return float(np.sum(np.sqrt(1 + residual**2) - 1))


def _step(normal: Array, gradient: Array, damping: float) -> Array:
    damped = normal + damping * np.diag(np.diag(normal) + 1e-12 * np.trace(normal))
    step: Array = np.linalg.lstsq(damped, gradient, rcond=None)[0].astype(float)
    return step
