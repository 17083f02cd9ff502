"""Streaks as part of a search: taken out of the frame before the compact shadows, then listed with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.explained import Explained, Measured
from fleckcore.detection.feature import Feature
from fleckcore.detection.footprint import Footprint, Window
from fleckcore.detection.modelled import Modelled
from fleckcore.detection.profile import ANY_DIRECTION, Profile
from fleckcore.detection.scores import Image, all_halved
from fleckcore.detection.shadow import Shadow
from fleckcore.detection.streak import FREE, Streak
from fleckcore.detection.streaks import MAX_DEPTH, Line, StreakSearch, linked
from fleckcore.detection.wide import WideLoss

__all__ = ["Streaks", "find_streaks"]


BESIDE = 2.0
"""Widths from the middle of a streak within which what runs along it is part of it."""

UNEVEN = 0.1
"""Part of a streak that may be left: scratches are neither of one depth nor quite straight."""


@dataclass(frozen=True, eq=False)
class Streaks(Explained):
    """Streaks of a frame."""

    found: list[Line]

    def doubt(self) -> Image | None:
        """What dividing them out may leave: a part of each, and edges a pixel from their place."""
        return self._left(UNEVEN, 1.0)

    def beside(self, footprint: Footprint) -> bool:
        """Whether a narrow footprint runs along one of them: what its model left, as hairs are not quite arcs."""
        for line in self.found:
            along, across = line.streak.coordinates(
                footprint.ys.astype(float), footprint.xs.astype(float)
            )
            near = np.abs(across) < BESIDE * line.streak.width
            if np.mean(near & (np.abs(along) < line.streak.length / 2)) > 0.8:
                return True
        return False

    def meet(self, large: Modelled) -> bool:
        """Whether one of them crosses a large shadow."""
        return any(_meets(line.streak, f.shadow) for line in self.found for f in large.found)

    def draw(self, labels: NDArray[np.int32], first: int) -> None:
        """Number their pixels from ``first`` where no other feature stands."""
        free = labels == 0
        for label, line in enumerate(self.found, first):
            cut = _window(line.streak, labels.shape)
            labels[cut][free[cut] & _footprint(line.streak, cut)] = label

    def features(self, measured: Measured, large: Modelled, first: int) -> list[Feature]:
        """List them, numbered from ``first``."""
        return [
            self._feature(line, measured, large, label)
            for label, line in enumerate(self.found, first)
        ]

    def _feature(self, line: Line, measured: Measured, large: Modelled, label: int) -> Feature:
        cut = _window(line.streak, measured.shape)
        footprint = _footprint(line.streak, cut)
        seen, error = _seen(line.streak, measured.shape), _errors(line)
        radius = 0.5 * float(np.sqrt(seen.length * seen.width))
        return Feature(
            label=label,
            **measured.columns(
                cut,
                _loss(line.streak, cut),
                footprint,
                x=seen.x,
                y=seen.y,
                depth=seen.depth,
                depth_err=error["depth"],
            ),
            radius=radius,
            radius_inner=0.0,
            semimajor_axis=seen.length / np.sqrt(12),
            semiminor_axis=seen.width / np.sqrt(12),
            orientation=seen.angle,
            snr=line.significance,
            edge=seen.length < line.streak.length,
            blend=self._overlaps(line.streak, large),
            **_profile(seen, radius, error, measured.residual(cut, footprint)).columns(),
        )

    def _overlaps(self, streak: Streak, large: Modelled) -> bool:
        """Whether it meets a large shadow or another streak."""
        if any(_meets(streak, found.shadow) for found in large.found):
            return True
        x, y = streak.at(np.linspace(-0.5, 0.5, 201) * streak.length)
        for other in (line.streak for line in self.found):
            along, across = other.coordinates(y, x)
            beside = (np.abs(across) < (streak.width + other.width) / 2) & (
                np.abs(along) < other.length / 2
            )
            if other is not streak and beside.any():
                return True
        return False


def find_streaks(wide: WideLoss, large: Modelled) -> Streaks:
    """Search the streaks of a frame, when they are asked for, with its large shadows divided out."""
    frame, options = wide.frame, wide.options
    found: list[Line] = []
    if options.shapes == "all" and options.normalise == "ratio" and min(frame.shape) >= 4:
        lost, valid = wide.without(large).up_to(MAX_DEPTH)
        doubt = large.doubt(options.model_error)
        binned = None if doubt is None else all_halved(doubt)
        found = StreakSearch(
            lost,
            valid,
            doubt=binned,
            false_alarms=options.false_alarms / 4,
            model_error=options.model_error,
            edge_zone=options.edge_zone,
            threads=wide.threads,
        ).run()
    loss = np.zeros(frame.shape, np.float32)
    sign = np.float32(-1 if options.bright else 1)
    for line in found:
        cut = _window(line.streak, frame.shape)
        loss[cut] += sign * _loss(line.streak, cut)
    if found:
        np.minimum(loss, np.float32(0.98), out=loss)
    return Streaks(
        sorted(linked(found), key=lambda f: (-f.significance, f.streak.y, f.streak.x)), loss
    )


def _meets(streak: Streak, shadow: Shadow) -> bool:
    x, y = streak.at(np.linspace(-0.5, 0.5, 201) * streak.length)
    return bool(np.hypot(x - shadow.x, y - shadow.y).min() < shadow.radius + streak.width / 2)


def _window(streak: Streak, shape: tuple[int, ...]) -> Window:
    x0, x1, y0, y1 = streak.box
    rows, cols = (
        slice(
            min(n, max(0, int(np.floor(low - streak.reach)))),
            max(0, min(n, int(np.ceil(high + streak.reach)) + 1)),
        )
        for low, high, n in zip((y0, x0), (y1, x1), shape, strict=True)
    )
    return rows, cols


def _loss(streak: Streak, cut: Window) -> Image:
    y, x = (np.arange(c.start, c.stop, dtype=float) for c in cut)
    return streak.loss(y[:, None], x[None, :]).astype(np.float32)


def _footprint(streak: Streak, cut: Window) -> NDArray[np.bool_]:
    footprint: NDArray[np.bool_] = _loss(streak, cut) > 0.5 * streak.depth
    return footprint


def _seen(streak: Streak, shape: tuple[int, ...]) -> Streak:
    """The part of it that lies on the frame."""
    along = np.linspace(-0.5, 0.5, int(2 * streak.length) + 2) * streak.length
    x, y = streak.at(along)
    rows, cols = shape
    on = (x > -0.5) & (x < cols - 0.5) & (y > -0.5) & (y < rows - 0.5)
    return streak if on.all() or not on.any() else streak.part(along[on][0], along[on][-1])


def _errors(line: Line) -> dict[str, float]:
    variance = np.diag(line.covariance)
    return dict(zip(FREE, np.sqrt(np.maximum(variance, 0)).tolist(), strict=True))


def _profile(streak: Streak, radius: float, error: dict[str, float], residual: float) -> Profile:
    ratio = streak.width / streak.length
    relative = float(np.hypot(error["length"] / streak.length, error["width"] / streak.width))
    return Profile(
        x_fit=streak.x,
        x_err=error["x"],
        y_fit=streak.y,
        y_err=error["y"],
        radius_fit=radius,
        radius_err=0.5 * radius * relative,
        axis_ratio=ratio,
        axis_ratio_err=ratio * relative,
        orientation_fit=streak.angle,
        orientation_err=min(error["angle"], ANY_DIRECTION),
        depth=streak.depth,
        depth_err=error["depth"],
        softness=streak.softness,
        residual=residual,
    )
