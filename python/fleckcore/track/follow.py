"""One detector through many epochs: what is one feature, how deep it is in each, and what happened to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.depths import Template
from fleckcore.detection.options import DEFAULTS, Options
from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.track.birth import Interval, Presence, date_presence
from fleckcore.track.detections import Detections, Look
from fleckcore.track.events import PATCH, SURE, Event, Lifetime, tell_events
from fleckcore.track.match import FIRST, PART, PLACE, Known, Matching, Rules, match_detections
from fleckcore.track.night import (
    Measured,
    Night,
    level_out,
    require_one_detector,
    too_bright,
    without_pixels,
)

__all__ = ["Drift", "Epoch", "Following", "light_of"]

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

SEEN = 4.0
"""Errors by which a filter must show a feature to tell of it."""
FEW = 5
"""From fewer features no drift is taken, and no common change."""
LEAST_EPOCHS = 2
"""In fewer, features are not said to have merged or split: a search may miss one."""
ALIKE = 1.5
"""Radii of features that another focus changes alike: largest factor."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Epoch:
    """Frames of one chip that show the same features.

    Attributes
    ----------
    frames : tuple of Frame
        Evenly lit, bias subtracted: the mean light of each filter.
    name : str
        What it is called.
    first, last : float
        MJD of its first and last exposure; NaN when not known.
    exposures : tuple of Frame
        Those that the means were made of, each with its date: they narrow the dates of events.
    """

    frames: tuple[Frame, ...]
    name: str = ""
    first: float = math.nan
    last: float = math.nan
    exposures: tuple[Frame, ...] = ()

    @property
    def filters(self) -> tuple[str, ...]:
        """Of each frame: the light that it shows. Darks are lit by the flash, whatever filters are in the wheels."""
        return tuple(light_of(frame) for frame in self.frames)


