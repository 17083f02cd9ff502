"""The pixels of a feature, and pieces of one streak put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.measure import grow

__all__ = ["Footprint", "Window", "link_streaks", "touching"]

Window = tuple[slice, slice]
"""Rows and columns of a part of the frame."""

STREAK_ELONGATION = 4.0
STREAK_LENGTH = 12
MOST_TOGETHER = 8
"""How many features that touch are kept together."""

LINK_ANGLE = 5.0
"""How far the line between two pieces of one streak may turn from the longer one, degrees."""


@dataclass(frozen=True, eq=False)
class Footprint:
    """The pixels of one feature.

    Attributes
    ----------
    ys, xs : ndarray of int
        Rows and columns in the frame, in raster order.
    significance : float
        Of the detection.
    blend : bool
        Touches another feature.
    """

    ys: NDArray[np.intp]
    xs: NDArray[np.intp]
    significance: float
    blend: bool

    @classmethod
    def of(
        cls, cut: Window, pixels: NDArray[np.bool_], significance: float, blend: bool
    ) -> Footprint:
        """Make one of the set ``pixels`` in the part ``cut`` of the frame."""
        ys, xs = np.nonzero(pixels)
        return cls(ys + cut[0].start, xs + cut[1].start, significance, blend)

    @cached_property
    def bbox(self) -> tuple[int, int, int, int]:
        """First and last row, first and last column, all inclusive."""
        return int(self.ys.min()), int(self.ys.max()), int(self.xs.min()), int(self.xs.max())

    @property
    def extent(self) -> int:
        """Longer side of the bounding box, pixels."""
        y0, y1, x0, x1 = self.bbox
        return 1 + max(y1 - y0, x1 - x0)

    @cached_property
    def elongation(self) -> float:
        """Ratio of the axes of the pixels' second moments; 1 for fewer than 8 pixels."""
        if len(self.ys) < 8:
            return 1.0
        minor, major = np.linalg.eigvalsh(self._covariance())
        return float(np.sqrt(major / minor))

    @property
    def is_streak(self) -> bool:
        """Whether it is long and narrow."""
        return self.extent >= STREAK_LENGTH and self.elongation >= STREAK_ELONGATION

    def window(self, shape: tuple[int, int], margin: int) -> Window:
        """The part of a frame of ``shape`` around it."""
        y0, y1, x0, x1 = self.bbox
        rows, cols = shape
        return (
            slice(max(0, y0 - margin), min(rows, y1 + 1 + margin)),
            slice(max(0, x0 - margin), min(cols, x1 + 1 + margin)),
        )

    def within(self, cut: Window) -> NDArray[np.bool_]:
        """Set its pixels in an image of the part ``cut``."""
        pixels = np.zeros((cut[0].stop - cut[0].start, cut[1].stop - cut[1].start), dtype=bool)
        pixels[self.ys - cut[0].start, self.xs - cut[1].start] = True
        return pixels

    def at_edges(self, shape: tuple[int, int]) -> int:
        """How many edges of a frame of ``shape`` it touches, or but for one row or column, which are often dead."""
        y0, y1, x0, x1 = self.bbox
        return sum((y0 <= 1, x0 <= 1, y1 >= shape[0] - 2, x1 >= shape[1] - 2))

    def continues(self, other: Footprint) -> bool:
        """Whether two streaks lie on one line: the line between them runs along the longer one."""
        longer = max(self, other, key=lambda f: f.extent)
        axis = np.linalg.eigh(longer._covariance())[1][:, 1]
        between = np.array([self.ys.mean() - other.ys.mean(), self.xs.mean() - other.xs.mean()])
        length = float(np.hypot(*between))
        return length > 0 and abs(axis @ between) >= length * np.cos(np.radians(LINK_ANGLE))

    def joined(self, other: Footprint) -> Footprint:
        """Both as one."""
        pixels = np.unique(
            np.column_stack([np.append(self.ys, other.ys), np.append(self.xs, other.xs)]), axis=0
        )
        significance = max(self.significance, other.significance)
        return Footprint(pixels[:, 0], pixels[:, 1], significance, self.blend or other.blend)

    def divided(
        self, one: tuple[float, float, float], other: tuple[float, float, float]
    ) -> list[Footprint]:
        """Two of it, each with the pixels nearer to one of two circles' centres (x, y, radius), in its radii.

        Itself alone when one would have none.
        """
        near = [np.hypot(self.xs - x, self.ys - y) / r for x, y, r in (one, other)]
        first = near[0] < near[1]
        if first.all() or not first.any():
            return [self]
        return [
            Footprint(self.ys[part], self.xs[part], self.significance, blend=True)
            for part in (first, ~first)
        ]

    def _covariance(self) -> NDArray[np.float64]:
        places = np.stack([self.ys - self.ys.mean(), self.xs - self.xs.mean()])
        covariance: NDArray[np.float64] = places @ places.T / (len(self.ys) - 1) + np.eye(2) / 12
        return covariance


def link_streaks(footprints: Sequence[Footprint]) -> list[Footprint]:
    """Put pieces of one streak together; sorted by falling significance."""
    linked: list[Footprint] = []
    for piece in sorted(footprints, key=lambda f: -f.extent):
        if piece.is_streak:
            for i, other in enumerate(linked):
                if other.is_streak and piece.continues(other):
                    linked[i] = other.joined(piece)
                    break
            else:
                linked.append(piece)
        else:
            linked.append(piece)
    return sorted(linked, key=lambda f: (-f.significance, f.bbox))


def touching(footprints: Sequence[Footprint], labels: NDArray[np.int32]) -> list[list[int]]:
    """Group what lies within two pixels of each other, streaks aside: indices, at most `MOST_TOGETHER`.

    ``labels`` has the number of each footprint, counted from 1, in its pixels.
    """
    groups = {i: [i] for i, footprint in enumerate(footprints) if not footprint.is_streak}
    for i in list(groups):
        cut = footprints[i].window(labels.shape, 2)
        around = labels[cut]
        if ((around == 0) | (around == i + 1)).all():
            continue
        near = np.unique(around[grow(footprints[i].within(cut), 2)]) - 1
        for j in near.tolist():
            if j <= i or j not in groups or groups[i] is groups[j]:
                continue
            if len(groups[i]) + len(groups[j]) <= MOST_TOGETHER:
                joined = sorted(groups[i] + groups[j])
                groups.update(dict.fromkeys(joined, joined))
    return [group for i, group in groups.items() if group[0] == i]
