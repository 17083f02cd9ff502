"""How much light each of many known features takes in one frame, whether or not that frame shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.measure import grow
from fleckcore.detection.normalise import normalise
from fleckcore.detection.options import Options
from fleckcore.detection.search import SearchResult
from fleckcore.detection.shadow import Shadow
from fleckcore.frame import Frame
from fleckcore.kernels import gaussian_filter, mesh_statistics

__all__ = ["FrameDepths", "Template", "large_template", "overlap", "templates"]

Array = NDArray[np.float64]
Image = NDArray[np.float32]

WINDOW, STRIPE = 255, 511
"""Of the level, pixels: about as wide as in the search for large shadows."""

LEVELS = 2
"""How often the level is taken again."""

REACH = 1.45
"""A large shadow is fitted within so many radii."""

BLOCKS = 8
"""To a radius: a large shadow is fitted to means of blocks so large, on which correlated noise counts as it is."""

SHARPENING = 0.25
"""Sigma of the Gaussian, in radii, above which the unevenness of the ground is left out of a fit."""

GAP, BESIDE = 3, 6
"""Pixels between a footprint and the level beside it, and pixels that tell that level."""

BESIDE_LARGE = 1.5
"""How many radii beside a large shadow its fit is tried where nothing stands."""

PRIOR = 16
"""So many depths as their errors say are added to those that were seen there: a few tell little."""

SWEEPS = 4
CLIP_SIGMA = 4.0
CLIP_DEPTH = 0.25
"""Blocks that are off by more than `CLIP_SIGMA` and this part of the depth are left out."""

LEAST_PIXELS = 8


@dataclass(frozen=True, eq=False)
class Template:
    """Where a feature takes light.

    Attributes
    ----------
    cut : (slice, slice)
        The part of the frame around it.
    loss : ndarray of float32, shape (h, w)
        Part of its depth that each pixel loses: of a large shadow the model, whose hole never shines, of a compact
        feature 1 on the footprint.
    fitted : ndarray of bool, shape (h, w)
        Pixels that tell its depth.
    radius : float
        Of a large shadow; 0 for a compact feature.
    """

    cut: Window
    loss: Image
    fitted: NDArray[np.bool_]
    radius: float = 0.0

    @property
    def footprint(self) -> NDArray[np.bool_]:
        """Where more than half of its greatest loss is."""
        footprint: NDArray[np.bool_] = self.loss > 0.5 * self.loss.max(initial=0.0)
        return footprint


def templates(result: SearchResult) -> list[Template]:
    """Give what is known of every feature that a search found, in the order of its catalogue."""
    rows = result.catalog
    large = [found.shadow for found in result.large.found]
    n_compact = len(rows) - len(large)
    compact = np.where(result.labels > n_compact, np.int32(0), result.labels)
    boxes = [tuple(int(rows[f"bbox_{end}"][i].value) for end in _ENDS) for i in range(n_compact)]
    found = [_compact(compact, label, box) for label, box in enumerate(boxes, start=1)]
    return found + [large_template(shadow, compact) for shadow in large]


_ENDS = ("ymin", "ymax", "xmin", "xmax")


def _compact(labels: NDArray[np.int32], label: int, box: tuple[int, ...]) -> Template:
    margin = GAP + BESIDE + 1
    rows, cols = (
        slice(max(0, first - margin), min(size, last + margin + 1))
        for first, last, size in zip(box[::2], box[1::2], labels.shape, strict=True)
    )
    part = labels[rows, cols]
    footprint = part == label
    inner = grow(footprint, GAP)
    beside = grow(inner, BESIDE) & ~inner & (part == 0)
    return Template((rows, cols), footprint.astype(np.float32), footprint | beside)


def large_template(shadow: Shadow, compact: NDArray[np.int32]) -> Template:
    """Give the template of a large shadow; ``compact`` numbers the pixels of compact features, which are left out."""
    half = max(REACH * shadow.radius, shadow.reach)
    rows, cols = (
        slice(min(n, max(0, int(c - half))), max(0, min(n, int(c + half) + 2)))
        for c, n in zip((shadow.y, shadow.x), compact.shape, strict=True)
    )
    y = np.arange(rows.start, rows.stop, dtype=float)[:, None]
    x = np.arange(cols.start, cols.stop, dtype=float)[None, :]
    shadow = replace(shadow, fill=max(0.0, shadow.fill), depth=1.0)
    loss = shadow.loss(y, x).astype(np.float32)
    near = np.hypot(y - shadow.y, x - shadow.x) < REACH * shadow.radius
    fitted = near & ~grow(compact[rows, cols] > 0, GAP)
    return Template((rows, cols), loss, fitted, shadow.radius)


def _over_level(frame: Frame, flat: Frame, options: Options, threads: int | None) -> Image:
    """Give a frame over the level of ``flat``, the same without its features; NaN where not valid."""
    normalised = normalise(
        flat,
        "none" if options.normalise == "none" else "ratio",
        window=WINDOW,
        stripe_window=STRIPE,
        unlit_below=options.unlit_below,
        threads=threads,
    )
    unlit = normalised.mask & ~flat.mask
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        light: Image = np.divide(frame.data, normalised.level, dtype=np.float32, casting="unsafe")
    light[frame.mask | unlit | ~np.isfinite(light)] = np.nan
    return light


def overlap(a: Template, b: Template) -> float:
    """Correlation of two features' losses: 1 for the same place and shape, 0 apart."""
    parts = []
    for one, other in ((a, b), (b, a)):
        cut = tuple(
            slice(max(s.start, o.start) - s.start, max(0, min(s.stop, o.stop) - s.start))
            for s, o in zip(one.cut, other.cut, strict=True)
        )
        parts.append(one.loss[cut].astype(float))
    if not parts[0].size:
        return 0.0
    power = np.sum(a.loss.astype(float) ** 2) * np.sum(b.loss.astype(float) ** 2)
    return float(np.sum(parts[0] * parts[1]) / np.sqrt(power))


