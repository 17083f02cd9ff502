"""Maps of sink pixels (SNKCFILE), in which a number at each pixel says what is to be flagged there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError
from fleckcore.instruments import Profile
from fleckcore.io.write import write_hdus

__all__ = ["read_sink_codes", "write_sink_codes"]

FILETYPE = "SINK PIXELS"

Codes = NDArray[np.float32]


def read_sink_codes(path: str | Path, profile: Profile) -> dict[int, Codes]:
    """Read a map of sink pixels.

    Parameters
    ----------
    path : path-like
        A SNKCFILE: SCI alone for each chip, of the size of a raw frame.
    profile : Profile
        Of the instrument.

    Returns
    -------
    dict of int to ndarray of float32, shape (rows, cols)
        Codes by CCDCHIP, trimmed, see `fleckcore.measure.Sinks`.

    Raises
    ------
    InputFileError
        ``I04`` not FITS; ``I05`` not such a map, or one of another size; ``I11`` a chip of the profile is missing.
    """
    from astropy.io import fits

    path = Path(path)
    try:
        with fits.open(path, memmap=False) as hdus:
            kind = str(hdus[0].header.get("FILETYPE", ""))
            if kind != FILETYPE:
                raise InputFileError(
                    f"FILETYPE is {kind!r}, wanted {FILETYPE!r}.", code="I05", path=path
                )
            found = {
                hdu.header.get("CCDCHIP"): np.asarray(hdu.data, np.float32)
                for hdu in hdus[1:]
                if hdu.name == "SCI"
            }
    except OSError as error:
        raise InputFileError(f"cannot be read: {error}.", code="I04", path=path) from error
    return {chip.id: _trimmed(found.get(chip.id), chip, path) for chip in profile.chips}


def _trimmed(raw: Codes | None, chip: Any, path: Path) -> Codes:
    if raw is None:
        raise InputFileError(f"there is no chip {chip.id}.", code="I11", path=path)
    if raw.shape != chip.raw_shape:
        raise InputFileError(
            f"chip {chip.id} has shape {raw.shape}, wanted {chip.raw_shape}.", code="I05", path=path
        )
    return np.concatenate(
        [
            np.concatenate([raw[slice(*rows), slice(*cols)] for cols in chip.raw_columns], axis=1)
            for rows in chip.raw_rows
        ]
    )


def write_sink_codes(
    path: str | Path,
    codes: Mapping[int, Codes],
    profile: Profile,
    *,
    cards: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a map of sink pixels as calacs 10.5 reads it.

    Parameters
    ----------
    path : path-like
        The file.
    codes : dict of int to ndarray, shape (rows, cols)
        By CCDCHIP, for every chip of the profile, trimmed.
    profile : Profile
        Of the instrument, which says where the raw frame has its overscan.
    cards : dict, optional
        More cards of the primary header, such as USEAFTER and PEDIGREE.
    overwrite : bool
        Replace an older file.

    Raises
    ------
    OutputError
        ``R01``, ``R08``: see `atomic_write`.
    """
    from astropy.io import fits

    primary = fits.Header()
    for key, value in {
        "FILETYPE": FILETYPE,
        **(cards or {}),
        "NEXTEND": len(profile.chips),
    }.items():
        primary[key] = value
    parts = [fits.PrimaryHDU(header=primary)]
    for version, chip in enumerate(profile.chips, start=1):
        raw = np.zeros(chip.raw_shape, np.float32)
        first = [0, 0]
        for rows in chip.raw_rows:
            first[1] = 0
            for cols in chip.raw_columns:
                size = rows[1] - rows[0], cols[1] - cols[0]
                raw[slice(*rows), slice(*cols)] = codes[chip.id][
                    first[0] : first[0] + size[0], first[1] : first[1] + size[1]
                ]
                first[1] += size[1]
            first[0] += rows[1] - rows[0]
        header = fits.Header()
        for key, value in {
            "CCDCHIP": chip.id,
            "LTV1": float(chip.ltv[0]),
            "LTV2": float(chip.ltv[1]),
            "LTM1_1": 1.0,
            "LTM2_2": 1.0,
            "BINAXIS1": 1,
            "BINAXIS2": 1,
            "BUNIT": "ELECTRONS",
        }.items():
            header[key] = value
        parts.append(fits.ImageHDU(raw, header, name="SCI", ver=version))
    write_hdus(path, fits.HDUList(parts), overwrite=overwrite)
