"""The shadow of something long and narrow: its profile, and how it is fitted."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["FREE", "LEAST_WIDTH", "Streak", "fit_streak"]

Array = NDArray[np.float64]

FREE = ("x", "y", "angle", "length", "width", "flatness", "depth", "curvature")
"""Names of the fitted values, in order; three of a plane beside the streak follow."""

LEAST_WIDTH, MOST_WIDTH = 1.0, 16.0
FLATNESS = 0.5, 0.3
"""Expected, and its standard deviation: what the pixels do not tell of the shape of the edges."""
BEND = 0.7
"""Standard deviation of the angle by which a streak turns from end to end, radians."""

END = 12.0
"""Standard deviation of the length, pixels: that of a streak that leaves the frame is not known."""

HUBER = 2.0
"""Residuals count fully up to about so many standard deviations."""

_ITERATIONS = 30
_PIXEL = float(np.sqrt(1 / 12))
"""Standard deviation of a place in a pixel; no edge is sharper."""

_NUDGE = 0.004
"""Step of the numerical derivatives."""


@dataclass(frozen=True, slots=True)
class Streak:
    """A bar with soft edges and ends, straight or along an arc of a circle, as the pixels of the frame see it.

    Its profiles are a box blurred by a Gaussian, of one blur across and along.

    Attributes
    ----------
    x, y : float
        Middle of the arc, 0-based pixels.
    angle : float
        Direction there, degrees from +x towards +y.
    length, width : float
        Between the places where half of the loss is left, pixels.
    flatness : float
        Part of the variance of the cross profile that is the box's: 0 for a Gaussian, 1 for a box.
    depth : float
        Fraction of light lost on the middle line.
    curvature : float
        One over the radius of the arc, 1/pixels; positive when it bends from +x towards +y.
    """

    x: float
    y: float
    angle: float
    length: float
    width: float
    flatness: float
    depth: float
    curvature: float = 0.0

    @property
    def softness(self) -> float:
        """Standard deviation of the blur, pixels."""
        return max(_PIXEL, self._rms * float(np.sqrt(1 - self.flatness)))

    @property
    def reach(self) -> float:
        """Distance from the middle line beyond which nothing is lost, pixels."""
        return self.width / 2 + 4 * self.softness

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Smallest and largest x, and y, of the middle line with its ends."""
        x, y = self.at(np.linspace(-0.5, 0.5, 33) * (self.length + 2 * self.reach))
        return float(x.min()), float(x.max()), float(y.min()), float(y.max())

    @property
    def _rms(self) -> float:
        return self.width / float(np.interp(self.flatness, _FLATNESSES, _WIDTHS))

    def at(self, along: Array) -> tuple[Array, Array]:
        """Give x and y of places on the middle line, by their distance along it from its middle."""
        turned = self.curvature * along
        straight = np.sinc(turned / np.pi) * along
        aside = 0.5 * turned * along * np.sinc(turned / (2 * np.pi)) ** 2
        cos, sin = _direction(self.angle)
        return self.x + straight * cos - aside * sin, self.y + straight * sin + aside * cos

    def coordinates(self, y: Array, x: Array) -> tuple[Array, Array]:
        """Give the distances along the middle line and across it of places ``y``, ``x`` (which broadcast)."""
        cos, sin = _direction(self.angle)
        u = (x - self.x) * cos + (y - self.y) * sin
        v = (y - self.y) * cos - (x - self.x) * sin
        k = self.curvature
        if k == 0:
            return u, v
        towards = 1 - k * v
        across = (2 * v - k * (u * u + v * v)) / (1 + np.hypot(towards, k * u))
        return np.arctan2(k * u, towards) / k, across

    def loss(self, y: Array, x: Array, binning: int = 1) -> Array:
        """Fraction lost at ``y``, ``x`` (arrays that broadcast), averaged over ``binning`` pixels each way."""
        return self.loss_at(*self.coordinates(y, x), binning)

    def loss_at(self, along: Array, across: Array, binning: int = 1) -> Array:
        """Fraction lost at distances along and across the middle line."""
        blur, box = self.softness, self._rms * float(np.sqrt(12 * self.flatness))
        peak = _bar(np.zeros(1), box, blur)[0]
        shift = _shift(binning)  # across, two places stand for a binned pixel
        profile = _bar(across - shift, box, blur)
        if shift:
            profile = (profile + _bar(across + shift, box, blur)) / 2
        ends = _bar(along, self.length, float(np.hypot(blur, shift)))
        loss: Array = self.depth / peak * profile * ends
        return loss

    def part(self, first: float, last: float) -> Streak:
        """Give the part of it between two distances along the middle line from its middle."""
        middle = (first + last) / 2
        x, y = self.at(np.array([middle]))
        angle = self.angle + float(np.degrees(self.curvature * middle))
        part = replace(self, x=float(x[0]), y=float(y[0]), angle=angle, length=float(last - first))
        return part.turned()

    def turned(self) -> Streak:
        """The same with its angle between -90 and 90 degrees."""
        angle = (self.angle + 90) % 180 - 90
        flipped = round((self.angle - angle) / 180) % 2
        return replace(self, angle=angle, curvature=-self.curvature if flipped else self.curvature)