def light_of(frame: Frame) -> str:
    """Name what lights a frame: its filters, or of a flashed dark its kind."""
    kind = frame.meta.kind
    return kind if kind.endswith("_dark") else "+".join(frame.meta.filters)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How far features lie from where they were, on the whole.

    Attributes
    ----------
    dx, dy : float
        Pixels, later less earlier: medians.
    scatter : float
        Of one feature in one direction, pixels.
    count : int
        Of features; with fewer than five the drift is 0.
    """

    dx: float = 0.0
    dy: float = 0.0
    scatter: float = math.nan
    count: int = 0


class Following:
    """All epochs of one chip: searched, matched, measured at every place; then what happened.

    Parameters
    ----------
    epochs : sequence of Epoch
        In the order of time, with the same filters.
    known : Known, optional
        Features of an earlier registry.
    options : Options
        How each epoch is searched.
    rules : Rules, optional
        When two detections are one feature.
    keep : bool
        Keep the images of each search.
    searched : mapping of int to Night, optional
        Epochs that were searched already, by their place.
    threads : int, optional
        Threads.
    told : callable, optional
        Called with what is done, how much of it and out of how much.
    """

    def __init__(
        self,
        epochs: Sequence[Epoch],
        *,
        known: Known | None = None,
        options: Options = DEFAULTS,
        rules: Rules | None = None,
        keep: bool = False,
        searched: Mapping[int, Night] | None = None,
        threads: int | None = None,
        told: Callable[[str, int, int], object] | None = None,
    ) -> None:
        self.epochs, self.options, self.threads = tuple(epochs), options, threads
        self.known, self._told = known, told or (lambda *_: None)
        _check(self.epochs)
        self.times = _times(self.epochs)
        self._drifts: dict[tuple[int, int], Drift] = {}
        self.nights = []
        for count, epoch in enumerate(self.epochs):
            night = (searched or {}).get(count)
            self.nights.append(night or Night(list(epoch.frames), threads, options, keep=keep))
            self._told("searched", count + 1, len(self.epochs))
        self.detections = self._detections()
        self.matching: Matching = match_detections(self.detections, known=known, rules=rules)
        self.depth, self.error, self._patches = self._measure()

    def __len__(self) -> int:
        return len(self.matching.features)

    def _detections(self) -> Detections:
        chip = self.epochs[0].frames[0].meta.chip
        looks = tuple(
            Look(
                name=epoch.name,
                chip=-1 if chip is None else chip,
                mjd=float(time),
                kind=epoch.frames[0].meta.kind,
                filters=epoch.filters,
            )
            for epoch, time in zip(self.epochs, self.times, strict=True)
        )
        nights = self.nights
        return Detections(
            looks=looks,
            look=np.repeat(np.arange(len(nights), dtype=np.int32), [len(one.x) for one in nights]),
            **{
                name: np.concatenate([getattr(one, name) for one in nights])
                for name in ("x", "y", "radius", "depth")
            },
        )

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Of each feature and epoch, the row of that epoch's catalogue in which it lies at its place; else -1."""
        found = np.full((len(self), len(self.epochs)), -1)
        ends = np.cumsum([0, *(len(night.x) for night in self.nights)])
        look = self.detections.look
        whole = np.isin(self.matching.reason, (FIRST, PLACE, PART))
        at = np.flatnonzero(whole)
        found[self.matching.feature[at], look[at]] = at - ends[look[at]]
        return found

    @cached_property
    def best(self) -> NDArray[np.int64]:
        """The epoch that shows each feature most significantly; -1 for one that is known, but never seen."""
        snr = np.full(self.rows.shape, -np.inf)
        for e, night in enumerate(self.nights):
            seen = self.rows[:, e] >= 0
            snr[seen, e] = night.snr[self.rows[seen, e]]
        return np.where((self.rows >= 0).any(axis=1), snr.argmax(axis=1), -1)

    def drift(self, earlier: int, later: int) -> Drift:
        """Give how far everything lies from where it was in another epoch."""
        if (earlier, later) not in self._drifts:
            self._drifts[earlier, later] = self._drift(earlier, later)
        return self._drifts[earlier, later]

    def _drift(self, earlier: int, later: int) -> Drift:
        both = (self.rows[:, earlier] >= 0) & (self.rows[:, later] >= 0)
        count = int(np.count_nonzero(both))
        if count < FEW:
            return Drift(count=count)
        places = [
            np.stack([self.nights[e].x[self.rows[both, e]], self.nights[e].y[self.rows[both, e]]])
            for e in (earlier, later)
        ]
        moves = places[1] - places[0]
        middle = np.median(moves, axis=1)
        scatter = 1.4826 * float(np.median(np.abs(moves - middle[:, None])))
        return Drift(dx=float(middle[0]), dy=float(middle[1]), scatter=scatter, count=count)

    def template(self, feature: int, epoch: int) -> Template:
        """Give where a feature takes light in an epoch, whether or not it is seen there.

        A large shadow that the epoch lists has the model that fits it there. Any other has that of the epoch that
        shows it best, stepped by the drift in between.
        """
        best, own = int(self.best[feature]), int(self.rows[feature, epoch])
        template: Template = self.nights[best].templates[int(self.rows[feature, best])]
        there: Template = self.nights[epoch].templates[own] if own >= 0 else template
        if own >= 0 and there.radius and template.radius:
            return there
        drift = self.drift(best, epoch) if best != epoch else Drift()
        return _stepped(template, round(drift.dy), round(drift.dx), self.nights[0].shape)

    def _measure(self) -> tuple[Floats, Floats, dict[int, Image]]:
        """Measure every feature in every epoch and filter; keep the light of those that are not always seen."""
        shape = (len(self), len(self.epochs), len(self.epochs[0].frames))
        depth, error = np.full((2, *shape), np.nan)
        patches: dict[int, Image] = {}
        seen = np.flatnonzero(self.best >= 0)
        for e, night in enumerate(self.nights):
            measured = night.measure([self.template(f, e) for f in seen.tolist()])
            if seen.size:
                depth[seen, e], error[seen, e] = measured.depth, measured.error
            for i, f in enumerate(seen.tolist()):
                if self.best[f] == e and (self.rows[f] < 0).any():
                    patches[f] = self._patch(measured, i, f)
            self._told("measured", e + 1, len(self.epochs))
        return depth, error, patches

    def _patch(self, measured: Measured, i: int, feature: int) -> Image:
        x, y, radius = self.place(feature)
        return measured.patch(i, x, y, math.ceil(PATCH * max(radius, 2.0)))

    def place(self, feature: int) -> tuple[float, float, float]:
        """Give x, y and radius in the epoch that shows a feature best, pixels."""
        night = self.nights[self.best[feature]]
        row = self.rows[feature, self.best[feature]]
        return float(night.x[row]), float(night.y[row]), float(night.radius[row])

    def tells(self, feature: int) -> NDArray[np.bool_]:
        """Say which filters show a feature where it is seen best, and measure it in all epochs."""
        e = self.best[feature]
        with np.errstate(invalid="ignore"):
            shown = self.depth[feature, e] > SEEN * self.error[feature, e]
        known: NDArray[np.bool_] = shown & np.isfinite(self.depth[feature]).all(axis=0)
        return known

    def series(self, feature: int) -> tuple[Floats, Floats]:
        """Give its depth in each epoch and one standard deviation: the mean of the filters that show it."""
        tells = self.tells(feature)
        if not tells.any():
            nothing = np.full(len(self.epochs), np.nan)
            return nothing, nothing
        depth, error = self.depth[feature][:, tells], self.error[feature][:, tells]
        weight = 1 / (error**2).sum(axis=0)
        weight /= weight.sum()
        return depth @ weight, np.sqrt(error**2 @ weight**2)

    @cached_property
    def lifetimes(self) -> list[Lifetime]:
        """Every feature that was seen, and since when and until when it was there."""
        rows, cols = self.nights[0].shape
        found = []
        series = {int(f): self.series(int(f)) for f in np.flatnonzero(self.best >= 0)}
        common = _Common(self, series)
        for f, (depth, error) in series.items():
            if not np.isfinite(depth).any():
                continue
            presence = self._presence(depth, error)
            if not presence.absent < 0.5 * presence.present:
                presence = self._presence(*common.without(f))
            x, y, radius = self.place(f)
            filters = np.array(self.epochs[0].filters)[self.tells(f)]
            found.append(
                Lifetime(
                    index=f,
                    x=x,
                    y=y,
                    radius=radius,
                    presence=presence,
                    filters=tuple(filters.tolist()),
                    inside=-0.5 < x < cols - 0.5 and -0.5 < y < rows - 0.5,
                    light=self._patches.get(f),
                )
            )
        return found

    def _presence(self, depth: Floats, error: Floats) -> Presence:
        places = math.prod(self.nights[0].shape)
        return date_presence(self.times, depth, error, places=places, partial=True)

    @cached_property
    def events(self) -> list[tuple[Event, int, int]]:
        """What happened, each with the feature, and with what that became; dates as the epochs and exposures tell."""
        found = []
        for event, first, last in tell_events(self.lifetimes):
            dated = self._dated(event, last if event.kind == "moved" else first)
            found.append((dated, first, last))
        return [*found, *self._unions()]

    def _unions(self) -> list[tuple[Event, int, int]]:
        """Tell what is seen as one since, and what is seen by itself since: in two epochs or more, and ever since."""
        look, found = self.detections.look, []
        whole, as_one = self.rows >= 0, np.zeros(self.rows.shape, bool)
        mates: dict[int, int] = {}
        for row, feature in self.matching.blended.tolist():
            as_one[feature, look[row]] = True
            mates[feature] = int(self.matching.feature[row])
        for f in range(len(self)):
            parent = int(self.matching.parent[f])
            for kind, mate, now, before in (
                ("merged", mates.get(f, -1), as_one[f], whole[f]),
                ("split", parent, whole[f], whole[parent] & ~whole[f]),
            ):
                e = _since(now, before) if mate >= 0 else None
                if e is not None:
                    found.append((self._union(kind, f, e), f, mate))
        return found

    def _union(self, kind: str, feature: int, epoch: int) -> Event:
        x, y, radius = self.place(feature)
        before, after = self.epochs[epoch - 1], self.epochs[epoch]
        return Event(
            kind=kind,
            after=before.first,
            before=after.last,
            x_before=x,
            y_before=y,
            x_after=x,
            y_after=y,
            radius=radius,
        )

    def _dated(self, event: Event, feature: int) -> Event:
        """Put dates for places in the list of epochs, narrowed by exposures where there are any."""
        at = {time: e for e, time in enumerate(self.times.tolist())}
        before, after = at[event.after], at[event.before]
        wide = replace(event, after=self.epochs[before].first, before=self.epochs[after].last)
        end = "vanished" if event.kind in ("vanished", "shallower") else "appeared"
        narrow = self._narrowed(feature, max(0, before - 1), after + 1, end)
        if narrow is None:
            return wide
        return replace(
            wide, after=narrow.after, before=narrow.before, probability=narrow.probability
        )

    def _narrowed(self, feature: int, first: int, last: int, end: str) -> Interval | None:
        """Measure a feature in single exposures of some epochs; None where these do not tell."""
        frames = [one for epoch in self.epochs[first : last + 1] for one in epoch.exposures]
        frames = [one for one in frames if one.meta.mjd is not None]
        if len(frames) < 2:
            return None
        template = self.template(feature, last if last < len(self.epochs) else -1)
        depth, error = measure_exposures(frames, template, self.options, self.threads)
        mjd = [frame.meta.mjd for frame in frames]
        presence = date_presence(mjd, depth, error)
        found = getattr(presence, end)
        if not found or presence.significance < SURE:
            return None
        best: Interval = found[0]
        return best


