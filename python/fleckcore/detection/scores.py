"""How unlikely a large shadow is at every place: scores of rings and discs, and their noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.kernels import gaussian_filter, shadow_search

__all__ = [
    "BINNING",
    "Image",
    "Level",
    "Noise",
    "Scores",
    "centre_of",
    "halved",
    "limit_of_few",
    "peaks",
    "round_scores",
]

Image = NDArray[np.float32]

BINNING = 2
"""The finest image that is searched is the frame binned so many times."""

FINEST_RADIUS = 16
"""Largest radius in pixels of the binned image that it is searched in."""

SHARPENING = 0.4
EDGE_SHARPENING = 0.25
"""Structure much larger than this fraction of the radius is taken out before a score."""

NOISE_ROUNDS = 3
TAIL_QUANTILE = 0.999
LEAST_NOISE = 1e-6

FEW_SCORES = 50
"""Fewer scores than these tell no noise."""

MANY = 50_000
"""No more scores than these, evenly spread, tell the noise."""


@dataclass(frozen=True, eq=False)
class Level:
    """The frame binned to pixels of one size: what is lost and not explained, what is valid, what is explained."""

    binning: int
    residual: Image
    valid: Image
    explained: Image

    def halved(self) -> Level:
        """Binned twice as much."""
        residual, valid = halved(self.residual, self.valid)
        explained, _ = halved(self.explained, np.ones_like(self.valid))
        return Level(2 * self.binning, residual, valid, explained)

    def suited(self, radius: float) -> Level:
        """Binned as far as a radius, in pixels of the frame, asks for."""
        level = self
        while radius > level.binning * FINEST_RADIUS and min(level.valid.shape) > 3:
            level = level.halved()
        return level


@dataclass(frozen=True)
class Noise:
    """Of the scores of one kind: usual value and one standard deviation."""

    middle: float
    sigma: float

    @classmethod
    def of(cls, score: Image, doubt: Image | None = None) -> Noise:
        """Measure the lower half of the scores, where no shadows are, and their lower tail.

        It is what stands beside the doubt: 16 % of the scores lie more than one standard deviation of both below
        the middle, and no more than a Gaussian's 0.1 % lie more than three below it. Where the doubt
        is much larger, nothing can be learnt of the noise.
        """
        step = max(1, math.ceil(math.sqrt(score.size / MANY)))
        score = score[::step, ::step]
        seen = np.isfinite(score)
        if np.count_nonzero(seen) < FEW_SCORES:
            return cls(0.0, np.inf)
        middle = float(np.median(score[seen]))
        below = np.float32(middle) - score[seen]
        beside = np.zeros_like(below) if doubt is None else doubt[::step, ::step][seen]
        one = NormalDist().cdf(1)
        sigma = max(float(np.quantile(below, one)), LEAST_NOISE)
        for _ in range(NOISE_ROUNDS if doubt is not None else 0):
            sigma = max(sigma * _noise_quantile(below, beside, sigma, one), LEAST_NOISE)
        tail = _noise_quantile(below, beside, sigma, TAIL_QUANTILE)
        return cls(middle, sigma * max(1.0, tail / NormalDist().inv_cdf(TAIL_QUANTILE)))


def _noise_quantile(below: Image, doubt: Image, sigma: float, part: float) -> float:
    """Quantile of what lies below, in units of noise and doubt; each counts as far as it is noise that it tells."""
    both = np.hypot(np.float32(sigma), doubt)
    values, weight = below / both, (np.float32(sigma) / both) ** 2
    order = np.argsort(values)
    total = np.cumsum(weight[order], dtype=float)
    return float(values[order[np.searchsorted(total, part * total[-1])]])


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
    """

    radius: float
    edge: bool
    binning: int
    margin: int
    score: Image
    doubt: Image
    noise: Noise

    def significance(self) -> Image:
        """In standard deviations of noise and doubt."""
        noise = np.hypot(np.float32(self.noise.sigma), self.doubt)
        z: Image = ((self.score - np.float32(self.noise.middle)) / noise).astype(np.float32)
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
) -> Scores:
    """Score rings and discs of one radius everywhere, up to ``margin`` binned pixels outside the frame."""
    size = radius / level.binning
    blind = level.valid < 0.5
    sigma = (EDGE_SHARPENING if edge else SHARPENING) * size
    sharp = level.residual - gaussian_filter(level.residual, sigma, mask=blind, threads=threads)
    score = shadow_search(sharp, size, edge=edge, mask=blind, margin=margin, threads=threads)
    around = gaussian_filter(np.pad(level.explained, margin), 0.5 * size, threads=threads)
    doubt = np.float32(model_error) * around
    noise = Noise.of(score, doubt) if noise is None else noise
    return Scores(radius, edge, level.binning, margin, score, doubt, noise)


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


def peaks(z: Image, limit: float, reach: int) -> list[tuple[int, int]]:
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


def centre_of(index: Any, binning: int) -> Any:
    """Position, in pixels of the frame, of the centre of a binned pixel."""
    return (index + 0.5) * binning - 0.5
