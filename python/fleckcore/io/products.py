"""Frames made of exposures, as files with SCI, ERR and DQ of every chip."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fleckcore.frame import Frame
from fleckcore.instruments import load_profile
from fleckcore.io.blocks import open_blocks
from fleckcore.io.cards import clean_text, first_number
from fleckcore.io.write import Card, write_hdus

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["combined_cards", "write_frames"]

UNITS = {"electron": "ELECTRONS", "electron/s": "ELECTRONS/S", "DN": "COUNTS"}

# What describes the layout of the old file, not the exposure.
_LAYOUT = (
    *(
        "SIMPLE",
        "XTENSION",
        "BITPIX",
        "PCOUNT",
        "GCOUNT",
        "GROUPS",
        "EXTEND",
        "EXTNAME",
        "EXTVER",
        "NEXTEND",
    ),
    *(
        "BSCALE",
        "BZERO",
        "BLANK",
        "CHECKSUM",
        "DATASUM",
        "NPIX1",
        "NPIX2",
        "PIXVALUE",
        "BUNIT",
        "INHERIT",
    ),
    *(
        "ZIMAGE",
        "ZSIMPLE",
        "ZEXTEND",
        "ZBITPIX",
        "ZCMPTYPE",
        "ZQUANTIZ",
        "ZDITHER0",
        "LTV1",
        "LTV2",
        "END",
        "",
    ),
)


def write_frames(
    path: str | Path,
    frames: Sequence[Frame],
    *,
    like: str | Path | None = None,
    cards: Iterable[Card] = (),
    history: Iterable[str] = (),
    keep: bool = True,
    overwrite: bool = False,
) -> None:
    """Write frames into a new file, each as SCI, ERR and DQ.

    Parameters
    ----------
    path : path-like
        The file.
    frames : sequence of Frame
        One for each chip. They are written in the order of the EXTVER that they were read from. Data and error
        become float32, quality int16 (int32 where it needs more bits), as in Hubble's files; a frame without error
        gets none, one without quality zeros.
    like : path-like, optional
        An exposure whose header cards are kept; by default the file of the first frame.
    cards : iterable of (keyword, value, comment), optional
        Primary header cards to set.
    history : iterable of str, optional
        HISTORY lines of the primary header.
    keep : bool, optional
        Whether cards of ``like`` are kept at all.
    overwrite : bool, optional
        Replace an older file.

    Raises
    ------
    OutputError
        ``R01``, ``R08``: see `atomic_write`.
    """
    from astropy.io import fits

    ordered = sorted(frames, key=_version)
    source = ordered[0].meta.path if like is None else Path(like)
    if not keep:
        source = None
    primary = fits.PrimaryHDU(header=_kept(source, "PRIMARY"))
    hdus: list[Any] = [primary]
    for version, frame in enumerate(ordered, start=1):
        hdus += _planes(frame, version, _kept(source, frame.meta.extension))
    primary.header["NEXTEND"] = (len(hdus) - 1, "Number of standard extensions")
    primary.header["FILENAME"] = (clean_text(Path(path).name), "name of file")
    for keyword, value, comment in cards:
        text = clean_text(value) if isinstance(value, str) else value
        primary.header[keyword] = (text, clean_text(comment))
    for line in history:
        primary.header.add_history(clean_text(line))
    write_hdus(path, fits.HDUList(hdus), overwrite=overwrite)


def combined_cards(paths: Iterable[str | Path]) -> list[Card]:
    """Give the cards of a sum of exposures: when it began and ended, and its dark time.

    Parameters
    ----------
    paths : iterable of path-like
        The exposures. What a header does not have is left out.

    Raises
    ------
    InputFileError
        As `read` does.
    """
    headers = [open_blocks(path).hdus[0].header for path in dict.fromkeys(paths)]
    cards: list[Card] = []
    for keyword, join, comment in (
        ("EXPSTART", min, "exposure start time (Modified Julian Date)"),
        ("EXPEND", max, "exposure end time (Modified Julian Date)"),
        ("DARKTIME", sum, "cumulative dark time (seconds)"),
    ):
        numbers = [first_number(header, [keyword]) for header in headers]
        known = [number for number in numbers if number is not None]
        if known and len(known) == len(numbers):
            cards.append((keyword, float(join(known)), comment))
    return cards


def _version(frame: Frame) -> tuple[int, int]:
    version = frame.meta.extension.partition(",")[2]
    return (int(version) if version.isdigit() else 0, frame.meta.chip or 0)


def _planes(frame: Frame, version: int, header: fits.Header) -> list[fits.ImageHDU]:
    from astropy.io import fits

    quality = np.zeros(frame.shape, np.int16) if frame.quality is None else frame.quality
    narrow = quality.min() >= -(2**15) and quality.max() < 2**15
    planes = {
        "SCI": frame.data.astype(np.float32),
        "ERR": None if frame.error is None else frame.error.astype(np.float32),
        "DQ": quality.astype(np.int16 if narrow else np.int32),
    }
    hdus = []
    for name, values in planes.items():
        if values is None:
            continue
        hdu = fits.ImageHDU(
            values, header=header if name == "SCI" else None, name=name, ver=version
        )
        if frame.meta.chip is not None:
            keyword = load_profile(frame.meta.profile).keywords.chip[0]
            hdu.header[keyword] = (frame.meta.chip, "CCD chip")
        unit = "UNITLESS" if name == "DQ" else UNITS.get(frame.meta.unit, "UNITLESS")
        hdu.header["BUNIT"] = (unit, "brightness units")
        hdu.header["LTV1"] = (float(-frame.meta.x_offset), "offset in X to subsection start")
        hdu.header["LTV2"] = (float(-frame.meta.y_offset), "offset in Y to subsection start")
        hdus.append(hdu)
    return hdus


def _kept(source: Path | None, extension: str) -> fits.Header:
    """Give the cards of a part that say something of the exposure, without those that break the standard."""
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning

    kept = fits.Header()
    if source is None:
        return kept
    index = next((h.index for h in open_blocks(source).hdus if h.label == extension), 0)
    if extension != "PRIMARY" and index == 0:
        return kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)  # dialects
        with fits.open(source, memmap=False, lazy_load_hdus=True) as hdus:
            for card in hdus[index].header.cards:
                if card.keyword in _LAYOUT or card.keyword.startswith(
                    ("NAXIS", "ZTILE", "ZNAME", "ZVAL")
                ):
                    continue
                with suppress(fits.VerifyError, ValueError):
                    card.verify("fix+exception")
                    kept.append(card)
    return kept