def measure_exposures(
    frames: Sequence[Frame], template: Template, options: Options, threads: int | None
) -> tuple[Floats, Floats]:
    """Give the depth of one feature in many frames, and one standard deviation; each shape (n_frames,)."""
    from fleckcore.detection.depths import FrameDepths

    depth, error = np.full((2, len(frames)), np.nan)
    for i, frame in enumerate(frames):
        part, feature = _around(frame, template)
        if part.meta.kind.endswith("_dark"):
            level = level_out(part, DEFAULTS.window, DEFAULTS.stripe_window, threads)
            part = without_pixels(part, too_bright(level))
        found = FrameDepths(part, [feature], options, threads)
        depth[i], error[i] = found.depth[0], found.error[0]
    return depth, error


MARGIN = 300
"""Pixels around a feature that tell its level."""


def _around(frame: Frame, template: Template) -> tuple[Frame, Template]:
    """Cut out what tells the depth of a feature."""
    spans = [
        slice(max(0, part.start - MARGIN), min(size, part.stop + MARGIN))
        for part, size in zip(template.cut, frame.shape, strict=True)
    ]
    place = spans[0], spans[1]
    planes = {
        name: None if plane is None else np.asarray(plane[place])
        for name, plane in (("error", frame.error), ("quality", frame.quality))
    }
    cut = tuple(
        slice(part.start - span.start, part.stop - span.start)
        for part, span in zip(template.cut, spans, strict=True)
    )
    part = Frame(np.asarray(frame.data[place]), meta=frame.meta, **planes)
    return part, replace(template, cut=(cut[0], cut[1]))


