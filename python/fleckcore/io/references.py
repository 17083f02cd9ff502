"""Reference files for Hubble's calibration system, and what that checks before it takes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fleckcore.errors import MetadataError
from fleckcore.frame import Frame
from fleckcore.io.blocks import Hdu, open_blocks
from fleckcore.io.cards import Header, clean_text
from fleckcore.io.products import write_frames
from fleckcore.io.write import Card

__all__ = [
    "REFERENCES",
    "Reference",
    "check_reference",
    "read_useafter",
    "reference_cards",
    "useafter_text",
    "write_reference",
]


@dataclass(frozen=True, kw_only=True)
class ReferenceKind:
    """A kind of reference file: FILETYPE, the end of its name, the keywords that select it, EXTNAME of a table."""

    filetype: str
    ending: str
    selected_by: tuple[str, ...] = ()
    table: str = ""


REFERENCES: dict[str, ReferenceKind] = {
    "bias": ReferenceKind(filetype="BIAS", ending="bia", selected_by=("CCDAMP", "CCDGAIN")),
    "dark": ReferenceKind(filetype="DARK", ending="drk", selected_by=("CCDAMP", "CCDGAIN")),
    "cte_dark": ReferenceKind(filetype="CTEDARK", ending="dkc", selected_by=("CCDAMP", "CCDGAIN")),
    "flash": ReferenceKind(
        filetype="POST FLASH",
        ending="fls",
        selected_by=("CCDAMP", "CCDGAIN", "FLASHCUR", "SHUTRPOS"),
    ),
    "flat": ReferenceKind(
        filetype="PIXEL-TO-PIXEL FLAT",
        ending="pfl",
        selected_by=("CCDAMP", "FILTER1", "FILTER2", "OBSTYPE"),
    ),
    "bad_pixels": ReferenceKind(filetype="BAD PIXELS", ending="bpx", table="BPX"),
}

DESCRIP_LENGTH = 67
_PEDIGREES = ("INFLIGHT", "GROUND", "MODEL", "DUMMY")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_USEAFTER = re.compile(
    rf"({'|'.join(_MONTHS)}) +(\d\d?) +(\d{{4}})(?: +(\d\d):(\d\d):(\d\d))?", re.IGNORECASE
)
_INFLIGHT = re.compile(r"INFLIGHT (\d\d/\d\d/\d{4}) (\d\d/\d\d/\d{4})")
_STEM = re.compile(r"[a-z0-9]{8}[a-z0-9]_[a-z]{3}\.fits")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the header of a reference file says besides its pixels.

    Attributes
    ----------
    kind : str
        A key of `REFERENCES`.
    useafter : datetime
        Exposures from then on use it.
    first, last : datetime
        First and last observation that went into it.
    description : str
        DESCRIP; filled up with ``-`` to 67 characters.
    simulated : bool
        PEDIGREE ``MODEL`` instead of ``INFLIGHT``.
    """

    kind: str
    useafter: datetime
    first: datetime
    last: datetime
    description: str
    simulated: bool = False

    def __post_init__(self) -> None:
        if self.kind not in REFERENCES:
            raise MetadataError(
                f"unknown kind of reference {self.kind!r}, wanted one of {', '.join(REFERENCES)}.",
                code="M07",
            )
        if self.first > self.last:
            raise MetadataError(
                f"the first observation, {self.first:%Y-%m-%d}, is after the last, {self.last:%Y-%m-%d}.",
                code="M03",
            )


def useafter_text(date: datetime) -> str:
    """Give a date as USEAFTER has it, ``May 05 2017 00:00:00``, whatever the language of the machine."""
    return f"{_MONTHS[date.month - 1]} {date:%d %Y %H:%M:%S}"


def read_useafter(text: str) -> datetime | None:
    """Read USEAFTER as Hubble's calibration system does, the time of day optional; None where it is no date."""
    match = _USEAFTER.fullmatch(text.strip())
    if match is None:
        return None
    month = _MONTHS.index(match[1].capitalize()) + 1
    try:
        hour, minute, second = (int(part or 0) for part in match.groups()[3:])
        return datetime(int(match[3]), month, int(match[2]), hour, minute, second)
    except ValueError:
        return None


def reference_cards(about: Reference, *, instrument: str, detector: str) -> list[Card]:
    """Give the cards that every reference file begins with."""
    pedigree = f"INFLIGHT {about.first:%d/%m/%Y} {about.last:%d/%m/%Y}"
    return [
        ("TELESCOP", "HST", "telescope used to acquire data"),
        ("INSTRUME", instrument, "identifier for instrument used to acquire data"),
        ("DETECTOR", detector, "detector in use"),
        ("FILETYPE", REFERENCES[about.kind].filetype, "type of reference file"),
        ("PEDIGREE", "MODEL" if about.simulated else pedigree, "source of the data"),
        ("USEAFTER", useafter_text(about.useafter), "use with observations from then on"),
        ("DESCRIP", clean_text(about.description)[:DESCRIP_LENGTH].ljust(DESCRIP_LENGTH, "-"), ""),
    ]


