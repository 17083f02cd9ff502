"""What a header says of an exposure, in the words of `FrameMeta`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from statistics import fmean

from fleckcore.frame import UNIT_ALIASES, Area, Span, unit_name
from fleckcore.instruments import Amplifier, Chip, Profile, matches
from fleckcore.io.cards import Header, clean_text, first_number, first_text
from fleckcore.io.placing import Place

__all__ = [
    "Exposure",
    "Noise",
    "describe_areas",
    "describe_exposure",
    "describe_noise",
    "describe_unit",
]

_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d:\d\d(?:\.\d+)?)Z?)?")


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What is common to all chips of an exposure; fields as in `FrameMeta`."""

    kind: str
    filters: tuple[str, ...]
    exposure_s: float | None
    flash_s: float | None
    mjd: float | None
    warnings: tuple[str, ...] = field(default=())


def describe_exposure(header: Header, profile: Profile) -> Exposure:
    """Read kind, filters, times and date.

    Parameters
    ----------
    header : mapping
        Primary header and extension together.
    profile : Profile
        Says which keywords hold what.

    Returns
    -------
    Exposure
        What is missing or impossible is ``None`` or left out, with a warning: ``M01`` filters,
        ``M03`` date, ``M05`` flash state.
    """
    notes: list[str] = []
    keys = profile.keywords
    exposure_s = first_number(header, keys.exposure)
    if exposure_s is not None:
        exposure_s = exposure_s * keys.exposure_unit_s if exposure_s >= 0 else None
    flash_s = _flash_s(header, profile, notes)
    facts: dict[str, object] = {**header, "exposure_s": exposure_s, "flash_s": flash_s}
    facts["image_type"] = first_text(header, keys.image_type)
    return Exposure(
        kind=profile.kind_of(facts),
        filters=_filters(header, profile, notes),
        exposure_s=exposure_s,
        flash_s=flash_s,
        mjd=_mjd(header, profile, notes),
        warnings=tuple(notes),
    )


def _filters(header: Header, profile: Profile, notes: list[str]) -> tuple[str, ...]:
    texts = (clean_text(str(header.get(key, ""))) for key in profile.keywords.filters)
    names = tuple(text for text in texts if text and not matches(text, profile.filters.clear))
    known = profile.filters.known
    notes += [
        f"M01 unknown filter {name!r}" for name in names if known and not matches(name, known)
    ]
    if len(names) > 1:
        notes.append(f"M01 {len(names)} filters in the beam: {' and '.join(names)}")
    return names


def _flash_s(header: Header, profile: Profile, notes: list[str]) -> float | None:
    flash = profile.flash
    if flash is None:
        return None
    status = first_text(header, [flash.status])
    duration = first_number(header, [flash.duration])
    if matches(status, flash.off) or (not status and duration == 0):
        return 0.0
    if matches(status, flash.done) and duration is not None and duration > 0:
        return duration
    seen = f"{flash.duration} {duration}, {flash.status} {status!r}"
    notes.append(f"M05 flash state unknown: {seen}")
    return None


def _mjd(header: Header, profile: Profile, notes: list[str]) -> float | None:
    keys = profile.keywords
    number = first_number(header, keys.mjd)
    text = first_text(header, keys.date)
    if number is None and not text:
        notes.append(f"M03 no date ({', '.join(keys.mjd + keys.date)})")
        return None
    date: datetime | None = None
    if number is None:
        match = _DATE.fullmatch(text)
        clock = (match and match[2]) or first_text(header, keys.time) or "00:00:00"
        try:
            date = datetime.fromisoformat(f"{match[1]}T{clock[:15]}+00:00") if match else None
        except ValueError:
            date = None
    elif 0 < number < 1e6:
        date = _MJD_ZERO + timedelta(days=number)
    seen = repr(text) if number is None else f"MJD {number}"
    if date is None:
        notes.append(f"M03 the date {seen} is impossible")
    elif not _EARLIEST <= date <= datetime.now(UTC) + timedelta(days=2):
        notes.append(f"M03 the date {seen} is before 1970 or in the future")
    elif number is not None:
        return number
    else:
        return (date - _MJD_ZERO) / timedelta(days=1)
    return None


