"""FITS out, and a way to write any file that is whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import OutputError
from fleckcore.frame import check_image
from fleckcore.io.cards import clean_text

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Card", "atomic_write", "write_hdus", "write_image"]

Card = tuple[str, str | int | float | bool, str]
"""Keyword, value, comment."""


@contextmanager
def atomic_write(path: str | Path, *, overwrite: bool = False) -> Iterator[IO[bytes]]:
    """Write a file that is seen whole or not at all.

    Bytes go to a hidden ``.part`` file in the same folder, which is synced to disk and renamed at
    the end. When anything fails it is removed, and an older file of that name stays as it was.

    Parameters
    ----------
    path : path-like
        The file.
    overwrite : bool, optional
        Replace an older file.

    Yields
    ------
    binary file
        Open for writing.

    Raises
    ------
    OutputError
        ``R08``: the file is there, or its folder is not, or may not be written to. ``R01``: the
        write failed, for example because the disk is full.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputError(
            "the file is there already.",
            code="R08",
            path=path,
            advice="Choose another name, or overwrite=True.",
        )
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(6)}.part")
    try:
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except OSError as error:
        raise OutputError(
            f"the folder cannot be written to: {error.strerror}.", code="R08", path=path
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"the write failed: {error.strerror}; nothing was left behind.",
            code="R01",
            path=path,
            advice="Make room, and run again.",
        ) from error
    finally:
        with suppress(OSError):  # gone after the rename; after a failure this cleans up
            part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the rename last through a power cut, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_image(
    path: str | Path,
    data: NDArray[Any],
    header_cards: Iterable[Card] = (),
    *,
    extension: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write one image, with CHECKSUM and DATASUM.

    Parameters
    ----------
    path : path-like
        The file.
    data : ndarray, shape (rows, cols)
        Any real type; bool is written as bytes of 0 and 1, float16 as float32.
    header_cards : iterable of (keyword, value, comment), optional
        Text is stripped to printable ASCII.
    extension : str, optional
        EXTNAME of an image extension behind an empty primary part; without it the image is the
        primary part.
    overwrite : bool, optional
        Replace an older file.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09``: not a two-dimensional array of a real type.
    OutputError
        ``R01``, ``R08``: see `atomic_write`.
    """
    check_image(data)
    from astropy.io import fits

    stored = data.astype(_WRITTEN_AS.get(data.dtype.newbyteorder("="), data.dtype), copy=False)
    image: fits.PrimaryHDU | fits.ImageHDU
    if extension is None:
        image = fits.PrimaryHDU(stored)
        hdus = [image]
    else:
        image = fits.ImageHDU(stored, name=clean_text(extension))
        hdus = [fits.PrimaryHDU(), image]
    for keyword, value, comment in header_cards:
        text = clean_text(value) if isinstance(value, str) else value
        image.header[keyword] = (text, clean_text(comment))
    write_hdus(path, fits.HDUList(hdus), overwrite=overwrite)


_WRITTEN_AS = {np.dtype(np.bool_): np.uint8, np.dtype(np.float16): np.float32}


def write_hdus(
    path: str | Path, hdus: fits.HDUList, *, overwrite: bool = False, sums: bool = True
) -> None:
    """Write astropy HDUs atomically, with CHECKSUM and DATASUM that hold no time of day.

    The same input gives the same bytes. Without ``sums`` there are none, for files that a program will change which
    copies cards as they are. Raises `OutputError` as `atomic_write` does.
    """
    hdus.update_extend()
    for hdu in hdus if sums else ():
        hdu.add_datasum(when="data unit checksum")
        hdu.add_checksum(when="HDU checksum", override_datasum=True)
    content = BytesIO()  # not the file: astropy answers a full disk with an AttributeError
    hdus.writeto(content, output_verify="exception")
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(content.getbuffer())
