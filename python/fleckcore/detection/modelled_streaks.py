"""Streaks as part of a search: taken out of the frame before the compact shadows, then listed with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.feature import Feature
from fleckcore.detection.footprint import Footprint, Window
from fleckcore.detection.modelled import Modelled
from fleckcore.detection.normalise import Normalised
from fleckcore.detection.options import Options
from fleckcore.detection.profile import ANY_DIRECTION, Profile
from fleckcore.detection.scores import Image, halved
from fleckcore.detection.shadow import Shadow
from fleckcore.detection.streak import FREE, Streak
from fleckcore.detection.streaks import MAX_DEPTH, Line, StreakSearch, linked
from fleckcore.detection.wide import wide_loss
from fleckcore.frame import Frame

__all__ = ["Streaks", "find_streaks"]


BESIDE = 2.0
"""Widths from the middle of a streak within which what runs along it is part of it."""

UNEVEN = 0.1
"""Part of a streak that may be left: scratches are neither of one depth nor quite straight."""


@dataclass(frozen=True, eq=False)
class Streaks:
    """Streaks of a frame.

    Attributes
    ----------
    found : list of Line
        By falling significance.
    loss : ndarray of float32, shape (rows, cols)
        What all of them together take, from their models; negative where bright features were searched.
    """

    found: list[Line]
    loss: Image

    def divided_out(self, frame: Frame) -> Frame:
        """The frame as it would be without them."""
        if not self.found:
            return frame
        with np.errstate(over="ignore", invalid="ignore"):
            data = frame.data / (1 - self.loss)
        return frame.replace(data=data.astype(np.result_type(frame.data.dtype, np.float32)))

    def doubt(self, of_others: Image | None) -> Image | None:
        """What dividing them out may leave, a part of each and edges a pixel from their place; with others'."""
        if not self.found:
            return of_others
        slope = np.hypot(*np.gradient(self.loss))
        doubt: Image = np.float32(UNEVEN) * np.abs(self.loss) + slope
        return doubt if of_others is None else doubt + of_others

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

    def restored(self, normalised: Normalised) -> None:
        """Put them back into what was normalised without them."""
        if self.found:
            normalised.transmission[...] *= 1 - self.loss

    def meet(self, large: Modelled) -> bool:
        """Whether one of them crosses a large shadow."""
        return any(_meets(line.streak, f.shadow) for line in self.found for f in large.found)

    def draw(self, labels: NDArray[np.int32], compact: int, first: int) -> None:
        """Number their pixels from ``first``, where none of the first labels, ``compact`` in number, stands."""
        free = (labels == 0) | (labels > compact)
        for label, line in enumerate(self.found, first):
            cut = _window(line.streak, labels.shape)
            labels[cut][free[cut] & _footprint(line.streak, cut)] = label

    def features(
        self,
        frame: Frame,
        flat: Normalised,
        noise: Image,
        options: Options,
        large: Modelled,
        first: int,
    ) -> list[Feature]:
        """List them, numbered from ``first``; ``flat`` is the frame normalised with all models divided out."""
        measured = _Measured(self, frame, flat, noise, options, large)
        return [measured.feature(line, label) for label, line in enumerate(self.found, first)]


def find_streaks(frame: Frame, large: Modelled, options: Options, threads: int | None) -> Streaks:
    """Search the streaks of a frame, when they are asked for, with its large shadows divided out."""
    found: list[Line] = []
    if options.shapes == "all" and options.normalise == "ratio" and min(frame.shape) >= 4:
        lost, valid = wide_loss(large.divided_out(frame), options, threads, deepest=MAX_DEPTH)
        doubt = large.doubt(options.model_error)
        binned = None if doubt is None else halved(doubt, np.ones_like(doubt))[0]
        found = StreakSearch(
            lost,
            valid,
            doubt=binned,
            false_alarms=options.false_alarms / 4,
            model_error=options.model_error,
            edge_zone=options.edge_zone,
            threads=threads,
        ).run()
    loss = np.zeros(frame.shape, np.float32)
    sign = np.float32(-1 if options.bright else 1)
    for line in found:
        cut = _window(line.streak, frame.shape)
        loss[cut] += sign * _loss(line.streak, cut)
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


