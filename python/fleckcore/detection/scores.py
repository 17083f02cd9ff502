"""How unlikely a large shadow is at every place: scores of rings and discs, and their noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.scales import mesh_noise
from fleckcore.kernels import gaussian_filter, shadow_search

__all__ = [
    "BINNING",
    "Image",
    "Level",
    "Noise",
    "Scores",
    "White",
    "all_halved",
    "centre_of",
    "halved",
    "limit_of_few",
    "peaks",
    "places_of",
    "round_noise",
    "round_scores",
]

Image = NDArray[np.float32]
Places = NDArray[np.intp]

BINNING = 2
"""The finest image that is searched is the frame binned so many times."""

FINEST_RADIUS = 16
"""Largest radius in pixels of the binned image that it is searched in."""

SHARPENING = 0.4
EDGE_SHARPENING = 0.25
"""Structure much larger than this fraction of the radius is taken out before a score."""

AROUND = 0.5
"""Width over which doubt counts, as a fraction of the radius."""

REACH = 1.2
"""How far `shadow_search` looks, in radii."""

SIGMAS = 3.5
"""How far `gaussian_filter` looks, in standard deviations."""

NOISE_ROUNDS = 3
TAIL_QUANTILE = 0.999
LEAST_NOISE = 1e-6

BINS = 255
"""Into so many parts values are told apart before those of one are sorted."""

FEW_SCORES = 50
"""Fewer scores than these tell no noise."""

MANY = 50_000
"""No more scores than these, evenly spread, tell the noise."""

WHITE_BOX = 32
"""Side in pixels of the boxes that tell the white noise."""

FINE_PART = 0.872
"""Of the standard deviation of white noise, what is left without the image smoothed by 1 pixel: the root of
1 - 2 / (2 pi) + 1 / (4 pi)."""

LEAST_ROUGH = 0.1
"""Of the usual noise; the noise of less cannot be told."""

ALIKE = 1.4
"""A frame has one noise, where 96 % of it are closer to the median than this factor: nearer ones gain little, and
what is no noise, as a seam, is told by how far all of the frame's ground reaches."""

WHITE_GAIN = 1.1
WHITE_GAIN_EDGE = 1.55
"""Standard deviation of the scores of white noise of 1, times the radius in pixels."""


@dataclass(frozen=True, eq=False)
class White:
    """White noise of an image, that of photons and of reading out.

    Attributes
    ----------
    usual : float
        One standard deviation of a pixel, the median over the image.
    rough : ndarray of float32, or None
        One standard deviation of a pixel over the usual one; None where it is alike everywhere.
    """

    usual: float
    rough: Image | None

    @classmethod
    def of(cls, image: Image, valid: Image, threads: int | None) -> White:
        """Measure what varies from pixel to pixel."""
        blind = valid < 0.5
        fine = image - gaussian_filter(image, 1.0, mask=blind, threads=threads)
        noise = mesh_noise(fine, blind, WHITE_BOX, threads)
        known = noise[~blind & np.isfinite(noise)]
        if not known.size:
            return cls(0.0, None)
        low, usual, high = np.quantile(known, [0.02, 0.5, 0.98], overwrite_input=True).tolist()
        if high <= ALIKE * usual and usual <= ALIKE * low:
            return cls(usual / FINE_PART, None)
        rough = np.maximum(noise / np.float32(usual), np.float32(LEAST_ROUGH))
        return cls(usual / FINE_PART, rough)

    def power(self, margin: int, sigma: float, threads: int | None) -> Image | None:
        """Its variance over the usual one, smoothed; None where it is alike everywhere."""
        if self.rough is None:
            return None
        squares = np.pad(np.square(self.rough), margin, mode="edge")
        return gaussian_filter(squares, sigma, threads=threads)

    def part(self, cut: tuple[slice, slice]) -> White:
        """That of a part of the image."""
        return White(self.usual, None if self.rough is None else self.rough[cut])

    def halved(self) -> White:
        """That of the image binned 2 x 2."""
        if self.rough is None:
            return White(self.usual / 2, None)
        return White(self.usual / 2, all_halved(self.rough))


