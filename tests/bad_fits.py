"""Files with faults, written byte by byte: one function for every fault of the list."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

BLOCK = 2880
PIXELS = np.arange(20_000, dtype=">i2").reshape(100, 200)
"""40 000 bytes of data: one header block and fourteen data blocks make 43 200."""


def card(keyword: str, value: object) -> bytes:
    """One card; str is quoted, bytes go in as they are."""
    if isinstance(value, bytes):
        return (f"{keyword:8}= ".encode() + value).ljust(80)[:80]
    if isinstance(value, bool):
        text = "T" if value else "F"
    elif isinstance(value, str):
        text = f"'{value}'"
    else:
        text = str(value)
    return f"{keyword:8}= {text:>20}".encode("latin-1").ljust(80)[:80]


def header(cards: Iterable[tuple[str, object]], raw: bytes = b"") -> bytes:
    """Cards, raw bytes (whole cards), END and padding."""
    text = b"".join(card(*pair) for pair in cards) + raw + b"END".ljust(80)
    return text.ljust(-(-len(text) // BLOCK) * BLOCK)


def pad(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def primary(data: np.ndarray | None = None, *, raw: bytes = b"", **more: object) -> bytes:
    """A primary part; ``more`` replaces or adds cards."""
    return _part({"SIMPLE": True}, data, raw, more)


def image(
    name: str, version: int, data: np.ndarray | None, *, raw: bytes = b"", **more: object
) -> bytes:
    """An image extension."""
    cards = {"PCOUNT": 0, "GCOUNT": 1, "EXTNAME": name, "EXTVER": version, **more}
    return _part({"XTENSION": "IMAGE   "}, data, raw, cards)


def _part(
    first: dict[str, object], data: np.ndarray | None, raw: bytes, more: dict[str, object]
) -> bytes:
    cards: dict[str, object] = {**first, "BITPIX": 16, "NAXIS": 0}
    if data is not None:
        bits = data.dtype.itemsize * 8
        cards |= {"BITPIX": -bits if data.dtype.kind == "f" else bits, "NAXIS": data.ndim}
        cards |= {f"NAXIS{i + 1}": n for i, n in enumerate(reversed(data.shape))}
    cards |= more
    body = b"" if data is None else pad(data.astype(data.dtype.newbyteorder(">")).tobytes())
    return header(cards.items(), raw) + body


def acs(*parts: bytes, **more: object) -> bytes:
    """An ACS/WFC exposure around extensions."""
    cards: dict[str, object] = {
        "INSTRUME": "ACS",
        "DETECTOR": "WFC",
        "ROOTNAME": "jabc01xyq",
        "FILTER1": "F606W",
        "FILTER2": "CLEAR2L",
        "EXPTIME": 0.5,
        "FLASHDUR": 4.6,
        "FLASHSTA": "SUCCESSFUL",
        "IMAGETYP": "DARK",
        "EXPSTART": 57878.25,
        "CCDAMP": "ABCD",
    }
    return primary(None, **{**cards, **more}) + b"".join(parts)


SMALL = np.arange(12, dtype=">f4").reshape(3, 4)


def sci(version: int = 1, data: np.ndarray | None = SMALL, **more: object) -> bytes:
    """A small SCI plane, a subarray of chip 2 unless told otherwise."""
    cards = {"CCDCHIP": 2, "LTV1": -100.0, "LTV2": -50.0, "BUNIT": "ELECTRONS"}
    return image("SCI", version, data, **{**cards, **more})


class Fault(NamedTuple):
    """A fault that a reader refuses, and words that the user must see."""

    code: str
    make: Callable[[], bytes]
    words: tuple[str, ...]


def i01_truncated() -> bytes:
    return primary(PIXELS)[:22_880]


def i01_header_without_end() -> bytes:
    return primary(PIXELS)[:1_000]


def i01_gzip_cut() -> bytes:
    noise = np.random.default_rng(1).integers(0, 9_999, (100, 200)).astype(">i2")
    return gzip.compress(primary(noise))[:20_000]


def i03_flipped_bit() -> bytes:
    whole = bytearray(with_sums())
    whole[BLOCK + 777] ^= 4
    return bytes(whole)


def i03_flipped_bit_gzip() -> bytes:
    whole = bytearray(gzip.compress(primary(PIXELS)))
    whole[-8] ^= 1  # CRC
    return bytes(whole)


def with_sums() -> bytes:
    """A sound file with a DATASUM, worked out here word by word."""
    body = pad(PIXELS.tobytes())
    total = sum(word for (word,) in struct.iter_unpack(">I", body))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return primary(PIXELS, DATASUM=str(total))


def i04_empty() -> bytes:
    return b""


def i04_html() -> bytes:
    return b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>"


def i04_other() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(5_000)


def i04_zip() -> bytes:
    return b"PK\x03\x04" + bytes(5_000)


def i04_gzipped_text() -> bytes:
    return gzip.compress(b"hello" * 1_000)


def _structure(**more: object) -> Callable[[], bytes]:
    return lambda: primary(PIXELS, **more)


def i05_one_axis() -> bytes:
    return primary(np.arange(100, dtype=">i2"))


def i05_three_axes() -> bytes:
    return primary(np.zeros((2, 3, 4), ">i2"))


def i05_no_pixels() -> bytes:
    return acs(sci(data=None))


def i05_empty_axis() -> bytes:
    return acs(sci(data=np.zeros((1, 0), ">f8")))


def i06_huge() -> bytes:
    return primary(PIXELS, NAXIS1=10**12, NAXIS2=10**12)


def i06_over_64_bits() -> bytes:
    return primary(PIXELS, NAXIS1=2**32, NAXIS2=2**32)


def i06_huge_null_plane() -> bytes:
    null = image("DQ", 1, None, NPIX1=10**9, NPIX2=10**9, PIXVALUE=0)
    return acs(sci(), null)


def i07_bomb() -> bytes:
    """5 MB that promise 4.8 GB of zeros, in many gzip members, and would keep the promise."""
    promised = primary(None, BITPIX=-64, NAXIS=2, NAXIS1=30_000, NAXIS2=20_000)
    member = gzip.compress(bytes(1 << 26), 9)
    return gzip.compress(promised) + member * 72


def tiles(**changes: object) -> bytes:
    """A gzip-compressed image of two rows, one tile each; ``changes`` make it lie."""
    rows = [zlib.compress(np.arange(8, dtype=">i4").tobytes(), wbits=31)] * 2
    rows = changes.pop("rows", rows)
    heap = b"".join(rows)
    table = struct.pack(">IIII", len(rows[0]), 0, len(rows[1]), len(rows[0]))
    table = changes.pop("table", table)
    cards = {
        "XTENSION": "BINTABLE",
        "BITPIX": 8,
        "NAXIS": 2,
        "NAXIS1": 8,
        "NAXIS2": 2,
        "PCOUNT": len(heap),
        "GCOUNT": 1,
        "TFIELDS": 1,
        "TTYPE1": "COMPRESSED_DATA",
        "TFORM1": "1PB(64)",
        "ZIMAGE": True,
        "ZCMPTYPE": "GZIP_1",
        "ZBITPIX": 32,
        "ZNAXIS": 2,
        "ZNAXIS1": 8,
        "ZNAXIS2": 2,
        "ZTILE1": 8,
        "ZTILE2": 1,
    }
    return primary() + header({**cards, **changes}.items()) + pad(table + heap)


def i07_tiles() -> bytes:
    return tiles(ZNAXIS1=40_000, ZNAXIS2=40_000, ZTILE1=40_000)


def i08_tile_grows() -> bytes:
    bomb = zlib.compress(bytes(50_000_000), wbits=31)
    return tiles(rows=[bomb, bomb])


def i08_tile_short() -> bytes:
    short = zlib.compress(np.arange(3, dtype=">i4").tobytes(), wbits=31)
    return tiles(rows=[short, short])


def i08_tile_outside_heap() -> bytes:
    return tiles(table=struct.pack(">IIII", 4_000_000, 0, 10, 4_000_000_000))


def i08_more_tiles_than_rows() -> bytes:
    return tiles(ZNAXIS2=40_000)


def i08_unknown_codec() -> bytes:
    return tiles(ZCMPTYPE="LZMA_9")


def i08_negative_tile() -> bytes:
    return tiles(ZTILE1=-8)


def i06_huge_compressed() -> bytes:
    return tiles(ZNAXIS1=10**9, ZNAXIS2=10**9)


def i11_no_sci() -> bytes:
    return acs(image("IMG", 1, SMALL, CCDCHIP=2), image("DQ", 1, SMALL))


def i13_twice() -> bytes:
    return acs(sci(1), sci(1, CCDCHIP=1))


def i14_no_chip() -> bytes:
    return acs(image("SCI", 1, SMALL))


def i14_chip_twice() -> bytes:
    return acs(sci(1), sci(2))


def i15_binned() -> bytes:
    return acs(sci(LTM1_1=0.5, LTM2_2=0.5))


def i15_binned_axis() -> bytes:
    return acs(sci(BINAXIS1=2))


def i15_unplaced() -> bytes:
    return acs(image("SCI", 1, SMALL, CCDCHIP=2))


def i15_outside() -> bytes:
    return acs(sci(LTV1=-5000.0))


def i16_endless() -> bytes:
    return primary(SMALL, raw=card("FILLER", 1) * 1_000_000)


def i16_two_widths() -> bytes:
    return primary(PIXELS, raw=card("NAXIS1", 100))


def a12_shapes() -> bytes:
    return acs(sci(), image("DQ", 1, np.zeros((3, 5), ">i2")))


def i05_float_flags() -> bytes:
    return acs(sci(), image("DQ", 1, SMALL))


REFUSED = (
    Fault("I01", i01_truncated, ("22 880 of 43 200 bytes", "Download it again")),
    Fault("I01", i01_header_without_end, ("no END in 1 000 bytes", "Download it again")),
    Fault("I01", i01_gzip_cut, ("gzip stream ends early", "Download it again")),
    Fault("I03", i03_flipped_bit, ("DATASUM says", "bits were flipped", "Download it again")),
    Fault("I03", i03_flipped_bit_gzip, ("gzip stream is damaged", "CRC")),
    Fault("I04", i04_empty, ("empty",)),
    Fault("I04", i04_html, ("an HTML page, not FITS",)),
    Fault("I04", i04_other, ("not FITS", "PNG")),
    Fault("I04", i04_zip, ("zip archive",)),
    Fault("I04", i04_gzipped_text, ("not FITS", "hello")),
    Fault("I05", primary, ("NAXIS is 0",)),
    Fault("I05", i05_one_axis, ("NAXIS is 1 (100)", "two axes")),
    Fault("I05", i05_three_axes, ("NAXIS is 3 (4 x 3 x 2)", "Choose one plane")),
    Fault("I05", _structure(NAXIS=999), ("NAXIS3 is missing",)),
    Fault("I05", _structure(NAXIS=1_000), ("NAXIS is 1000",)),
    Fault("I05", _structure(NAXIS=-1), ("NAXIS is -1",)),
    Fault("I05", _structure(NAXIS="two"), ("NAXIS is 'two'",)),
    Fault("I05", _structure(NAXIS=True), ("NAXIS is True",)),
    Fault("I05", _structure(NAXIS1=-5), ("NAXIS1 is -5",)),
    Fault("I05", _structure(NAXIS2="abc"), ("NAXIS2 is 'abc'",)),
    Fault("I05", _structure(NAXIS2=100.0), ("NAXIS2 is 100.0",)),
    Fault("I05", _structure(BITPIX=7), ("BITPIX is 7", "-64")),
    Fault("I05", _structure(BITPIX="abc"), ("BITPIX is 'abc'",)),
    Fault("I05", i05_no_pixels, ("[SCI,1]", "NAXIS is 0")),
    Fault("I05", i05_empty_axis, ("[SCI,1]", "NAXIS1 is 0")),
    Fault("I05", _structure(GCOUNT=2, NAXIS2=50), ("GCOUNT 2; wanted 0 and 1",)),
    Fault("I05", lambda: acs(sci(GCOUNT=0)), ("PCOUNT 0, GCOUNT 0",)),
    Fault("I05", i05_float_flags, ("[DQ,1]", "quality flags of type")),
    Fault("I06", i06_huge, ("1 000 000 000 000 000 000 000 000 pixels", "max_pixels")),
    Fault("I06", i06_over_64_bits, ("18 446 744 073 709 551 616 pixels", "max_pixels")),
    Fault("I06", i06_huge_null_plane, ("[DQ,1]", "1 000 000 000 000 000 000 pixels")),
    Fault("I06", i06_huge_compressed, ("1 000 000 000 000 000 000 pixels", "max_pixels")),
    Fault("I07", i07_bomb, ("expands over 2 147 483 648 bytes", "unpack it first")),
    Fault("I07", i07_tiles, ("expands over 2 147 483 648 bytes", "unpack it first")),
    Fault("I08", i08_tile_grows, ("unpacks to more than its 32 bytes",)),
    Fault("I08", i08_tile_short, ("compressed image lies",)),
    Fault("I08", i08_tile_outside_heap, ("a tile ends at byte", "of a heap of")),
    Fault("I08", i08_more_tiles_than_rows, ("2 tiles, ZTILE wants 40000",)),
    Fault("I08", i08_unknown_codec, ("LZMA_9",)),
    Fault("I08", lambda: tiles(ZNAME1="BYTEPIX", ZVAL1="- 4"), ("BYTEPIX is '- 4'",)),
    Fault("I08", lambda: tiles(ZNAME1="BLOCKSIZE", ZVAL1=0), ("BLOCKSIZE is 0",)),
    Fault("I08", i08_negative_tile, ("ZTILE1 is -8",)),
    Fault("I08", lambda: tiles(TFIELDS="one"), ("TFIELDS is 'one'",)),
    Fault("I08", lambda: tiles(THEAP=-16), ("THEAP is -16",)),
    Fault("I08", lambda: tiles(TFORM1="1PZ"), ("TFORM1 is '1PZ'",)),
    Fault("I08", lambda: tiles(BITPIX=16), ("its table has BITPIX 16",)),
    Fault("I11", i11_no_sci, ("wanted SCI", "found PRIMARY, IMG,1, DQ,1")),
    Fault("I13", i13_twice, ("SCI,1 is there twice",)),
    Fault("I14", i14_no_chip, ("no CCDCHIP", "2 chips")),
    Fault("I14", i14_chip_twice, ("one chip is there twice",)),
    Fault("I15", i15_binned, ("binned", "LTM1_1 is 0.5")),
    Fault("I15", i15_binned_axis, ("binned", "BINAXIS1 is 2")),
    Fault("I15", i15_unplaced, ("3 x 4 pixels without LTV1",)),
    Fault("I15", i15_outside, ("outside chip 2",)),
    Fault("I16", i16_endless, ("longer than 36 000 cards",)),
    Fault("I16", i16_two_widths, ("NAXIS1 is both 200 and 100",)),
    Fault("A12", a12_shapes, ("[DQ,1]", "(3, 5)", "(3, 4)")),
)


def write(folder: Path, content: bytes, name: str = "frame.fits") -> Path:
    """Put bytes into a file."""
    path = folder / name
    path.write_bytes(content)
    return path