class _Measured:
    """Streaks on the frame."""

    def __init__(
        self,
        streaks: Streaks,
        frame: Frame,
        flat: Normalised,
        noise: Image,
        options: Options,
        large: Modelled,
    ) -> None:
        self.streaks = [line.streak for line in streaks.found]
        self.large = [found.shadow for found in large.found]
        self.about, self.shape = frame.meta, frame.shape
        self.flat, self.noise = flat, noise
        self.sign = -1.0 if options.bright else 1.0

    def feature(self, line: Line, label: int) -> Feature:
        cut = _window(line.streak, self.shape)
        own = self.sign * _loss(line.streak, cut).astype(float)
        transmission = self.flat.transmission[cut] * (1 - own)
        footprint = _footprint(line.streak, cut)
        used = footprint & np.isfinite(transmission)
        loss, per_pixel = 1 - transmission[used], self.noise[cut][used]
        seen, error = self._seen(line.streak), _errors(line)
        radius = 0.5 * float(np.sqrt(seen.length * seen.width))
        n = max(1, loss.size)
        mean = float(loss.mean()) if loss.size else self.sign * seen.depth
        mean_err = float(
            np.hypot(np.sqrt(np.sum(np.square(per_pixel, dtype=float))) / n, error["depth"])
        )
        lost = float(np.sum(loss * self.flat.level[cut][used], dtype=float))
        deep = [int(np.count_nonzero(np.abs(own) > least)) for least in (0.05, 0.5)]
        pixel_um = self.about.pixel_size_um
        ys, xs = (np.nonzero(footprint.any(axis))[0] for axis in (1, 0))
        rows, cols = cut
        return Feature(
            label=label,
            chip=-1 if self.about.chip is None else self.about.chip,
            x_centroid=seen.x,
            y_centroid=seen.y,
            x_peak=int(np.clip(round(seen.x), 0, self.shape[1] - 1)),
            y_peak=int(np.clip(round(seen.y), 0, self.shape[0] - 1)),
            radius=radius,
            radius_inner=0.0,
            area=deep[0],
            area_50=deep[1],
            area_detected=int(np.count_nonzero(footprint)),
            area_mm2=np.nan if pixel_um is None else deep[0] * (pixel_um * 1e-3) ** 2,
            bbox_xmin=cols.start + int(xs[0]),
            bbox_xmax=cols.start + int(xs[-1]),
            bbox_ymin=rows.start + int(ys[0]),
            bbox_ymax=rows.start + int(ys[-1]),
            semimajor_axis=seen.length / np.sqrt(12),
            semiminor_axis=seen.width / np.sqrt(12),
            orientation=seen.angle,
            transmission_mean=1 - mean,
            transmission_mean_err=mean_err,
            transmission_min=1 - self.sign * seen.depth,
            transmission_min_err=error["depth"],
            lost_flux=lost,
            lost_flux_err=abs(lost) * mean_err / max(abs(mean), 1e-9),
            snr=line.significance,
            edge=seen.length < line.streak.length,
            blend=self._overlaps(line.streak),
            **asdict(_profile(seen, radius, error, self._residual(own, transmission, cut, used))),
        )

    def _residual(
        self,
        own: NDArray[np.float64],
        transmission: NDArray[np.floating],
        cut: Window,
        used: NDArray[np.bool_],
    ) -> float:
        left = (transmission - (1 - own))[used] / self.noise[cut][used]
        return float(np.sqrt(np.mean(np.square(left, dtype=float)))) if left.size else np.nan

    def _seen(self, streak: Streak) -> Streak:
        """The part of it that lies on the frame."""
        along = np.linspace(-0.5, 0.5, int(2 * streak.length) + 2) * streak.length
        x, y = streak.at(along)
        rows, cols = self.shape
        on = (x > -0.5) & (x < cols - 0.5) & (y > -0.5) & (y < rows - 0.5)
        return streak if on.all() or not on.any() else streak.part(along[on][0], along[on][-1])

    def _overlaps(self, streak: Streak) -> bool:
        x, y = streak.at(np.linspace(-0.5, 0.5, 201) * streak.length)
        if any(_meets(streak, shadow) for shadow in self.large):
            return True
        for other in self.streaks:
            along, across = other.coordinates(y, x)
            beside = (np.abs(across) < (streak.width + other.width) / 2) & (
                np.abs(along) < other.length / 2
            )
            if other is not streak and beside.any():
                return True
        return False


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
