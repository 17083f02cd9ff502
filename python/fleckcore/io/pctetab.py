"""Tables of traps as HST's pipeline for ACS/WFC reads them: PCTETAB, generation 3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fleckcore.errors import ArrayError, InputFileError, MetadataError
from fleckcore.io.cards import clean_text
from fleckcore.io.write import write_hdus
from fleckcore.traps import TrapModel, TrapModels

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["read_pctetab", "write_pctetab"]

NAMES = ("Par/Serial PixelCTE 2023", "PixelCTE 2017")
AMPLIFIERS = "ABCD"
LEVELS, COLUMNS, NO_LEVEL = 9999, 8192, 999999
NODES = ("SENS_0512", "SENS_1024", "SENS_1536", "SENS_2048")


def read_pctetab(path: str | Path) -> TrapModels:
    """Read a table of traps.

    Parameters
    ----------
    path : path-like
        A PCTETAB of generation 2 or 3.

    Returns
    -------
    TrapModels
        Serial sets only where the table has them. ``row_scale`` has 8192 columns: quadrants C, D, A, B, each from its
        amplifier on. As in calacs 10.5, IZ counts from 0, and a column that is not listed has no traps.

    Raises
    ------
    InputFileError
        ``I04`` not FITS, ``I05`` no such table, ``I11`` a part is missing.
    """
    from astropy.io import fits

    path = Path(path)
    try:
        with fits.open(path, memmap=False) as hdus:
            name = str(hdus[0].header.get("CTE_NAME", ""))
            if name not in NAMES:
                raise InputFileError(
                    f"CTE_NAME is {clean_text(name)!r}, wanted {' or '.join(NAMES)}.",
                    code="I05",
                    path=path,
                    advice="Tables of the first generation are not read.",
                )
            parallel = _read_set(hdus, 1, path)
            serial = {
                letter: _read_set(hdus, version, path)
                for version, letter in enumerate(AMPLIFIERS, start=2)
                if ("QPROF", version) in hdus
            }
    except OSError as error:
        raise InputFileError(f"cannot be read: {error}.", code="I04", path=path) from error
    return TrapModels(parallel=parallel, serial=serial, name=path.name)


def _read_set(hdus: fits.HDUList, version: int, path: Path) -> TrapModel:
    label = f"set {version}"
    try:
        level, by_column, release, remaining = (
            hdus[name, version] for name in ("QPROF", "SCLBYCOL", "RPROF", "CPROF")
        )
        keys = {**hdus[0].header, **level.header}
        length = int(keys["PCTETLEN"])
        charge = np.asarray(level.data["QLEV_Q"], float)
        count = int((charge < NO_LEVEL).sum())
        place = np.asarray(by_column.data["IZ"], int)
        scale = np.stack([np.asarray(by_column.data[node], float) for node in NODES], axis=1)
        row_scale = np.zeros((COLUMNS, len(NODES)))
        listed = (place >= 0) & (place < COLUMNS)
        row_scale[place[listed]] = scale[listed]
        return TrapModel(
            levels=charge[:count],
            traps=np.asarray(level.data["DPDE_W"], float)[:count],
            release=np.asarray(release.data, float)[:length, :count].T,
            remaining=np.asarray(remaining.data, float)[:length, :count].T,
            substeps=int(keys["PCTENPAR"]),
            row_scale=row_scale,
            date0=float(keys["CTEDATE0"]),
            date1=float(keys["CTEDATE1"]),
            iterations=int(keys["PCTENFOR"]),
            repair_rays=bool(keys["FIXROCR"]),
            ray_threshold=float(keys["PCTETRSH"]),
        )
    except KeyError as error:
        raise InputFileError(
            f"there is no {clean_text(str(error.args[0]))}.", code="I11", path=path, extension=label
        ) from error
    except (ArrayError, MetadataError, ValueError, IndexError) as error:
        raise InputFileError(
            f"makes no sense: {error}", code="I05", path=path, extension=label
        ) from error


def write_pctetab(
    path: str | Path,
    models: TrapModels,
    *,
    read_noise_e: float = 0.0,
    cards: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write traps as a table of generation 3, which calacs 10.5 accepts.

    Parameters
    ----------
    path : path-like
        The file.
    models : TrapModels
        A model without ``row_scale`` gets factors of 1; an amplifier without a serial model gets a set without traps.
    read_noise_e : float
        PCTERNOI; calacs takes that of its CCDTAB instead.
    cards : dict, optional
        More cards of the primary header.
    overwrite : bool
        Replace an older file.

    Raises
    ------
    ArrayError
        ``A12``: more levels, other columns or other rows than such a table has.
    OutputError
        ``R01``, ``R08``: see `atomic_write`.

    Notes
    -----
    The format holds levels as whole numbers and the rest as float32; models come back so rounded.
    """
    from astropy.io import fits

    first = models.parallel
    none = np.zeros((1, 1))
    nothing = TrapModel(
        levels=none[0] + NO_LEVEL - 1,
        traps=none[0],
        release=none,
        remaining=none,
        iterations=1,
        date0=first.date0,
        date1=first.date1,
    )
    header = fits.Header()
    for key, value in {
        "TELESCOP": "HST",
        "INSTRUME": "ACS",
        "DETECTOR": "WFC",
        "FILETYPE": "PIXCTE",
        "PEDIGREE": "MODEL",
        "DESCRIP": "Traps of a model",
        "CTE_NAME": NAMES[0],
        "CTE_VER": "3.0",
        "PCTERNOI": read_noise_e,
        "PCTENSMD": 0,
        "PCTETRSH": first.ray_threshold,
        "FIXROCR": int(first.repair_rays),
        **(cards or {}),
    }.items():
        header[key] = value
    hdus = [fits.PrimaryHDU(header=header)]
    for version, letter in enumerate(" " + AMPLIFIERS, start=1):
        model = first if version == 1 else models.serial.get(letter, nothing)
        hdus += _set_of(model, version, letter.strip())
    write_hdus(path, fits.HDUList(hdus), overwrite=overwrite)


