"""The pixels of one part of a FITS file, scaled once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError
from fleckcore.io.blocks import Blocks, Hdu
from fleckcore.io.cards import first_number
from fleckcore.io.tiles import check_claim, is_tiled, read_tiles

__all__ = ["holds_image", "is_null", "read_plane"]

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


def is_null(hdu: Hdu) -> bool:
    """Tell whether a part is a constant plane: NAXIS = 0 with NPIX1, NPIX2 and PIXVALUE (I12)."""
    return hdu.header["NAXIS"] == 0 and all(
        first_number(hdu.header, [key]) is not None for key in ("NPIX1", "NPIX2", "PIXVALUE")
    )


def holds_image(hdu: Hdu) -> bool:
    """Tell whether a part is a two-dimensional image with pixels."""
    if is_tiled(hdu):
        return hdu.header.get("ZNAXIS") == 2
    if hdu.index and str(hdu.header.get("XTENSION", "")).strip() not in ("IMAGE", "IUEIMAGE"):
        return False
    return is_null(hdu) or (len(hdu.axes) == 2 and 0 not in hdu.axes)


def read_plane(blocks: Blocks, hdu: Hdu, *, max_pixels: int) -> NDArray[Any]:
    """Give the pixels of one part.

    Parameters
    ----------
    blocks : Blocks
        The file.
    hdu : Hdu
        A part of it.
    max_pixels : int
        Largest image.

    Returns
    -------
    ndarray, shape (rows, cols), read-only
        Without BZERO and BSCALE, a big-endian view of the file; unsigned integers exactly as
        such; otherwise scaled floats. BLANK pixels are NaN.

    Raises
    ------
    InputFileError
        ``I05`` not a two-dimensional image, ``I06`` too large, ``I08`` a compressed image that
        lies.
    """
    if is_tiled(hdu):
        return read_tiles(blocks, hdu, max_pixels)
    if is_null(hdu):
        return _read_null(blocks, hdu, max_pixels)
    if not holds_image(hdu):
        raise _refusal(blocks, hdu)
    cols, rows = hdu.axes
    dtype = np.dtype(_DTYPES[int(hdu.header["BITPIX"])])
    if hdu.data_stop - hdu.data_start != rows * cols * dtype.itemsize:
        extra, groups = hdu.header.get("PCOUNT", 0), hdu.header.get("GCOUNT", 1)
        raise InputFileError(
            f"PCOUNT {extra}, GCOUNT {groups}; wanted 0 and 1.",
            code="I05",
            path=blocks.path,
            extension=hdu.label,
        )
    stored = np.frombuffer(blocks.bytes[hdu.data_start : hdu.data_stop], dtype).reshape(rows, cols)
    return _scale(stored, hdu)


def _refusal(blocks: Blocks, hdu: Hdu) -> InputFileError:
    axes = hdu.axes
    if not axes:
        seen, advice = "NAXIS is 0, no pixels", ""
    elif 0 in axes:
        seen, advice = f"NAXIS{axes.index(0) + 1} is 0, no pixels", ""
    else:
        shape = " x ".join(map(str, axes[:4]))
        seen, advice = f"NAXIS is {len(axes)} ({shape})", "Choose one plane, or another extension."
    return InputFileError(
        f"{seen}; wanted an image of two axes.",
        code="I05",
        path=blocks.path,
        extension=hdu.label,
        advice=advice,
    )


def _read_null(blocks: Blocks, hdu: Hdu, max_pixels: int) -> NDArray[Any]:
    cols, rows = int(hdu.header["NPIX1"]), int(hdu.header["NPIX2"])
    if cols < 1 or rows < 1:
        raise InputFileError(
            f"NPIX1 x NPIX2 is {cols} x {rows}.", code="I05", path=blocks.path, extension=hdu.label
        )
    check_claim(cols * rows, blocks, hdu, max_pixels)
    value = hdu.header["PIXVALUE"]
    dtype = np.int32 if isinstance(value, int) and abs(value) < 2**31 else np.float32
    return np.broadcast_to(np.asarray(value, dtype=dtype), (rows, cols))


def _scale(stored: NDArray[Any], hdu: Hdu) -> NDArray[Any]:
    """Apply BSCALE, BZERO and BLANK once (I10)."""
    zero = first_number(hdu.header, ["BZERO"]) or 0.0
    factor = first_number(hdu.header, ["BSCALE"])
    factor = 1.0 if factor is None else factor
    kind, bits = stored.dtype.kind, 8 * stored.dtype.itemsize
    blank = hdu.header.get("BLANK")
    blanks = None
    if kind in "iu" and type(blank) is int:
        found = stored == blank
        blanks = found if found.any() else None
    if factor == 1.0 and zero == 0.0:
        scaled = stored
    elif factor == 1.0 and kind == "i" and zero == 2.0 ** (bits - 1):
        unsigned = np.dtype(f">u{bits // 8}")
        scaled = stored.view(unsigned) ^ unsigned.type(1 << (bits - 1))
    elif factor == 1.0 and bits == 8 and zero == -128.0:
        scaled = (stored ^ np.uint8(128)).view(np.int8)
    else:
        with np.errstate(all="ignore"):  # a wild BSCALE gives infinities, which the mask leaves out
            scaled = stored.astype(_float_for(stored)) * factor + zero
    if blanks is None:
        return scaled
    return np.where(blanks, np.nan, scaled.astype(_float_for(stored)))


def _float_for(stored: NDArray[Any]) -> type[np.floating[Any]]:
    small = stored.dtype.itemsize <= 2 or stored.dtype == np.dtype(">f4")
    return np.float32 if small else np.float64