@dataclass(frozen=True, eq=False)
class Level:
    """The frame binned to pixels of one size: what is lost and not explained, what is valid, what is explained."""

    binning: int
    residual: Image
    valid: Image
    explained: Image
    white: White
    changed: Sequence[Window] = ()
    """Parts that are not what they were when the frame was scored before."""

    @cached_property
    def bare(self) -> bool:
        """Whether nothing is explained."""
        return not self.explained.any()

    def halved(self) -> Level:
        """Binned twice as much."""
        residual, valid = halved(self.residual, self.valid)
        changed = [
            (slice(y.start // 2, (y.stop + 1) // 2), slice(x.start // 2, (x.stop + 1) // 2))
            for y, x in self.changed
        ]
        explained = all_halved(self.explained)
        return Level(2 * self.binning, residual, valid, explained, self.white.halved(), changed)

    def suited(self, radius: float) -> Level:
        """Binned as far as a radius, in pixels of the frame, asks for."""
        level = self
        while radius > level.binning * FINEST_RADIUS and min(level.valid.shape) > 3:
            level = level.halved()
        return level


@dataclass(frozen=True)
class Noise:
    """Of the scores of one kind.

    Attributes
    ----------
    middle : float
        Usual score.
    sigma : float
        One standard deviation where the white noise is the usual one.
    white : float
        Part of the variance that the white noise makes; the rest, the ground, is the same everywhere.
    """

    middle: float
    sigma: float
    white: float = 1.0

    @classmethod
    def of(
        cls,
        score: Image,
        doubt: Image | None = None,
        power: Image | None = None,
        white: float = 0.0,
    ) -> Noise:
        """Measure the lower half of the scores, where no shadows are, and their lower tail.

        It is what stands beside the doubt: 16 % of the scores lie more than one standard deviation of both below
        the middle, and no more than a Gaussian's 0.1 % lie more than three below it. Where the doubt
        is much larger, nothing can be learnt of the noise.

        Parameters
        ----------
        score, doubt : ndarray of float32
        power : ndarray of float32, optional
            Variance of the white noise over its usual one, where it is not 1 everywhere.
        white : float
            One standard deviation of the scores that the usual white noise makes.
        """
        step = _step(score.shape)
        doubt, power = (None if a is None else a[::step, ::step] for a in (doubt, power))
        return cls.of_thinned(score[::step, ::step], doubt, power, white)

    @classmethod
    def of_thinned(
        cls, score: Image, doubt: Image | None, power: Image | None, white: float
    ) -> Noise:
        """As `of`, from enough of the scores."""
        seen = np.isfinite(score)
        if np.count_nonzero(seen) < FEW_SCORES:
            return cls(0.0, np.inf)
        middle = float(np.median(score[seen]))
        below = np.float32(middle) - score[seen]
        beside = None if doubt is None else doubt[seen]
        power = None if power is None else power[seen]
        noise = cls(middle, 1.0)
        if power is not None:
            sigma = _sigma(below, beside, noise.local(power), tail=False)
            noise = cls(middle, 1.0, min(1.0, (white / sigma) ** 2))
        return replace(noise, sigma=_sigma(below, beside, noise.local(power)))

    def local(self, power: Image | None) -> Image | np.float32:
        """One standard deviation at places of such white noise, over the usual one."""
        if power is None:
            return np.float32(1)
        local: Image = np.sqrt(1 + np.float32(self.white) * (power - 1))
        return local


def _step(shape: tuple[int, ...]) -> int:
    """Every how many rows and columns of so many scores are enough to tell their noise."""
    return max(1, math.ceil(math.sqrt(math.prod(shape) / MANY)))


def _sigma(
    below: Image, doubt: Image | None, local: Image | np.float32, *, tail: bool = True
) -> float:
    """One standard deviation of what lies below the middle; of its tail, if that reaches farther."""
    below = below / local
    doubt = None if doubt is None else doubt / local
    one = NormalDist().cdf(1)
    sigma = max(float(np.quantile(below, one)), LEAST_NOISE)
    for _ in range(NOISE_ROUNDS if doubt is not None else 0):
        sigma = max(sigma * _noise_quantile(below, doubt, sigma, one), LEAST_NOISE)
    if not tail:
        return sigma
    reach = _noise_quantile(below, doubt, sigma, TAIL_QUANTILE)
    return sigma * max(1.0, reach / NormalDist().inv_cdf(TAIL_QUANTILE))


def _noise_quantile(below: Image, doubt: Image | None, sigma: float, part: float) -> float:
    """Quantile of what lies below, in units of noise and doubt; each counts as far as it is noise that it tells."""
    if doubt is None or not doubt.any():
        rank = math.ceil(part * below.size) - 1
        return float(np.partition(below, rank)[rank] / np.float32(sigma))
    both = np.full_like(doubt, sigma)
    doubted = np.flatnonzero(doubt)  # mostly few, and a root takes long
    both[doubted] = np.hypot(np.float32(sigma), doubt[doubted])
    return _weighted_quantile(below / both, (np.float32(sigma) / both) ** 2, part)


def _weighted_quantile(
    values: NDArray[np.floating], weight: NDArray[np.floating], part: float
) -> float:
    """The value up to which a part of the weight lies; only those of about its size are sorted."""
    low, high = float(values.min()), float(values.max())
    bins = ((values - low) * (BINS / max(high - low, LEAST_NOISE))).astype(np.intp)
    total = np.cumsum(np.bincount(bins, weight))
    wanted = part * total[-1]
    found = int(np.searchsorted(total, wanted))
    own = bins == found
    values, weight = values[own], weight[own]
    order = np.argsort(values)
    before = total[found - 1] if found else 0.0
    rank = np.searchsorted(before + np.cumsum(weight[order], dtype=float), wanted)
    return float(values[order[min(int(rank), order.size - 1)]])


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one size; ``[margin, margin]`` is the first pixel of the level.

    Attributes
    ----------
    radius : float
        Of what is looked for, pixels of the frame.
    edge : bool
        Whether by its edge alone.
    score : ndarray of float32
        Mean fraction lost.
    doubt : ndarray of float32
        What an imperfect model of the shadows around may leave.
    power : ndarray of float32, or None
        Variance of the white noise over its usual one; None where that is 1 everywhere.
    """

    radius: float
    edge: bool
    binning: int
    margin: int
    score: Image
    doubt: Image
    power: Image | None
    noise: Noise

    def significance(self) -> Image:
        """In standard deviations of noise and doubt."""
        return self._significance(np.s_[:, :])

    def above(self, limit: float) -> tuple[Places, Places, Image]:
        """Rows, columns and significance of the places where it is above a positive limit."""
        least = np.float32(0.999 * limit * self.noise.sigma) * self.noise.local(self.power)
        places = places_of(self.score > np.float32(self.noise.middle) + least)
        z = self._significance(places)
        above = (z > limit) & (z < np.inf)
        return places[0][above], places[1][above], z[above]

    def _significance(self, at: Any) -> Image:
        power = None if self.power is None else self.power[at]
        noise = np.hypot(np.float32(self.noise.sigma) * self.noise.local(power), self.doubt[at])
        z: Image = ((self.score[at] - np.float32(self.noise.middle)) / noise).astype(np.float32)
        return z


def round_scores(
    level: Level,
    radius: float,
    margin: int,
    *,
    edge: bool,
    model_error: float,
    threads: int | None,
    noise: Noise | None = None,
    before: Scores | None = None,
) -> Scores:
    """Score rings and discs of one radius everywhere, up to ``margin`` binned pixels outside the frame.

    With those ``before``, whose arrays are taken over, only what the changes of the level reach.
    """
    places = _Places(level, radius / level.binning, margin, edge, threads)
    if before is None:
        score = places.score(places.everywhere)
        doubt = places.doubt(places.everywhere, model_error)
    else:
        score, doubt = before.score, before.doubt
        for part in places.reached():
            score[part] = places.score(part)
            doubt[part] = places.doubt(part, model_error)
    power = places.power()
    if noise is None:
        noise = Noise.of(score, doubt, power, places.white)
    return Scores(radius, edge, level.binning, margin, score, doubt, power, noise)


def round_noise(
    level: Level, radius: float, margin: int, *, edge: bool, model_error: float, threads: int | None
) -> Noise:
    """The noise of `round_scores`, for which some of the rows are enough."""
    places = _Places(level, radius / level.binning, margin, edge, threads)
    rows, cols = places.everywhere
    step, power = _step(places.shape), places.power()
    score = places.score((slice(rows.start, rows.stop, step), cols))[:, ::step]
    doubt = places.doubt(places.everywhere, model_error)[::step, ::step]
    return Noise.of_thinned(
        score, doubt, None if power is None else power[::step, ::step], places.white
    )


@dataclass(frozen=True)
class _Places:
    """Where one size is scored, in pixels of a level. A score is the same whichever others are taken."""

    level: Level
    size: float
    margin: int
    edge: bool
    threads: int | None

    @property
    def shape(self) -> tuple[int, int]:
        rows, cols = self.level.valid.shape
        return rows + 2 * self.margin, cols + 2 * self.margin

    @property
    def everywhere(self) -> Window:
        rows, cols = self.shape
        return slice(0, rows), slice(0, cols)

    @property
    def white(self) -> float:
        """One standard deviation of the scores that the usual white noise makes."""
        gain = WHITE_GAIN_EDGE if self.edge else WHITE_GAIN
        return gain * self.level.white.usual / self.size

    @property
    def _sharpening(self) -> float:
        return (EDGE_SHARPENING if self.edge else SHARPENING) * self.size

    @property
    def _reach(self) -> int:
        """How far a place looks."""
        return math.ceil(REACH * self.size) + math.ceil(SIGMAS * self._sharpening) + 1

    def reached(self) -> list[Window]:
        """What the changes of the level reach."""
        wide = self._reach - self.margin, self._reach + self.margin
        parts = _merged([_wider(part, wide, self.shape) for part in self.level.changed])
        return parts if sum(map(_area, parts)) < math.prod(self.shape) else [self.everywhere]

    def score(self, part: Window) -> Image:
        """Mean fraction lost; the rows of the part may be some apart."""
        wide = self._reach + self.margin, self._reach - self.margin
        cut = _wider(part, wide, self.level.valid.shape)
        residual, blind = self.level.residual[cut], self.level.valid[cut] < 0.5
        smooth = gaussian_filter(residual, self._sharpening, mask=blind, threads=self.threads)
        return shadow_search(
            residual - smooth,
            self.size,
            edge=self.edge,
            mask=blind,
            margin=self.margin,
            part=_within(part, cut),
            threads=self.threads,
        )

    def doubt(self, part: Window, model_error: float) -> Image:
        """What an imperfect model of what is explained, smoothed, may leave."""
        if self.level.bare:
            return np.zeros([p.stop - p.start for p in part], np.float32)
        sigma = AROUND * self.size
        reach = math.ceil(SIGMAS * sigma)
        cut = _wider(part, (reach, reach), self.shape)
        explained = _framed(self.level.explained, self.margin, cut)
        smooth = gaussian_filter(explained, sigma, threads=self.threads)[_within(part, cut)]
        return np.float32(model_error) * smooth

    def power(self) -> Image | None:
        return self.level.white.power(self.margin, AROUND * self.size, self.threads)


def _wider(part: Window, by: tuple[int, int], shape: tuple[int, ...]) -> Window:
    """A part that begins so much earlier and ends so much later, as far as the image goes."""
    rows, cols = (
        slice(min(max(p.start - by[0], 0), n), max(min(p.stop + by[1], n), 0))
        for p, n in zip(part, shape, strict=True)
    )
    return rows, cols


def _within(part: Window, cut: Window) -> Window:
    """The same part, counted from where another one begins."""
    rows, cols = (
        slice(p.start - c.start, p.stop - c.start, p.step) for p, c in zip(part, cut, strict=True)
    )
    return rows, cols


def _framed(image: Image, margin: int, cut: Window) -> Image:
    """A part of the image with a margin of zeros."""
    inside = tuple(slice(max(p.start - margin, 0), max(p.stop - margin, 0)) for p in cut)
    beyond = tuple(
        (max(margin - p.start, 0), max(p.stop - margin - n, 0))
        for p, n in zip(cut, image.shape, strict=True)
    )
    return np.pad(image[inside], beyond)


def _merged(parts: list[Window]) -> list[Window]:
    """Parts that cover the same and no more pixels: two become one where that is no larger than both."""
    merged: list[tuple[int, int, int, int]] = []  # plain numbers, as there are many pairs
    for rows, cols in parts:
        y0, y1, x0, x1 = rows.start, rows.stop, cols.start, cols.stop
        i = 0
        while i < len(merged):
            a0, a1, b0, b1 = merged[i]
            hull = min(y0, a0), max(y1, a1), min(x0, b0), max(x1, b1)
            both = (y1 - y0) * (x1 - x0) + (a1 - a0) * (b1 - b0)
            if (hull[1] - hull[0]) * (hull[3] - hull[2]) <= both:
                y0, y1, x0, x1 = hull
                del merged[i]
                i = 0
            else:
                i += 1
        merged.append((y0, y1, x0, x1))
    return [(slice(y0, y1), slice(x0, x1)) for y0, y1, x0, x1 in merged]


def _area(part: Window) -> int:
    return math.prod(p.stop - p.start for p in part)


def limit_of_few(limit: float, independent: float) -> float:
    """A limit in standard deviations that few scores tell: higher, as Student's distribution has it.

    Parameters
    ----------
    limit : float
        For noise that is known.
    independent : float
        How many independent scores the frame has room for.
    """
    return limit * (1 + 0.28 * limit**2 / independent)


def places_of(marked: NDArray[np.bool_]) -> tuple[Places, Places]:
    """Rows and columns where it is true, in order. `numpy.nonzero` takes eight times as long for a few of many."""
    rows, cols = np.divmod(np.flatnonzero(marked), marked.shape[1])
    return rows, cols


def peaks(scores: Scores, limit: float, reach: int) -> tuple[Places, Places, Image]:
    """Rows, columns and significance of the maxima above ``limit``, none within ``reach`` pixels of a higher one."""
    ys, xs, z = scores.above(limit)
    order = np.argsort(-z, kind="stable")
    blocked = np.zeros(scores.score.shape, bool)
    kept = []
    for i, y, x in zip(order.tolist(), ys[order].tolist(), xs[order].tolist(), strict=True):
        if not blocked[y, x]:
            kept.append(i)
            blocked[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = True
    return ys[kept], xs[kept], z[kept]


def halved(value: Image, valid: Image) -> tuple[Image, Image]:
    """Bin 2 x 2: the mean of what is valid, and how much is. An odd last row or column is left out."""
    weight = _sum_of_four(valid)
    mean = _sum_of_four(value * valid) / np.maximum(weight, np.float32(1e-6))
    return mean.astype(np.float32), weight / np.float32(4)


def all_halved(value: Image) -> Image:
    """Bin 2 x 2 what is valid everywhere."""
    return _sum_of_four(value) / np.float32(4)


def _sum_of_four(image: Image) -> Image:
    rows, cols = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    return (
        image[:rows:2, :cols:2]
        + image[1:rows:2, :cols:2]
        + image[:rows:2, 1:cols:2]
        + image[1:rows:2, 1:cols:2]
    )


def centre_of(index: Any, binning: int) -> Any:
    """Position, in pixels of the frame, of the centre of a binned pixel."""
    return (index + 0.5) * binning - 0.5
