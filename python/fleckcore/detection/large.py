"""The search for large shadows: all sizes at once, the strongest explained away before the weaker are looked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.measure import grow
from fleckcore.detection.parallel import parallel_map
from fleckcore.detection.scales import significance_limit
from fleckcore.detection.scores import (
    BINNING,
    Image,
    Level,
    Noise,
    Scores,
    White,
    centre_of,
    limit_of_few,
    peaks,
    round_noise,
    round_scores,
)
from fleckcore.detection.shadow import Shadow, fit_shadow

__all__ = ["MAX_DEPTH", "Large", "LargeSearch"]

Array = NDArray[np.float64]

EVERYWHERE: Window = np.s_[:, :]

RADIUS_STEP = 1.12

FAMILY_WIDTH = 0.05
"""Relative width within which two radii are one size."""

FALSE_FRACTION = 0.1
"""Part of the features of one common size that chance may add to what is explained."""

CORRELATED = 1 / 3
"""Distance over which scores are alike, as a fraction of the radius."""

LIMIT_MARGIN = 1.04
"""Scores are not quite Gaussian: bright rings, of which real flats have none, reach so much farther."""

LEAST_TAKEN = 0.7
"""A shadow takes a degree of freedom from the scores of radii up to its own over this."""

LEAST_LEFT = 0.2
"""Of the degrees of freedom."""

EDGE_LEAST = 60.0
"""Radius from which shadows are searched by their edge too."""

CLEAR = 10.0
"""Significance from which the axes of a round shadow are fitted, where all of it is on the frame."""

STRETCH = 0.05
"""Usual standard deviation of their e1 and e2."""

FAINT = 2.5
FEW = 20
EVIDENT = 2.0
"""Where shadows cover much of a frame, the noise of its scores is that of the shadows. So if none is clear at first,
those of most gain above 2.5 standard deviations are tried, and taken if the fit leaves less than 0.6 of what was
there."""

COMPACT_SIGMA = 6.0
COMPACT_PART = 0.3
"""Of what is explained, as much may be left where a model is not right."""

LEAST_DEPTH = 2e-4
MAX_DEPTH = 0.6
"""What is darker is compact, or the edge of the light."""

PRECISE = 50.0
COARSE = 7
FINE = 20
"""A shadow is fitted on a frame binned to no less than so many pixels per radius: at first, and once its depth is so
many times its error."""

SOFTEST = 0.25
"""Softness of the sharpest edge that is fitted, in binned pixels."""

FIT_REACH = 1.45
"""Pixels as far from the centre are fitted, in half axes."""

MAX_ROUNDS = 12
PASSES = 4


@dataclass(eq=False)
class Large:
    """A large shadow that was found.

    Attributes
    ----------
    shadow : Shadow
        Fitted model.
    covariance : ndarray, shape (9, 9)
        Of its values.
    rms : float
        Of the residuals, in units of 0.3 standard deviations of the pixels around before the fit.
    significance : float
        In standard deviations of the score of its size, all others explained.
    start : object
        Where its first fit began.
    """

    shadow: Shadow
    covariance: Array = field(repr=False)
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

    def guess(self) -> Shadow:
        """Where the fit begins."""
        depth = max(self.score, 1e-4)
        return Shadow(self.x, self.y, self.radius, 0.45, 0.06 * self.radius, 0.1, depth)


@dataclass(frozen=True, eq=False)
class _Starts:
    """Many of them, in arrays of shape (n,); which are above the limit of their size."""

    x: Array
    y: Array
    radius: Array
    score: Array
    significance: Array
    clear: Array

    def by_gain(self, clear: bool) -> Iterator[_Start]:
        """Give those above the limit or the others; what a fit would explain most of goes first."""
        own = np.flatnonzero(self.clear == clear)
        x, y, radius, score = (a[own] for a in (self.x, self.y, self.radius, self.score))
        for i in own[np.lexsort((radius, x, y, -score * radius))]:
            columns = self.x, self.y, self.radius, self.score, self.significance
            yield _Start(*(float(column[i]) for column in columns))


class LargeSearch:
    """Large round shadows of one frame.

    Every radius from ``least`` to ``largest`` is scored everywhere (`fleckcore.kernels.shadow_search`), on a frame
    binned to suit it. The starts of most gain that do not overlap are fitted and divided out, and the search goes on
    in what is left, so that a rim leaves no fragments. A size that the frame shows to be common (motes on one window
    are of one size) is explained more deeply: as deep as leaves one in ten of that size to chance. In the end only
    what is significant without regard to others of its size is kept.

    Parameters
    ----------
    lost, valid : ndarray of float32, shape (rows, cols)
        Fraction of light lost and the part of each pixel that counts, of the frame binned by `BINNING`.
    least, largest : float
        Radii, in pixels of the frame.
    false_alarms : float
        Expected number of features in a frame of Gaussian noise.
    model_error : float
        Part of a shadow divided out that may be left, as its shape is not quite that of the model.
    edge_zone : int
        A shadow must reach farther into the frame than this.
    bright : bool
        Whether ``lost`` is what is gained.
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
        bright: bool = False,
        threads: int | None = None,
    ) -> None:
        self.valid = valid
        self.dims = np.float32(-1 if bright else 1)
        self.residual = lost.copy()
        self.explained = np.zeros_like(lost)
        self._white = White(0.0, None)
        self.false_alarms, self.model_error, self.threads = false_alarms, model_error, threads
        self.edge_zone = edge_zone
        largest = min(largest, 0.4 * BINNING * min(lost.shape))
        steps = (
            int(np.ceil(np.log(largest / least) / np.log(RADIUS_STEP))) if largest > least else 0
        )
        self.radii = [least * RADIUS_STEP**i for i in range(steps)]
        self._searches = [
            (r, edge) for r in self.radii for edge in (False, True) if not edge or r > EDGE_LEAST
        ]
        self.found: list[Large] = []
        self._refused: list[_Start] = []
        self._given_back: list[_Start] = []
        self._first = True
        self._noise: dict[tuple[float, bool], Noise] = {}
        self._scored: dict[tuple[float, bool], Scores] = {}
        self._changed: list[Window] = []

    def run(self) -> None:
        """Explain, learn which sizes are common, explain more; what does not hold in the end is given back."""
        if not self.radii:
            return
        for _ in range(PASSES):
            found_more = self._explain()
            if not self._judge() or not found_more:
                break

    def refine(self, lost: Image, valid: Image) -> None:
        """Fit all again; ``lost`` is of the frame with all of them divided out.

        What is now too dark is compact. It is left out, as flecks in a group may pass for a ring.
        """
        known = lost[valid > 0.5]
        low, middle = np.quantile(known, [0.1587, 0.5]) if known.size else (0.0, 0.0)
        self._scored.clear()
        compact = lost - middle > COMPACT_SIGMA * (middle - low) + COMPACT_PART * self.explained
        self.residual, self.valid = lost.copy(), np.where(grow(compact, 2), np.float32(0), valid)
        self._refit(self.found)

    def settle(self) -> None:
        """Judge all again, after `refine`, and keep what is significant without regard to others of its size."""
        if not self.found:
            return
        self._noise = self._noises()
        self._judge()
        for large in list(self.found):
            if large.significance < self._limit(large.shadow.radius):
                self._put(large.shadow, -1)
                self.found.remove(large)

    def _explain(self) -> bool:
        """Fit and divide out the starts of most gain, again and again; whether there was any."""
        given = self._given_back
        self._refused = [s for i, s in enumerate(given) if any(_near(s, t) for t in given[:i])]
        for number in range(MAX_ROUNDS):
            first = len(self.found)
            clear, faint = self._starts()
            self._first = False
            if not (self._accept_apart(clear) or self._accept_apart(faint, EVIDENT)):
                return number > 0
            self._refit(self._touching([large.shadow for large in self.found[first:]]))
        return True

    def _accept_apart(self, starts: list[_Start], worst: float = np.inf) -> bool:
        """Fit and divide out those that do not overlap and leave no more than ``worst``; whether there was any."""
        accepted: list[_Start] = []
        for start in starts:
            apart = all(_apart(start, other) for other in accepted)
            if apart and self._accept(start, worst):
                accepted.append(start)
        return bool(accepted)

    def _accept(self, start: _Start, worst: float) -> bool:
        large = self._fit(start.guess())
        if (
            large is None
            or large.rms > worst
            or any(_same(large.shadow, other.shadow) for other in self.found)
        ):
            self._refused.append(start)
            return False
        large.significance, large.start = start.significance, start
        self._put(large.shadow, 1)
        self.found.append(large)
        return True

    def _judge(self) -> bool:
        """Give back what is not significant once all others are explained, the least first; whether there was any."""
        changed = self.found
        for number in range(MAX_ROUNDS):
            for large in changed:
                large.significance = self._significance(large)
            weak = [
                f
                for f in self.found
                if f.significance < self._limit(f.shadow.radius, self._common(f.shadow.radius))
            ]
            if not weak:
                return number > 0
            dropped = _alone(weak)
            for large in dropped:
                self._drop(large)
            changed = self._touching([large.shadow for large in dropped])
            self._refit(changed)
        return True

    def _drop(self, large: Large) -> None:
        """Give a shadow back; this round of explaining does not try it again."""
        shadow = large.shadow
        self._put(shadow, -1)
        self.found.remove(large)
        now = _Start(shadow.x, shadow.y, shadow.radius, shadow.depth, large.significance)
        starts = [now] if large.start is None else [now, large.start]
        self._given_back += starts
        self._refused += starts

    def _touching(self, changed: list[Shadow]) -> list[Large]:
        """Those whose fit a change of some shadows may change."""
        return [
            f
            for f in self.found
            if any(
                _distance(f.shadow, c) < FIT_REACH * f.shadow.half_major + c.half_major
                for c in changed
            )
        ]

    def _refit(self, some: list[Large]) -> None:
        """Fit each of some again with all others divided out."""
        for large in sorted(some, key=lambda f: -f.shadow.depth * f.shadow.radius):
            self._put(large.shadow, -1)
            again = self._fit(
                large.shadow,
                stretch=STRETCH if large.significance > CLEAR and self._is_whole(large) else 0.0,
                precise=large.shadow.depth > PRECISE * math.sqrt(large.covariance[6, 6]),
            )
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

    def _sizes(self) -> Iterator[tuple[Level, float, int, bool]]:
        """Every size with the level that it is scored on, and how far outside the frame."""
        self._white = White.of(self.residual, self.valid, self.threads)
        level = self._level()
        for radius, edge in self._searches:
            level = level.suited(radius)
            yield level, radius, int(0.35 * radius / level.binning), edge

    def _noises(self) -> dict[tuple[float, bool], Noise]:
        """What would be the noise of all scores, without most of them."""

        def noise(
            size: tuple[Level, float, int, bool], threads: int
        ) -> tuple[tuple[float, bool], Noise]:
            level, radius, margin, edge = size
            return (radius, edge), round_noise(
                level, radius, margin, edge=edge, model_error=self.model_error, threads=threads
            )

        return dict(parallel_map(noise, list(self._sizes()), self.threads))

    def _level(self, cut: Window = EVERYWHERE) -> Level:
        white = self._white.part(cut)
        changed = self._changed if cut == EVERYWHERE else ()
        return Level(
            BINNING, self.residual[cut], self.valid[cut], self.explained[cut], white, changed
        )

    def _limit(self, radius: float, common: float = 0.0) -> float:
        """Significance that few enough rings and discs of one radius pass by chance.

        Every fitted shadow takes one degree of freedom from the scores that tell the noise: else the more is
        explained, noise too, the quieter the rest seems, and the more there is to explain.
        """
        allowed = self.false_alarms / len(self._searches) + FALSE_FRACTION * common
        area = BINNING**2 * self.valid.size
        limit = significance_limit(area, [CORRELATED * radius], allowed)
        independent = area / radius**2
        fitted = sum(f.shadow.radius > LEAST_TAKEN * radius for f in self.found)
        left = max(independent - fitted, LEAST_LEFT * independent)
        return LIMIT_MARGIN * limit_of_few(limit, left) * float(np.sqrt(independent / left))

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

    def _starts(self) -> tuple[list[_Start], list[_Start]]:
        """Those above the limit, and at first some of the others; by falling gain."""
        every = parallel_map(self._starts_of, list(self._sizes()), self.threads)
        self._scored = {(scores.radius, scores.edge): scores for scores, _ in every}
        self._noise |= {size: scores.noise for size, scores in self._scored.items()}
        self._changed = []
        starts = _Starts(*np.concatenate([of_size for _, of_size in every], axis=1))
        clear, faint = (filter(self._untried, starts.by_gain(c)) for c in (True, False))
        return list(clear), list(islice(faint, FEW))

    def _starts_of(
        self, size: tuple[Level, float, int, bool], threads: int
    ) -> tuple[Scores, Array]:
        """Score one size, or bring the last scores up to date: much is far from what was explained since."""
        level, radius, margin, edge = size
        scores = round_scores(
            level,
            radius,
            margin,
            edge=edge,
            model_error=self.model_error,
            threads=threads,
            before=self._scored.get((radius, edge)),
        )
        limit = self._limit(radius, self._common(radius))
        apart = max(1, int(0.2 * radius / scores.binning))
        y, x, significance = peaks(scores, FAINT if self._first else limit, apart)
        starts = np.empty((6, y.size))
        starts[0] = centre_of(x - margin, scores.binning)
        starts[1] = centre_of(y - margin, scores.binning)
        starts[2] = radius
        starts[3] = scores.score[y, x]
        starts[3] -= scores.noise.middle
        starts[4] = significance
        starts[5] = starts[4] > limit
        return scores, starts

    def _untried(self, start: _Start) -> bool:
        return not any(_near(start, refused) for refused in self._refused)

    def _significance(self, large: Large) -> float:
        """Score at its own centre and radius, with all others explained."""
        shadow = large.shadow
        cut = self._window(shadow, 2.0 * shadow.radius)
        assert cut is not None
        nearest = min(self.radii, key=lambda r: abs(r - shadow.radius))
        self._put(shadow, -1)
        level = self._level(cut).suited(shadow.radius)
        margin = int(0.6 * shadow.radius / level.binning) + 2
        z = np.fmax.reduce(
            [
                round_scores(
                    level,
                    shadow.radius,
                    margin,
                    edge=edge,
                    model_error=self.model_error,
                    threads=self.threads,
                    noise=self._noise[radius, edge],
                ).significance()
                for radius, edge in self._searches
                if radius == nearest
            ]
        )
        self._put(shadow, 1)
        y, x = (
            round((c - BINNING * part.start + 0.5) / level.binning - 0.5) + margin
            for c, part in zip((shadow.y, shadow.x), cut, strict=True)
        )
        near = z[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        return float(np.nanmax(near, initial=0.0))

    # Fits

    def _fit(self, guess: Shadow, *, stretch: float = 0.0, precise: bool = False) -> Large | None:
        """Fit what is left around a guess; None where it leads to nothing that this search is for."""
        reach = FIT_REACH * guess.half_major
        cut = self._window(guess, reach)
        if cut is None:
            return None
        level = self._level(cut)
        while (
            2 * level.binning <= guess.radius / (FINE if precise else COARSE)
            and min(level.valid.shape) > 3
        ):
            level = level.halved()
        rows, cols = np.indices(level.valid.shape)
        y = centre_of(rows, level.binning) + BINNING * cut[0].start
        x = centre_of(cols, level.binning) + BINNING * cut[1].start
        use = (level.valid > 0.5) & (np.hypot(y - guess.y, x - guess.x) < reach)
        if np.count_nonzero(use) < 40:
            return None
        lost = level.residual[use].astype(float)
        spread = 0.3 * 1.4826 * float(np.median(np.abs(lost - np.median(lost)))) + 1e-5
        error = np.hypot(spread, self.model_error * np.abs(level.explained[use]))
        size = self._usual_size(guess.radius)
        fitted = fit_shadow(
            guess, y[use], x[use], lost, error, SOFTEST * level.binning, size, stretch
        )
        if fitted is None or not self._plausible(fitted[0]):
            return None
        return Large(*fitted, significance=0.0)

    def _from_edge(self, shadow: Shadow) -> float:
        """How far inside the frame its centre is."""
        rows, cols = (BINNING * n for n in self.valid.shape)
        return float(min(shadow.x, shadow.y, cols - 1 - shadow.x, rows - 1 - shadow.y))

    def _is_whole(self, large: Large) -> bool:
        """Whether all of it is on the frame: of a part, centre and axes cannot be told from each other."""
        return self._from_edge(large.shadow) > large.shadow.radius

    def _plausible(self, shadow: Shadow) -> bool:
        from_edge = self._from_edge(shadow)
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
        """Divide a shadow out of what is left, or (-1) give it back: what overlaps multiplies."""
        cut = self._window(shadow, shadow.reach)
        if cut is None:
            return
        y, x = (centre_of(np.arange(c.start, c.stop), BINNING) for c in cut)
        loss = shadow.loss(y[:, None], x[None, :]).astype(np.float32)
        through = 1 - self.dims * loss
        light = 1 - self.dims * self.residual[cut]
        self.residual[cut] = self.dims * (1 - (light / through if sign > 0 else light * through))
        self.explained[cut] += np.abs(loss) * np.float32(sign)
        self._changed.append(cut)


def _distance(a: _Start | Shadow, b: _Start | Shadow) -> float:
    return math.hypot(a.x - b.x, a.y - b.y)


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
    """Whether they are one, or one the other's inner rim."""
    if _distance(a, b) > 0.35 * max(a.radius, b.radius):
        return False
    alike = _distance(a, b) < 0.35 * min(a.radius, b.radius) and 0.7 < a.radius / b.radius < 1.4
    return alike or _is_inner_rim(a, b) or _is_inner_rim(b, a)


def _is_inner_rim(a: Shadow, b: Shadow) -> bool:
    rim = b.hole * b.radius
    return _distance(a, b) < 0.3 * rim and 0.7 < a.radius / rim < 1.4
