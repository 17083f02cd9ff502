"""One epoch of a detector: its filters, what they show, and what they say of any feature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.combine import FrameMean
from fleckcore.detection.depths import FrameDepths, Template
from fleckcore.detection.joint import JointResult, search_all
from fleckcore.detection.measure import grow
from fleckcore.detection.normalise import Normalised, normalise
from fleckcore.detection.options import DEFAULTS, Options
from fleckcore.detection.search import without_bias
from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, as_frame
from fleckcore.io import require_alike

__all__ = [
    "Measured",
    "Night",
    "by_filter",
    "level_out",
    "mean_light",
    "require_one_detector",
    "square",
    "too_bright",
    "without_pixels",
]

Image = NDArray[np.float32]

LEAST_PIXELS, PIXEL_SIGMA = 8, 4.0
"""In darks a feature has so many pixels that lose light by so many of their errors; what gains so much is hot."""
BESIDE = 2
"""Pixels around a compact feature that do not count for the light of others."""


def by_filter(frames: Iterable[Any], bias: Any, name: str) -> dict[str, list[Frame]]:
    """Sort the frames of an epoch by their filter, the bias subtracted."""
    found: dict[str, list[Frame]] = {}
    for given in frames:
        frame = without_bias(as_frame(given), bias)
        found.setdefault("+".join(frame.meta.filters), []).append(frame)
    if not found:
        raise ArrayError(f"the {name} night has no frames, wanted at least one.", code="A09")
    return found


def require_one_detector(frames: Sequence[Frame]) -> None:
    """Raise `ArrayError` (A12) or `MetadataError` (M07) unless frames show the same pixels in the same unit."""
    for frame in frames:
        if frame.shape != frames[0].shape:
            raise ArrayError(
                f"frames of shapes {frames[0].shape} and {frame.shape}.",
                code="A12",
                path=frame.meta.path,
            )
    require_alike(frames)


def level_out(frame: Frame, window: int, stripe: int, threads: int | None) -> Normalised:
    """Divide a frame by its level in windows of these sizes, pixels."""
    return normalise(
        frame,
        "ratio",
        window=window,
        stripe_window=stripe,
        unlit_below=DEFAULTS.unlit_below,
        threads=threads,
    )


def mean_light(frames: Sequence[Frame], threads: int | None) -> Frame:
    """Give the mean light of one filter."""
    if len(frames) == 1:
        return frames[0]
    mean = FrameMean(frames[0].shape)
    for frame in frames:
        mean.add(level_out(frame, DEFAULTS.window, DEFAULTS.stripe_window, threads), threads)
    return mean.frame(frames[0].meta)


class Night:
    """The lights of an epoch and what they show; without ``keep`` not what the search looked at, ``found``."""

    def __init__(
        self,
        lights: list[Frame],
        threads: int | None,
        options: Options = DEFAULTS,
        *,
        keep: bool = True,
    ) -> None:
        self.lights, self.threads, self.options = lights, threads, options
        found = search_all(lights, options=options, threads=threads)
        kept = _particles(found) if self._is_dark else range(len(found.catalog))
        self.catalog = found.catalog[list(kept)]
        self.templates = [found.templates[row] for row in kept]
        self.found: JointResult | None = found if keep else None
        self._bright = too_bright(found.normalised) if self._is_dark else None
        self.x, self.y, self.radius = (
            np.array(self.catalog[name].value, float)
            for name in ("x_centroid", "y_centroid", "radius")
        )
        self.depth = np.nanmax(np.array(self.catalog["depths"]), axis=1, initial=0.0)
        self.snr = np.array(self.catalog["snr"], float)

    @property
    def _is_dark(self) -> bool:
        return self.lights[0].meta.kind.endswith("_dark")

    @property
    def shape(self) -> tuple[int, int]:
        """``(rows, cols)``."""
        return self.lights[0].shape

    def measure(self, features: Sequence[Template]) -> Measured:
        """Measure features in every filter; of darks without hot pixels, which are no light."""
        lights = self.lights
        if self._bright is not None:
            lights = [without_pixels(one, self._bright) for one in lights]
        return Measured(
            features, [FrameDepths(one, features, self.options, self.threads) for one in lights]
        )


def _noise(normalised: Normalised) -> Image:
    """Give one standard deviation of each pixel; without errors, that of all."""
    if normalised.error is not None:
        return normalised.error
    known = normalised.transmission[np.isfinite(normalised.transmission)]
    usual = 1.4826 * np.median(np.abs(known - 1))
    return np.full(normalised.transmission.shape, usual, np.float32)


def too_bright(normalised: Normalised) -> NDArray[np.bool_]:
    """Find pixels that are brighter than light makes them: hot, or hit by cosmic rays."""
    with np.errstate(invalid="ignore"):
        bright: NDArray[np.bool_] = normalised.transmission > 1 + PIXEL_SIGMA * _noise(normalised)
    return bright


def without_pixels(frame: Frame, mask: NDArray[np.bool_]) -> Frame:
    """Give a frame in which some pixels have no value."""
    return frame.replace(data=np.where(mask, np.float32(np.nan), frame.data))


def _particles(found: JointResult) -> list[int]:
    """Give the rows of what is no bad pixel: enough of its pixels lose light, each by itself.

    A pixel that traps charge and its trail are two or three, and two such beside each other are four to six.
    """
    normalised, noise = found.normalised, _noise(found.normalised)
    kept = []
    for row, template in enumerate(found.templates):
        loss = 1 - normalised.transmission[template.cut]
        with np.errstate(invalid="ignore"):
            deep = template.footprint & (loss > PIXEL_SIGMA * noise[template.cut])
        if template.radius or np.count_nonzero(deep) >= LEAST_PIXELS:
            kept.append(row)
    return kept


class Measured:
    """Features in every filter of an epoch: depths and errors, shape (features, filters)."""

    def __init__(self, features: Sequence[Template], filters: Sequence[FrameDepths]) -> None:
        self._features, self._filters = features, filters
        self.depth = np.array([one.depth for one in filters]).T
        self.error = np.array([one.error for one in filters]).T

    def patch(self, i: int, x: float, y: float, half: int) -> Image:
        """Give the mean light around a place, with other features divided out; NaN where it is not known."""
        rows, cols = self._features[i].cut
        light = np.mean([one.alone(i) for one in self._filters], axis=0)
        for other in self._features:
            if other is not self._features[i] and not other.radius:
                _blank(light, (rows, cols), other)
        return square(light, round(y) - rows.start, round(x) - cols.start, half)


def _blank(image: Image, place: tuple[slice, slice], feature: Template) -> None:
    """Put NaN where a compact feature lies, in an image of this part of the frame."""
    spans = [
        (max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(place, feature.cut, strict=True)
    ]
    if all(first < stop for first, stop in spans):
        here, there = (
            tuple(
                slice(first - part.start, stop - part.start)
                for (first, stop), part in zip(spans, parts, strict=True)
            )
            for parts in (place, feature.cut)
        )
        image[here][grow(feature.footprint, BESIDE)[there]] = np.nan


def square(image: Image, row: int, col: int, half: int) -> Image:
    """Cut a square out around a pixel; NaN outside of the image."""
    places = [np.arange(middle - half, middle + half + 1) for middle in (row, col)]
    inside = [(at >= 0) & (at < size) for at, size in zip(places, image.shape, strict=True)]
    square = np.full((2 * half + 1, 2 * half + 1), np.nan, np.float32)
    rows, cols = (at[known] for at, known in zip(places, inside, strict=True))
    square[np.ix_(*inside)] = image[np.ix_(rows, cols)]
    return square