class FrameDepths:
    """Depths of known features in one frame.

    Large shadows are fitted in turn, each with all others divided out; then the frame's level
    is taken again without them, until neither pulls the other. The depth of a compact feature is the mean loss over
    its footprint against the level beside it, with the large shadows divided out.

    Parameters
    ----------
    frame : Frame
        Bias-subtracted, not wholly masked.
    features : sequence of Template
    options : Options
        How the frame is normalised, and whether features are bright: then their depth is what they add.
    threads : int, optional
        Threads for the kernels.

    Attributes
    ----------
    depth, error : ndarray of float64, shape (n_features,)
        Fraction of light lost, and one standard deviation; NaN where too few pixels are valid.
    """

    def __init__(
        self,
        frame: Frame,
        features: Sequence[Template],
        options: Options,
        threads: int | None = None,
    ) -> None:
        self._features, self._sign = features, -1 if options.bright else 1
        self._options = options
        self.depth, self.error = np.full((2, len(features)), np.nan)
        large = [i for i, feature in enumerate(features) if feature.radius]
        self.depth[large] = 0.0
        self._left = _over_level(frame, self._without(frame, []), options, threads)
        for _ in range(LEVELS if large else 0):
            self._fit_in_turn(large)
            self._left = _over_level(frame, self._without(frame, large), options, threads)
            for i in large:
                self._divide_out(i)
        self._fit_in_turn(large)
        self._unrest = self._restlessness([features[i] for i in large])
        for i in large:
            self.error[i] = self._whole_error(self.depth[i], self.error[i])
        self._clumping = _clumping(self._left)
        for i, feature in enumerate(features):
            if not feature.radius:
                self.depth[i], self.error[i] = self._mean_loss(feature)

    def _fit_in_turn(self, large: Sequence[int]) -> None:
        for _ in range(SWEEPS if len(large) > 1 else 1):
            for i in large:
                self._put_back(i)
                self.depth[i], self.error[i] = self._fit_large(self._features[i])
                self._divide_out(i)

    def _without(self, frame: Frame, large: Sequence[int]) -> Frame:
        """The frame with the large shadows divided out, and without the pixels of compact features."""
        data = frame.data.astype(np.float32)
        for i in large:
            data[self._features[i].cut] /= self._through(i)
        for feature in self._features:
            if not feature.radius:
                data[feature.cut][grow(feature.footprint, GAP)] = np.nan
        return frame.replace(data=data)

    def fit(self, feature: Template) -> tuple[float, float]:
        """Give depth and error of one more feature, with the large shadows divided out."""
        if not feature.radius:
            return self._mean_loss(feature)
        depth, error = self._fit_large(feature)
        return depth, self._whole_error(depth, error)

    def alone(self, i: int) -> Image:
        """Give the light around a feature over its level, without all other large shadows; NaN where not valid."""
        feature = self._features[i]
        light = self._left[feature.cut]
        return light * self._through(i) if feature.radius else light.copy()

    def _whole_error(self, depth: float, error: float) -> float:
        """With what the fit's own error leaves out: the unrest of the frame, and an imperfect model."""
        return float(np.hypot(error * self._unrest, self._options.model_error * depth))

    def _through(self, i: int) -> Image:
        """What a large shadow lets through; all where its depth is not known."""
        depth = np.nan_to_num(self.depth[i])
        through: Image = 1 - np.float32(self._sign * depth) * self._features[i].loss
        return through

    def _divide_out(self, i: int) -> None:
        self._left[self._features[i].cut] /= self._through(i)

    def _put_back(self, i: int) -> None:
        self._left[self._features[i].cut] *= self._through(i)

    def _fit_large(self, feature: Template) -> tuple[float, float]:
        """Least squares on means of blocks, all of them without what is much larger than the shadow's rim."""
        light = self._left[feature.cut]
        used = feature.fitted & np.isfinite(light)
        if np.count_nonzero(used & feature.footprint) < LEAST_PIXELS:
            return np.nan, np.nan
        size = max(1, round(feature.radius / BLOCKS))
        count = _block_sums(used, size)
        blind = count < 0.5 * size**2
        value, loss = (
            (_block_sums(np.where(used, image, 0), size) / np.maximum(count, 1)).astype(np.float32)
            for image in (light, -self._sign * feature.loss)
        )

        def sharp(image: Image) -> Image:
            smooth = gaussian_filter(image, sigma, mask=blind, threads=1)
            return np.where(blind, np.float32(0), image - smooth)

        sigma = SHARPENING * feature.radius / size
        shape = sharp(loss)
        power = float(np.linalg.norm(shape))
        if not power > 0:
            return np.nan, np.nan
        factor, error = _slope(sharp(value)[~blind], shape[~blind], count[~blind])
        error *= float(np.linalg.norm(sharp(shape))) / power  # the noise was smoothed off too
        level = float(np.median((value - np.float32(factor) * loss)[~blind]))
        return (factor / level, error / level) if level > 0 else (np.nan, np.nan)

    def _restlessness(self, large: Sequence[Template]) -> float:
        """By how much depths scatter more than their errors say where nothing is known, beside each shadow."""
        pulls = []
        for feature in large:
            step = round(BESIDE_LARGE * feature.radius)
            for down, right in ((step, 0), (-step, 0), (0, step), (0, -step)):
                moved = _moved(feature, down, right, self._left.shape)
                if moved is not None:
                    depth, error = self._fit_large(moved)
                    pulls.append(abs(depth / error))
        known = np.array(pulls)[np.isfinite(pulls)]
        if not known.size:
            return 1.0
        seen = (1.4826 * float(np.median(known))) ** 2
        return float(np.sqrt((PRIOR + known.size * seen) / (PRIOR + known.size)))

    def _mean_loss(self, feature: Template) -> tuple[float, float]:
        """Mean over the footprint, against the median beside it."""
        light = self._left[feature.cut]
        used = feature.fitted & np.isfinite(light)
        own, beside = light[used & feature.footprint], light[used & ~feature.footprint]
        if not own.size or beside.size < LEAST_PIXELS:
            return np.nan, np.nan
        level, noise = _middle(beside)
        if not level > 0:
            return np.nan, np.nan
        noise *= float(np.interp(np.sqrt(own.size), *self._clumping))
        error = noise / level * np.sqrt(1 / own.size + 0.5 * np.pi / beside.size)
        return self._sign * (1 - float(own.mean(dtype=float)) / level), error


