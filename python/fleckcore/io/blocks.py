"""The outer structure of a FITS file, checked before any pixel is touched.

A file is a run of blocks of 2880 bytes. `open_blocks` walks the headers, multiplies the sizes
that they claim in unbounded integers, compares them with what is there, and gives one `Hdu` for
each part. Every kind of damage is one `InputFileError`.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from fleckcore.errors import InputFileError
from fleckcore.io.cards import CARD, Header, clean_text, parse_cards
from fleckcore.io.mapped import MappedFile

__all__ = [
    "BITPIX",
    "BLOCK",
    "MAX_UNPACKED",
    "Blocks",
    "Hdu",
    "grouped",
    "open_blocks",
]

BLOCK = 2880
MAX_HEADER_BLOCKS = 1000
"""Longest header that is read: 36 000 cards."""
MAX_HDUS = 10_000
MAX_UNPACKED = 2 << 30
"""Most bytes that a .gz file, or a tile-compressed image, may grow to in memory (I07)."""
BITPIX = (8, 16, 32, 64, -32, -64)


@dataclass(frozen=True)
class Hdu:
    """One header and where its data lie.

    Attributes
    ----------
    index : int
        0-based position in the file.
    header : mapping
        Parsed cards.
    start, data_start, data_stop : int
        Offsets in bytes; ``data_stop`` is without padding.
    """

    index: int
    header: Header
    start: int
    data_start: int
    data_stop: int

    @property
    def name(self) -> str:
        """EXTNAME in capitals, cleaned; ``"PRIMARY"`` for a nameless first part."""
        text = clean_text(str(self.header.get("EXTNAME", ""))).upper()
        return text or ("PRIMARY" if self.index == 0 else "")

    @property
    def version(self) -> int:
        """EXTVER, 1 by default."""
        value = self.header.get("EXTVER", 1)
        return value if type(value) is int else 1

    @property
    def label(self) -> str:
        """``"SCI,1"``, or the position of a part that has no name."""
        if not self.name or self.name == "PRIMARY":
            return str(self.index)
        return f"{self.name},{self.version}"

    @property
    def axes(self) -> tuple[int, ...]:
        """NAXIS1, NAXIS2, ..."""
        return tuple(int(self.header[f"NAXIS{i + 1}"]) for i in range(int(self.header["NAXIS"])))


@dataclass(frozen=True)
class Blocks:
    """A checked file: its bytes (memory map or unpacked), its parts, and what was odd."""

    path: Path
    bytes: memoryview
    hdus: tuple[Hdu, ...]
    warnings: tuple[str, ...]


class _Source(Protocol):
    """Bytes of a file; ``fill(n)`` makes up to ``n`` available and says how many are."""

    def fill(self, stop: int) -> int: ...
    def piece(self, start: int, stop: int) -> bytes: ...
    def whole(self) -> memoryview: ...


class _Plain:
    """Mapped, but headers are read: a touch of a mapping may take 2 MB."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._map = MappedFile(file, path)

    def fill(self, stop: int) -> int:  # noqa: ARG002  # everything is there
        return len(self._map)

    def piece(self, start: int, stop: int) -> bytes:
        self._file.seek(start)
        return self._file.read(stop - start)

    def whole(self) -> memoryview:
        return memoryview(self._map)


