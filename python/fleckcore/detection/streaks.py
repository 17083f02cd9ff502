"""The search for streaks: all directions at once, the strongest followed to its ends and explained away first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.parallel import parallel_map
from fleckcore.detection.scales import mesh_noise, significance_limit
from fleckcore.detection.scores import (
    BINNING,
    Image,
    Noise,
    all_halved,
    centre_of,
    halved,
    limit_of_few,
    places_of,
)
from fleckcore.detection.streak import MOST_WIDTH, Streak, fit_streak
from fleckcore.kernels import streak_search

__all__ = ["Line", "StreakSearch", "linked"]

Array = NDArray[np.float64]


class Segment(NamedTuple):
    """What is scored: a length in pixels of the frame binned so many times."""

    binning: int
    length: int

    @property
    def angles(self) -> Array:
        """Directions, degrees, whose ends are two and a half pixels apart."""
        count = int(np.ceil(np.pi * self.length / 5))
        return np.arange(count, dtype=float) * (180.0 / count)

    @property
    def extent(self) -> float:
        """Length in pixels of the frame."""
        return float(self.binning * self.length)


SEGMENTS = Segment(2, 16), Segment(2, 48), Segment(4, 16), Segment(4, 48), Segment(8, 48)
"""Of 32 to 384 pixels, for streaks of 1 to some 20 pixels width; a longer streak holds several."""

_BINNINGS = np.array([segment.binning for segment in SEGMENTS])
_LENGTHS = np.array([segment.extent for segment in SEGMENTS])

MOST_SIGMA = 4.0
"""No pixel counts more than so many standard deviations: a few deep ones do not make a streak."""

MESH = 32
"""Side of the boxes in which the noise of a pixel is measured, binned pixels."""

CORRELATED = 0.1
"""Distance along a segment over which scores are alike, as a fraction of its length; across it is a pixel."""

LEAST_ELONGATION = 6.0
LEAST_LENGTH = 28.0
"""What is shorter is the compact search's, which does not bridge two flecks."""

LIMIT_MARGIN = 1.25
"""Scores are not quite Gaussian: clouds of real flats, and what is left of large shadows, reach so much farther."""

LEAST_DEPTH = 2e-4
MAX_DEPTH = 0.3
"""What is deeper is the compact search's."""
LEAST_FIT = 4.0
"""Depth over its error."""

SEEN = 0.8
"""At least this part of its line is valid, and of as much of it before and behind: what is too deep is left to the
compact search with all its pieces."""

ROW_ANGLE = 1.0
"""Within so many degrees of rows and columns, the detector's own pattern, it must be twice as significant."""

EVEN = 0.5
"""At least this part of the depth is lost half-way along, else it is some flecks in a row."""

DEPTH_SHARE = 0.8
"""It goes on where its loss is likelier this part of its depth than none; half of that towards a piece of it."""

EVERYWHERE: Window = slice(None), slice(None)

MAX_ROUNDS = 6
MOST_FITS = 100
"""Of one round."""


@dataclass(eq=False)
class Line:
    """A streak that was found.

    Attributes
    ----------
    streak : Streak
        Fitted model.
    covariance : ndarray, shape (8, 8)
        Of its values.
    significance : float
        In standard deviations of the score of the best segment on it, all others explained.
    """

    streak: Streak
    covariance: Array = field(repr=False)
    significance: float


@dataclass(frozen=True, eq=False)
class _Starts:
    """Places and directions whose score is significant, where streaks are followed from; the most significant first.

    All arrays are of shape (n,): pixels of the frame, degrees, index in `SEGMENTS`, standard deviations.
    """

    x: Array
    y: Array
    angle: Array
    segment: NDArray[np.int_]
    significance: Array

    @classmethod
    def sorted(cls, parts: list[Array]) -> _Starts:
        """Of arrays of shape (5, n)."""
        every = np.concatenate([np.zeros((5, 0)), *parts], axis=1)
        x, y, angle, segment, significance = every[:, np.argsort(-every[4], kind="stable")]
        return cls(x, y, angle, segment.astype(int), significance)

    def on(self, streak: Streak) -> NDArray[np.bool_]:
        """Which of them lie on a streak."""
        along, across = streak.coordinates(self.y, self.x)
        beside = streak.width + 2.5 * _BINNINGS[self.segment]
        half = (streak.length + _LENGTHS[self.segment]) / 2
        on: NDArray[np.bool_] = (np.abs(across) < beside) & (np.abs(along) < half)
        return on

    def near(self, x: float, y: float, angle: float, length: float) -> NDArray[np.bool_]:
        """Which of them are like another one."""
        close = np.hypot(self.x - x, self.y - y) < np.maximum(_LENGTHS[self.segment], length) / 6
        near: NDArray[np.bool_] = close & (_turn(self.angle, angle) < 10)
        return near


