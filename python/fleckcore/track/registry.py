"""Features over time, each by a name that it keeps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable, vstack
from numpy.typing import NDArray

from fleckcore.errors import InputFileError, MetadataError
from fleckcore.track.match import Known

__all__ = ["Difference", "Registry", "name_features"]

TABLES = ("features", "epochs", "sightings", "measured", "events")


@dataclass(frozen=True, kw_only=True, eq=False)
class Registry:
    """What was known of a detector's features, and when.

    Attributes
    ----------
    features : QTable
        A row each: ``id``, ``chip``, ``x``, ``y`` (0-based pixels, where it was last), ``radius``, ``depth``,
        ``sightings`` (how many), ``first_seen``, ``last_seen`` (MJD), ``appeared_after``, ``appeared_before``,
        ``vanished_after``, ``vanished_before`` (MJD; NaN where it was there from the first frame on, or is to the
        last), ``parent`` (the larger one that it was first seen as a part of, or nothing).
    epochs : QTable
        What was looked at: ``epoch``, ``chip``, ``first``, ``last`` (MJD), ``kind``, ``filters``.
    sightings : QTable
        Where a search lists a feature: ``id``, ``epoch``, ``x``, ``y``, ``radius``, ``depth``, ``reason`` (of
        `REASONS`), ``distance`` (pixels).
    measured : QTable
        Every feature in every epoch and filter, seen or not: ``id``, ``epoch``, ``filter``, ``depth``, ``depth_err``.
        The transmission is 1 less the depth.
    events : QTable
        What happened, as `Event`: ``kind``, ``id``, ``other``, ``after``, ``before`` (MJD), ``probability``,
        ``significance``, ``false_alarms``, places, depths, and ``reason`` in words.
    """

    features: QTable
    epochs: QTable
    sightings: QTable
    measured: QTable
    events: QTable
    meta: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, name: str) -> Any:
        """Give the row of a feature; `MetadataError` (M07) if there is none of that name."""
        rows = np.flatnonzero(np.asarray(self.features["id"]) == name)
        if not rows.size:
            raise MetadataError(f"there is no feature {name!r} among {len(self)}.", code="M07")
        return self.features[int(rows[0])]

    def history(self, name: str) -> QTable:
        """Give what was measured of a feature, epoch by epoch."""
        return self.measured[np.asarray(self.measured["id"]) == name]

    def known(self) -> tuple[Known, list[str]]:
        """Give every place in which a feature was, to match others with, and its name there."""
        rows, keys = self.features, ("x", "y", "radius", "depth")
        names = [str(name) for name in rows["id"]]
        moves = self.events[np.asarray(self.events["kind"]) == "moved"]
        former = [names.index(str(name)) for name in moves["id"]]
        numbers = {key: np.append(_values(rows, key), _values(rows, key)[former]) for key in keys}
        for key in ("x", "y"):
            numbers[key][len(rows) :] = _values(moves, f"{key}_before")
        chip = np.asarray(rows["chip"], np.int32)
        return Known(chip=np.append(chip, chip[former]), **numbers), [
            *names,
            *(names[row] for row in former),
        ]

    def of_chip(self, chip: int | None) -> Registry:
        """Give the part of one chip; ``None`` is one whose number is not known."""
        names = np.asarray(self.features["id"])[
            np.asarray(self.features["chip"]) == (-1 if chip is None else chip)
        ]
        tables = {
            name: getattr(self, name)[np.isin(getattr(self, name)["id"], names)]
            for name in TABLES
            if name != "epochs"
        }
        return Registry(epochs=self.epochs, meta=self.meta, **tables)

    @classmethod
    def join(cls, parts: Sequence[Registry]) -> Registry:
        """Make one registry of those of several chips."""
        tables = {
            name: vstack([getattr(part, name) for part in parts], metadata_conflicts="silent")
            for name in TABLES
        }
        return cls(**tables, meta=dict(parts[0].meta) if parts else {})

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a FITS file, a table in each extension.

        Raises `OutputError` as `atomic_write` does.
        """
        from fleckcore.io.catalogs import write_tables

        write_tables(
            {name: getattr(self, name) for name in TABLES},
            path,
            meta=self.meta,
            overwrite=overwrite,
        )

    @classmethod
    def read(cls, path: str | Path) -> Registry:
        """Read what `write` wrote; `InputFileError` (I04, I11) for another file."""
        from fleckcore.io.catalogs import read_tables

        tables, meta = read_tables(path)
        missing = [name for name in TABLES if name not in tables]
        if missing:
            raise InputFileError(
                f"is no registry: it lacks {', '.join(missing)}.", code="I11", path=Path(path)
            )
        return cls(**{name: tables[name] for name in TABLES}, meta=meta)

    def diff(self, later: Registry) -> Difference:
        """Say what another registry has that this one has not, by their names.

        A feature that is in both but has another end, or lies elsewhere by more than its sightings scatter, is
        changed.
        """
        before, after = (
            dict(zip(map(str, one.features["id"]), one.features, strict=True))
            for one in (self, later)
        )
        changed = []
        for name in before.keys() & after.keys():
            what = _what_changed(before[name], after[name])
            if what:
                changed.append((name, what))
        return Difference(
            new=tuple(sorted(after.keys() - before.keys())),
            gone=tuple(sorted(before.keys() - after.keys())),
            changed=tuple(sorted(changed)),
            events=tuple(sorted(_events(later) - _events(self))),
        )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What two registries do not have in common.

    Attributes
    ----------
    new, gone : tuple of str
        Features that only the later, or only the earlier, has.
    changed : tuple of (str, str)
        Features of both, and what is different.
    events : tuple of (str, str)
        Event and feature that only the later has.
    """

    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]
    events: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.changed or self.events)

    def __str__(self) -> str:
        lines = [
            *(f"+ {name}" for name in self.new),
            *(f"- {name}" for name in self.gone),
            *(f"~ {name}: {what}" for name, what in self.changed),
            *(f"! {event}: {name}" for event, name in self.events),
        ]
        return "\n".join(lines) or "no difference"


CREPT = 1.0
"""Pixels beyond which a feature of two registries lies elsewhere."""
OTHER = 0.25
"""Part of a radius or depth beyond which it is another."""


def _what_changed(before: Any, after: Any) -> str:
    found = []
    step = math.hypot(
        _value(after["x"]) - _value(before["x"]), _value(after["y"]) - _value(before["y"])
    )
    if step > CREPT:
        found.append(f"moved by {step:.1f} pixels")
    for key in ("radius", "depth"):
        old, new = _value(before[key]), _value(after[key])
        if abs(new - old) > OTHER * max(abs(new), abs(old)):
            found.append(f"{key} {old:.3g} to {new:.3g}")
    for key in ("appeared_before", "vanished_before"):
        old, new = _value(before[key]), _value(after[key])
        if math.isnan(old) != math.isnan(new) or abs(new - old) > 0:
            found.append(f"{key} {old:g} to {new:g}")
    return ", ".join(found)


def _events(registry: Registry) -> set[tuple[str, str]]:
    rows = registry.events
    return set(zip(map(str, rows["kind"]), map(str, rows["id"]), strict=True))


def _value(cell: Any) -> float:
    return float(getattr(cell, "value", cell))


def _values(table: QTable, name: str) -> NDArray[np.float64]:
    return np.array(getattr(table[name], "value", table[name]), float)


def name_features(
    detector: str,
    chip: NDArray[Any],
    x: NDArray[Any],
    y: NDArray[Any],
    taken: Iterable[str] = (),
) -> list[str]:
    """Give features names of where they were first seen: detector, chip, x and y from 1.

    They can stand in a web address. A second one at the same pixel is numbered: ``acs_wfc-2-1521-1773-2``.

    Parameters
    ----------
    detector : str
        Instrument profile; other characters than letters, digits and ``_`` become ``_``.
    chip, x, y : array_like, shape (n,)
        CCDCHIP (-1 is left out) and 0-based pixels.
    taken : iterable of str
        Names that are given already.

    Returns
    -------
    list of str
    """
    stem = "".join(c if c.isascii() and c.isalnum() else "_" for c in detector.lower())
    used = set(taken)
    count: Counter[str] = Counter()
    names = []
    for number, col, row in zip(chip, x, y, strict=True):
        parts = [stem] if number < 0 else [stem, str(int(number))]
        base = "-".join([*parts, str(round(float(col)) + 1), str(round(float(row)) + 1)])
        name = base
        while name in used:
            count[base] += 1
            name = f"{base}-{count[base] + 1}"
        used.add(name)
        names.append(name)
    return names