class _Gzipped:
    """Unpacks no further than asked, so that a bomb costs what its headers promise, or the cap."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = gzip.GzipFile(fileobj=file)
        self._path = path
        self._buffer = bytearray()

    def fill(self, stop: int) -> int:
        if stop > MAX_UNPACKED:
            raise InputFileError(
                f"expands over {grouped(MAX_UNPACKED)} bytes (headers promise {grouped(stop)}).",
                code="I07",
                path=self._path,
                advice="If it is genuine, unpack it first.",
            )
        try:
            while len(self._buffer) < stop:
                chunk = self._file.read(min(stop - len(self._buffer), 1 << 24))
                if not chunk:
                    break
                self._buffer += chunk
        except EOFError:
            raise InputFileError(
                f"the gzip stream ends early, after {grouped(len(self._buffer))} unpacked bytes.",
                code="I01",
                path=self._path,
                advice="Download it again.",
            ) from None
        except (OSError, zlib.error) as error:
            raise InputFileError(
                f"the gzip stream is damaged: {error}.",
                code="I03",
                path=self._path,
                advice="Download it again.",
            ) from None
        return len(self._buffer)

    def piece(self, start: int, stop: int) -> bytes:
        return bytes(self._buffer[start:stop])

    def whole(self) -> memoryview:
        return memoryview(self._buffer).toreadonly()


def open_blocks(path: str | Path, *, max_pixels: int = 2**31) -> Blocks:
    """Walk the headers of a FITS file, plain or gzipped.

    Parameters
    ----------
    path : path-like
        The file; gzip is told by its first bytes, not by its name.
    max_pixels : int, optional
        Largest image that a header may claim.

    Returns
    -------
    Blocks
        A plain file is mapped into memory, not read.

    Raises
    ------
    InputFileError
        ``I01`` truncated, ``I03`` damaged gzip, ``I04`` not FITS, ``I05`` structure, ``I06`` a
        claim above ``max_pixels``, ``I07`` a gzip bomb, ``I16`` an endless or contradictory
        header.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe or a device would block or never end
        raise InputFileError("not a regular file.", code="I04", path=path)
    try:
        with path.open("rb") as file:
            magic = file.read(512)
            file.seek(0)
            if not magic:
                raise InputFileError(
                    "the file is empty.", code="I04", path=path, advice="Download it again."
                )
            source: _Source
            source = _Gzipped(file, path) if magic[:2] == b"\x1f\x8b" else _Plain(file, path)
            hdus, warnings = _walk(source, path, max_pixels)
    except OSError as error:
        raise InputFileError(
            f"cannot be opened: {error.strerror}.", code="I04", path=path
        ) from None
    return Blocks(path, source.whole(), hdus, warnings)


