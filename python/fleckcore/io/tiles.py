"""Tile-compressed images, whose claims are checked before a decoder believes them.

Decoders are C code that trusts its input: with a damaged HCOMPRESS stream, or a BYTEPIX of RICE_1
that is no number, astropy 8.0.2 crashes. What a table and its streams say of their own sizes is
compared here first. A
reader that must survive any file still runs in a process of its own.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError
from fleckcore.io.blocks import BITPIX, BLOCK, MAX_UNPACKED, Blocks, Hdu, grouped

__all__ = ["check_claim", "is_tiled", "read_tiles"]

_TILE_CODES = ("GZIP_1", "GZIP_2", "RICE_1", "RICE_ONE", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS")


def is_tiled(hdu: Hdu) -> bool:
    """Tell whether a part is a tile-compressed image."""
    return hdu.header.get("ZIMAGE") is True and "BINTABLE" in str(hdu.header.get("XTENSION"))


def check_claim(pixels: int, blocks: Blocks, hdu: Hdu, max_pixels: int) -> None:
    """Refuse an image of more than ``max_pixels`` (I06)."""
    if pixels > max_pixels:
        raise InputFileError(
            f"the header claims {grouped(pixels)} pixels, the limit is {grouped(max_pixels)}.",
            code="I06",
            path=blocks.path,
            extension=hdu.label,
            advice="Raise max_pixels if that is true.",
        )


def read_tiles(blocks: Blocks, hdu: Hdu, max_pixels: int) -> NDArray[Any]:
    """Unpack an image; ``I06``, ``I07`` where it is too large, ``I08`` where it lies."""
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
    check_claim(prod(axes), blocks, hdu, max_pixels)
    if header.get("ZBITPIX") not in BITPIX or header.get("ZCMPTYPE") not in _TILE_CODES:
        raise _lie(
            blocks, hdu, f"ZBITPIX {header.get('ZBITPIX')!r}, ZCMPTYPE {header.get('ZCMPTYPE')!r}"
        )
    _check_settings(blocks, hdu)
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


_SETTINGS = {"BLOCKSIZE": (16, 32), "BYTEPIX": (1, 2, 4, 8), "SMOOTH": (0, 1)}


def _check_settings(blocks: Blocks, hdu: Hdu) -> None:
    """ZVALn go to a decoder as they are."""
    for number in range(1, 100):
        name, value = hdu.header.get(f"ZNAME{number}"), hdu.header.get(f"ZVAL{number}")
        known = _SETTINGS.get(str(name).strip().upper())
        if known is not None and (isinstance(value, bool) or value not in known):
            raise _lie(blocks, hdu, f"{name} is {value!r}, wanted one of {known}")


def _check_heap(blocks: Blocks, hdu: Hdu, tile_pixels: list[int]) -> None:
    """Every descriptor must point into the heap, and no tile may unpack to more than its size.

    RICE_1 and PLIO_1 decoders are given the size; gzip is not, and HCOMPRESS_1 believes the stream.
    """
    if len(hdu.axes) != 2 or hdu.header["BITPIX"] != 8:
        raise _lie(blocks, hdu, f"its table has BITPIX {hdu.header['BITPIX']}, axes {hdu.axes}")
    width, rows = hdu.axes
    heap_start = hdu.header.get("THEAP", width * rows)
    if type(heap_start) is not int or heap_start < width * rows:
        raise _lie(blocks, hdu, f"THEAP is {heap_start!r}")
    table = np.frombuffer(blocks.bytes[hdu.data_start : hdu.data_stop], np.uint8, width * rows)
    heap = blocks.bytes[hdu.data_start + heap_start : hdu.data_stop]
    codecs = {"GZIP_COMPRESSED_DATA": "GZIP_1", "COMPRESSED_DATA": str(hdu.header["ZCMPTYPE"])}
    for name, column, word, item in _descriptors(blocks, hdu, width):
        check = _TILE_CHECKS.get(codecs.get(name, "")[:4])
        pairs = np.ascontiguousarray(table.reshape(rows, width)[:, column]).view(word).tolist()
        for (count, start), pixels in zip(pairs, tile_pixels, strict=True):
            stop = start + count * item
            if count and stop > len(heap):
                raise _lie(blocks, hdu, f"a tile ends at byte {stop} of a heap of {len(heap)}")
            if count and check is not None:
                check(blocks, hdu, heap[start:stop], pixels)


_ITEM = {"L": 1, "X": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "C": 8, "M": 16}
_FORM = re.compile(r"(\d*)(?:([PQ])([LXBAIJEKDCM])(?:\(\d*\))?|([LXBAIJEKDCM]))")


def _descriptors(blocks: Blocks, hdu: Hdu, width: int) -> Iterator[tuple[str, slice, str, int]]:
    """Give name, bytes, word type and bytes of an item of every column that points to the heap."""
    fields = hdu.header.get("TFIELDS")
    if type(fields) is not int or not 1 <= fields <= 999:
        raise _lie(blocks, hdu, f"TFIELDS is {fields!r}")
    offset = 0
    for column in range(1, fields + 1):
        form = str(hdu.header.get(f"TFORM{column}", ""))
        match = _FORM.fullmatch(form.strip())
        repeat = int(match[1] or 1) if match else 0
        if match is None or (match[2] and repeat > 1):
            raise _lie(blocks, hdu, f"TFORM{column} is {form!r}")
        size = repeat * ({"P": 8, "Q": 16}[match[2]] if match[2] else _ITEM[match[4]])
        if offset + size > width:
            raise _lie(blocks, hdu, f"its columns need {offset + size} bytes of {width}")
        if match[2] and repeat:
            name = str(hdu.header.get(f"TTYPE{column}", "")).upper()
            word = {"P": ">u4", "Q": ">u8"}[match[2]]
            yield name, slice(offset, offset + size), word, _ITEM[match[3]]
        offset += size


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
