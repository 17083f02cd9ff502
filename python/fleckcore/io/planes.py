"""The pixels of one part of a FITS file, scaled once."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError
from fleckcore.io.blocks import BITPIX, BLOCK, MAX_UNPACKED, Blocks, Hdu, grouped
from fleckcore.io.cards import first_number

__all__ = ["holds_image", "is_null", "read_plane"]

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_TILE_CODES = ("GZIP_1", "GZIP_2", "RICE_1", "RICE_ONE", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS")


def is_tiled(hdu: Hdu) -> bool:
    """Tell whether a part is a tile-compressed image."""
    return hdu.header.get("ZIMAGE") is True and "BINTABLE" in str(hdu.header.get("XTENSION"))


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
        return _read_tiles(blocks, hdu, max_pixels)
    if is_null(hdu):
        return _read_null(blocks, hdu, max_pixels)
    if not holds_image(hdu):
        raise _refusal(blocks, hdu)
    cols, rows = hdu.axes
    dtype = np.dtype(_DTYPES[int(hdu.header["BITPIX"])])
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
    _check_claim(cols * rows, blocks, hdu, max_pixels)
    value = hdu.header["PIXVALUE"]
    dtype = np.int32 if isinstance(value, int) and abs(value) < 2**31 else np.float32
    return np.broadcast_to(np.asarray(value, dtype=dtype), (rows, cols))


def _check_claim(pixels: int, blocks: Blocks, hdu: Hdu, max_pixels: int) -> None:
    if pixels > max_pixels:
        raise InputFileError(
            f"the header claims {grouped(pixels)} pixels, the limit is {grouped(max_pixels)}.",
            code="I06",
            path=blocks.path,
            extension=hdu.label,
            advice="Raise max_pixels if that is true.",
        )


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


def _read_tiles(blocks: Blocks, hdu: Hdu, max_pixels: int) -> NDArray[Any]:
    tile_pixels = _check_tiles(blocks, hdu, max_pixels)
    _check_heap(blocks, hdu, tile_pixels)
    from astropy.io import fits

    cards = ("SIMPLE  =                    T", "BITPIX  =                    8")
    primary = "".join(f"{card:80}" for card in (*cards, "NAXIS   =                    0", "END"))
    stop = -(-hdu.data_stop // BLOCK) * BLOCK
    part = bytes(blocks.bytes[hdu.start : stop]).ljust(stop - hdu.start, b"\0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(BytesIO(primary.ljust(BLOCK).encode() + part), memmap=False) as parts:
                plane = np.asarray(parts[1].data)
    except Exception as error:  # whatever a decoder says of broken bytes is this file's fault
        raise _lie(blocks, hdu, f"its tiles cannot be unpacked ({type(error).__name__})") from error
    wanted = (int(hdu.header["ZNAXIS2"]), int(hdu.header["ZNAXIS1"]))
    if plane.shape != wanted:
        raise _lie(blocks, hdu, f"it unpacks to {plane.shape}, ZNAXIS says {wanted}")
    return plane


def _lie(blocks: Blocks, hdu: Hdu, what: str) -> InputFileError:
    return InputFileError(
        f"the compressed image lies: {what}.",
        code="I08",
        path=blocks.path,
        extension=hdu.label,
        advice="Download it again.",
    )


def _check_tiles(blocks: Blocks, hdu: Hdu, max_pixels: int) -> list[int]:
    """Compare what ZNAXIS and ZTILE claim with the table; give the pixels of every tile."""
    header = hdu.header
    axes, tiles = [], []
    for axis in range(2):
        length = header.get(f"ZNAXIS{axis + 1}")
        if header.get("ZNAXIS") != 2 or type(length) is not int or length < 1:
            raise _lie(blocks, hdu, f"ZNAXIS{axis + 1} is {length!r}")
        tile = header.get(f"ZTILE{axis + 1}", length if axis == 0 else 1)
        if type(tile) is not int or tile < 1:
            raise _lie(blocks, hdu, f"ZTILE{axis + 1} is {tile!r}")
        axes.append(length)
        tiles.append(min(tile, length))
    _check_claim(prod(axes), blocks, hdu, max_pixels)
    if header.get("ZBITPIX") not in BITPIX or header.get("ZCMPTYPE") not in _TILE_CODES:
        raise _lie(
            blocks, hdu, f"ZBITPIX {header.get('ZBITPIX')!r}, ZCMPTYPE {header.get('ZCMPTYPE')!r}"
        )
    size = prod(axes) * abs(int(header["ZBITPIX"])) // 8
    if size > MAX_UNPACKED:
        raise InputFileError(
            f"expands over {grouped(MAX_UNPACKED)} bytes (its header promises {grouped(size)}).",
            code="I07",
            path=blocks.path,
            extension=hdu.label,
            advice="If it is genuine, unpack it first.",
        )
    wanted = prod(ceil(length / tile) for length, tile in zip(axes, tiles, strict=True))
    if header.get("NAXIS2") != wanted:
        raise _lie(blocks, hdu, f"its table has {header.get('NAXIS2')} tiles, ZTILE wants {wanted}")
    widths, heights = (
        [min(tile, length - start) for start in range(0, length, tile)]
        for length, tile in zip(axes, tiles, strict=True)
    )
    return [width * height for height in heights for width in widths]


def _check_heap(blocks: Blocks, hdu: Hdu, tile_pixels: list[int]) -> None:
    """Every descriptor must point into the heap, and no tile may unpack to more than its size.

    RICE_1 and PLIO_1 decoders are given the size; gzip is not, and HCOMPRESS_1 believes the stream.
    """
    if len(hdu.axes) != 2 or hdu.header["BITPIX"] != 8:
        raise _lie(blocks, hdu, f"its table has BITPIX {hdu.header['BITPIX']}, axes {hdu.axes}")
    width, rows = hdu.axes
    table = np.frombuffer(
        blocks.bytes[hdu.data_start : hdu.data_start + width * rows], np.uint8
    ).reshape(rows, width)
    fields, heap_start = hdu.header.get("TFIELDS"), hdu.header.get("THEAP", width * rows)
    if type(fields) is not int or not 1 <= fields <= 999:
        raise _lie(blocks, hdu, f"TFIELDS is {fields!r}")
    if type(heap_start) is not int or not width * rows <= heap_start:
        raise _lie(blocks, hdu, f"THEAP is {heap_start!r}")
    heap = blocks.bytes[hdu.data_start + heap_start : hdu.data_stop]
    offset = 0
    for column in range(1, fields + 1):
        form = str(hdu.header.get(f"TFORM{column}", ""))
        name = str(hdu.header.get(f"TTYPE{column}", ""))
        size = _column_bytes(form)
        if size is None or offset + size > width:
            raise _lie(blocks, hdu, f"TFORM{column} is {form!r}")
        found = form.lstrip("01")
        if found[:1] in ("P", "Q") and size:
            word = ">u4" if found[0] == "P" else ">u8"
            pairs = np.ascontiguousarray(table[:, offset : offset + size]).view(word)
            _check_descriptors(blocks, hdu, heap, pairs, _ITEM[found[1]])
            codec = {"GZIP_COMPRESSED_DATA": "GZIP", "COMPRESSED_DATA": hdu.header["ZCMPTYPE"]}
            check = _TILE_CHECKS.get(str(codec.get(name))[:4])
            for (count, start), pixels in zip(pairs.tolist(), tile_pixels, strict=True):
                if count and check is not None:
                    check(blocks, hdu, heap[start : start + count], pixels)
        offset += size


_ITEM = {"L": 1, "X": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "C": 8, "M": 16}


def _column_bytes(form: str) -> int | None:
    digits = form[: len(form) - len(form.lstrip("0123456789"))]
    repeat = int(digits) if digits else 1
    code = form[len(digits) : len(digits) + 1]
    if code in ("P", "Q"):
        known = repeat <= 1 and form[len(digits) + 1 : len(digits) + 2] in tuple(_ITEM)
        return repeat * (8 if code == "P" else 16) if known else None
    return repeat * _ITEM[code] if code in _ITEM else None


def _check_descriptors(
    blocks: Blocks, hdu: Hdu, heap: memoryview, pairs: NDArray[Any], item: int
) -> None:
    for count, start in pairs.tolist():
        if count and start + count * item > len(heap):
            raise _lie(
                blocks, hdu, f"a tile ends at byte {start + count * item} of a heap of {len(heap)}"
            )


def _check_gzip(blocks: Blocks, hdu: Hdu, tile: memoryview, pixels: int) -> None:
    limit = pixels * max(4, abs(int(hdu.header["ZBITPIX"])) // 8)
    unpacker = zlib.decompressobj(wbits=47)
    try:
        size = len(unpacker.decompress(tile, limit + 1))
    except zlib.error as error:
        raise _lie(blocks, hdu, f"a tile is no gzip stream ({error})") from None
    if size > limit:
        raise _lie(blocks, hdu, f"a tile unpacks to more than its {limit} bytes")


def _check_hcompress(blocks: Blocks, hdu: Hdu, tile: memoryview, pixels: int) -> None:
    """The stream begins with its own size; the decoder writes as much, whatever room it has."""
    head = bytes(tile[: _HCOMPRESS.size])
    if len(head) < _HCOMPRESS.size:
        raise _lie(blocks, hdu, f"a tile of {len(head)} bytes")
    magic, nx, ny, _, _, *planes = _HCOMPRESS.unpack(head)
    if magic != 0xDD99 or nx < 1 or ny < 1 or nx * ny != pixels or max(planes) > 60:
        raise _lie(
            blocks, hdu, f"a tile says {nx} x {ny} and {planes} bit planes of {pixels} pixels"
        )


_HCOMPRESS = struct.Struct(">HiiiqBBB")
_TILE_CHECKS = {"GZIP": _check_gzip, "HCOM": _check_hcompress}
