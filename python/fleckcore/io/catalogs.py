"""Features as files: ECSV and FITS to keep, CSV for spreadsheets, DS9 regions to look at."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fleckcore.errors import InputFileError, OutputError
from fleckcore.io.write import atomic_write, write_hdus

if TYPE_CHECKING:
    from astropy.table import QTable, Table

__all__ = [
    "KIND_COLOURS",
    "read_catalog",
    "read_tables",
    "write_catalog",
    "write_regions",
    "write_tables",
]


def write_catalog(table: Table, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a table whole, in the format that the ending of ``path`` names.

    Parameters
    ----------
    table : Table
        Columns of numbers, booleans or text, or of rows of numbers; ``meta`` of what JSON can hold.
    path : path-like
        ``.ecsv`` and ``.fits`` keep values, units, descriptions and meta. ``.csv`` keeps values
        alone, NaN as an empty cell, and gives each number of a row its column, ``name[0]`` and on; text that a
        spreadsheet would run as a formula is quoted by a leading apostrophe (I19).
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OutputError
        ``R08`` when the ending is another, the file exists or the folder cannot be written.
    """
    path = Path(path)
    writers = {".ecsv": _write_ecsv, ".fits": _write_fits, ".csv": _write_csv}
    if path.suffix.lower() not in writers:
        raise OutputError(
            f"the name ends in {path.suffix!r}, wanted {', '.join(writers)}.", code="R08", path=path
        )
    writers[path.suffix.lower()](table, path, overwrite)


def read_catalog(path: str | Path) -> QTable:
    """Read what `write_catalog` wrote as ECSV or FITS.

    Integer columns with a unit stay integers.

    Raises
    ------
    InputFileError
        ``I04`` when the file is missing or not such a table.
    """
    path = Path(path)
    readers = {".ecsv": _read_ecsv, ".fits": _read_fits}
    if path.suffix.lower() not in readers:
        raise InputFileError(
            f"the name ends in {path.suffix!r}, wanted {' or '.join(readers)}.",
            code="I04",
            path=path,
            advice="CSV keeps neither units nor meta." if path.suffix.lower() == ".csv" else "",
        )
    try:
        return _with_units(readers[path.suffix.lower()](path))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputFileError(
            f"is not a catalogue: {error}", code="I04", path=path, advice="Make it again."
        ) from error


def _with_units(table: Table) -> QTable:
    from astropy.table import QTable
    from astropy.units import Quantity

    columns: list[Any] = []
    for column in table.itercols():
        if column.unit is None:
            columns.append(column)
            continue
        quantity = Quantity(column.data, column.unit, dtype=column.dtype)
        quantity.info.name, quantity.info.description = column.name, column.description
        columns.append(quantity)
    return QTable(columns, meta=table.meta)


def _write_text(path: Path, text: str, overwrite: bool) -> None:
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(text.encode("utf-8"))


def _write_ecsv(table: Table, path: Path, overwrite: bool) -> None:
    from astropy.table import Table

    text = io.StringIO()
    Table(table, copy=False).write(text, format="ascii.ecsv")
    _write_text(path, text.getvalue(), overwrite)


def _read_ecsv(path: Path) -> Table:
    from astropy.table import Table

    empty = _empty_ecsv(path)
    return Table.read(path, format="ascii.ecsv") if empty is None else empty


def _empty_ecsv(path: Path) -> Table | None:
    """Read a table without rows, whose columns of several numbers astropy cannot; None for any other."""
    from astropy.table import Column, Table
    from astropy.table.meta import get_header_from_yaml

    lines = path.read_text("utf-8").splitlines()
    header = [line[2:] for line in lines if line.startswith("# ")]
    if len(lines) != len(header) + 1 or not header:
        return None
    about = get_header_from_yaml(header[1:])
    table = Table(meta=dict(about.get("meta", {})))
    for column in about["datatype"]:
        kind, shape = column["datatype"], ()
        if "subtype" in column:
            kind, _, sizes = column["subtype"].partition("[")
            shape = tuple(json.loads("[" + sizes))
        values = np.zeros((0, *shape), "U1" if kind == "string" else kind)
        table[column["name"]] = Column(
            values, unit=column.get("unit"), description=column.get("description")
        )
    return table


def _write_fits(table: Table, path: Path, overwrite: bool) -> None:
    write_tables({"catalog": table}, path, meta=table.meta, overwrite=overwrite)


def _read_fits(path: Path) -> Table:
    tables, meta = _read_tables(path)
    table = tables["catalog"]
    table.meta = meta
    return table


