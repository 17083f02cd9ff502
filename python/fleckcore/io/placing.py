"""Where an image lies on its chip: overscan, subarrays, binning."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError
from fleckcore.instruments import Chip
from fleckcore.io.blocks import Hdu
from fleckcore.io.cards import Header, first_number

__all__ = ["Place", "at", "place_image"]


@dataclass(frozen=True)
class Place:
    """Which parts of an image are on the trimmed chip, and where the first pixel lies there."""

    rows: tuple[tuple[int, int], ...]
    columns: tuple[tuple[int, int], ...]
    x: int
    y: int

    @property
    def shape(self) -> tuple[int, int]:
        """``(rows, cols)`` of what is kept."""
        rows, cols = (sum(b - a for a, b in spans) for spans in (self.rows, self.columns))
        return rows, cols

    def cut(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Keep the parts; a view where they are one rectangle."""
        for axis, spans in enumerate((self.rows, self.columns)):
            parts = [plane[at(axis, slice(*span))] for span in spans]
            plane = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)
        return plane

    def cells(self, seams: tuple[tuple[str, int], ...], axis: int) -> list[tuple[int, int]]:
        """Give the parts of an axis between the chip's seams, in pixels of the kept image; empty ones too."""
        name, first, size = ("row", "col")[axis], (self.y, self.x)[axis], self.shape[axis]
        inner = [min(max(index - first, 0), size) for side, index in seams if side == name]
        return list(pairwise([0, *inner, size]))

    def seams(self, seams: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
        """Seams of the chip in pixels of the kept image, those outside left out."""
        rows, cols = self.shape
        limits = {"row": (self.y, rows), "col": (self.x, cols)}
        moved = ((axis, index - limits[axis][0]) for axis, index in seams)
        return tuple((axis, index) for axis, index in moved if 0 < index < limits[axis][1])


def at(axis: int, span: slice) -> tuple[slice, slice]:
    """Index a span of one axis."""
    return (span, slice(None)) if axis == 0 else (slice(None), span)


def place_image(
    path: Path, hdu: Hdu, shape: tuple[int, ...], chip: Chip | None, *, trim: bool = True
) -> Place:
    """Find which part of an image lies on its chip.

    Parameters
    ----------
    path : Path
        For errors.
    hdu : Hdu
        Where LTV and LTM stand: image pixel = trimmed pixel + LTV.
    shape : tuple of int
        ``(rows, cols)`` of the image.
    chip : Chip or None
        ``None`` places by LTV alone and keeps every pixel.
    trim : bool
        Whether the overscan of a whole raw image is left out.

    Raises
    ------
    InputFileError
        ``I15``: binned, outside the chip, or of another size without LTV.
    """
    rows, cols = shape
    ltv = _ltv(hdu.header)
    if chip is None:
        x, y = (0, 0) if ltv is None else (-ltv[0], -ltv[1])
        return Place(((0, rows),), ((0, cols),), x, y)
    for key in ("LTM1_1", "LTM2_2", "BINAXIS1", "BINAXIS2"):
        if hdu.header.get(key, 1) != 1:
            raise _refusal(path, hdu, f"a binned frame: {key} is {hdu.header[key]!r}, wanted 1.")
    if shape == chip.raw_shape and ltv in (None, chip.ltv):
        if trim:
            return Place(chip.raw_rows, chip.raw_columns, 0, 0)
        return Place(((0, rows),), ((0, cols),), -chip.ltv[0], -chip.ltv[1])
    if ltv is None and shape == chip.shape:
        ltv = (0, 0)
    if ltv is None:
        raise _refusal(path, hdu, f"{rows} x {cols} pixels without LTV1, LTV2 cannot be placed.")
    x0, x1 = _overlap(ltv[0], cols, chip.shape[1])
    y0, y1 = _overlap(ltv[1], rows, chip.shape[0])
    if x1 <= x0 or y1 <= y0:
        raise _refusal(
            path, hdu, f"LTV1 {ltv[0]}, LTV2 {ltv[1]} lie outside chip {chip.id} of {chip.shape}."
        )
    return Place(((y0, y1),), ((x0, x1),), x0 - ltv[0], y0 - ltv[1])


def _refusal(path: Path, hdu: Hdu, message: str) -> InputFileError:
    return InputFileError(message, code="I15", path=path, extension=hdu.label)


def _ltv(header: Header) -> tuple[int, int] | None:
    values = [first_number(header, [key]) for key in ("LTV1", "LTV2")]
    if None in values:
        return None
    return round(values[0] or 0.0), round(values[1] or 0.0)


def _overlap(ltv: int, size: int, limit: int) -> tuple[int, int]:
    """Pixels of an image axis that lie on the chip: trimmed = pixel - ltv."""
    return max(0, ltv), min(size, limit + ltv)