def _moved(feature: Template, down: int, right: int, shape: tuple[int, ...]) -> Template | None:
    """The same feature elsewhere; None where that is not wholly in the frame."""
    rows, cols = (
        slice(s.start + step, s.stop + step)
        for s, step in zip(feature.cut, (down, right), strict=True)
    )
    if min(rows.start, cols.start) < 0 or rows.stop > shape[0] or cols.stop > shape[1]:
        return None
    return replace(feature, cut=(rows, cols))


def _middle(values: NDArray[np.floating]) -> tuple[float, float]:
    """Median, and one standard deviation from the median deviation."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _slope(value: Image, shape: Image, weight: Array) -> tuple[float, float]:
    """Give the factor of ``shape`` in ``value`` beside a constant, and one standard deviation of it; clipped once."""
    value, shape = value.astype(float), shape.astype(float)
    kept = np.ones(value.size, bool)
    columns = np.stack([np.ones_like(shape), shape])
    for _ in range(2):
        if np.count_nonzero(kept) < LEAST_PIXELS:
            return np.nan, np.nan
        scaled = columns[:, kept] * weight[kept]
        inverse = np.linalg.pinv(scaled @ columns[:, kept].T)
        factors = inverse @ (scaled @ value[kept])
        residual = (value - factors @ columns) * np.sqrt(weight)
        freedom = max(1, int(np.count_nonzero(kept)) - len(columns))
        sigma = float(np.sqrt(float(np.sum(residual[kept] ** 2)) / freedom))
        _, spread = _middle(residual[kept])
        shallow = CLIP_DEPTH * abs(float(factors[1])) * np.sqrt(weight)
        kept = np.abs(residual) <= CLIP_SIGMA * spread + shallow
    return float(factors[1]), sigma * float(np.sqrt(inverse[1, 1]))


def _block_sums(image: NDArray[np.generic], size: int) -> Array:
    """Sums over squares of ``size`` pixels; what does not fill one is left out."""
    rows, cols = (n // size for n in image.shape)
    whole = image[: rows * size, : cols * size].astype(float)
    sums: Array = whole.reshape(rows, size, cols, size).sum(axis=(1, 3))
    return sums


def _clumping(light: Image) -> tuple[list[float], list[float]]:
    """For sides of a square of pixels: by how much its mean is noisier than were its pixels independent."""
    seen = np.isfinite(light)
    filled = np.where(seen, light, np.float32(0))
    sides, factors = [1.0], [1.0]
    alone = _noise(filled, ~seen, 64)
    for side in (2, 4, 8, 16):
        if min(light.shape) < 8 * side or not alone:
            break
        count = _block_sums(seen, side)
        mean = _block_sums(filled, side) / np.maximum(count, 1)
        noise = _noise(mean, count < 0.5 * side**2, max(8, 64 // side))
        sides.append(float(side))
        factors.append(max(1.0, noise * side / alone))
    return sides, factors


def _noise(image: NDArray[np.floating], mask: NDArray[np.bool_], box: int) -> float:
    known = mesh_statistics(image, box, mask=mask, threads=1).noise
    known = known[np.isfinite(known)]
    return float(np.median(known)) if known.size else 0.0