def _shift(binning: int) -> float:
    """Standard deviation of a place in a binned pixel, in addition to that in a pixel."""
    return float(np.sqrt((binning**2 - 1) / 12))


def _direction(angle: float) -> tuple[float, float]:
    return float(np.cos(np.radians(angle))), float(np.sin(np.radians(angle)))


def _erf(t: Array) -> Array:
    """The error function, to 2e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    a = np.abs(t)
    p = 1 / (1 + 0.3275911 * a)
    series = p * (
        0.254829592 + p * (-0.284496736 + p * (1.421413741 + p * (-1.453152027 + p * 1.061405429)))
    )
    erf: Array = np.copysign(1 - series * np.exp(-a * a), t)
    return erf


def _bar(t: Array, width: float, blur: float) -> Array:
    """A box of height 1 about 0, blurred by a Gaussian."""
    scale = 1 / (np.sqrt(2) * blur)
    bar: Array = 0.5 * (_erf((t + width / 2) * scale) - _erf((t - width / 2) * scale))
    return bar


def _full_width(flatness: float) -> float:
    """Full width at half maximum of a blurred box of variance 1."""
    box, blur = float(np.sqrt(12 * flatness)), float(np.sqrt(1 - flatness))
    t = np.linspace(0.8, 2.0, 2401)
    profile = _bar(t, box, blur)
    half = 0.5 * _bar(np.zeros(1), box, blur)[0]
    return 2 * float(np.interp(-half, -profile, t))


_FLATNESSES = np.linspace(0.02, 0.98, 49)
_WIDTHS = np.array([_full_width(float(f)) for f in _FLATNESSES])


def fit_streak(
    start: Streak, y: Array, x: Array, lost: Array, error: Array, *, binning: int = 1
) -> tuple[Streak, Array] | None:
    """Fit a streak and a plane to the pixels around it, robustly.

    Levenberg-Marquardt with weights that fall as 1/|residual| beyond two standard deviations.

    Parameters
    ----------
    start : Streak
        First guess; the middle line stays within half its length and twice its width.
    y, x, lost, error : ndarray of float64, shape (n,)
        Pixels, what they lose, and one standard deviation of it.
    binning : int
        Each is the mean of so many pixels of the frame each way.

    Returns
    -------
    streak : Streak
    covariance : ndarray, shape (8, 8)
        Of the values in the order of `FREE`, for noise that is independent from pixel to pixel, whatever its
        distribution (Huber 1981, Robust Statistics, 7.6).
    """
    length = start.length
    reach = 0.5 * length + 12
    low = np.array([start.x - reach, start.y - reach, start.angle - 30, 0.4 * length])
    high = np.array([start.x + reach, start.y + reach, start.angle + 30, 2 * length + 12])
    low = np.append(low, [LEAST_WIDTH, 0.02, 1e-6, -1.2 / length])
    high = np.append(high, [2 * MOST_WIDTH, 0.98, 1.0, 1.2 / length])
    wish, stiff = np.zeros(11), np.zeros(11)
    wish[3], stiff[3] = length, END**-2
    wish[5], stiff[5], stiff[7] = FLATNESS[0], FLATNESS[1] ** -2, (length / BEND) ** 2
    plane = np.stack([np.ones_like(x), (x - start.x) / length, (y - start.y) / length])
    p = np.concatenate([np.clip(astuple(start), low, high), np.zeros(3)])
    scale = HUBER * error

    def residual_of(values: Array) -> Array:
        model = Streak(*values[:8].tolist()).loss(y, x, binning)
        r: Array = (lost - model - values[8:] @ plane) / scale
        return r

    def cost_of(values: Array, r: Array) -> float:
        pull = 0.5 * float(stiff @ (wish - values) ** 2)
        return HUBER**2 * float(np.sum(np.sqrt(1 + r * r) - 1)) + pull

    residual = residual_of(p)
    cost, damping = cost_of(p, residual), 1e-2
    jacobian = np.empty((11, x.size))
    jacobian[8:] = plane / error
    for _ in range(_ITERATIONS):
        jacobian[:8] = _derivatives(Streak(*p[:8].tolist()), y, x, binning) / error
        weight = 1 / np.sqrt(1 + residual**2)
        normal = (jacobian * weight) @ jacobian.T + np.diag(stiff)
        gradient = jacobian @ (weight * residual * HUBER) + stiff * (wish - p)
        gained = 0.0
        for _ in range(8):
            trial = p + _solved(normal, gradient, damping)
            trial[:8] = np.clip(trial[:8], low, high)
            trial_residual = residual_of(trial)
            trial_cost = cost_of(trial, trial_residual)
            if trial_cost < cost:
                gained = cost - trial_cost
                p, residual, cost = trial, trial_residual, trial_cost
                damping = max(damping / 8, 1e-9)
                break
            damping *= 8
        if gained < 1e-2:
            break
    if not np.isfinite(p).all() or p[6] <= low[6]:
        return None
    jacobian[:8] = _derivatives(Streak(*p[:8].tolist()), y, x, binning) / error
    if not jacobian[:7].any(axis=1).all():
        return None  # it has left the pixels
    return Streak(*p[:8].tolist()).turned(), _covariance(jacobian, residual, stiff)


def _derivatives(streak: Streak, y: Array, x: Array, binning: int) -> Array:
    """Derivative of the loss by each of the eight values; by the curvature to first order in it."""
    s, t = streak.coordinates(y, x)
    loss = streak.loss_at(s, t, binning)
    blur, half = float(np.hypot(streak.softness, _shift(binning))), streak.length / 2
    endless = replace(streak, length=1e6).loss_at(s, t, binning)
    into, out = endless * _bell(s + half, blur), endless * _bell(s - half, blur)
    by_t = (streak.loss_at(s, t + _NUDGE, binning) - loss) / _NUDGE
    by_s = (into - out) / (1 - streak.curvature * t)
    cos, sin = _direction(streak.angle)
    turned = streak.curvature * s
    normal_x = -sin * np.cos(turned) - cos * np.sin(turned)
    normal_y = cos * np.cos(turned) - sin * np.sin(turned)
    wider = replace(streak, width=streak.width + _NUDGE)
    softer = replace(streak, flatness=streak.flatness - _NUDGE)
    by = np.empty((8, x.size))
    by[0] = -by_t * normal_x - by_s * normal_y
    by[1] = -by_t * normal_y + by_s * normal_x
    by[2] = np.radians((x - streak.x) * by[1] - (y - streak.y) * by[0])
    by[3] = (into + out) / 2
    by[4] = (wider.loss_at(s, t, binning) - loss) / _NUDGE
    by[5] = (loss - softer.loss_at(s, t, binning)) / _NUDGE
    by[6] = loss / streak.depth
    by[7] = by_s * s * t - by_t * s**2 / 2
    return by


def _bell(t: Array, blur: float) -> Array:
    """Density of a Gaussian."""
    bell: Array = np.exp(-0.5 * (t / blur) ** 2) / (np.sqrt(2 * np.pi) * blur)
    return bell


def _solved(normal: Array, gradient: Array, damping: float) -> Array:
    unit = 1 / np.sqrt(np.diag(normal) + 1e-300)  # values of very different size
    scaled = normal * unit[:, None] * unit
    damped = scaled + damping * np.eye(unit.size)
    step: Array = np.linalg.lstsq(damped, gradient * unit, rcond=None)[0].astype(float) * unit
    return step


def _covariance(jacobian: Array, residual: Array, stiff: Array) -> Array:
    """Of a robust fit: the least-squares one times the mean square influence over the square mean slope of it."""
    root = np.sqrt(1 + residual**2)
    spread = np.mean((HUBER * residual / root) ** 2) / np.mean(root**-3.0) ** 2
    information = jacobian @ jacobian.T / spread + np.diag(stiff)
    unit = 1 / np.sqrt(np.diag(information) + 1e-300)
    covariance: Array = np.linalg.pinv(information * unit[:, None] * unit) * unit[:, None] * unit
    return covariance[:8, :8].astype(float)
