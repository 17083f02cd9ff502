"""What is wrong with a table of bad pixels, before calibration takes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore.flag.table import ALONG_X, ALONG_Y, flagging_of
from fleckcore.instruments import Profile
from fleckcore.io.bad_pixels import ANY, BadPixelTable
from fleckcore.io.references import check_reference

__all__ = ["Finding", "check_table", "name_bits"]

_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a table should not have.

    Attributes
    ----------
    severity : {"refused", "doubtful"}
        ``"refused"``: delivery or calibration would refuse it, or it flags what it cannot mean. ``"doubtful"``:
        allowed, but seldom meant.
    text : str
        What was seen, and what was wanted.
    rows : int
        Rows of the table that have it; 0 for headers.
    """

    severity: Literal["refused", "doubtful"]
    text: str
    rows: int = 0

    def __str__(self) -> str:
        rows = f" ({self.rows} rows)" if self.rows else ""
        return f"{self.severity}: {self.text}{rows}"


def name_bits(value: int, profile: Profile) -> str:
    """Say which quality bits a value has: ``bad_pixel``, ``sink + hot``, ``4096?`` for one without a name."""
    names = {bit: name for name, bit in profile.quality.items()}
    bits = [1 << place for place in range(32) if value >> place & 1]
    return " + ".join(names.get(bit, f"{bit}?") for bit in bits) or "no bit"


def check_table(table: BadPixelTable, profile: Profile) -> tuple[Finding, ...]:
    """Find what is wrong with a table of bad pixels: headers, rows, bits.

    Parameters
    ----------
    table : BadPixelTable
        Of `read_bad_pixels`; headers are checked where it is from a file.
    profile : Profile
        Of the instrument.

    Returns
    -------
    tuple of Finding
        Empty for a table without fault.

    Raises
    ------
    MetadataError
        ``M07`` an instrument without such tables.
    """
    flagging_of(profile)
    return (*_headers(table, profile), *_rows(table, profile), *_bits(table, profile))


def _headers(table: BadPixelTable, profile: Profile) -> Iterator[Finding]:
    if table.path is not None:
        for text in check_reference(table.path):
            yield Finding(severity="refused", text=text)
        if not table.description:
            yield Finding(severity="doubtful", text="DESCRIP is missing")
        keyword = profile.contradicts({"INSTRUME": table.instrument, "DETECTOR": table.detector})
        if keyword:
            seen = {"INSTRUME": table.instrument, "DETECTOR": table.detector}[keyword]
            yield Finding(
                severity="refused",
                text=f"{keyword} is {seen!r}, wanted {' or '.join(profile.recognise[keyword])}",
            )
        if table.gain is None:
            yield Finding(severity="refused", text="column CCDGAIN is missing: calacs 10.5 crashes")
        if table.amplifiers is None:
            yield Finding(severity="doubtful", text="column CCDAMP is missing: rows hold for all")
    rows, cols = profile.chips[0].shape
    if table.size != (cols, rows):
        yield Finding(
            severity="doubtful",
            text=f"SIZAXIS is {table.size}, wanted {(cols, rows)}: pixels may be counted with overscan",
        )


def _rows(table: BadPixelTable, profile: Profile) -> Iterator[Finding]:
    if not len(table):
        yield Finding(severity="refused", text="the table has no row")
        return
    chips = {chip.id: chip.shape for chip in profile.chips}
    flagging = flagging_of(profile)
    last_x = table.x + np.where(table.axis == ALONG_X, table.length, 1) - 1
    last_y = table.y + np.where(table.axis == ALONG_Y, table.length, 1) - 1
    numbers = [*chips, ANY]
    rows, cols = (
        np.array([chips.get(int(chip), profile.chips[0].shape)[axis] for chip in table.chip])
        for axis in (0, 1)
    )
    outside = (table.x < 1) | (table.y < 1) | (last_x > cols) | (last_y > rows)
    apart = (table.x > cols) | (table.y > rows) | (last_x < 1) | (last_y < 1)
    every: list[tuple[Literal["refused", "doubtful"], NDArray[Any], str]] = [
        ("refused", ~np.isin(table.axis, (ALONG_X, ALONG_Y)), "AXIS is neither 1 nor 2"),
        ("refused", table.length <= 0, "LENGTH is not positive"),
        ("refused", ~np.isin(table.chip, numbers), f"CCDCHIP is none of {numbers}"),
        ("refused", apart, "a run lies outside the chip: nothing is flagged"),
        ("doubtful", outside & ~apart, "a run goes beyond the chip and is cut"),
    ]
    if table.amplifiers is not None:
        wrong = ~np.isin(table.amplifiers, flagging.amplifiers)
        every.append(("refused", wrong, f"CCDAMP is none of {', '.join(flagging.amplifiers)}"))
    if table.gain is not None:
        wrong = ~np.isin(table.gain, np.asarray(flagging.gains, np.float32))
        allowed = ", ".join(f"{gain:g}" for gain in flagging.gains)
        every.append(("refused", wrong, f"CCDGAIN is none of {allowed}"))
    for severity, wrong, text in every:
        if wrong.any():
            first = f", first in row {int(np.argmax(wrong)) + 1}"
            yield Finding(severity=severity, text=text + first, rows=int(np.count_nonzero(wrong)))


def _bits(table: BadPixelTable, profile: Profile) -> Iterator[Finding]:
    flagging = flagging_of(profile)
    legal = np.bitwise_or.reduce(list(profile.quality.values()))
    wanted = profile.quality[flagging.bit]
    since = None if table.useafter is None else _mjd(table.useafter)
    for value, rows in zip(*np.unique(table.value, return_counts=True), strict=True):
        names = name_bits(int(value) & 0xFFFF, profile)
        if value <= 0 or value >= 2**15:
            text = f"VALUE is {value}, wanted bits from 1 to 32767: 32768 is the sign"
            yield Finding(severity="refused", text=text, rows=int(rows))
            continue
        if value & ~legal:
            text = f"VALUE is {value} ({names}), a bit without a meaning"
            yield Finding(severity="refused", text=text, rows=int(rows))
        for name, from_mjd in flagging.set_by_pipeline.items():
            if value & profile.quality[name]:
                late = since is None or since >= from_mjd
                yield Finding(
                    severity="refused" if late else "doubtful",
                    text=f"VALUE is {value} ({names}): calibration sets {name} itself"
                    f"{'' if late else ' in later exposures'}; a bad pixel is {wanted}",
                    rows=int(rows),
                )


def _mjd(date: datetime) -> float:
    return (date.replace(tzinfo=UTC) - _MJD_ZERO).total_seconds() / 86400
