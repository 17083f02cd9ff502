"""Tables of bad pixels (BPIXTAB): runs of pixels and the quality bits that calibration sets there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError, OutputError
from fleckcore.instruments import Profile
from fleckcore.io.cards import clean_text
from fleckcore.io.references import REFERENCES, Reference, read_useafter, reference_cards
from fleckcore.io.write import write_hdus

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["ANY", "BadPixelTable", "read_bad_pixels", "write_bad_pixels"]

ANY = -999
"""CCDCHIP and CCDGAIN of a row for every chip and gain."""
ANY_AMPLIFIER = "N/A"

Numbers = NDArray[np.int64]
_INTEGERS = ("PIX1", "PIX2", "LENGTH", "AXIS", "VALUE", "CCDCHIP")
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True, kw_only=True, eq=False)
class BadPixelTable:
    """Rows of a table of bad pixels, and what its header says.

    Attributes
    ----------
    x, y : ndarray of int64, shape (n,)
        First pixel of a run, counted from 1 on the chip without overscan.
    length, axis : ndarray of int64, shape (n,)
        Pixels of a run, and whether it goes along x (1) or y (2).
    value : ndarray of int64, shape (n,)
        Quality bits.
    chip : ndarray of int64, shape (n,)
        CCDCHIP, `ANY` for all.
    amplifiers : ndarray of str, shape (n,), or None
        CCDAMP, ``"N/A"`` for all; None without that column.
    gain : ndarray of float32, shape (n,), or None
        CCDGAIN, `ANY` for all; None without that column.
    whole_gain : bool
        CCDGAIN is a column of 32-bit integers: calacs compares it with the gain without its fraction.
    size : (int, int) or None
        SIZAXIS1 and SIZAXIS2.
    useafter : datetime or None
        Exposures from then on use it.
    instrument, detector, description : str
        As in the header.
    path : Path or None
        The file.
    """

    x: Numbers
    y: Numbers
    length: Numbers
    axis: Numbers
    value: Numbers
    chip: Numbers
    amplifiers: NDArray[np.str_] | None = None
    gain: NDArray[np.float32] | None = None
    whole_gain: bool = False
    size: tuple[int, int] | None = None
    useafter: datetime | None = None
    instrument: str = ""
    detector: str = ""
    description: str = ""
    path: Path | None = None

    def __len__(self) -> int:
        return self.x.size


def read_bad_pixels(path: str | Path) -> BadPixelTable:
    """Read a table of bad pixels.

    Parameters
    ----------
    path : path-like
        A BPIXTAB; its rows stand in the first extension.

    Returns
    -------
    BadPixelTable
        As it is, mistakes and all: `fleckcore.flag.check_table` finds them.

    Raises
    ------
    InputFileError
        ``I04`` not FITS; ``I05`` no such table, a column that is missing or holds no number; ``I11`` no extension.
    """
    from astropy.io import fits

    path = Path(path)
    try:
        with fits.open(path, memmap=False) as hdus:
            primary = hdus[0].header
            kind = str(primary.get("FILETYPE", "")).strip().upper()
            if kind != REFERENCES["bad_pixels"].filetype:
                raise InputFileError(
                    f"FILETYPE is {kind!r}, wanted {REFERENCES['bad_pixels'].filetype!r}.",
                    code="I05",
                    path=path,
                )
            if len(hdus) < 2 or not isinstance(hdus[1], fits.BinTableHDU):
                raise InputFileError("wanted a binary table behind it.", code="I11", path=path)
            return _table(hdus[1], primary, path)
    except (OSError, ValueError, TypeError) as error:
        raise InputFileError(f"cannot be read: {error}.", code="I04", path=path) from error


def _table(hdu: Any, primary: Any, path: Path) -> BadPixelTable:
    known = {column.name.upper(): column for column in hdu.columns}
    numbers = {name: _column(known, hdu, name, path) for name in _INTEGERS}
    gain = None if "CCDGAIN" not in known else _column(known, hdu, "CCDGAIN", path)
    amplifiers = None
    if "CCDAMP" in known:
        amplifiers = np.array([str(text).rstrip() for text in hdu.data["CCDAMP"]], np.str_)
    size = [hdu.header.get(key) for key in ("SIZAXIS1", "SIZAXIS2")]
    return BadPixelTable(
        **{
            name: numbers[key].astype(np.int64)
            for name, key in zip(
                ("x", "y", "length", "axis", "value", "chip"), _INTEGERS, strict=True
            )
        },
        amplifiers=amplifiers,
        gain=None if gain is None else gain.astype(np.float32),
        whole_gain=gain is not None and str(known["CCDGAIN"].format).strip("1") == "J",
        size=(size[0], size[1]) if all(type(part) is int for part in size) else None,
        useafter=read_useafter(str(primary.get("USEAFTER", ""))),
        instrument=clean_text(str(primary.get("INSTRUME", ""))),
        detector=clean_text(str(primary.get("DETECTOR", ""))),
        description=clean_text(str(primary.get("DESCRIP", ""))),
        path=path,
    )


def _column(known: dict[str, Any], hdu: Any, name: str, path: Path) -> NDArray[Any]:
    """Give the numbers of a column; a cell without a number is refused, calacs would take it for one."""
    if name not in known:
        raise InputFileError(
            f"column {name} is missing, there are {', '.join(known)}.",
            code="I05",
            path=path,
            extension=hdu.name,
        )
    values = np.asarray(hdu.data[name])
    whole = values.dtype.kind in "iu"
    if values.ndim != 1 or not (whole or (name == "CCDGAIN" and values.dtype.kind == "f")):
        raise InputFileError(
            f"column {name} is of type {known[name].format}, wanted one whole number a row.",
            code="I05",
            path=path,
            extension=hdu.name,
        )
    empty = values == known[name].null if known[name].null not in (None, "") else values != values
    if np.any(empty):
        raise InputFileError(
            f"column {name} has no value in row {int(np.argmax(empty)) + 1}.",
            code="I05",
            path=path,
            extension=hdu.name,
        )
    return values


def write_bad_pixels(
    path: str | Path,
    table: BadPixelTable,
    about: Reference,
    profile: Profile,
    *,
    history: Iterable[str] = (),
    overwrite: bool = False,
) -> None:
    """Write a table of bad pixels with the headers that delivery asks for.

    Every row gets its CCDAMP and CCDGAIN, ``"N/A"`` and `ANY` where the table has none: calacs 10.5 takes CCDGAIN for
    granted.

    Parameters
    ----------
    path : path-like
        The file.
    table : BadPixelTable
        The rows; its header fields are not used.
    about : Reference
        Of kind ``"bad_pixels"``: dates and description.
    profile : Profile
        Of the instrument.
    history : iterable of str
        HISTORY of the primary header.
    overwrite : bool
        Replace an older file.

    Raises
    ------
    OutputError
        ``R08`` a number that the columns cannot hold, or the file; ``R01``: see `atomic_write`.
    """
    from astropy.io import fits

    count = len(table)
    amplifiers = table.amplifiers if table.amplifiers is not None else [ANY_AMPLIFIER] * count
    gain = table.gain if table.gain is not None else np.full(count, ANY, np.float32)
    columns = [fits.Column("CCDAMP", "4A", array=np.asarray(amplifiers, "S4"))]
    parts = (table.x, table.y, table.length, table.axis, table.value, table.chip)
    for name, values in zip(_INTEGERS, parts, strict=True):
        if count and not (_INT16.min <= values.min() and values.max() <= _INT16.max):
            raise OutputError(
                f"{name} goes from {values.min()} to {values.max()}, the column holds {_INT16.min} to {_INT16.max}.",
                code="R08",
                path=Path(path),
            )
        unit = "pixel" if name in ("PIX1", "PIX2", "LENGTH") else None
        columns.append(fits.Column(name, "I", unit=unit, array=values.astype(np.int16)))
    columns.append(fits.Column("CCDGAIN", "E", unit="electrons/DN", array=gain))
    body = fits.BinTableHDU.from_columns(columns, name=REFERENCES["bad_pixels"].table, ver=1)
    rows, cols = profile.chips[0].shape
    body.header["SIZAXIS1"] = (cols, "columns of a chip without overscan")
    body.header["SIZAXIS2"] = (rows, "rows of a chip without overscan")
    hdus = fits.HDUList([_primary(about, profile, history), body])
    write_hdus(path, hdus, overwrite=overwrite)


def _primary(about: Reference, profile: Profile, history: Iterable[str]) -> fits.PrimaryHDU:
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    names = {key: values[0] for key, values in profile.recognise.items()}
    cards = reference_cards(
        about, instrument=names.get("INSTRUME", ""), detector=names.get("DETECTOR", "")
    )
    for keyword, value, comment in cards:
        primary.header[keyword] = (value, comment)
    for line in history:
        primary.header.add_history(clean_text(line))
    return primary
