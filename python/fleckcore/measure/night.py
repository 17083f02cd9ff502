"""One night of a detector: its filters, what they show, and what they say of any feature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.combine import FrameMean
from fleckcore.detection.depths import FrameDepths, Template
from fleckcore.detection.joint import search_all
from fleckcore.detection.normalise import Normalised, normalise
from fleckcore.detection.options import DEFAULTS
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
]

Image = NDArray[np.float32]


def by_filter(frames: Iterable[Any], bias: Any, name: str) -> dict[str, list[Frame]]:
    """Sort the frames of a night by their filter, the bias subtracted."""
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
    """The lights of a night and what they show."""

    def __init__(self, lights: list[Frame], threads: int | None) -> None:
        self.lights, self.threads = lights, threads
        self.found = search_all(lights, threads=threads)
        rows = self.found.catalog
        self.x, self.y, self.radius = (
            np.array(rows[name].value, float) for name in ("x_centroid", "y_centroid", "radius")
        )
        self.depth = np.nanmax(np.array(rows["depths"]), axis=1, initial=0.0)
        self.templates = self.found.templates

    def measure(self, features: Sequence[Template]) -> Measured:
        """Measure features in every filter."""
        return Measured(
            features,
            [FrameDepths(light, features, DEFAULTS, self.threads) for light in self.lights],
        )

    def is_inside(self, row: int) -> bool:
        """Tell whether the middle of a feature lies on the frame, else its depth hangs on a level beyond the edge."""
        rows, cols = self.found.frame.shape
        return bool(-0.5 < self.x[row] < cols - 0.5 and -0.5 < self.y[row] < rows - 0.5)


class Measured:
    """Features in every filter of a night: depths and errors, shape (features, filters)."""

    def __init__(self, features: Sequence[Template], filters: Sequence[FrameDepths]) -> None:
        self._features, self._filters = features, filters
        self.depth = np.array([one.depth for one in filters]).T
        self.error = np.array([one.error for one in filters]).T

    def patch(self, i: int, x: float, y: float, half: int) -> Image:
        """Give the mean light around a place, with other features divided out; NaN where it is not known."""
        rows, cols = self._features[i].cut
        light = np.mean([one.alone(i) for one in self._filters], axis=0)
        return square(light, round(y) - rows.start, round(x) - cols.start, half)


def square(image: Image, row: int, col: int, half: int) -> Image:
    """Cut a square out around a pixel; NaN outside of the image."""
    places = [np.arange(middle - half, middle + half + 1) for middle in (row, col)]
    inside = [(at >= 0) & (at < size) for at, size in zip(places, image.shape, strict=True)]
    square = np.full((2 * half + 1, 2 * half + 1), np.nan, np.float32)
    rows, cols = (at[known] for at, known in zip(places, inside, strict=True))
    square[np.ix_(*inside)] = image[np.ix_(rows, cols)]
    return square
