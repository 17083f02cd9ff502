"""What happens to features: they appear, vanish, move, change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.options import DEFAULTS
from fleckcore.kernels import gaussian_filter
from fleckcore.track.birth import Presence
from fleckcore.track.night import square

if TYPE_CHECKING:
    from astropy.table import QTable

__all__ = ["EVENTS", "Event", "Lifetime", "tell_events"]

Image = NDArray[np.float32]

EVENTS = ("moved", "appeared", "vanished", "deeper", "shallower", "merged", "split")
FALSE_ALARMS = 0.01
"""Expected number of false events of a kind in all that is looked at."""
GONE = 0.5
"""Largest part of a feature's depth that is left where it is not."""
OTHER = 0.3
"""Least part of its depth by which one that stays has changed."""
SURE = 5.0
"""Errors by which it must exceed what an imperfect model may leave of a deeper one beside it."""
REACH = 60.0
"""Pixels that a feature moves at most: what appears farther from what vanished is another."""
OTHER_RADIUS, OTHER_DEPTH = 0.25, 0.4
"""Largest relative differences of one feature in two places, beside one error of the depths."""
HALF_PIXEL = 0.5
"""By which two radii may differ besides."""
SAME_SHAPE = 0.5
"""Least correlation of its light in both."""
PATCH = 1.3
"""Half of the side of the square that is correlated, in radii."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes
    ----------
    kind : {"moved", "appeared", "vanished", "deeper", "shallower", "merged", "split"}
        What happened.
    feature, other : str
        Names: of the feature, and of what it merged with or split from.
    after, before : float
        MJD of the last frame before it and the first after it; NaN when not known.
    probability : float
        That it happened in this interval, given that it happened.
    x_before, y_before, x_after, y_after : float
        0-based pixels of the frame; NaN where it is not there.
    radius : float
        Pixels; of what moved, afterwards.
    depth_before, depth_before_err, depth_after, depth_after_err : float
        Fraction of light lost, and one standard deviation; of what moved, each in its place.
    significance : float
        Errors by which the depths differ; of what moved, the lesser of both places.
    false_alarms : float
        Expected number of events as significant in noise, in all places and epochs of the chip.
    filters : tuple of str
        Which told: those that show it.
    similarity : float
        Of what moved, the correlation of its light in both places; else NaN.
    """

    kind: str
    feature: str = ""
    other: str = ""
    after: float = math.nan
    before: float = math.nan
    probability: float = math.nan
    x_before: float = math.nan
    y_before: float = math.nan
    x_after: float = math.nan
    y_after: float = math.nan
    radius: float = math.nan
    depth_before: float = math.nan
    depth_before_err: float = math.nan
    depth_after: float = math.nan
    depth_after_err: float = math.nan
    significance: float = math.nan
    false_alarms: float = math.nan
    filters: tuple[str, ...] = ()
    similarity: float = math.nan

    @property
    def distance(self) -> float:
        """Pixels that it moved; NaN for the others."""
        return math.hypot(self.x_after - self.x_before, self.y_after - self.y_before)

    @property
    def reason(self) -> str:
        """Why this is said, in words."""
        depths = f"depth {self._depth('before')} to {self._depth('after')}"
        depths += f", {self.significance:.0f} sigma"
        if self.kind == "moved":
            return (
                f"what vanished and what appeared {self.distance:.0f} pixels away are as large and as deep, and "
                f"their light correlates by {self.similarity:.2f}; {depths}"
            )
        if self.kind in ("merged", "split"):
            way = (
                "seen as one with"
                if self.kind == "merged"
                else "seen by itself, before as one with"
            )
            return f"{way} {self.other}"
        return depths

    def _depth(self, when: str) -> str:
        value, error = (getattr(self, f"depth_{when}{part}") for part in ("", "_err"))
        return f"{100 * value:.2f} +- {100 * error:.2f} %"

    def to_json(self) -> dict[str, Any]:
        """Give a dict of plain values; what is not finite becomes None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        } | {"filters": list(self.filters), "reason": self.reason}

    def __str__(self) -> str:
        before, after = (
            f"({x:.1f}, {y:.1f})"
            for x, y in ((self.x_before, self.y_before), (self.x_after, self.y_after))
        )
        place = {"moved": f"{before} to {after}", "vanished": before}.get(self.kind, after)
        depths = f"depth {self._depth('before')} to {self._depth('after')}"
        return f"{self.kind:8} {place}, radius {self.radius:.0f}: {depths}, {self.significance:.0f} sigma"


def to_table(events: Sequence[Event]) -> QTable:
    """Give events as a table, a row each."""
    from astropy.table import QTable

    names = {part.name: part.name for part in fields(Event)} | {"feature": "id"}
    columns: dict[str, Any] = {
        column: [getattr(one, name) for one in events] for name, column in names.items()
    }
    columns["filters"] = ["+".join(one.filters) for one in events]
    columns["reason"] = [one.reason for one in events]
    text = {"kind", "id", "other", "filters", "reason"}
    table = QTable(
        {name: np.array(values, str if name in text else float) for name, values in columns.items()}
    )
    for name in ("x_before", "y_before", "x_after", "y_after", "radius"):
        table[name].unit = "pix"
    for name in ("after", "before"):
        table[name].unit = "d"
    return table


@dataclass(frozen=True, kw_only=True, eq=False)
class Lifetime:
    """A feature whose depth in all epochs is known.

    Attributes
    ----------
    index : int
        Which.
    x, y, radius : float
        Pixels.
    presence : Presence
        Since when and until when, as places in the list of epochs.
    filters : tuple of str
        Those that show it.
    inside : bool
        Its middle lies on the frame: else its depth hangs on a level beyond the edge.
    light : ndarray of float32, or None
        A square around it, where it is.
    """

    index: int
    x: float
    y: float
    radius: float
    presence: Presence
    filters: tuple[str, ...]
    inside: bool
    light: Image | None

    @property
    def difference(self) -> float:
        """Depth with it less depth without it."""
        return self.presence.present - self.presence.absent

    @property
    def error(self) -> float:
        """Of the difference."""
        return self.difference / self.presence.significance

    @property
    def is_told(self) -> bool:
        """Whether its depth has a step that noise does not make."""
        return (
            self.inside
            and self.presence.false_alarms < FALSE_ALARMS
            and self.difference > OTHER * self.presence.present
        )

    @property
    def is_gone(self) -> bool:
        """Whether it was not there at all."""
        return self.presence.absent < GONE * self.presence.present

    def when(self, end: str) -> tuple[float, float, float]:
        """Give the likeliest interval in which it ``appeared`` or ``vanished``, and its probability."""
        one = getattr(self.presence, end)[0]
        return one.after, one.before, one.probability


def tell_events(lifetimes: Sequence[Lifetime]) -> list[tuple[Event, int, int]]:
    """Tell what appeared, vanished, moved or changed; each with the index of the feature, and of what it became.

    What appeared is said to be what vanished, and to have moved, if both happened between the same epochs, no farther
    apart than `REACH`, as large and as deep, with the same light. The first index of such is that of what vanished.
    """
    told = [one for one in lifetimes if one.is_told]
    told = [one for one in told if one.is_gone is False or _is_sure(one, told)]
    gone = [one for one in told if one.is_gone]
    moved = _moves(
        [one for one in gone if one.presence.vanished],
        [one for one in gone if one.presence.appeared],
    )
    left = {(pair[0].index, "vanished") for pair in moved}
    left |= {(pair[1].index, "appeared") for pair in moved}
    found = [(_moved(*pair), pair[0].index, pair[1].index) for pair in moved]
    for one in told:
        for end, kinds in (
            ("appeared", ("appeared", "deeper")),
            ("vanished", ("vanished", "shallower")),
        ):
            if getattr(one.presence, end) and (one.index, end) not in left:
                kind = kinds[0] if one.is_gone else kinds[1]
                found.append((_changed(kind, end, one), one.index, one.index))
    return sorted(found, key=lambda item: (EVENTS.index(item[0].kind), -item[0].significance))


def _is_sure(one: Lifetime, others: Sequence[Lifetime]) -> bool:
    """Tell whether it is more than an imperfect model may leave of deeper features that touch it and came or went."""
    touching = [
        other.presence.present
        for other in others
        if other.index != one.index
        and other.is_gone
        and other.presence.present > one.presence.present
        and math.hypot(one.x - other.x, one.y - other.y) < one.radius + other.radius
    ]
    left = DEFAULTS.model_error * max(touching, default=0.0)
    return one.difference > SURE * math.hypot(one.error, left)


def _moves(
    vanished: Sequence[Lifetime], appeared: Sequence[Lifetime]
) -> list[tuple[Lifetime, Lifetime, float]]:
    """Pair what vanished with what appeared and is like it, the most similar first."""
    possible = [
        (one, other, _similarity(one, other))
        for one, other in product(vanished, appeared)
        if one.index != other.index and _may_be_one(one, other)
    ]
    found: list[tuple[Lifetime, Lifetime, float]] = []
    for one, other, similarity in sorted(possible, key=lambda item: -item[2]):
        if similarity > SAME_SHAPE and all(
            one is not pair[0] and other is not pair[1] for pair in found
        ):
            found.append((one, other, similarity))
    return found


def _may_be_one(gone: Lifetime, new: Lifetime) -> bool:
    """Tell whether dates, size, depth and distance allow it."""
    went, came = gone.when("vanished"), new.when("appeared")
    apart = math.hypot(gone.x - new.x, gone.y - new.y)
    wider = abs(gone.radius - new.radius) - OTHER_RADIUS * max(gone.radius, new.radius)
    depths = gone.presence.present, new.presence.present
    errors = math.hypot(gone.presence.present_err, new.presence.present_err)
    deeper = abs(depths[0] - depths[1]) - OTHER_DEPTH * max(depths)
    together = went[0] < came[1] and came[0] < went[1]
    return together and apart < REACH and wider < HALF_PIXEL and deeper < errors


def _similarity(gone: Lifetime, new: Lifetime) -> float:
    """Correlate the light of what vanished with that of what appeared."""
    if gone.light is None or new.light is None:
        return 0.0
    middles = [light.shape[0] // 2 for light in (gone.light, new.light)]
    sigma = max(gone.radius, new.radius) / 8
    patches = []
    for light, middle in zip((gone.light, new.light), middles, strict=True):
        patch = square(light, middle, middle, min(middles))
        smooth = gaussian_filter(patch, sigma, mask=~np.isfinite(patch), threads=1)
        patches.append(np.where(np.isfinite(patch), smooth, np.nan))
    both = np.isfinite(patches[0]) & np.isfinite(patches[1])
    if np.count_nonzero(both) < both.size / 4:
        return 0.0
    return float(np.corrcoef(patches[0][both], patches[1][both])[0, 1])


def _changed(kind: str, end: str, one: Lifetime) -> Event:
    """Tell of one end of a lifetime."""
    after, before, probability = one.when(end)
    presence = one.presence
    with_it, without = (
        {"depth": presence.present, "err": presence.present_err},
        {"depth": presence.absent, "err": presence.absent_err},
    )
    first, last = (without, with_it) if end == "appeared" else (with_it, without)
    seen_before, seen_after = kind != "appeared", kind != "vanished"
    return Event(
        kind=kind,
        after=after,
        before=before,
        probability=probability,
        x_before=one.x if seen_before else math.nan,
        y_before=one.y if seen_before else math.nan,
        x_after=one.x if seen_after else math.nan,
        y_after=one.y if seen_after else math.nan,
        radius=one.radius,
        depth_before=first["depth"],
        depth_before_err=first["err"],
        depth_after=last["depth"],
        depth_after_err=last["err"],
        significance=presence.significance,
        false_alarms=presence.false_alarms,
        filters=one.filters,
    )


def _moved(gone: Lifetime, new: Lifetime, similarity: float) -> Event:
    """Tell of what went from one place to another."""
    went, came = _changed("vanished", "vanished", gone), _changed("appeared", "appeared", new)
    return replace(
        came,
        kind="moved",
        after=min(went.after, came.after),
        before=max(went.before, came.before),
        probability=min(went.probability, came.probability),
        x_before=gone.x,
        y_before=gone.y,
        depth_before=went.depth_before,
        depth_before_err=went.depth_before_err,
        significance=min(went.significance, came.significance),
        false_alarms=max(went.false_alarms, came.false_alarms),
        filters=tuple(sorted({*gone.filters, *new.filters})),
        similarity=similarity,
    )