class _Common:
    """What another light or focus does to all features alike: factors of depth by epoch, for each radius."""

    def __init__(self, following: Following, series: dict[int, tuple[Floats, Floats]]) -> None:
        self.series = series
        always = [f for f in series if (following.rows[f] >= 0).all()]
        self.indices = np.array(always, np.int64)
        self.radius = {f: max(following.place(f)[2], 2.0) for f in series}
        depth = np.array([series[f][0] for f in always]).reshape(len(always), len(following.epochs))
        with np.errstate(invalid="ignore", divide="ignore"):
            self.ratio = depth / np.median(depth, axis=1, keepdims=True)
        self.radii = np.array([self.radius[f] for f in always])

    def without(self, feature: int) -> tuple[Floats, Floats]:
        """Give a series without what others of its size do, with their scatter in its error.

        Where fewer than five are as large nothing can be told: all depths are as uncertain as they are deep.
        """
        depth, error = self.series[feature]
        size = self.radius[feature]
        like = (self.indices != feature) & (
            np.maximum(self.radii / size, size / self.radii) < ALIKE
        )
        ratio = self.ratio[like]
        ratio = ratio[np.isfinite(ratio).all(axis=1)]
        if len(ratio) < FEW:
            return depth, np.hypot(error, np.abs(depth))
        factor = np.median(ratio, axis=0)
        scatter = 1.4826 * np.median(np.abs(ratio - factor), axis=0)
        return depth / factor, np.hypot(error / factor, scatter * np.abs(depth) / factor)


def _check(epochs: Sequence[Epoch]) -> None:
    if not epochs or not all(epoch.frames for epoch in epochs):
        raise ArrayError("an epoch has no frames, wanted at least one.", code="A09")
    require_one_detector([frame for epoch in epochs for frame in epoch.frames])
    for epoch in epochs:
        if epoch.filters != epochs[0].filters:
            names = " and ".join(", ".join(one.filters) for one in (epochs[0], epoch))
            raise MetadataError(f"epochs have other filters: {names}.", code="M07")


def _times(epochs: Sequence[Epoch]) -> Floats:
    """Give the middle of each epoch, MJD; where a date is missing or out of order, its place in the list."""
    middle = np.array([(epoch.first + epoch.last) / 2 for epoch in epochs])
    if np.isfinite(middle).all() and all(a < b for a, b in pairwise(middle)):
        return middle
    return np.arange(len(epochs), dtype=float)


def _since(now: NDArray[np.bool_], before: NDArray[np.bool_]) -> int | None:
    """Give the epoch from which on something is so, for two epochs at least, after one in which it was otherwise."""
    so = np.flatnonzero(now)
    if so.size < LEAST_EPOCHS or so[0] == 0 or before[so[0] :].any() or not before[: so[0]].any():
        return None
    return int(so[0])


def _stepped(feature: Template, down: int, right: int, shape: tuple[int, ...]) -> Template:
    """Give a feature some pixels away, where that is in the frame."""
    rows, cols = (
        slice(part.start + step, part.stop + step)
        for part, step in zip(feature.cut, (down, right), strict=True)
    )
    if min(rows.start, cols.start) < 0 or rows.stop > shape[0] or cols.stop > shape[1]:
        return feature
    return replace(feature, cut=(rows, cols))