def _set_of(model: TrapModel, version: int, amplifier: str) -> list[Any]:
    from astropy.io import fits

    count, length = model.release.shape
    scale = np.ones((COLUMNS, len(NODES))) if model.row_scale is None else model.row_scale
    if count > LEVELS or scale.shape != (COLUMNS, len(NODES)) or model.rows != 2048:
        raise ArrayError(
            f"{count} levels, row_scale {scale.shape}, {model.rows} rows; a PCTETAB has up to {LEVELS}, "
            f"{(COLUMNS, len(NODES))} and 2048.",
            code="A12",
        )
    charge, traps = np.full(LEVELS, NO_LEVEL, np.int32), np.zeros(LEVELS, np.float32)
    charge[:count], traps[:count] = np.rint(model.levels), model.traps
    columns = [
        fits.Column("W", "I", array=np.arange(LEVELS)),
        fits.Column("QLEV_Q", "J", array=charge),
        fits.Column("DPDE_W", "E", array=traps),
    ]
    by_column = [fits.Column("IZ", "I", array=np.arange(COLUMNS))]
    by_column += [fits.Column(n, "E", array=scale[:, i]) for i, n in enumerate(NODES)]
    hdus = [
        fits.BinTableHDU.from_columns(columns, name="QPROF", ver=version),
        fits.BinTableHDU.from_columns(by_column, name="SCLBYCOL", ver=version),
    ]
    for name, profile in (("RPROF", model.release), ("CPROF", model.remaining)):
        plane = np.zeros((length, LEVELS), np.float32)
        plane[:, :count] = profile.T
        hdus.append(fits.ImageHDU(plane, name=name, ver=version))
    for hdu in hdus:
        for key, value in {
            "CTEDATE0": model.date0,
            "CTEDATE1": model.date1,
            "PCTETLEN": length,
            "PCTENFOR": model.iterations,
            "PCTENPAR": model.substeps,
        }.items():
            hdu.header[key] = value
        if amplifier:
            hdu.header["CCDAMP"] = amplifier
    return hdus
