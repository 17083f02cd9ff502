"""The published recipe: found in one sweep, measured where something was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.finder import Finder
from fleckcore.detection.footprint import Footprint, Window
from fleckcore.detection.normalise import (
    LEVEL_STEP,
    LITERAL_MESH,
    fitting,
    over_level,
    require_level,
)
from fleckcore.detection.options import Options
from fleckcore.detection.planes import Computed, Plane
from fleckcore.detection.scales import DEVIATION, LEAST_NOISE, few_valid, usable_noise
from fleckcore.frame import Frame
from fleckcore.kernels import FLAGGED, UNLIT, LiteralObjects, interpolate_mesh, literal_search

__all__ = ["LiteralFinder"]

SIZE = 15
SIGMA = 5.0
AREA = 25


@dataclass(frozen=True)
class _Light:
    transmission: Plane
    level: Plane
    method: str = "literal"


class LiteralFinder(Finder):
    """A search by the published recipe: a 15 x 15 median, 5 sigma, at least 25 connected pixels.

    No plane of the frame is made; what a measurement looks at is computed for it.

    Attributes
    ----------
    found : LiteralObjects
        What the sweep gives.
    unsearched : Plane of bool
        Where pixels are left out, by the frame itself or for want of light.
    """

    def __init__(self, frame: Frame, options: Options, threads: int | None) -> None:
        self.frame, self.options, self.threads = frame, options, threads
        self.beside_streak = None
        self.not_listed: Counter[str] = Counter()
        self.not_listed_pixels = 0
        self.limit = SIGMA
        self.found = literal_search(
            frame.data,
            quality=frame.quality,
            bits=frame.meta.masked_bits,
            level_box=LITERAL_MESH,
            noise_box=options.mesh,
            window=fitting(SIZE, frame.shape),
            sigma=SIGMA,
            min_area=AREA,
            deviation=DEVIATION,
            least_noise=LEAST_NOISE,
            few_valid=few_valid(options.mesh),
            without_deviants=frame.error is None,
            threads=threads,
        )
        self.deviant = self.found.deviant
        self.searched_pixels = (
            frame.data.size - self.found.flagged - self.found.unlit - self.deviant
        )
        self.loss: Plane = self._plane(self._loss)
        self.mask: Plane = self._plane(lambda part: self.found.state[part] != 0)
        self.unsearched = self._plane(lambda part: self.found.state[part] & (FLAGGED | UNLIT) != 0)
        self.normalised = _Light(self._plane(self._transmission), self._plane(self._level))
        self.pixel_noise = self._plane(self._noise)
        nowhere = slice(0, 0), slice(0, 0)
        self._last: tuple[Window, NDArray[np.float32]] = nowhere, np.zeros((0, 0), np.float32)
        self.footprints = _footprints(self.found)
        if not self.is_blank:
            self._require_level()
        self._measure_all()
        self.features = [self._feature(i) for i in range(len(self.footprints))]

    @property
    def is_blank(self) -> bool:
        """Whether no pixel is valid."""
        return self.found.flagged == self.frame.data.size

    def _plane(self, values: Any) -> Computed:
        return Computed(self.frame.shape, values)

    def _level(self, part: Window) -> NDArray[np.float32]:
        """Interpolate the mesh; what was asked for last is at hand."""
        if part != self._last[0]:
            values = interpolate_mesh(self.found.level, LITERAL_MESH, self.frame.shape, part)
            self._last = part, values
        return self._last[1]

    def _transmission(self, part: Window) -> NDArray[np.float32]:
        transmission = over_level(self.frame.data[part], self._level(part))
        transmission[self.unsearched[part]] = np.nan
        return transmission

    def _loss(self, part: Window) -> NDArray[np.float32]:
        loss = np.float32(1) - self._transmission(part)
        loss[self.mask[part]] = 0.0
        return loss

    def _noise(self, part: Window) -> NDArray[np.float32]:
        if self.frame.error is not None:
            return over_level(self.frame.error[part], self._level(part))
        box = self.options.mesh
        return usable_noise(interpolate_mesh(self.found.loss_noise, box, self.frame.shape, part))

    def _require_level(self) -> None:
        """Raise unless the frame has a level, as its division by a whole plane of it would."""
        usual, nodes = np.finfo(np.float32), self.found.level
        flagged = self.found.state[::LEVEL_STEP, ::LEVEL_STEP] & FLAGGED != 0
        if not (usual.tiny < nodes.min() and nodes.max() < usual.max) or flagged.all():
            whole = slice(0, self.frame.shape[0]), slice(0, self.frame.shape[1])
            require_level(self.frame, self._level(whole), self.found.state & FLAGGED != 0)


def _footprints(found: LiteralObjects) -> list[Footprint]:
    row, begin, end, number = found.runs[np.argsort(found.runs[:, 3], kind="stable")].T
    lengths = end - begin
    ys = np.repeat(row, lengths)
    xs = np.arange(ys.size) + np.repeat(end - np.cumsum(lengths), lengths)
    ends = np.cumsum(np.bincount(number, lengths, len(found.peaks)).astype(int))
    footprints = [
        Footprint(y, x, peak / found.noise, blend=False)
        for y, x, peak in zip(
            np.split(ys, ends)[:-1], np.split(xs, ends)[:-1], found.peaks.tolist(), strict=True
        )
    ]
    return sorted(footprints, key=lambda f: (-f.significance, f.bbox))