def describe_unit(header: Header, profile: Profile) -> tuple[str, tuple[str, ...]]:
    """Give the unit of the data, and a warning (``M06``) where BUNIT is not understood."""
    text = first_text(header, ["BUNIT"])
    if not text:
        return profile.unit, ()
    if text.lower() in UNIT_ALIASES:
        return unit_name(text), ()
    return "DN", (f"M06 unknown unit {text!r}: taken as DN, without a noise model",)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Amplifiers that read a chip, and their means; fields as in `FrameMeta`."""

    gain_e: float | None
    read_noise_e: float | None
    readout: str | None
    seams: tuple[tuple[str, int], ...]


def describe_noise(header: Header, profile: Profile, chip: Chip | None) -> Noise:
    """Read gain and read noise (means over the chip's amplifiers), readout direction and seams.

    The header's numbers win over the profile's; zeros, as raw HST headers hold, count as missing.
    The direction is ``None`` where the amplifiers of the chip disagree.
    """
    keys = profile.keywords
    if chip is None:
        return Noise(
            gain_e=_positive(header, keys.gain, ""),
            read_noise_e=_positive(header, keys.read_noise, ""),
            readout=None,
            seams=(),
        )
    letters = _amplifiers(header, profile, chip)
    parts = [(letter, profile.amplifiers[letter]) for letter in letters]
    directions = {part.readout for _, part in parts}
    return Noise(
        gain_e=_mean([_positive(header, keys.gain, a) or p.gain_e for a, p in parts]),
        read_noise_e=_mean([_read_noise(header, profile, a, p) for a, p in parts]),
        readout=directions.pop() if len(directions) == 1 else None,
        seams=chip.seams if len(letters) > 1 else (),
    )


def describe_areas(
    header: Header, profile: Profile, chip: Chip | None, place: Place, *, electrons: bool
) -> tuple[Area, ...]:
    """Say which amplifier reads which part of an image; the gain of electrons is 1."""
    if chip is None:
        return ()
    letters = _amplifiers(header, profile, chip)
    seams = chip.seams if len(letters) > 1 else ()
    whole = place.x < 0 or place.y < 0
    spans = (chip.raw_rows, chip.raw_columns) if whole else (None, None)
    cells = product(place.cells(seams, 0), place.cells(seams, 1))
    return tuple(
        Area(
            amplifier=letter,
            rows=rows,
            columns=columns,
            lit_rows=_within(spans[0], rows),
            lit_columns=_within(spans[1], columns),
            gain_e=1.0
            if electrons
            else _positive(header, profile.keywords.gain, letter) or part.gain_e,
            read_noise_e=_read_noise(header, profile, letter, part),
        )
        for letter, (rows, columns) in zip(letters, cells, strict=True)
        for part in (profile.amplifiers[letter],)
        if rows[0] < rows[1] and columns[0] < columns[1]
    )


def _within(spans: tuple[Span, ...] | None, limits: Span) -> tuple[Span, ...]:
    """Cut spans to limits; ``None`` means that there is no other part."""
    if spans is None:
        return (limits,)
    cut = ((max(a, limits[0]), min(b, limits[1])) for a, b in spans)
    return tuple(span for span in cut if span[0] < span[1])


def _amplifiers(header: Header, profile: Profile, chip: Chip) -> tuple[str, ...]:
    named = first_text(header, profile.keywords.amplifiers)
    used = tuple(letter for letter in chip.amplifiers if letter in named)
    return used or (chip.amplifiers if chip.seams else chip.amplifiers[:1])


def _read_noise(header: Header, profile: Profile, letter: str, part: Amplifier) -> float | None:
    return _positive(header, profile.keywords.read_noise, letter) or part.read_noise_e


def _positive(header: Header, keywords: tuple[str, ...], letter: str) -> float | None:
    number = first_number(header, [key.replace("?", letter) for key in keywords])
    return number if number is not None and number > 0 else None


def _mean(numbers: list[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return fmean(known) if known and len(known) == len(numbers) else None
