"""Quality planes of an exposure, in and out, and what tells which rows of a table of bad pixels they get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError, MetadataError, OutputError
from fleckcore.instruments import Profile, recognise
from fleckcore.io.blocks import Blocks, Hdu, open_blocks
from fleckcore.io.cards import clean_text, first_number, first_text
from fleckcore.io.exposures import image_like
from fleckcore.io.planes import read_plane
from fleckcore.io.sums import verify_hdu
from fleckcore.io.tiles import is_tiled
from fleckcore.io.write import write_hdus

__all__ = ["QualityPlane", "read_quality", "write_quality"]


@dataclass(frozen=True, kw_only=True, eq=False)
class QualityPlane:
    """The quality bits of one chip as they stand in a file, overscan and all.

    Attributes
    ----------
    bits : ndarray of int16, shape (rows, cols)
        Data quality.
    chip : int
        CCDCHIP.
    amplifiers : str
        CCDAMP.
    gain : float or None
        The gain that was commanded; None where the header has none.
    ltv : (float, float)
        LTV1 and LTV2: pixel of this image = pixel of the chip without overscan + LTV.
    path : Path or None
        The file.
    extension : str
        Of the plane, such as ``"DQ,1"``.
    """

    bits: NDArray[np.int16]
    chip: int
    amplifiers: str = ""
    gain: float | None = None
    ltv: tuple[float, float] = (0.0, 0.0)
    path: Path | None = None
    extension: str = ""


def read_quality(path: str | Path, *, profile: Profile | None = None) -> tuple[QualityPlane, ...]:
    """Read the quality planes of an exposure, constant ones of raw files too.

    Parameters
    ----------
    path : path-like
        FITS, its quality planes not compressed tile by tile.
    profile : Profile, optional
        The instrument; by default the header says.

    Returns
    -------
    tuple of QualityPlane
        In the order of the file.

    Raises
    ------
    InputFileError
        Codes of `open_blocks`; ``I11`` no quality plane, ``I05`` bits that 16 do not hold, or compressed; ``I15`` a
        binned frame.
    MetadataError
        ``M07``: an instrument without tables of bad pixels.
    """
    blocks = open_blocks(path)
    primary = blocks.hdus[0]
    profile = profile or recognise(
        {**blocks.hdus[min(1, len(blocks.hdus) - 1)].header, **primary.header}
    )
    names = profile.planes
    data = {hdu.version: hdu for hdu in blocks.hdus if hdu.name == names.data}
    planes = [hdu for hdu in blocks.hdus if hdu.name == names.quality and names.quality]
    if not planes or any(hdu.version not in data for hdu in planes):
        found = ", ".join(hdu.label for hdu in blocks.hdus)
        raise InputFileError(
            f"wanted {names.data} and {names.quality or 'quality'} planes, found {found}.",
            code="I11",
            path=blocks.path,
        )
    return tuple(_plane(blocks, hdu, data[hdu.version], profile) for hdu in planes)


def _plane(blocks: Blocks, hdu: Hdu, data: Hdu, profile: Profile) -> QualityPlane:
    if profile.flagging is None:
        raise MetadataError(
            f"{profile.name} has no tables of bad pixels.",
            code="M07",
            path=blocks.path,
            advice="Convert the mask to a format that its pipeline takes.",
        )
    if is_tiled(hdu):
        raise _refusal(blocks, hdu, "I05", "a compressed image: unpack the file first.")
    verify_hdu(blocks, hdu)
    for key in ("LTM1_1", "LTM2_2", "BINAXIS1", "BINAXIS2"):
        if data.header.get(key, 1) != 1:
            raise _refusal(
                blocks, data, "I15", f"a binned frame: {key} is {data.header[key]!r}, wanted 1."
            )
    bits = read_plane(blocks, hdu, max_pixels=2**31)
    if bits.dtype.kind not in "iu" or bits.max() > 2**15 - 1 or bits.min() < -(2**15):
        raise _refusal(blocks, hdu, "I05", f"bits of type {bits.dtype} that 16 bits do not hold.")
    primary = blocks.hdus[0].header
    chip = first_number(data.header, profile.keywords.chip)
    if chip is None and len(profile.chips) > 1:
        raise _refusal(blocks, data, "I14", f"no {' or '.join(profile.keywords.chip)}.")
    return QualityPlane(
        bits=bits.astype(np.int16),
        chip=profile.chips[0].id if chip is None else int(chip),
        amplifiers=first_text(primary, profile.keywords.amplifiers),
        gain=first_number(primary, (profile.flagging.gain,)),
        ltv=(
            first_number(data.header, ("LTV1",)) or 0.0,
            first_number(data.header, ("LTV2",)) or 0.0,
        ),
        path=blocks.path,
        extension=hdu.label,
    )


def _refusal(blocks: Blocks, hdu: Hdu, code: str, message: str) -> InputFileError:
    return InputFileError(message, code=code, path=blocks.path, extension=hdu.label)


def write_quality(
    path: str | Path,
    planes: Sequence[QualityPlane],
    *,
    history: Iterable[str] = (),
    overwrite: bool = False,
) -> None:
    """Write a copy of the exposure that planes are from, with these quality planes and new checksums.

    Every other part keeps its headers and its pixels to the byte. Written to the exposure itself, it changes that.

    Parameters
    ----------
    path : path-like
        The file.
    planes : sequence of QualityPlane
        Of one exposure.
    history : iterable of str
        HISTORY of the primary header.
    overwrite : bool
        Replace an older file.

    Raises
    ------
    MetadataError
        ``M07``: planes of no file.
    OutputError
        ``R01``, ``R08``: see `atomic_write`; ``R08`` also for a name that says compressed.
    """
    from astropy.io import fits

    if Path(path).suffix.lower() in (".gz", ".fz"):
        raise OutputError(
            "the file would not be compressed, as its name says.",
            code="R08",
            path=path,
            advice="Unpack it first.",
        )
    source = planes[0].path if planes else None
    if source is None:
        raise MetadataError("planes of no file.", code="M07", advice="Read them with read_quality.")
    with fits.open(
        source, memmap=False, do_not_scale_image_data=True, disable_image_compression=True
    ) as hdus:
        for plane in planes:
            name, _, version = plane.extension.partition(",")
            index = hdus.index_of((name, int(version)))
            hdus[index] = image_like(plane.bits, hdus[index].header)
        for line in history:
            hdus[0].header.add_history(clean_text(line))
        write_hdus(path, hdus, overwrite=overwrite)