def write_reference(
    path: str | Path,
    frames: Sequence[Frame],
    about: Reference,
    *,
    selection: Iterable[Card] = (),
    history: Iterable[str] = (),
    overwrite: bool = False,
) -> None:
    """Write frames as a reference file, and check that it would be taken.

    Parameters
    ----------
    path : path-like
        The file.
    frames : sequence of Frame
        One for each chip, trimmed; darks and flashes per second.
    about : Reference
        Kind and dates.
    selection : iterable of (keyword, value, comment), optional
        What the file is chosen by (``CCDAMP``, ``CCDGAIN``, ...), beside instrument and detector.
    history : iterable of str, optional
        What it was made of, and how.
    overwrite : bool, optional
        Replace an older file.

    Raises
    ------
    MetadataError
        ``M07``: a keyword that the kind is selected by is missing, or the kind is a table.
    OutputError
        ``R01``, ``R08``: see `atomic_write`.
    """
    kind = REFERENCES[about.kind]
    if kind.table:
        raise MetadataError(
            f"{about.kind} are a table, not frames.", code="M07", advice="Use write_bad_pixels."
        )
    given = list(selection)
    missing = set(kind.selected_by) - {keyword for keyword, _, _ in given}
    if missing:
        raise MetadataError(
            f"a {about.kind} is selected by {', '.join(kind.selected_by)}; {', '.join(sorted(missing))} missing.",
            code="M07",
        )
    meta = frames[0].meta
    cards: list[Card] = [
        *reference_cards(about, instrument=meta.instrument, detector=meta.detector),
        *given,
    ]
    write_frames(path, frames, cards=cards, history=history, keep=False, overwrite=overwrite)


def check_reference(path: str | Path) -> tuple[str, ...]:
    """Check the headers of a reference file as Hubble's calibration system does on delivery.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    tuple of str
        What would be refused, in words; empty when nothing would.

    Raises
    ------
    InputFileError
        The file cannot be read at all.
    """
    hdus = open_blocks(path).hdus
    header = hdus[0].header
    found = [*_check_name(Path(path), header), *_check_cards(header)]
    kind = _KINDS.get(_filetype(header))
    if kind is not None and kind.table:
        return (*found, *_check_table(hdus, kind.table))
    return (*found, *_check_planes(hdus, header))


def _check_table(hdus: Sequence[Hdu], name: str) -> Iterable[str]:
    names = [hdu.name for hdu in hdus[1:]]
    if names != [name] or hdus[1].header.get("XTENSION") != "BINTABLE":
        yield f"extensions are {names}, wanted one binary table {name}"


def _check_planes(hdus: Sequence[Hdu], header: Header) -> Iterable[str]:
    names = [(hdu.name, hdu.version) for hdu in hdus[1:]]
    chips = [version for name, version in names if name == "SCI"]
    wanted = [(name, version) for version in chips for name in ("SCI", "ERR", "DQ")]
    if not chips or names != wanted:
        yield f"extensions are {names}, wanted SCI, ERR and DQ of each chip in order"
    if str(header.get("DETECTOR")) == "WFC":
        seen = [hdu.header.get("CCDCHIP") for hdu in hdus[1:] if hdu.name == "SCI"]
        if seen != [2, 1]:
            yield f"CCDCHIP of the SCI extensions is {seen}, wanted 2, then 1"


_KINDS = {kind.filetype: kind for kind in REFERENCES.values()}


def _filetype(header: Header) -> str:
    return str(header.get("FILETYPE", "")).strip().upper()


def _check_name(path: Path, header: Header) -> Iterable[str]:
    kind = _KINDS.get(_filetype(header))
    if kind is None:
        yield f"FILETYPE is {header.get('FILETYPE')!r}, wanted one of {', '.join(_KINDS)}"
    elif not _STEM.fullmatch(path.name) or not path.name.endswith(f"_{kind.ending}.fits"):
        yield f"the name is {path.name}, wanted 9 characters and _{kind.ending}.fits"
    if kind is not None:
        yield from (f"{key} is missing" for key in kind.selected_by if key not in header)


def _check_cards(header: Header) -> Iterable[str]:
    kind = _KINDS.get(_filetype(header))
    wanted = (
        ("INSTRUME", "DETECTOR") if kind and kind.table else ("INSTRUME", "DETECTOR", "DESCRIP")
    )
    for keyword in wanted:
        if not str(header.get(keyword, "")).strip():
            yield f"{keyword} is missing"
    useafter = str(header.get("USEAFTER", ""))
    if read_useafter(useafter) is None:
        yield f"USEAFTER is {useafter!r}, wanted like 'May 05 2017 00:00:00'"
    pedigree = str(header.get("PEDIGREE", ""))
    if pedigree.split(" ")[0] not in _PEDIGREES:
        yield f"PEDIGREE is {pedigree!r}, wanted {', '.join(_PEDIGREES)}"
    elif pedigree.startswith("INFLIGHT"):
        yield from _check_inflight(pedigree)


def _check_inflight(pedigree: str) -> Iterable[str]:
    match = _INFLIGHT.fullmatch(pedigree)
    try:
        first, last = (
            datetime.strptime(text, "%d/%m/%Y") for text in (match.groups() if match else ())
        )
    except ValueError:
        yield f"PEDIGREE is {pedigree!r}, wanted like 'INFLIGHT 05/05/2017 29/05/2017'"
        return
    if first > last:
        yield f"PEDIGREE ends before it begins: {pedigree!r}"
