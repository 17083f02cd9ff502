"""How unlikely a large shadow is at every place: scores of rings and discs, and their noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.scales import mesh_noise
from fleckcore.kernels import gaussian_filter, shadow_search

__all__ = [
    "BINNING",
    "Image",
    "Level",
    "Noise",
    "Scores",
    "White",
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
        low, usual, high = np.quantile(known, [0.02, 0.5, 0.98]).tolist()
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
        rough, _ = halved(self.rough, np.ones_like(self.rough))
        return White(self.usual / 2, rough)


@dataclass(frozen=True, eq=False)
class Level:
    """The frame binned to pixels of one size: what is lost and not explained, what is valid, what is explained."""

    binning: int
    residual: Image
    valid: Image
    explained: Image
    white: White

    def halved(self) -> Level:
        """Binned twice as much."""
        residual, valid = halved(self.residual, self.valid)
        explained, _ = halved(self.explained, np.ones_like(self.valid))
        return Level(2 * self.binning, residual, valid, explained, self.white.halved())

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
        step = max(1, math.ceil(math.sqrt(score.size / MANY)))
        score = score[::step, ::step]
        seen = np.isfinite(score)
        if np.count_nonzero(seen) < FEW_SCORES:
            return cls(0.0, np.inf)
        middle = float(np.median(score[seen]))
        below = np.float32(middle) - score[seen]
        beside = None if doubt is None else doubt[::step, ::step][seen]
        power = None if power is None else power[::step, ::step][seen]
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
    both = np.hypot(np.float32(sigma), np.zeros_like(below) if doubt is None else doubt)
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
        noise = np.hypot(np.float32(self.noise.sigma) * self.noise.local(self.power), self.doubt)
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
    power = level.white.power(margin, 0.5 * size, threads)
    if noise is None:
        white = (WHITE_GAIN_EDGE if edge else WHITE_GAIN) * level.white.usual / size
        noise = Noise.of(score, doubt, power, white)
    return Scores(radius, edge, level.binning, margin, score, doubt, power, noise)


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
