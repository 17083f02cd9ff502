"""Masks as tables of bad pixels, and what such a table does to a quality plane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, InputFileError, MetadataError, OutputError
from fleckcore.instruments import Flagging, Profile
from fleckcore.io.bad_pixels import ANY, BadPixelTable, read_bad_pixels, write_bad_pixels
from fleckcore.io.quality import QualityPlane
from fleckcore.io.references import Reference

__all__ = [
    "Applied",
    "apply_table",
    "decode_table",
    "deliver_table",
    "encode_bits",
    "encode_masks",
    "flagging_of",
    "join_tables",
]

Mask = NDArray[np.bool_]
Bits = NDArray[np.int16]

WILD = (-1, ANY)
"""CCDCHIP and CCDGAIN for which a row holds for all."""
WILD_AMPLIFIERS = ("ANY", "N/A")
PLACEHOLDER = (1, 1)
"""Row and column, from 0, of the pixel that doDQI flags where no row of a table holds. Its message says (1,1) too."""
PLACEHOLDER_BIT = 64
ALONG_X, ALONG_Y = 1, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Applied:
    """What a table did to a plane.

    Attributes
    ----------
    plane : QualityPlane
        With the bits that it has now.
    rows : int
        Rows of the table that hold for this chip, its amplifiers and gain.
    pixels : int
        Pixels of the plane that these cover.
    changed : int
        Pixels whose bits are others than before.
    placeholder : bool
        No row holds: the placeholder was flagged, as calacs does.
    """

    plane: QualityPlane
    rows: int
    pixels: int
    changed: int
    placeholder: bool


def flagging_of(profile: Profile) -> Flagging:
    """Give what a profile knows of tables of bad pixels, or raise `MetadataError` (M07)."""
    if profile.flagging is None:
        raise MetadataError(
            f"{profile.name} has no tables of bad pixels.",
            code="M07",
            advice="Choose another format.",
        )
    return profile.flagging


def encode_masks(
    masks: Mapping[int, Mask], profile: Profile, *, value: int | None = None
) -> BadPixelTable:
    """Make a table of bad pixels of masks.

    Parameters
    ----------
    masks : dict of int to ndarray of bool, shape (rows, cols)
        By CCDCHIP, of chips without overscan.
    profile : Profile
        Of the instrument.
    value : int, optional
        Quality bits of every pixel; by default the bit of the profile's ``flagging``.

    Returns
    -------
    BadPixelTable
        Runs along y, for any amplifier and gain.

    Raises
    ------
    ArrayError
        ``A12`` a mask of another shape than its chip; ``A09`` bits outside 1 to 32767.
    MetadataError
        ``M07`` no such chip, or an instrument without such tables.
    """
    bit = profile.quality[flagging_of(profile).bit] if value is None else value
    if not 0 < bit < 2**15:
        raise ArrayError(
            f"value={bit!r}, wanted bits from 1 to 32767: 32768 is the sign.", code="A09"
        )
    return encode_bits(
        {chip: np.where(mask, np.int16(bit), np.int16(0)) for chip, mask in masks.items()}, profile
    )


def encode_bits(planes: Mapping[int, NDArray[Any]], profile: Profile) -> BadPixelTable:
    """Make a table of bad pixels of quality planes; a run has the same bits throughout.

    Takes planes by CCDCHIP, of chips without overscan, and raises as `encode_masks` does.
    """
    runs = []
    for chip in profile.chips:
        if chip.id in planes:
            plane = np.asarray(planes[chip.id])
            if plane.shape != chip.shape:
                raise ArrayError(
                    f"the plane of chip {chip.id} has shape {plane.shape}, the chip {chip.shape}.",
                    code="A12",
                )
            runs.append(_runs(plane, chip.id))
    for unknown in set(planes) - {chip.id for chip in profile.chips}:
        profile.chip(unknown)
    x, y, length, value, number = (
        np.concatenate([run[part] for run in runs]) if runs else np.zeros(0, np.int64)
        for part in range(5)
    )
    count = x.size
    return BadPixelTable(
        x=x,
        y=y,
        length=length,
        axis=np.full(count, ALONG_Y, np.int64),
        value=value,
        chip=number,
        amplifiers=np.full(count, WILD_AMPLIFIERS[1]),
        gain=np.full(count, ANY, np.float32),
        size=profile.chips[0].shape[::-1],
    )


def _runs(plane: NDArray[Any], chip: int) -> tuple[NDArray[np.int64], ...]:
    """Give x, y, length, bits and chip of the runs of equal bits along the columns."""
    columns = plane.T.astype(np.int64)
    framed = np.pad(columns, ((0, 0), (1, 1)))
    edges = np.diff(framed, axis=1) != 0
    x, first = np.nonzero(edges[:, :-1] & (columns != 0))
    last = np.nonzero(edges[:, 1:] & (columns != 0))[1]
    bits = columns[x, first]
    return x + 1, first + 1, last - first + 1, bits, np.full(x.size, chip, np.int64)


def join_tables(tables: Iterable[BadPixelTable]) -> BadPixelTable:
    """Put the rows of tables one behind the other, with the header of the first; what is flagged twice is OR-ed.

    Rows of a table without CCDAMP or CCDGAIN hold for all.
    """
    every = list(tables)
    parts: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in every])
        for name in ("x", "y", "length", "axis", "value", "chip")
    }
    amplifiers = [
        np.full(len(table), WILD_AMPLIFIERS[1]) if table.amplifiers is None else table.amplifiers
        for table in every
    ]
    gains = [
        np.full(len(table), ANY, np.float32) if table.gain is None else table.gain
        for table in every
    ]
    return replace(
        every[0], **parts, amplifiers=np.concatenate(amplifiers), gain=np.concatenate(gains)
    )


def apply_table(table: BadPixelTable, plane: QualityPlane) -> Applied:
    """OR a table of bad pixels into a quality plane, exactly as doDQI of calacs 10.5 does.

    Parameters
    ----------
    table : BadPixelTable
        Any.
    plane : QualityPlane
        Raw, trimmed or subarray: LTV says where it lies. It stays as it is.

    Returns
    -------
    Applied

    Raises
    ------
    InputFileError
        ``I05`` a row whose AXIS is neither 1 nor 2, whose LENGTH is not positive, or whose VALUE 16 bits do not hold:
        calacs stops there, or flags something else.
    MetadataError
        ``M07`` rows are chosen by a gain that the exposure does not tell.

    Notes
    -----
    A row holds where CCDAMP is that of the exposure, ``N/A`` or ``ANY``; CCDGAIN that of the exposure, -1 or -999;
    and CCDCHIP that of the plane, -1 or -999. PIX - 1 + LTV is cut to a whole number; a run is cut at the border.
    Where no row holds, calacs flags one pixel with 64 so that later steps find a plane, and so does this.
    """
    _refuse_rows(table)
    chosen = np.flatnonzero(_holds(table, plane))
    covered = np.zeros(plane.bits.shape, np.int16)
    x = np.trunc(table.x - 1 + plane.ltv[0]).astype(np.int64)
    y = np.trunc(table.y - 1 + plane.ltv[1]).astype(np.int64)
    reach = (
        np.where(table.axis == ALONG_X, table.length, 1),
        np.where(table.axis == ALONG_Y, table.length, 1),
    )
    rows, cols = plane.bits.shape
    x0, x1 = np.clip(x, 0, cols), np.clip(x + reach[0], 0, cols)
    y0, y1 = np.clip(y, 0, rows), np.clip(y + reach[1], 0, rows)
    for row in chosen:
        covered[y0[row] : y1[row], x0[row] : x1[row]] |= np.int16(table.value[row])
    pixels, empty = int(np.count_nonzero(covered)), chosen.size == 0
    if empty and rows > PLACEHOLDER[0] and cols > PLACEHOLDER[1]:
        covered[PLACEHOLDER] = PLACEHOLDER_BIT
    bits = plane.bits | covered
    return Applied(
        plane=replace(plane, bits=bits),
        rows=chosen.size,
        pixels=pixels,
        changed=int(np.count_nonzero(bits != plane.bits)),
        placeholder=empty,
    )


def _refuse_rows(table: BadPixelTable) -> None:
    for wrong, name, values, wanted in (
        ((table.axis != ALONG_X) & (table.axis != ALONG_Y), "AXIS", table.axis, "1 or 2"),
        (table.length <= 0, "LENGTH", table.length, "1 or more"),
        ((table.value >= 2**15) | (table.value < -(2**15)), "VALUE", table.value, "16 bits"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputFileError(
                f"{name} is {values[row]} in row {row + 1}, wanted {wanted}.",
                code="I05",
                path=table.path,
                advice="Have `fleckcore flag check` look at the table.",
            )


def _holds(table: BadPixelTable, plane: QualityPlane) -> Mask:
    """Tell which rows are for this chip, these amplifiers and this gain."""
    holds: Mask = np.isin(table.chip, (*WILD, plane.chip))
    if table.amplifiers is not None:
        holds &= np.isin(table.amplifiers, (*WILD_AMPLIFIERS, plane.amplifiers))
    if table.gain is None:
        return holds
    wild = np.isin(table.gain, WILD)
    if plane.gain is None:
        if not wild.all():
            raise MetadataError(
                "rows are chosen by CCDGAIN, and the exposure has none.",
                code="M07",
                path=plane.path,
                extension=plane.extension,
            )
        return holds
    gain = np.trunc(plane.gain) if table.whole_gain else np.float32(plane.gain)
    chosen: Mask = holds & (wild | (table.gain == gain))
    return chosen


def decode_table(
    table: BadPixelTable,
    profile: Profile,
    *,
    amplifiers: str | None = None,
    gain: float | None = None,
) -> dict[int, Bits]:
    """Give the bits that a table sets on each chip without overscan.

    Parameters
    ----------
    table : BadPixelTable
        Any.
    profile : Profile
        Of the instrument.
    amplifiers : str, optional
        CCDAMP of exposures; by default rows for any amplifiers count.
    gain : float, optional
        CCDGAIN of exposures; by default rows for any gain count.

    Returns
    -------
    dict of int to ndarray of int16, shape (rows, cols)
        By CCDCHIP; zeros where no row holds.

    Raises
    ------
    InputFileError
        As `apply_table`.
    """
    if amplifiers is None:
        table = replace(table, amplifiers=None)
    if gain is None:
        table = replace(table, gain=None)
    found = {}
    for chip in profile.chips:
        plane = QualityPlane(
            bits=np.zeros(chip.shape, np.int16),
            chip=chip.id,
            amplifiers=amplifiers or "",
            gain=gain,
        )
        applied = apply_table(table, plane)
        found[chip.id] = plane.bits if applied.placeholder else applied.plane.bits
    return found


def deliver_table(
    path: str | Path,
    table: BadPixelTable,
    about: Reference,
    profile: Profile,
    *,
    history: Iterable[str] = (),
    overwrite: bool = False,
) -> BadPixelTable:
    """Write a table of bad pixels, read it again, and compare pixel by pixel before it is handed over.

    Parameters and errors are those of `fleckcore.io.bad_pixels.write_bad_pixels`; what was read is returned.

    Raises
    ------
    OutputError
        ``R01`` the file does not say what the table does; it is removed.
    """
    path = Path(path)
    write_bad_pixels(path, table, about, profile, history=history, overwrite=overwrite)
    written = read_bad_pixels(path)
    wanted, found = (decode_table(one, profile) for one in (table, written))
    same = all((wanted[chip] == found[chip]).all() for chip in wanted)
    if not same or not _same_choice(table, written):
        path.unlink()
        raise OutputError(
            "the table, read again, is another; it was removed.", code="R01", path=path
        )
    return written


def _same_choice(table: BadPixelTable, written: BadPixelTable) -> bool:
    """Tell whether rows are chosen by the same amplifiers and gains; a column that was not there holds for all."""
    one, two = (join_tables([each]) for each in (table, written))
    return np.array_equal(one.amplifiers, two.amplifiers) and np.array_equal(one.gain, two.gain)  # type: ignore[arg-type]