def _walk(source: _Source, path: Path, max_pixels: int) -> tuple[tuple[Hdu, ...], tuple[str, ...]]:
    hdus: list[Hdu] = []
    warnings: list[str] = []
    start = 0
    while len(hdus) < MAX_HDUS:
        size = source.fill(start + BLOCK)
        if hdus and size <= start:
            break
        first = source.piece(start, start + BLOCK)
        if hdus and not first.startswith(b"XTENSION"):
            warnings.append(
                f"I04 what follows byte {grouped(start)} is no extension and is not used"
            )
            break
        if not hdus and not first.startswith(b"SIMPLE  ="):
            raise _not_fits(first, path)
        hdu = _read_hdu(source, path, len(hdus), start, max_pixels)
        hdus.append(hdu)
        start = -(-hdu.data_stop // BLOCK) * BLOCK
        size = source.fill(start)
        if size < hdu.data_stop:
            raise InputFileError(
                f"{grouped(size)} of {grouped(start)} bytes.",
                code="I01",
                path=path,
                extension=hdu.label,
                advice="Download it again.",
            )
        if size < start:
            warnings.append(f"I02 last block is short by {grouped(start - size)} bytes")
    return tuple(hdus), tuple(warnings)


def _read_hdu(source: _Source, path: Path, index: int, start: int, max_pixels: int) -> Hdu:
    stop = start
    text = b""
    end = -1
    while end < 0:
        if (stop - start) // BLOCK >= MAX_HEADER_BLOCKS:
            raise InputFileError(
                f"the header is longer than {grouped(MAX_HEADER_BLOCKS * BLOCK // CARD)} cards.",
                code="I16",
                path=path,
                extension=index,
            )
        size = source.fill(stop + BLOCK)
        block = source.piece(stop, stop + BLOCK)
        if len(block) < BLOCK:
            raise InputFileError(
                f"the header has no END in {grouped(size)} bytes.",
                code="I01",
                path=path,
                extension=index,
                advice="Download it again.",
            )
        end = _find_end(block)
        text += block if end < 0 else block[:end]
        stop += BLOCK
    header = parse_cards(text)
    _refuse_contradictions(text, header, path, index)
    return Hdu(index, header, start, stop, stop + _data_size(header, path, index, max_pixels))


def _find_end(block: bytes) -> int:
    for start in range(0, BLOCK, CARD):
        if block[start : start + CARD].rstrip(b" \0") == b"END":
            return start
    return -1


def _refuse_contradictions(text: bytes, header: Header, path: Path, index: int) -> None:
    """A repeated structural keyword must repeat its value: two readers would see two images."""
    for start in range(0, len(text), CARD):
        card = text[start : start + CARD]
        if card[:5] in (b"NAXIS", b"BITPI", b"PCOUN", b"GCOUN", b"BSCAL", b"BZERO"):
            for keyword, value in parse_cards(card).items():
                if header[keyword] != value:
                    raise InputFileError(
                        f"{keyword} is both {header[keyword]!r} and {value!r}.",
                        code="I16",
                        path=path,
                        extension=index,
                    )


def _data_size(header: Header, path: Path, index: int, max_pixels: int) -> int:
    """Bytes of data that a header claims; Python's integers cannot overflow."""

    def whole(keyword: str, default: int | None = None, most: int | None = None) -> int:
        value = header.get(keyword, default)
        if type(value) is not int or value < 0 or (most is not None and value > most):
            seen = "missing" if value is None else repr(value)
            raise _structure(f"{keyword} is {seen}, wanted a whole number from 0.", path, index)
        return value

    bitpix = header.get("BITPIX")
    if type(bitpix) is not int or bitpix not in BITPIX:
        raise _structure(
            f"BITPIX is {bitpix!r}, wanted one of {', '.join(map(str, BITPIX))}.", path, index
        )
    count = whole("NAXIS", most=999)
    if count == 0:
        return 0
    elements = 1
    for axis in range(count):
        elements *= whole(f"NAXIS{axis + 1}")
    if header.get("GROUPS") is True:
        raise _structure("random groups are not images.", path, index)
    size = abs(bitpix) // 8 * whole("GCOUNT", 1) * (whole("PCOUNT", 0) + elements)
    if elements > max_pixels and "BINTABLE" not in str(header.get("XTENSION", "")):
        raise InputFileError(
            f"the header claims {grouped(elements)} pixels, the limit is {grouped(max_pixels)}.",
            code="I06",
            path=path,
            extension=index,
            advice="Raise max_pixels if that is true.",
        )
    if size > 8 * max_pixels:
        raise InputFileError(
            f"the header claims {grouped(size)} bytes, the limit is {grouped(8 * max_pixels)}.",
            code="I06",
            path=path,
            extension=index,
            advice="Raise max_pixels if that is true.",
        )
    return size


def _structure(message: str, path: Path, index: int) -> InputFileError:
    return InputFileError(message, code="I05", path=path, extension=index)


def _not_fits(first: bytes, path: Path) -> InputFileError:
    start = first.lstrip()[:512].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")) or b"<html" in start:
        seen = "an HTML page, not FITS: the server sent an error page."
    elif first.startswith(b"PK"):
        seen = "a zip archive, not FITS."
    elif first.startswith(b"SIMPLE"):
        seen = "begins like FITS, but its first card is damaged."
    else:
        seen = f"not FITS: begins with {first[:16]!r}, wanted 'SIMPLE  ='."
    return InputFileError(seen, code="I04", path=path, advice="Download it again.")


def grouped(number: int) -> str:
    """Group a number for people: ``42 880``."""
    return f"{number:,}".replace(",", " ")