def write_tables(
    tables: Mapping[str, Table],
    path: str | Path,
    *,
    meta: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write tables as one FITS file: each in an extension of its name, and what is true of all as JSON in the last.

    Parameters
    ----------
    tables : mapping of str to Table
        Columns of numbers, booleans or text.
    path : path-like
        The file.
    meta : mapping, optional
        Values that JSON can hold.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OutputError
        ``R01``, ``R08``: see `atomic_write`.
    """
    from astropy.io import fits
    from astropy.table import Table

    hdus = [fits.PrimaryHDU()]
    for title, table in tables.items():
        hdu = fits.table_to_hdu(Table({name: _values(table[name]) for name in table.colnames}))
        hdu.name = title.upper()
        for number, name in enumerate(table.colnames, start=1):
            info = table[name].info
            if info.unit is not None:
                hdu.header[f"TUNIT{number}"] = info.unit.to_string()
            hdu.header[f"TCOMM{number}"] = info.description or ""
        hdus.append(hdu)
    keys = list(meta or {})
    values = [json.dumps((meta or {})[key]) for key in keys]
    last = fits.table_to_hdu(Table({"KEY": np.array(keys, "U"), "VALUE": np.array(values, "U")}))
    last.name = "META"
    write_hdus(path, fits.HDUList([*hdus, last]), overwrite=overwrite)


def read_tables(path: str | Path) -> tuple[dict[str, QTable], dict[str, Any]]:
    """Read what `write_tables` wrote: tables by their names in small letters, and what is true of all.

    Raises
    ------
    InputFileError
        ``I04`` when the file is missing or not of this kind.
    """
    path = Path(path)
    try:
        tables, meta = _read_tables(path)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputFileError(
            f"holds no tables of fleckcore: {error}", code="I04", path=path, advice="Make it again."
        ) from error
    return {name: _with_units(table) for name, table in tables.items()}, meta


def _read_tables(path: Path) -> tuple[dict[str, Table], dict[str, Any]]:
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        meta = {row["KEY"]: json.loads(row["VALUE"]) for row in hdus["META"].data}
        names = [hdu.name for hdu in hdus[1:] if hdu.name != "META"]
        return {name.lower(): _table_of(hdus[name]) for name in names}, meta


def _table_of(hdu: Any) -> Table:
    from astropy.table import Table
    from astropy.units import Unit

    columns = {name: np.array(hdu.data[name]) for name in hdu.columns.names}
    table = Table({name: c.astype(c.dtype.newbyteorder("=")) for name, c in columns.items()})
    for number, column in enumerate(table.itercols(), start=1):
        unit = hdu.header.get(f"TUNIT{number}")
        column.unit = None if unit is None else Unit(unit)
        column.description = hdu.header.get(f"TCOMM{number}") or None
    return table


def _values(column: Any) -> np.ndarray[Any, Any]:
    """Give the numbers of a column or of a quantity."""
    return np.asarray(getattr(column, "value", column))


def _write_csv(table: Table, path: Path, overwrite: bool) -> None:
    named: dict[str, Any] = {}
    for name in table.colnames:
        values = _values(table[name])
        if values.ndim == 1:
            named[name] = values.tolist()
        else:
            named |= {f"{name}[{i}]": part.tolist() for i, part in enumerate(values.T)}
    columns = list(named.values())
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([_csv_cell(name) for name in named])
    for row in zip(*columns, strict=True):
        writer.writerow([_csv_cell(value) for value in row])
    _write_text(path, text.getvalue(), overwrite)


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return "" if value != value else value


KIND_COLOURS = {
    "fleck": "#E69F00",
    "disc": "#56B4E9",
    "ring": "#009E73",
    "streak": "#CC79A7",
    "column": "#D55E00",
    "seam": "#0072B2",
    "edge": "#999999",
    "bright": "#F0E442",
}
"""Colours that stay apart for the colour-blind (Okabe & Ito 2008)."""

_OTHER_COLOUR = "#FFFFFF"

_NO_SHADOWS = ("column", "seam", "edge", "bright")

_REGION_HEADER = """\
# Region file format: DS9 version 4.1
# Made by fleckcore. Pixels of the searched file's image, 1-based as in DS9: x_centroid + 1 and any trimmed overscan.
global width=1 font="helvetica 10 normal roman" select=1 edit=1 move=1 delete=1 source=1
image
"""


def write_regions(table: Table, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a DS9 region file: an ellipse, circle or annulus around every feature, and its label.

    Positions are those of the image in the file that was searched, overscan included, counted from 1 as DS9 does.

    Parameters
    ----------
    table : Table
        With the columns of a feature that give its label, place, size and kind.
    path : path-like
        Usually ``.reg``.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OutputError
        ``R08`` when the file exists or the folder cannot be written.

    Notes
    -----
    A disc is a circle, a ring an annulus; what is of another kind is an ellipse at two sigma, the outline of a
    uniform ellipse with those moments. None is drawn smaller than 1.5 pixels. The text is the label, and the kind of
    what is no shadow: a column, seam, edge or bright feature.
    """
    x_file, y_file = table.meta.get("file_offset", (0, 0))
    lines = [_region(row, x_file + 1, y_file + 1) for row in table]
    _write_text(Path(path), _REGION_HEADER + "".join(lines), overwrite)


def _region(row: Any, x_first: int, y_first: int) -> str:
    names = ("x_centroid", "y_centroid", "radius", "radius_inner", "semimajor_axis")
    x, y, radius, inner, major = (_number(row[name]) for name in names)
    minor, angle = _number(row["semiminor_axis"]), _number(row["orientation"])
    kind = str(row["kind"])
    place = f"{x + x_first:.4f},{y + y_first:.4f}"
    if kind == "ring" and 0 < inner < radius:
        outline = f"annulus({place},{inner:.3f},{radius:.3f})"
    elif kind not in ("disc", "ring") and math.isfinite(major + minor + angle):
        outline = f"ellipse({place},{_drawn(2 * major)},{_drawn(2 * minor)},{angle:.3f})"
    else:
        outline = f"circle({place},{_drawn(radius)})"
    colour = KIND_COLOURS.get(kind, _OTHER_COLOUR)
    text = f"{row['label']} {kind}" if kind in _NO_SHADOWS else str(row["label"])
    return f"{outline} # color={colour} text={{{_printable(text)}}}\n"


def _number(value: Any) -> float:
    return float(getattr(value, "value", value))


def _drawn(radius: float) -> str:
    return f"{max(radius, 1.5) if math.isfinite(radius) else 1.5:.3f}"


def _printable(text: Any) -> str:
    """Strip control characters, and the braces that would end the text."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f{}]", "", str(text))
