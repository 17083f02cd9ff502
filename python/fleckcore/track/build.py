"""From what was followed to a registry: names, tables, events."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from astropy.table import QTable
from numpy.typing import NDArray

from fleckcore._version import __version__
from fleckcore.detection.options import DEFAULTS, Options
from fleckcore.track.events import Event, to_table
from fleckcore.track.follow import Epoch, Following
from fleckcore.track.match import REASONS, Rules
from fleckcore.track.registry import Registry, name_features

__all__ = ["Built", "build_registry", "follow"]

UNITS = {
    "x": "pix",
    "y": "pix",
    "radius": "pix",
    "distance": "pix",
    "first": "d",
    "last": "d",
    "first_seen": "d",
    "last_seen": "d",
    "appeared_after": "d",
    "appeared_before": "d",
    "vanished_after": "d",
    "vanished_before": "d",
}


class Built(NamedTuple):
    """A registry, and its events as they were told."""

    registry: Registry
    told: tuple[Event, ...]


def follow(
    epochs: Sequence[Epoch],
    *,
    previous: Registry | None = None,
    options: Options = DEFAULTS,
    rules: Rules | None = None,
    threads: int | None = None,
    told: Callable[[str, int, int], object] | None = None,
) -> Registry:
    """Follow the features of one chip through epochs: which are one, how deep in each, and what happened to them.

    Every epoch is searched, the lists are matched, and every feature is measured in every epoch and filter, whether
    or not a search lists it there. What appeared, vanished, moved or changed follows from these depths.

    Parameters
    ----------
    epochs : sequence of Epoch
        In the order of time, all with the same filters.
    previous : Registry, optional
        Of earlier epochs, or of these before they were reprocessed: its features keep their names.
    options : Options
        How each epoch is searched.
    rules : Rules, optional
        When two detections are one feature.
    threads : int, optional
        Threads; by default `fleckcore.kernels.default_threads`.
    told : callable, optional
        Called with what is done, how much of it and out of how much.

    Returns
    -------
    Registry

    Raises
    ------
    ArrayError
        ``A09`` an epoch without frames; ``A12`` frames of different shapes.
    MetadataError
        ``M07`` epochs of other filters, or frames of different chips.
    """
    known, names = previous.known() if previous else (None, [])
    following = Following(
        epochs, known=known, options=options, rules=rules, threads=threads, told=told
    )
    return build_registry(following, names).registry


def build_registry(following: Following, names: Sequence[str] = ()) -> Built:
    """Give every feature its name, those that were known before the one they had, and put all into tables."""
    return _Builder(following, names).build()


class _Builder:
    def __init__(self, following: Following, given: Sequence[str]) -> None:
        self.following, self.given = following, list(given)
        self.now = self._identities()
        """Of each feature, the one that it is: what moved is what it was before."""
        self.names = self._names()

    def _identities(self) -> NDArray[np.int64]:
        """Those of one group have the name of the first: of one that was known before, if there is any."""
        now = np.arange(len(self.following))
        for place, name in enumerate(self.given):
            now[place] = self.given.index(name)
        for event, first, last in self.following.events:
            if event.kind == "moved":
                one, other = sorted((int(now[first]), int(now[last])))
                now[now == other] = one
        return now

    def _names(self) -> list[str]:
        """Those of the previous registry, then new ones by the place of the first detection."""
        following = self.following
        first = self._first_places()[len(self.given) :]
        meta = following.epochs[0].frames[0].meta
        chip = np.full(len(first), -1 if meta.chip is None else meta.chip)
        offsets = meta.x_offset, meta.y_offset
        names = name_features(
            meta.profile, chip, first[:, 0] + offsets[0], first[:, 1] + offsets[1], self.given
        )
        names = [*self.given, *names]
        return [names[now] for now in self.now]

    def _first_places(self) -> NDArray[np.float64]:
        detections, matching = self.following.detections, self.following.matching
        places = np.stack([matching.features.x, matching.features.y], axis=1)
        order = np.lexsort((np.arange(len(detections)), self.following.times[detections.look]))
        for row in order[::-1].tolist():
            places[matching.feature[row]] = detections.x[row], detections.y[row]
        return places

    def build(self) -> Built:
        events = tuple(self._events())
        following = self.following
        registry = Registry(
            features=self._features(events),
            epochs=_table(self._epochs()),
            sightings=_table(self._sightings()),
            measured=_table(self._measured()),
            events=to_table(events),
            meta={
                "version": __version__,
                "profile": following.epochs[0].frames[0].meta.profile,
                "shape": list(following.nights[0].shape),
            },
        )
        return Built(registry, events)

    def _events(self) -> list[Event]:
        found = []
        for event, first, last in self.following.events:
            other = self.names[last] if event.kind in ("merged", "split") else ""
            found.append(replace(event, feature=self.names[first], other=other))
        return found

    def _epochs(self) -> dict[str, list[Any]]:
        epochs = self.following.epochs
        meta = [epoch.frames[0].meta for epoch in epochs]
        return {
            "epoch": [epoch.name or str(e) for e, epoch in enumerate(epochs)],
            "chip": [-1 if one.chip is None else one.chip for one in meta],
            "first": [epoch.first for epoch in epochs],
            "last": [epoch.last for epoch in epochs],
            "kind": [one.kind for one in meta],
            "filters": [",".join(epoch.filters) for epoch in epochs],
        }

    def _sightings(self) -> dict[str, Any]:
        detections, matching = self.following.detections, self.following.matching
        names, epochs = np.array(self.names, str), np.array(self._epochs()["epoch"], str)
        blended = matching.blended.reshape(-1, 2)
        rows = np.concatenate([np.arange(len(detections)), blended[:, 0]])
        feature = np.concatenate([matching.feature, blended[:, 1]])
        return {
            "id": names[feature] if feature.size else np.zeros(0, "U1"),
            "epoch": epochs[detections.look[rows]],
            **{name: getattr(detections, name)[rows] for name in ("x", "y", "radius", "depth")},
            "reason": np.array(REASONS)[matching.reason[rows]],
            "distance": matching.distance[rows].astype(float),
        }

    def _measured(self) -> dict[str, Any]:
        following = self.following
        epochs = np.array(self._epochs()["epoch"], str)
        filters = np.array(following.epochs[0].filters, str)
        n, n_epochs, n_filters = following.depth.shape
        f, e, k = (axis.ravel() for axis in np.indices((n, n_epochs, n_filters)))
        names = np.array(self.names, str)
        return {
            "id": names[f] if n else np.zeros(0, "U1"),
            "epoch": epochs[e],
            "filter": filters[k],
            "depth": following.depth.ravel(),
            "depth_err": following.error.ravel(),
        }

    def _features(self, events: Sequence[Event]) -> QTable:
        groups = [np.flatnonzero(self.now == f) for f in np.unique(self.now)]
        rows = [self._feature(group, events) for group in groups]
        names = list(rows[0]) if rows else list(_EMPTY)
        text = {"id", "parent"}
        columns = {
            name: np.array([row[name] for row in rows], str if name in text else None)
            if rows
            else np.array([], str if name in text else float)
            for name in names
        }
        return _table(columns)

    def _feature(self, group: NDArray[np.int64], events: Sequence[Event]) -> dict[str, Any]:
        """Give the row of what is one feature, in one place or in several."""
        following, first = self.following, int(group[0])
        known = following.matching.features
        newest = [int(np.flatnonzero(rows >= 0)[-1:].sum()) for rows in following.rows[group]]
        last = int(group[int(np.argmax(newest))])
        where = known.x[last], known.y[last], known.radius[last]
        seen = following.detections.look[np.isin(following.matching.feature, group)]
        epochs = following.epochs
        came = [
            one for one in events if one.kind == "appeared" and one.feature == self.names[first]
        ]
        went = [
            one for one in events if one.kind == "vanished" and one.feature == self.names[first]
        ]
        parent = int(following.matching.parent[first])
        return {
            "id": self.names[first],
            "chip": int(known.chip[first]),
            "x": float(where[0]),
            "y": float(where[1]),
            "radius": float(where[2]),
            "depth": float(known.depth[last]),
            "sightings": int(seen.size),
            "first_seen": min((epochs[e].first for e in seen), default=math.nan),
            "last_seen": max((epochs[e].last for e in seen), default=math.nan),
            "appeared_after": came[0].after if came else math.nan,
            "appeared_before": came[0].before if came else math.nan,
            "vanished_after": went[-1].after if went else math.nan,
            "vanished_before": went[-1].before if went else math.nan,
            "parent": self.names[parent] if parent >= 0 else "",
        }


_EMPTY = (
    "id",
    "chip",
    "x",
    "y",
    "radius",
    "depth",
    "sightings",
    "first_seen",
    "last_seen",
    "appeared_after",
    "appeared_before",
    "vanished_after",
    "vanished_before",
    "parent",
)


def _table(columns: dict[str, Any]) -> QTable:
    table = QTable({name: np.asarray(values) for name, values in columns.items()})
    for name, unit in UNITS.items():
        if name in table.colnames:
            table[name].unit = unit
    return table
