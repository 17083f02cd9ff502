"""Masks as files of other programs: FITS maps, LSST defects, lists of PixInsight and Siril, DS9 regions.

A mask is True where a pixel is bad. Every reader takes what its writer gives and refuses what it cannot place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError
from fleckcore.io.blocks import open_blocks
from fleckcore.io.cards import first_number
from fleckcore.io.planes import holds_image, read_plane
from fleckcore.io.write import atomic_write, write_hdus

__all__ = [
    "read_ds9",
    "read_lsst_defects",
    "read_map",
    "read_pixinsight",
    "read_siril",
    "runs_of",
    "write_ds9",
    "write_lsst_defects",
    "write_map",
    "write_pixinsight",
    "write_siril",
]

Mask = NDArray[np.bool_]
Shape = tuple[int, int]
Run = tuple[int, int, int, int]
"""x, y of the first pixel from 0, width and height."""

BAD = {"boolean": 1, "eso": 0}
"""Value of a bad pixel in a map."""
MOST = 0.5
"""A map with more bad pixels than this share is taken for one that means the opposite."""


def runs_of(mask: Mask) -> Iterator[Run]:
    """Give the runs of bad pixels along the columns, from left to right."""
    framed = np.pad(mask.T.astype(np.int8), ((0, 0), (1, 1)))
    steps = np.diff(framed, axis=1)
    x, first = np.nonzero(steps == 1)
    _, after = np.nonzero(steps == -1)
    for at, start, stop in zip(x.tolist(), first.tolist(), after.tolist(), strict=True):
        yield at, start, 1, stop - start


def _paint(runs: Iterator[Run], shape: Shape, path: Path) -> Mask:
    """Make a mask of runs; `InputFileError` I15 for one that does not lie on the image."""
    mask = np.zeros(shape, bool)
    rows, cols = shape
    for x, y, width, height in runs:
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > cols or y + height > rows:
            raise InputFileError(
                f"{width} x {height} pixels from x={x}, y={y} do not lie on an image of {cols} x {rows}.",
                code="I15",
                path=path,
                advice="Is the list for another image, or another binning?",
            )
        mask[y : y + height, x : x + width] = True
    return mask


def write_map(
    path: str | Path, masks: Mapping[int, Mask], *, kind: str, overwrite: bool = False
) -> None:
    """Write masks as FITS images of bytes, one extension for each chip, its number in CCDCHIP.

    Parameters
    ----------
    path : path-like
        The file.
    masks : dict of int to ndarray of bool, shape (rows, cols)
        By chip. A single one is the primary image.
    kind : {"boolean", "eso"}
        1 where a pixel is bad, or 0 where it is bad and 1 where it is good.
    overwrite : bool
        Replace an older file.

    Raises
    ------
    OutputError
        ``R01``, ``R08``: see `atomic_write`.
    """
    from astropy.io import fits

    single = len(masks) == 1
    parts: list[Any] = [] if single else [fits.PrimaryHDU()]
    for version, (chip, mask) in enumerate(masks.items(), start=1):
        image = (mask == (BAD[kind] == 1)).astype(np.uint8)
        hdu = fits.PrimaryHDU(image) if single else fits.ImageHDU(image, name="MASK", ver=version)
        hdu.header["CCDCHIP"] = chip
        hdu.header["BADVALUE"] = (BAD[kind], "value of a bad pixel")
        parts.append(hdu)
    write_hdus(path, fits.HDUList(parts), overwrite=overwrite)


def read_map(path: str | Path, *, kind: str, chip: int | None = 1) -> dict[int, Mask]:
    """Read FITS images as masks.

    Parameters
    ----------
    path : path-like
        The file; every image of it is a mask.
    kind : {"boolean", "eso"}
        As in `write_map`. A card BADVALUE that says otherwise is an error.
    chip : int or None
        Number of an image without CCDCHIP; None refuses it.

    Returns
    -------
    dict of int to ndarray of bool, shape (rows, cols)

    Raises
    ------
    InputFileError
        ``I05`` other values than 0 and 1, or most pixels bad, as in a map that means the opposite; ``I11`` no image;
        ``I13`` a chip twice; ``I14`` no CCDCHIP.
    """
    blocks = open_blocks(path)
    found: dict[int, Mask] = {}
    for hdu in blocks.hdus:
        if not holds_image(hdu):
            continue
        values = read_plane(blocks, hdu, max_pixels=2**31)
        number = first_number(hdu.header, ("CCDCHIP",))
        if number is None and chip is None:
            raise InputFileError("no CCDCHIP.", code="I14", path=blocks.path, extension=hdu.label)
        number = int(chip or 0) if number is None else int(number)
        wrong = _complaint(values, hdu.header.get("BADVALUE"), kind)
        if wrong:
            raise InputFileError(wrong, code="I05", path=blocks.path, extension=hdu.label)
        if number in found:
            raise InputFileError(
                f"chip {number} is there twice.", code="I13", path=blocks.path, extension=hdu.label
            )
        found[number] = np.asarray(values == BAD[kind])
    if not found:
        raise InputFileError("wanted an image of two axes.", code="I11", path=blocks.path)
    return found


def _complaint(values: NDArray[Any], said: object, kind: str) -> str:
    if said is not None and said != BAD[kind]:
        return f"BADVALUE is {said}, a map of kind {kind!r} has {BAD[kind]}."
    if not np.isin(values, (0, 1)).all():
        return "a map has only 0 and 1."
    share = float(np.mean(values == BAD[kind]))
    if share > MOST:
        return f"{100 * share:.0f} % of the pixels would be bad: does {BAD[kind]} mean good here?"
    return ""


def write_lsst_defects(
    path: str | Path, mask: Mask, *, chip: int = 1, instrument: str = "", overwrite: bool = False
) -> None:
    """Write a mask as defects of the LSST pipelines: boxes counted from 0, as ECSV.

    Raises `OutputError` as `atomic_write` does. Columns and OBSTYPE are those of ``lsst.ip.isr.Defects``.
    """
    from astropy.table import Table

    boxes = np.array(list(runs_of(mask)), np.int64).reshape(-1, 4)
    table = Table(boxes, names=("x0", "y0", "width", "height"))
    table.meta = {"OBSTYPE": "defects", "DETECTOR": chip, "INSTRUME": instrument}
    text = StringIO()
    table.write(text, format="ascii.ecsv")
    _write_lines(path, text.getvalue().splitlines(), overwrite)


def read_lsst_defects(path: str | Path, shape: Shape) -> dict[int, Mask]:
    """Read defects of the LSST pipelines, by DETECTOR (1 where it is not said), on an image of a shape.

    Raises `InputFileError` ``I04`` no such table, ``I05`` other columns, ``I15`` a box outside.
    """
    from astropy.table import Table

    path = Path(path)
    try:
        table = Table.read(path, format="ascii.ecsv")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputFileError(f"is no ECSV table: {error}.", code="I04", path=path) from error
    names = ("x0", "y0", "width", "height")
    if str(table.meta.get("OBSTYPE")) != "defects" or not set(names) <= set(table.colnames):
        raise InputFileError(
            f"OBSTYPE {table.meta.get('OBSTYPE')!r}, columns {', '.join(table.colnames)}; wanted 'defects' and "
            f"{', '.join(names)}.",
            code="I05",
            path=path,
        )
    boxes = (
        (int(row[0]), int(row[1]), int(row[2]), int(row[3])) for row in table[names].iterrows()
    )
    return {int(table.meta.get("DETECTOR", 1)): _paint(boxes, shape, path)}


def write_pixinsight(path: str | Path, mask: Mask, *, overwrite: bool = False) -> None:
    """Write a mask as a defect list of PixInsight's CosmeticCorrection: parts of columns, counted from 0.

    A line is ``Col x first last``; row 0 is the first of the file, which PixInsight shows at the top unless told
    otherwise.
    """
    lines = [f"Col {x} {y} {y + height - 1}" for x, y, _, height in runs_of(mask)]
    _write_lines(path, lines, overwrite)


_PIXINSIGHT = re.compile(r"(Col|Row)\s+(\d+)(?:\s+(\d+)\s+(\d+))?", re.IGNORECASE)


def read_pixinsight(path: str | Path, shape: Shape) -> Mask:
    """Read a defect list of PixInsight: ``Col`` or ``Row``, its number, and first and last pixel of a part.

    Raises `InputFileError` ``I04`` not text, ``I05`` another line, ``I15`` a defect outside the image.
    """

    def runs() -> Iterator[Run]:
        for number, line in _lines(path):
            match = _PIXINSIGHT.fullmatch(line)
            if match is None:
                raise _bad_line(path, number, line, "'Col x first last' or 'Row y first last'")
            column = match[1].lower() == "col"
            last_one = shape[0 if column else 1] - 1
            first, last = (0, last_one) if match[3] is None else (int(match[3]), int(match[4]))
            if column:
                yield int(match[2]), first, 1, last - first + 1
            else:
                yield first, int(match[2]), last - first + 1, 1

    return _paint(runs(), shape, Path(path))


def write_siril(path: str | Path, mask: Mask, *, overwrite: bool = False) -> None:
    """Write a mask as a cosmetic-correction list of Siril: cold pixels, rows counted from the last one.

    A line is ``P x y C``; Siril counts y from the top of a picture whose first row is at the bottom.
    """
    rows = mask.shape[0]
    lines = [
        f"P {x} {rows - 1 - row} C"
        for x, y, _, height in runs_of(mask)
        for row in range(y, y + height)
    ]
    _write_lines(path, lines, overwrite)


_SIRIL = re.compile(r"([PLC])\s+(\d+)\s+(\d+)(?:\s+[A-Z])?")


def read_siril(path: str | Path, shape: Shape) -> Mask:
    """Read a cosmetic-correction list of Siril: pixels (P), lines (L) and columns (C).

    Raises `InputFileError` ``I04`` not text, ``I05`` another line, ``I15`` a defect outside the image.
    """
    rows, cols = shape

    def runs() -> Iterator[Run]:
        for number, line in _lines(path):
            if line.startswith("#"):
                continue
            match = _SIRIL.fullmatch(line)
            if match is None:
                raise _bad_line(path, number, line, "'P x y C', 'L y 0 C' or 'C x 0 C'")
            first, second = int(match[2]), int(match[3])
            if match[1] == "P":
                yield first, rows - 1 - second, 1, 1
            elif match[1] == "L":
                yield 0, rows - 1 - first, cols, 1
            else:
                yield first, 0, 1, rows

    return _paint(runs(), shape, Path(path))


def write_ds9(path: str | Path, mask: Mask, *, overwrite: bool = False) -> None:
    """Write a mask as DS9 boxes in image coordinates, which count pixel centres from 1."""
    lines = ["# Region file format: DS9 version 4.1", "image"]
    lines += [
        f"box({x + 1 + (width - 1) / 2},{y + 1 + (height - 1) / 2},{width},{height},0)"
        for x, y, width, height in runs_of(mask)
    ]
    _write_lines(path, lines, overwrite)


_DS9 = re.compile(r"box\(([-\d.]+),([-\d.]+),([\d.]+),([\d.]+)(?:,([-\d.]+))?\)(?:\s*#.*)?")


def read_ds9(path: str | Path, shape: Shape) -> Mask:
    """Read upright DS9 boxes of whole pixels.

    Raises `InputFileError` ``I04`` not text, ``I05`` another shape or sky coordinates, ``I15`` outside the image.
    """

    def runs() -> Iterator[Run]:
        for number, line in _lines(path):
            if line.startswith(("#", "global")) or line == "image":
                continue
            match = _DS9.fullmatch(line.removeprefix("image;").strip())
            if match is None or float(match[5] or 0) != 0:
                raise _bad_line(path, number, line, "upright boxes in image coordinates")
            x, y, width, height = (float(part) for part in match.groups()[:4])
            corner = x - (width - 1) / 2 - 1, y - (height - 1) / 2 - 1
            whole = [round(part) for part in (*corner, width, height)]
            if any(abs(a - b) > 1e-6 for a, b in zip(whole, (*corner, width, height), strict=True)):
                raise _bad_line(path, number, line, "boxes of whole pixels")
            yield whole[0], whole[1], whole[2], whole[3]

    return _paint(runs(), shape, Path(path))


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(f"cannot be read as text: {error}.", code="I04", path=path) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def _bad_line(path: str | Path, number: int, line: str, wanted: str) -> InputFileError:
    return InputFileError(
        f"line {number} is {line[:60]!r}, wanted {wanted}.", code="I05", path=path
    )


def _write_lines(path: str | Path, lines: list[str], overwrite: bool) -> None:
    with atomic_write(path, overwrite=overwrite) as file:
        file.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