@dataclass(frozen=True, eq=False)
class _Level:
    """The frame binned to pixels of one size: what is lost over its noise, and what does not count."""

    binning: int
    significance: Image
    blind: NDArray[np.bool_]


class StreakSearch:
    """Streaks of one frame: scratches, fibres, trails, straight or gently curved.

    Segments of a few lengths are scored everywhere in all directions (`fleckcore.kernels.streak_search`), on the
    frame over its noise, binned to suit their width. From the most significant on, each is fitted, followed along its
    line to both ends, and subtracted; then the search goes on in what is left.

    Parameters
    ----------
    lost, valid : ndarray of float32, shape (rows, cols)
        Fraction of light lost and the part of each pixel that counts, of the frame binned by
        `fleckcore.detection.scores.BINNING`.
    doubt : ndarray of float32, shape (rows, cols), optional
        What a model divided out before may have left, as one more standard deviation.
    false_alarms : float
        Expected number of streaks in a frame of Gaussian noise.
    model_error : float
        Part of a subtracted streak that may be left, as its shape is not quite that of the model.
    edge_zone : int
        A streak must not lie within this distance of the frame's edge for more than half of its length.
    threads : int, optional
        Threads for the kernels.

    Attributes
    ----------
    found : list of Line
    residual : ndarray of float32, shape (rows, cols)
        What is lost and not explained.
    """

    def __init__(
        self,
        lost: Image,
        valid: Image,
        *,
        doubt: Image | None,
        false_alarms: float,
        model_error: float,
        edge_zone: int,
        threads: int | None = None,
    ) -> None:
        self.residual, self.valid = lost.copy(), valid
        self.explained = np.zeros_like(lost)
        self.doubt = np.zeros_like(lost) if doubt is None else doubt
        self.false_alarms, self.model_error = false_alarms, model_error
        self.edge_zone, self.threads = edge_zone, threads
        self.shape = BINNING * lost.shape[0], BINNING * lost.shape[1]
        self.noise = mesh_noise(lost, valid < 0.5, MESH, threads)
        self.found: list[Line] = []
        self._refused: list[tuple[float, float, float, float]] = []
        self._scores: dict[tuple[Segment, float], Noise] = {}
        self._pixel_noises: dict[int, Image] = {}

    def run(self) -> list[Line]:
        """Search until nothing significant is left; what does not hold in the end is given back."""
        for _ in range(MAX_ROUNDS):
            if not self._explain():
                break
            self._refit()
        self._judge()
        return self.found

    def _explain(self) -> bool:
        """Follow and subtract what is significant, the most significant first; whether there was any."""
        starts, before = self._starts(), len(self.found)
        new = np.ones(starts.x.size, bool)
        for line in self.found:
            new &= ~starts.on(line.streak)
        for refused in self._refused:
            new &= ~starts.near(*refused)
        for _ in range(MOST_FITS):
            if not new.any():
                break
            i = int(np.argmax(new))
            start = SEGMENTS[starts.segment[i]]
            x, y, angle = (float(a[i]) for a in (starts.x, starts.y, starts.angle))
            line_or_none = self._follow(x, y, angle, start)
            if line_or_none is None:
                self._refused.append((x, y, angle, start.extent))
                new &= ~starts.near(x, y, angle, start.extent)
            else:
                self._put(line_or_none.streak, 1)
                self.found.append(line_or_none)
                new &= ~starts.on(line_or_none.streak)
            new[i] = False
        return len(self.found) > before

    def _refit(self) -> None:
        """Fit each again, the others subtracted, the longest first; what it then covers on its line is dropped."""
        for line in sorted(self.found, key=lambda f: -f.streak.length):
            if line not in self.found:
                continue
            pieces = [f for f in self.found if f is not line and _continues(f.streak, line.streak)]
            for piece in pieces:
                self._put(piece.streak, -1)
                self.found.remove(piece)
            self._put(line.streak, -1)
            share = DEPTH_SHARE / 2 if pieces else DEPTH_SHARE
            again = self._fitted(self._extended(line.streak, share))
            if again is not None:
                line.streak, line.covariance = again
            self._put(line.streak, 1)
            for piece in pieces:
                if not _covers(line.streak, piece.streak):
                    self._put(piece.streak, 1)
                    self.found.append(piece)

    def _judge(self) -> None:
        """Give back what is not significant once all others are explained."""
        for line in sorted(self.found, key=lambda f: f.streak.depth * f.streak.length):
            line.significance, limit = self._significance(line.streak)
            if line.significance < limit * (2 if _is_row_or_column(line.streak) else 1):
                self._put(line.streak, -1)
                self.found.remove(line)

    # Scores

    def _levels(self, cut: Window = EVERYWHERE) -> Iterator[_Level]:
        lost, valid, binning = self.residual[cut], self.valid[cut], BINNING
        explained = self.explained[cut]
        slope = np.hypot(*np.gradient(explained))
        doubt = self.doubt[cut] + np.float32(self.model_error) * explained
        doubt += np.float32(0.5 / BINNING) * slope
        for wanted in sorted({segment.binning for segment in SEGMENTS}):
            while binning < wanted:
                (lost, valid), doubt = halved(lost, valid), all_halved(doubt)
                binning *= 2
            if cut == EVERYWHERE:
                if min(lost.shape) < MESH:
                    return
                self._pixel_noises[binning] = mesh_noise(lost, valid < 0.5, MESH, self.threads)
            if binning not in self._pixel_noises:  # the frame is too small to know it
                return
            rows, cols = (slice(c.start and c.start * BINNING // binning, None) for c in cut)
            noise = self._pixel_noises[binning][rows, cols][: lost.shape[0], : lost.shape[1]]
            most = np.float32(MOST_SIGMA)
            z = np.clip(lost / np.hypot(noise, doubt), -most, most)
            yield _Level(binning, z.astype(np.float32), valid < 0.5)

    def _starts(self) -> _Starts:
        searches = [
            (index, angle, level)
            for level in self._levels()
            for index, segment in enumerate(SEGMENTS)
            if segment.binning == level.binning
            for angle in segment.angles.tolist()
        ]
        return _Starts.sorted(
            parallel_map(lambda s, threads: self._starts_of(*s, threads), searches, self.threads)
        )

    def _starts_of(self, index: int, angle: float, level: _Level, threads: int) -> Array:
        segment = SEGMENTS[index]
        score = _score(level, segment, angle, threads)
        noise = self._scores[segment, angle] = Noise.of(score)
        ys, xs = places_of(score > noise.middle + self._limit(segment) * noise.sigma)
        z = (score[ys, xs] - noise.middle) / noise.sigma
        x, y = centre_of(xs, segment.binning), centre_of(ys, segment.binning)
        return np.stack([x, y, np.full(x.size, angle), np.full(x.size, index), z])

    def _limit(self, segment: Segment) -> float:
        """Significance that few enough places pass by chance, in every direction."""
        pixels = self.valid.size * (BINNING / segment.binning) ** 2
        alike = CORRELATED * segment.length
        allowed = self.false_alarms / len(SEGMENTS) / len(segment.angles)
        limit = significance_limit(int(pixels), [alike**0.5], allowed)
        return LIMIT_MARGIN * limit_of_few(limit, pixels / alike)

    def _significance(self, streak: Streak) -> tuple[float, float]:
        """Score about its middle, all others explained, of the segment that exceeds its limit most; that limit."""
        self._put(streak, -1)
        half = min(streak.length, SEGMENTS[-1].extent) / 2 + 40
        cut = self._window(streak.x - half, streak.x + half, streak.y - half, streak.y + half)
        rows, cols = (slice(c.start // 4 * 4, c.stop) for c in cut)
        best = 0.0, np.inf
        for level in self._levels((rows, cols)):
            for segment in SEGMENTS:
                fits = segment.extent < 1.5 * max(streak.length, SEGMENTS[0].extent)
                if segment.binning == level.binning and fits:
                    z, limit = self._best_on(streak, segment, level, (rows, cols))
                    best = max(best, (z, limit), key=lambda pair: pair[0] / pair[1])
        self._put(streak, 1)
        return best

    def _best_on(
        self, streak: Streak, segment: Segment, level: _Level, cut: Window
    ) -> tuple[float, float]:
        if min(level.blind.shape) < 8:
            return 0.0, np.inf
        angle = min(segment.angles.tolist(), key=lambda a: _turn(a, streak.angle))
        noise = self._scores[segment, angle]
        score = _score(level, segment, streak.angle, self.threads)
        y, x = (
            centre_of(np.arange(n), level.binning) + BINNING * c.start
            for n, c in zip(score.shape, cut, strict=True)
        )
        along, across = streak.coordinates(y[:, None], x[None, :])
        near = (np.abs(along) < streak.length / 4) & (np.abs(across) < 2 * level.binning)
        known = score[near & np.isfinite(score)]
        z = (float(known.max()) - noise.middle) / noise.sigma if known.size else 0.0
        return z, self._limit(segment)

    # Fits

    def _follow(self, x: float, y: float, angle: float, segment: Segment) -> Line | None:
        """Fit a streak at a start, and again as it grows along its line; None where it is none."""
        width = 2.0 * segment.binning
        guess = Streak(x, y, angle, segment.extent, width, 0.5, 10 * LEAST_DEPTH)
        if self._evenness(guess) < EVEN / 2:  # it need not lie quite along the streak
            return None
        fit = self._fitted(guess)
        for _ in range(10):
            if fit is None:
                return None
            if fit[0].depth < LEAST_FIT / 2 * np.sqrt(fit[1][6, 6]):
                return None
            longer = self._extended(fit[0])
            grown = longer.length > 1.02 * fit[0].length + 4
            fit = self._fitted(longer)
            if not grown:
                break
        if fit is None or not self._plausible(*fit):
            return None
        return Line(*fit, significance=0.0)

    def _plausible(self, streak: Streak, covariance: Array) -> bool:
        error = float(np.sqrt(max(covariance[6, 6], 0)))
        return (
            streak.length >= max(LEAST_LENGTH, LEAST_ELONGATION * streak.width)
            and streak.width < 0.99 * MOST_WIDTH
            and streak.depth > max(LEAST_DEPTH, LEAST_FIT * error)
            and self._far_from_edge(streak) > 0.5
            and all(self._seen(streak, k) > SEEN for k in (-1, 0, 1))
            and self._evenness(streak) > EVEN
        )

    def _seen(self, streak: Streak, number: int) -> float:
        """Which part of its line is valid or off the frame; of as much of it before (-1) or behind (1)."""
        x, y = streak.at((number + np.linspace(-0.5, 0.5, 101)) * streak.length)
        rows, cols = self.valid.shape
        row, col = (np.floor((c + 0.5) / BINNING).astype(int) for c in (y, x))
        on = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
        return (
            1 - float(np.mean(self.valid[row[on], col[on]] <= 0.5) * np.mean(on)) if on.any() else 1
        )

    def _far_from_edge(self, streak: Streak) -> float:
        """Which part of it does not lie at the frame's edge or outside."""
        x, y = streak.at(np.linspace(-0.5, 0.5, 101) * streak.length)
        rows, cols = self.shape
        from_edge = np.minimum(np.minimum(x, cols - 1 - x), np.minimum(y, rows - 1 - y))
        return float(np.mean(from_edge > self.edge_zone))

    def _evenness(self, streak: Streak) -> float:
        """Median of the depth along it, over the mean."""
        _, depth, information = self._along(streak, streak.length)
        mean = float(depth @ information)
        if mean <= 0:
            return 0.0
        return float(np.median(depth[information > 0])) * float(information.sum()) / mean

    def _fitted(self, guess: Streak) -> tuple[Streak, Array] | None:
        """Fit what is left around a guess."""
        margin = 12 + guess.width
        y, x, lost, error = self._pixels(guess, guess.length + 2 * margin)
        if x.size < 40:
            return None
        return fit_streak(guess, y, x, lost, error, binning=BINNING)

    def _pixels(self, streak: Streak, length: float) -> tuple[Array, Array, Array, Array]:
        """Rows, columns, losses and noise of the valid pixels around a streak of another length."""
        aside = 10 + 1.5 * streak.width
        x0, x1, y0, y1 = replace(streak, length=length).box
        cut = self._window(x0 - aside, x1 + aside, y0 - aside, y1 + aside)
        y, x = (centre_of(np.arange(c.start, c.stop), BINNING) for c in cut)
        along, across = streak.coordinates(y[:, None], x[None, :])
        use = (self.valid[cut] > 0.5) & (np.abs(along) < length / 2) & (np.abs(across) < aside)
        rows, cols = np.nonzero(use)
        return (
            y[rows],
            x[cols],
            self.residual[cut][use].astype(float),
            self.noise[cut][use].astype(float),
        )

    def _along(self, streak: Streak, length: float) -> tuple[Array, Array, Array]:
        """Depth in steps along its line: places, depths, and one over their variances (0 where unknown)."""
        y, x, lost, error = self._pixels(streak, length)
        step = max(2.0 * BINNING, streak.width / 2, length / 200)
        along, _ = streak.coordinates(y, x)
        count = max(1, int(np.ceil(length / step)))
        k = np.clip(((along / length + 0.5) * count).astype(int), 0, count - 1)
        shape = replace(streak, depth=1.0, length=1e3 * length).loss(y, x, BINNING)
        n, c, cc, d, dc = (
            np.bincount(k, weights, count)
            for weights in (np.ones_like(x), shape, shape**2, lost, lost * shape)
        )
        spread = cc - c**2 / np.maximum(n, 1)
        known = (n >= 4) & (spread > 0.05 * float(np.median(spread)) + 1e-6)
        depth = np.where(known, (dc - d * c / np.maximum(n, 1)) / np.maximum(spread, 1e-9), 0)
        noise = float(np.median(error)) if error.size else 1.0
        centres = ((np.arange(count) + 0.5) / count - 0.5) * length
        return centres, depth, np.where(known, spread / noise**2, 0)

    def _extended(self, streak: Streak, share: float = DEPTH_SHARE) -> Streak:
        """The same with the ends where its likelihood is highest, up to twice as long."""
        length = 2 * streak.length + 24
        places, depth, information = self._along(streak, length)
        wanted = share * streak.depth
        depth = np.clip(depth, -2 * streak.depth, 2 * streak.depth)
        gain = information * wanted * (2 * depth - wanted)
        middle, step = places.size // 2, length / places.size
        last = middle + int(np.argmax(np.cumsum(gain[middle:])))
        first = middle - int(np.argmax(np.cumsum(gain[middle::-1])))
        ends = float(places[first] - step / 2), float(places[last] + step / 2)
        return streak.part(*ends)

    def _window(self, x0: float, x1: float, y0: float, y1: float) -> Window:
        """Binned pixels of a part of the frame."""
        rows, cols = self.valid.shape
        (top, bottom), (left, right) = (
            (min(n, max(0, int(low / BINNING))), max(0, min(n, int(high / BINNING) + 2)))
            for low, high, n in ((y0, y1, rows), (x0, x1, cols))
        )
        return slice(top, max(top, bottom)), slice(left, max(left, right))

    def _put(self, streak: Streak, sign: int) -> None:
        """Subtract a streak from what is left, or (-1) give it back."""
        x0, x1, y0, y1 = streak.box
        reach = streak.reach
        cut = self._window(x0 - reach, x1 + reach, y0 - reach, y1 + reach)
        y, x = (centre_of(np.arange(c.start, c.stop), BINNING) for c in cut)
        loss = streak.loss(y[:, None], x[None, :], BINNING).astype(np.float32) * np.float32(sign)
        self.residual[cut] -= loss
        self.explained[cut] += loss


def _score(level: _Level, segment: Segment, angle: float, threads: int | None) -> Image:
    image, blind = level.significance, level.blind
    return streak_search(image, segment.length, angle, mask=blind, threads=threads)


def _is_row_or_column(streak: Streak) -> bool:
    return bool(min(_turn(streak.angle, 0), _turn(streak.angle, 90)) < ROW_ANGLE)


def _turn(a: Any, b: float) -> Any:
    """Angle between two directions, degrees."""
    return abs((a - b + 90) % 180 - 90)


def _continues(shorter: Streak, longer: Streak) -> bool:
    """Whether it lies on the line of a longer one, no farther from its end than half its own length."""
    along, across = longer.coordinates(np.array([shorter.y]), np.array([shorter.x]))
    near = abs(along[0]) < longer.length / 2 + shorter.length
    direction = longer.angle + float(np.degrees(longer.curvature * along[0]))
    turn = np.degrees(2 * longer.width / shorter.length) + 5
    on = abs(across[0]) < longer.width and _turn(direction, shorter.angle) < turn
    return bool(near and on and shorter.length <= longer.length)


def linked(lines: list[Line]) -> list[Line]:
    """Put together what is modelled in pieces, as no one arc fits it: the longest goes on to their ends."""
    whole: list[Line] = []
    for line in sorted(lines, key=lambda f: -f.streak.length):
        for longer in whole:
            if _continues(line.streak, longer.streak):
                long, piece = longer.streak, line.streak
                along = float(long.coordinates(np.array([piece.y]), np.array([piece.x]))[0][0])
                ends = along - piece.length / 2, along + piece.length / 2
                half = long.length / 2
                longer.streak = long.part(min(-half, ends[0]), max(half, ends[1]))
                break
        else:
            whole.append(line)
    return whole


def _covers(longer: Streak, shorter: Streak) -> bool:
    along, _ = longer.coordinates(np.array([shorter.y]), np.array([shorter.x]))
    return bool(abs(along[0]) < longer.length / 2)
