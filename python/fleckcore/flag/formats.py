"""One mask in the formats of many pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError, MetadataError
from fleckcore.flag.table import decode_table, deliver_table, encode_masks
from fleckcore.instruments import Profile
from fleckcore.io import masks as files
from fleckcore.io.bad_pixels import read_bad_pixels
from fleckcore.io.cards import clean_text
from fleckcore.io.references import Reference, useafter_text
from fleckcore.io.sinks import read_sink_codes, write_sink_codes

__all__ = ["FORMATS", "Format", "read_masks", "write_masks"]

Format = Literal["bpixtab", "snkcfile", "lsst", "eso", "boolean", "pixinsight", "siril", "ds9"]
FORMATS: tuple[Format, ...] = get_args(Format)
ONE_IMAGE = ("lsst", "pixinsight", "siril", "ds9")
"""Formats of which a file is for one chip."""
WITH_DATES = ("bpixtab", "snkcfile")
"""Reference files of Hubble."""

SINK_DEPTH_E = 10.0
"""Depth that a SNKCFILE gives to pixels of a mask, which has none: the least of a sink (ACS ISR 2024-01)."""

Mask = NDArray[np.bool_]


def write_masks(
    path: str | Path,
    masks: Mapping[int, Mask],
    form: str,
    *,
    profile: Profile,
    about: Reference | None = None,
    overwrite: bool = False,
) -> None:
    """Write masks in a format.

    Parameters
    ----------
    path : path-like
        The file.
    masks : dict of int to ndarray of bool, shape (rows, cols)
        True where a pixel is bad, by CCDCHIP; of chips without overscan where the profile has chips.
    form : str
        One of `FORMATS`. ``snkcfile`` makes every pixel a sink without a trail, 10 electrons deep.
    profile : Profile
        Of the instrument.
    about : Reference, optional
        Dates and description, wanted by ``bpixtab`` and ``snkcfile``.
    overwrite : bool
        Replace an older file.

    Raises
    ------
    MetadataError
        ``M07``: no such format, several chips for a format of one, dates missing, an instrument without the format.
    ArrayError
        ``A12``: a mask of another shape than its chip.
    OutputError
        ``R01``, ``R08``: see `atomic_write`.
    """
    require_format(form)
    if form in WITH_DATES:
        _write_reference(path, masks, form, profile, about, overwrite)
    elif form in ONE_IMAGE:
        _write_one(path, masks, form, profile, overwrite)
    else:
        files.write_map(path, masks, kind=form, overwrite=overwrite)


def require_format(form: str) -> None:
    """Raise `MetadataError` (M07) unless a format is one of `FORMATS`."""
    if form not in FORMATS:
        raise MetadataError(
            f"unknown format {form!r}, wanted one of {', '.join(FORMATS)}.", code="M07"
        )


def _write_reference(
    path: str | Path,
    masks: Mapping[int, Mask],
    form: str,
    profile: Profile,
    about: Reference | None,
    overwrite: bool,
) -> None:
    if about is None:
        raise MetadataError(f"a {form} has dates and a description.", code="M07", path=path)
    table = encode_masks(masks, profile)  # refuses chips and shapes that are not the profile's
    if form == "bpixtab":
        deliver_table(path, table, about, profile, overwrite=overwrite)
        return
    codes = {chip.id: np.zeros(chip.shape, np.float32) for chip in profile.chips}
    for chip, mask in masks.items():
        codes[chip][mask] = -SINK_DEPTH_E
    cards = {key: values[0] for key, values in profile.recognise.items()} | {
        "USEAFTER": useafter_text(about.useafter),
        "PEDIGREE": "MODEL"
        if about.simulated
        else f"INFLIGHT {about.first:%d/%m/%Y} {about.last:%d/%m/%Y}",
        "DESCRIP": clean_text(about.description)[:67],
    }
    write_sink_codes(path, codes, profile, cards=cards, overwrite=overwrite)


def _write_one(
    path: str | Path, masks: Mapping[int, Mask], form: str, profile: Profile, overwrite: bool
) -> None:
    if len(masks) != 1:
        raise MetadataError(
            f"{form} holds one chip, there are {', '.join(map(str, masks))}.",
            code="M07",
            path=path,
            advice="Choose one.",
        )
    ((chip, mask),) = masks.items()
    if form == "lsst":
        files.write_lsst_defects(
            path, mask, chip=chip, instrument=profile.name, overwrite=overwrite
        )
        return
    write = {
        "pixinsight": files.write_pixinsight,
        "siril": files.write_siril,
        "ds9": files.write_ds9,
    }
    write[form](path, mask, overwrite=overwrite)


def read_masks(
    path: str | Path,
    form: str,
    *,
    profile: Profile,
    chip: int | None = None,
    shape: tuple[int, int] | None = None,
) -> dict[int, Mask]:
    """Read masks of a format.

    Parameters
    ----------
    path : path-like
        The file.
    form : str
        One of `FORMATS`. Of a ``bpixtab`` any bit counts, of a ``snkcfile`` every sink, not its trail.
    profile : Profile
        Of the instrument.
    chip : int, optional
        CCDCHIP of a file that does not say it; by default the only one.
    shape : (int, int), optional
        Rows and columns of the image that a list is for; by default those of the chip.

    Returns
    -------
    dict of int to ndarray of bool, shape (rows, cols)
        By CCDCHIP. Of a file of all chips, every chip.

    Raises
    ------
    InputFileError
        ``I04``, ``I05``, ``I11``, ``I13``, ``I15``: see the readers of the formats.
    MetadataError
        ``M07``: no such format, no such chip, or a list for an image of unknown size.
    """
    require_format(form)
    if form == "bpixtab":
        return {k: bits != 0 for k, bits in decode_table(read_bad_pixels(path), profile).items()}
    if form == "snkcfile":
        return {number: codes < -1 for number, codes in read_sink_codes(path, profile).items()}
    if form in ("boolean", "eso"):
        alone = None if len(profile.chips) > 1 else 1
        found = files.read_map(path, kind=form, chip=_chip(profile, chip) or alone)
        _require_shapes(found, profile, shape, path)
        return found
    size = shape or _shape(profile, chip, path)
    if form == "lsst":
        return files.read_lsst_defects(path, size)
    read = {"pixinsight": files.read_pixinsight, "siril": files.read_siril, "ds9": files.read_ds9}
    number = _chip(profile, chip)
    if number is None and len(profile.chips) > 1:
        raise _unplaced(path)
    return {number or 1: read[form](path, size)}


def _chip(profile: Profile, chip: int | None) -> int | None:
    if chip is None and len(profile.chips) == 1:
        return profile.chips[0].id
    if chip is not None and profile.chips:
        return profile.chip(chip).id
    return chip


def _shape(profile: Profile, chip: int | None, path: str | Path) -> tuple[int, int]:
    shapes = {one.shape for one in profile.chips if chip in (None, one.id)}
    if len(shapes) != 1:
        raise _unplaced(path)
    return shapes.pop()


def _unplaced(path: str | Path) -> MetadataError:
    return MetadataError(
        "the list does not say for which chip it is, nor of which size.",
        code="M07",
        path=path,
        advice="Give the chip, or rows and columns.",
    )


def _require_shapes(
    found: Mapping[int, Mask], profile: Profile, shape: tuple[int, int] | None, path: str | Path
) -> None:
    for number, mask in found.items():
        wanted = shape or (profile.chip(number).shape if profile.chips else mask.shape)
        if mask.shape != wanted:
            raise InputFileError(
                f"the map of chip {number} has shape {mask.shape}, wanted {wanted}.",
                code="I15",
                path=Path(path),
            )
