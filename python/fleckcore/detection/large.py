"""The search for large shadows: all sizes at once, the strongest explained away before the weaker are looked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.shadow import Shadow, fit_shadow
from fleckcore.kernels import gaussian_filter, shadow_search

__all__ = ["BINNING", "MAX_DEPTH", "Image", "Large", "LargeSearch", "halved"]

Image = NDArray[np.float32]
Window = tuple[slice, slice]

BINNING = 2
"""The finest image that is searched is the frame binned so many times."""

RADIUS_STEP = 1.12
FINEST_RADIUS = 16
"""Largest radius in pixels of the binned image that it is searched in."""

SHARPENING = 0.4
"""Structure much larger than this fraction of the radius is taken out before a score."""

FAMILY_WIDTH = 0.05
"""Relative width within which two radii are one size."""

FALSE_FRACTION = 0.02
"""Part of the features of one common size that chance may add, were the noise Gaussian."""

CORRELATED = 1 / 3
"""Distance over which scores are alike, as a fraction of the radius."""

LEAST_DEPTH = 2e-4
MAX_DEPTH = 0.3
"""What is darker is compact, or the edge of the light."""

MAX_ROUNDS = 12
PASSES = 4
TAIL_QUANTILE = 0.999

MANY = 200_000
"""Of more scores than these every fourth tells the noise."""


@dataclass(eq=False)
class Large:
    """A large shadow that was found.

    Attributes
    ----------
    shadow : Shadow
        Fitted model.
    covariance : ndarray, shape (7, 7)
        Of its values.
    rms : float
        Of the residuals, in units of 0.3 standard deviations of the pixels around before the fit.
    significance : float
        In standard deviations of the score of its size, all others explained.
    start : object
        Where its first fit began.
    """

    shadow: Shadow
    covariance: NDArray[np.float64] = field(repr=False)
    rms: float
    significance: float
    start: _Start | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Start:
    """A local maximum of the score: where a fit begins."""

    x: float
    y: float
    radius: float
    score: float
    significance: float

    @property
    def gain(self) -> float:
        """Grows as what a fit would explain; the largest goes first."""
        return self.score * self.radius


@dataclass(frozen=True, eq=False)
class _Level:
    """The frame binned to pixels of one size: what is lost and not explained, what is valid, what is explained."""

    binning: int
    residual: Image
    valid: Image
    explained: Image

    def halved(self) -> _Level:
        residual, valid = halved(self.residual, self.valid)
        explained, _ = halved(self.explained, np.ones_like(self.valid))
        return _Level(2 * self.binning, residual, valid, explained)


@dataclass(frozen=True)
class _Noise:
    """Of the scores of one radius: usual value, one standard deviation, significance that a start must pass."""

    middle: float
    sigma: float
    limit: float


@dataclass(frozen=True, eq=False)
class _Scores:
    """Scores of one radius; ``[margin, margin]`` is the first pixel of the level."""

    radius: float
    binning: int
    margin: int
    excess: Image
    doubt: Image
    """What an imperfect model of the shadows around may leave."""
    noise: _Noise

    def significance(self) -> Image:
        noise = np.hypot(np.float32(self.noise.sigma), self.doubt)
        z: Image = ((self.excess - np.float32(self.noise.middle)) / noise).astype(np.float32)
        return z


class LargeSearch:
    """Large round shadows of one frame.

    Every radius from ``least`` to ``largest`` is scored everywhere (`fleckcore.kernels.shadow_search`), on a frame
    binned to suit it. The starts of most gain that do not overlap are fitted and subtracted, and the search goes on
    in what is left, so that a rim leaves no fragments. A size that the frame shows to be common (motes on one window
    are of one size) is then searched more deeply: as deep as leaves one in fifty of that size to
    chance.

    Parameters
    ----------
    lost, valid : ndarray of float32, shape (rows, cols)
        Fraction of light lost and the part of each pixel that counts, of the frame binned by `BINNING`.
    least, largest : float
        Radii, in pixels of the frame.
    false_alarms : float
        Expected number of features in a frame of Gaussian noise.
    model_error : float
        Part of a subtracted shadow that may be left, as its shape is not quite that of the model.
    edge_zone : int
        A shadow must reach farther into the frame than this.
    threads : int, optional
        Threads for the kernels.

    Attributes
    ----------
    found : list of Large
    residual : ndarray of float32, shape (rows, cols)
        What is lost and not explained.
    explained : ndarray of float32, shape (rows, cols)
    """

    def __init__(
        self,
        lost: Image,
        valid: Image,
        *,
        least: float,
        largest: float,
        false_alarms: float,
        model_error: float,
        edge_zone: int,
        threads: int | None = None,
    ) -> None:
        self.valid = valid
        self.residual = lost.copy()
        self.explained = np.zeros_like(lost)
        self.false_alarms, self.model_error, self.threads = false_alarms, model_error, threads
        self.edge_zone = edge_zone
        largest = min(largest, 0.4 * BINNING * min(lost.shape))
        steps = (
            int(np.ceil(np.log(largest / least) / np.log(RADIUS_STEP))) if largest > least else 0
        )
        self.radii = [least * RADIUS_STEP**i for i in range(steps)]
        self.found: list[Large] = []
        self._refused: list[_Start] = []
        self._given_back: list[_Start] = []
        self._noise: dict[float, _Noise] = {}

    def run(self) -> list[Large]:
        """Search, learn which sizes are common, search again; what does not hold in the end is given back."""
        if self.radii:
            for _ in range(PASSES):
                found_more = self._explain()
                self._judge()
                if not found_more:
                    break
        return self.found

    def refine(self, lost: Image, valid: Image) -> None:
        """Fit all again; ``lost`` is of the frame with all of them divided out."""
        self.residual, self.valid = lost.copy(), valid
        self._refit()

    def settle(self) -> None:
        """Judge all again, after `refine`."""
        self._noise = {scores.radius: scores.noise for scores in self._scores()}
        self._judge()

    def _explain(self) -> bool:
        """Fit and subtract the starts of most gain, again and again; whether there was any."""
        given = self._given_back
        self._refused = [s for i, s in enumerate(given) if any(_near(s, t) for t in given[:i])]
        for number in range(MAX_ROUNDS):
            accepted: list[_Start] = []
            for start in self._starts():
                if all(_apart(start, other) for other in accepted) and self._accept(start):
                    accepted.append(start)
            if not accepted:
                return number > 0
            self._refit()
        return True

    def _accept(self, start: _Start) -> bool:
        guess = Shadow(
            start.x, start.y, start.radius, 0.45, 0.06 * start.radius, 0.1, max(start.score, 1e-4)
        )
        large = self._fit(guess)
        if large is None or any(_same(large.shadow, other.shadow) for other in self.found):
            self._refused.append(start)
            return False
        large.significance, large.start = start.significance, start
        self._put(large.shadow, 1)
        self.found.append(large)
        return True

    def _judge(self) -> None:
        """Give back what is not significant once all others are explained, the least first."""
        for _ in range(MAX_ROUNDS):
            for large in self.found:
                large.significance = self._significance(large)
            weak = [f for f in self.found if f.significance < self._limit(f.shadow.radius)]
            if not weak:
                return
            for large in _alone(weak):
                self._drop(large)
            self._refit()

    def _drop(self, large: Large) -> None:
        """Give a shadow back; this round of explaining does not try it again."""
        shadow = large.shadow
        self._put(shadow, -1)
        self.found.remove(large)
        now = _Start(shadow.x, shadow.y, shadow.radius, shadow.depth, large.significance)
        starts = [now] if large.start is None else [now, large.start]
        self._given_back += starts
        self._refused += starts

    def _refit(self) -> None:
        """Fit each again with all others subtracted."""
        for large in sorted(self.found, key=lambda f: -f.shadow.depth * f.shadow.radius):
            self._put(large.shadow, -1)
            again = self._fit(large.shadow)
            if again is not None:
                large.shadow, large.covariance, large.rms = (
                    again.shadow,
                    again.covariance,
                    again.rms,
                )
            self._put(large.shadow, 1)
            if again is None:
                self._drop(large)
        for large in sorted(self.found, key=lambda f: f.significance):
            if any(f is not large and _same(f.shadow, large.shadow) for f in self.found):
                self._drop(large)

    # Scores

    def _levels(self) -> list[_Level]:
        levels = [_Level(BINNING, self.residual, self.valid, self.explained)]
        while levels[-1].binning * FINEST_RADIUS < self.radii[-1]:
            levels.append(levels[-1].halved())
        return levels

    def _scores(self) -> Iterator[_Scores]:
        levels = self._levels()
        for radius in self.radii:
            level = next(one for one in levels if radius <= one.binning * FINEST_RADIUS)
            margin = int(0.35 * radius / level.binning)
            yield self._score(level, radius, margin)

    def _score(
        self, level: _Level, radius: float, margin: int, noise: _Noise | None = None
    ) -> _Scores:
        size = radius / level.binning
        blind = level.valid < 0.5
        smooth = gaussian_filter(
            level.residual, SHARPENING * size, mask=blind, threads=self.threads
        )
        sharp = level.residual - smooth
        excess = shadow_search(sharp, size, mask=blind, margin=margin, threads=self.threads)
        around = gaussian_filter(np.pad(level.explained, margin), 0.5 * size, threads=self.threads)
        if noise is None:
            noise = self._noise_of(excess, radius)
        return _Scores(
            radius, level.binning, margin, excess, np.float32(self.model_error) * around, noise
        )

    def _noise_of(self, excess: Image, radius: float) -> _Noise:
        """From the lower half of the scores, where no shadows are, and their lower tail."""
        step = 2 if excess.size > MANY else 1
        known = excess[::step, ::step]
        known = known[np.isfinite(known)]
        if known.size < 50:
            return _Noise(0.0, 1.0, np.inf)
        tail, low, middle = np.quantile(known, [1 - TAIL_QUANTILE, NormalDist().cdf(-1), 0.5])
        sigma = max(float(middle - low), 1e-6)
        heavy = float(middle - tail) / (sigma * NormalDist().inv_cdf(TAIL_QUANTILE))
        return _Noise(float(middle), sigma * max(1.0, heavy), self._limit(radius))

    def _limit(self, radius: float) -> float:
        """Significance that few enough places pass by chance.

        The expected number of maxima of a Gaussian field, as for the compact scales; and higher where the frame has
        room for few independent scores, from which their noise is known less well (as Student's distribution has it).
        """
        area = BINNING**2 * self.valid.size
        allowed = self.false_alarms / len(self.radii) + FALSE_FRACTION * self._common(radius)
        limit = 4.5
        for _ in range(6):
            places = area * limit**2 / (4 * np.pi * (CORRELATED * radius) ** 2)
            limit = -NormalDist().inv_cdf(min(0.01, allowed / places))
        return float(limit * (1 + 0.28 * (limit * radius) ** 2 / area))

    def _common(self, radius: float) -> float:
        """How many have this size, no fewer than three; else none."""
        count = sum(
            float(np.exp(-0.5 * (np.log(radius / f.shadow.radius) / FAMILY_WIDTH) ** 2))
            for f in self.found
            if f.significance > 5
        )
        return count if count >= 3 else 0.0

    def _usual_size(self, radius: float) -> tuple[float, float, float] | None:
        """Mean radius and hole of the shadows of about this radius, where it is common, and their scatter."""
        if not self._common(radius):
            return None
        alike = [
            f.shadow
            for f in self.found
            if f.significance > 5 and abs(np.log(radius / f.shadow.radius)) < 2 * FAMILY_WIDTH
        ]
        if len(alike) < 3:
            return None
        radii, holes = [s.radius for s in alike], [s.hole for s in alike]
        return float(np.median(radii)), float(np.median(holes)), FAMILY_WIDTH

    def _starts(self) -> list[_Start]:
        found: list[_Start] = []
        for scores in self._scores():
            self._noise[scores.radius] = scores.noise
            z = scores.significance()
            for y, x in _peaks(
                z, scores.noise.limit, max(1, int(0.2 * scores.radius / scores.binning))
            ):
                start = _Start(
                    x=_centre(x - scores.margin, scores.binning),
                    y=_centre(y - scores.margin, scores.binning),
                    radius=scores.radius,
                    score=float(scores.excess[y, x]) - scores.noise.middle,
                    significance=float(z[y, x]),
                )
                if not any(_near(start, refused) for refused in self._refused):
                    found.append(start)
        return sorted(found, key=lambda s: (-s.gain, s.y, s.x, s.radius))

    def _significance(self, large: Large) -> float:
        """Score at its own centre and radius, with all others explained."""
        shadow = large.shadow
        self._put(shadow, -1)
        cut = self._window(shadow, 2.0 * shadow.radius)
        assert cut is not None
        level = _Level(BINNING, self.residual[cut], self.valid[cut], self.explained[cut])
        while shadow.radius > level.binning * FINEST_RADIUS and min(level.valid.shape) > 3:
            level = level.halved()
        margin = int(0.6 * shadow.radius / level.binning) + 2
        noise = self._noise[min(self.radii, key=lambda r: abs(r - shadow.radius))]
        z = self._score(level, shadow.radius, margin, noise).significance()
        self._put(shadow, 1)
        y = round((shadow.y - BINNING * cut[0].start + 0.5) / level.binning - 0.5) + margin
        x = round((shadow.x - BINNING * cut[1].start + 0.5) / level.binning - 0.5) + margin
        near = z[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        return float(np.nanmax(near)) if np.isfinite(near).any() else 0.0

    # Fits

    def _fit(self, guess: Shadow) -> Large | None:
        """Fit what is left around a guess; None where it leads to nothing that this search is for."""
        cut = self._window(guess, 1.45 * guess.radius)
        if cut is None:
            return None
        level = _Level(BINNING, self.residual[cut], self.valid[cut], self.explained[cut])
        while 2 * level.binning <= guess.radius / 7 and min(level.valid.shape) > 3:
            level = level.halved()
        rows, cols = np.indices(level.valid.shape)
        y = _centre(rows, level.binning) + BINNING * cut[0].start
        x = _centre(cols, level.binning) + BINNING * cut[1].start
        use = (level.valid > 0.5) & (np.hypot(y - guess.y, x - guess.x) < 1.45 * guess.radius)
        if np.count_nonzero(use) < 40:
            return None
        lost = level.residual[use].astype(float)
        spread = 0.3 * 1.4826 * float(np.median(np.abs(lost - np.median(lost)))) + 1e-5
        error = np.hypot(spread, self.model_error * np.abs(level.explained[use]))
        fitted = fit_shadow(guess, y[use], x[use], lost, error, self._usual_size(guess.radius))
        if fitted is None or not self._plausible(fitted[0]):
            return None
        return Large(*fitted, significance=0.0)

    def _plausible(self, shadow: Shadow) -> bool:
        rows, cols = (BINNING * n for n in self.valid.shape)
        from_edge = min(shadow.x, shadow.y, cols - 1 - shadow.x, rows - 1 - shadow.y)
        return (
            self.radii[0] <= shadow.radius < 1.2 * self.radii[-1]
            and LEAST_DEPTH < shadow.depth < MAX_DEPTH
            and from_edge > max(-0.6 * shadow.radius, self.edge_zone - shadow.radius)
        )

    def _window(self, shadow: Shadow, half: float) -> Window | None:
        (y0, y1), (x0, x1) = (
            (max(0, int((c - half) / BINNING)), min(n, int((c + half) / BINNING) + 2))
            for c, n in zip((shadow.y, shadow.x), self.valid.shape, strict=True)
        )
        return (slice(y0, y1), slice(x0, x1)) if y0 < y1 and x0 < x1 else None

    def _put(self, shadow: Shadow, sign: int) -> None:
        """Subtract a shadow from what is left, or (-1) give it back."""
        cut = self._window(shadow, shadow.reach)
        if cut is None:
            return
        y, x = (_centre(np.arange(c.start, c.stop), BINNING) for c in cut)
        loss = np.float32(sign) * shadow.loss(y[:, None], x[None, :]).astype(np.float32)
        self.residual[cut] -= loss
        self.explained[cut] += np.abs(loss) * np.float32(sign)


def halved(value: Image, valid: Image) -> tuple[Image, Image]:
    """Bin 2 x 2: the mean of what is valid, and how much is. An odd last row or column is left out."""
    rows, cols = value.shape[0] // 2 * 2, value.shape[1] // 2 * 2

    def total(image: Image) -> Image:
        return (
            image[:rows:2, :cols:2]
            + image[1:rows:2, :cols:2]
            + image[:rows:2, 1:cols:2]
            + image[1:rows:2, 1:cols:2]
        )

    weight = total(valid)
    mean = total(value * valid) / np.maximum(weight, np.float32(1e-6))
    return mean.astype(np.float32), weight / np.float32(4)


def _centre(index: Any, binning: int) -> Any:
    """Position, in pixels of the frame, of the centre of a binned pixel."""
    return (index + 0.5) * binning - 0.5


def _distance(a: _Start | Shadow, b: _Start | Shadow) -> float:
    return float(np.hypot(a.x - b.x, a.y - b.y))


def _apart(a: _Start, b: _Start) -> bool:
    return _distance(a, b) > 1.2 * (a.radius + b.radius)


def _alone(weak: list[Large]) -> list[Large]:
    """The least significant of each group that overlaps."""
    chosen: list[Large] = []
    for large in sorted(weak, key=lambda f: f.significance):
        a = large.shadow
        if all(_distance(a, b.shadow) > a.radius + b.shadow.radius for b in chosen):
            chosen.append(large)
    return chosen


def _near(a: _Start, b: _Start) -> bool:
    return _distance(a, b) < 0.3 * b.radius and 0.8 < a.radius / b.radius < 1.25


def _same(a: Shadow, b: Shadow) -> bool:
    return _distance(a, b) < 0.35 * min(a.radius, b.radius) and 0.7 < a.radius / b.radius < 1.4


def _peaks(z: Image, limit: float, reach: int) -> list[tuple[int, int]]:
    """Local maxima above ``limit``, none within ``reach`` pixels of a higher one; highest first."""
    filled = np.where(np.isfinite(z), z, -np.inf)
    ys, xs = np.nonzero(filled > limit)
    order = np.argsort(-filled[ys, xs], kind="stable")
    blocked = np.zeros(z.shape, bool)
    kept = []
    for y, x in zip(ys[order].tolist(), xs[order].tolist(), strict=True):
        if not blocked[y, x]:
            kept.append((y, x))
            blocked[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = True
    return kept
