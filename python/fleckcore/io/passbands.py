"""Passbands: which part of the light of each wavelength is seen, from files that the user has."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, InputFileError

__all__ = ["Passband", "read_passband"]

_ANGSTROM = {
    "angstrom": 1.0,
    "angstroms": 1.0,
    "a": 1.0,
    "aa": 1.0,
    "nm": 10.0,
    "nanometer": 10.0,
    "um": 1e4,
    "micron": 1e4,
    "microns": 1e4,
}
_FITS = {".fits", ".fit", ".fts"}


@dataclass(frozen=True, eq=False)
class Passband:
    """What part of the photons of each wavelength is seen.

    Attributes
    ----------
    wavelength : ndarray of float64, shape (n,)
        Angstrom, rising.
    throughput : ndarray of float64, shape (n,)
        Per photon, in any unit; 0 beyond the ends.
    name : str
        For people.

    Raises
    ------
    ArrayError
        ``A09`` fewer than two wavelengths, some that are not positive, or no throughput; ``A12`` different lengths.
    """

    wavelength: NDArray[np.float64]
    throughput: NDArray[np.float64]
    name: str = ""

    def __post_init__(self) -> None:
        wavelength, throughput = (
            np.asarray(v, float).ravel() for v in (self.wavelength, self.throughput)
        )
        if wavelength.shape != throughput.shape:
            raise ArrayError(
                f"{wavelength.size} wavelengths, {throughput.size} throughputs.", code="A12"
            )
        order = np.argsort(wavelength, kind="stable")
        if not (
            wavelength.size >= 2
            and np.isfinite(throughput).all()
            and np.isfinite(wavelength).all()
            and wavelength.min() > 0
            and throughput.max() > 0
        ):
            raise ArrayError(
                f"{wavelength.size} wavelengths, wanted two or more above 0 and some throughput.",
                code="A09",
            )
        object.__setattr__(self, "wavelength", wavelength[order])
        object.__setattr__(self, "throughput", throughput[order])


def read_passband(path: str | Path, *, unit: str | None = None, name: str = "") -> Passband:
    """Read a passband from two columns of text, or from a table of a FITS file.

    Parameters
    ----------
    path : path-like
        Text, plain or gzipped: wavelength and throughput first in each row, separated by blanks or commas; rows that
        do not begin with two numbers are remarks. FITS: columns WAVELENGTH and THROUGHPUT of the first table that has
        them, else its first two columns.
    unit : str, optional
        Of the wavelengths: ``"angstrom"``, ``"nm"`` or ``"um"``. By default that of the FITS column, else angstrom.
    name : str
        By default that of the file without its endings.

    Returns
    -------
    Passband

    Raises
    ------
    InputFileError
        ``I04`` not such a file; ``I05`` fewer than two rows, or values that make no passband.
    ArrayError
        ``A09`` a unit that is not known.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        rows, found = _read_fits(path) if _FITS & set(suffixes) else (_read_text(path), None)
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise InputFileError(f"cannot be read: {error}.", code="I04", path=path) from error
    scale = _ANGSTROM.get((unit or found or "angstrom").strip().lower())
    if scale is None:
        raise ArrayError(f"unit={unit or found!r}, wanted angstrom, nm or um.", code="A09")
    try:
        return Passband(rows[:, 0] * scale, rows[:, 1], name or path.name.split(".")[0])
    except ArrayError as error:
        raise InputFileError(error.message, code="I05", path=path) from error


def _read_text(path: Path) -> NDArray[np.float64]:
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    rows = []
    with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = re.split(r"[\s,;]+", line.strip())
            try:
                rows.append((float(words[0]), float(words[1])))
            except (ValueError, IndexError):
                continue
    return np.array(rows, float).reshape(-1, 2)


def _read_fits(path: Path) -> tuple[NDArray[np.float64], str | None]:
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        tables = [hdu for hdu in hdus if getattr(hdu, "columns", None) is not None]
        if not tables:
            raise ValueError("it holds no table")
        wanted = ("WAVELENGTH", "THROUGHPUT")
        for table in tables:
            columns = {column.name.upper(): column for column in table.columns}
            if all(one in columns for one in wanted):
                break
        else:
            table = tables[0]
            columns = {column.name.upper(): column for column in table.columns}
            wanted = tuple(list(columns)[:2])
        values = np.stack([np.asarray(table.data[columns[n].name], float) for n in wanted], axis=1)
        return values, columns[wanted[0]].unit or None
