"""Reference files of a scene, in the form that calacs reads: what a perfect calibration would have found out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.instruments import load_profile
from fleckcore.io import write_hdus
from fleckcore.io.pctetab import write_pctetab
from fleckcore.io.sinks import write_sink_codes
from fleckcore.simulate.campaign import date_of
from fleckcore.simulate.detector import ChipTruth
from fleckcore.simulate.headers import Value, mark
from fleckcore.simulate.observatory import Observatory

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["write_references"]

_OFFSET = 1
"""CCDOFST? of the simulated headers."""
_PRESCAN = 6
"""Columns next to the light from which calacs takes the bias level."""
_TRAIL = 12
"""Pixels behind a sink that may be flagged."""

Planes = tuple[NDArray[Any], NDArray[np.int16] | None]
Table = dict[str, Sequence[Any]]


def write_references(
    observatory: Observatory, folder: str | Path, *, mjd: float, overwrite: bool = False
) -> dict[str, str]:
    """Write the reference files of a scene at a date.

    Parameters
    ----------
    observatory : Observatory
        The scene.
    folder : path-like
        An existing folder; calacs finds it by its environment variable ``jref``.
    mjd : float
        The date, for what changes: hot pixels, sinks, flecks.
    overwrite : bool
        Replace older files.

    Returns
    -------
    dict of str to str
        Keyword and name, ``jref$...``, for `Observatory.hdus`.

    Raises
    ------
    OutputError
        ``R01``, ``R08``: a file cannot be written, or is there already.

    Notes
    -----
    Layouts follow what calacs 10.5 reads. Images have no errors. The flash is given without shadows moved by the
    lamp's other place, as it is; the flat has the sensitivity of the pixels and the freckles, and no flecks.
    """
    folder, stem, names = Path(folder), f"{int(mjd)}simj", {}
    for keyword, filetype, unit, planes in _images(observatory, mjd):
        names[keyword] = f"{stem}_{_ENDINGS[keyword]}.fits"
        hdus = _image_file(observatory, filetype, unit, planes, mjd)
        write_hdus(folder / names[keyword], hdus, overwrite=overwrite)
    for keyword, filetype, table in _tables(observatory, mjd):
        names[keyword] = f"{stem}_{_ENDINGS[keyword]}.fits"
        hdus = _table_file(observatory, filetype, table, mjd)
        write_hdus(folder / names[keyword], hdus, overwrite=overwrite)
    names["SNKCFILE"] = f"{stem}_{_ENDINGS['SNKCFILE']}.fits"
    write_sink_codes(
        folder / names["SNKCFILE"],
        {number: _sink_codes(truth, mjd) for number, truth in observatory.chips.items()},
        load_profile(observatory.scene.profile),
        cards={**_cards(observatory, "SINK PIXELS", mjd), "HIERARCH SIMULATED": True},
        overwrite=overwrite,
    )
    traps = next(iter(observatory.chips.values())).traps
    if traps is not None:
        names["PCTETAB"] = f"{stem}_cte.fits"
        write_pctetab(
            folder / names["PCTETAB"],
            traps,
            cards={"USEAFTER": _use_after(mjd), "HIERARCH SIMULATED": True},
            overwrite=overwrite,
        )
    return {keyword: f"jref${name}" for keyword, name in names.items()}


_ENDINGS = {
    "BIASFILE": "bia",
    "DARKFILE": "drk",
    "FLSHFILE": "fls",
    "PFLTFILE": "pfl",
    "SATUFILE": "sat",
    "SNKCFILE": "snk",
    "CCDTAB": "ccd",
    "OSCNTAB": "osc",
    "BPIXTAB": "bpx",
    "CRREJTAB": "crr",
}


def _images(
    observatory: Observatory, mjd: float
) -> Iterator[tuple[str, str, str, dict[int, Planes]]]:
    """Keyword, FILETYPE, unit and planes by chip; those of the size of a raw frame have its overscan."""
    scene, chips = observatory.scene, observatory.chips
    whole = {number: np.ones(truth.chip.raw_shape, np.float32) for number, truth in chips.items()}
    yield (
        "BIASFILE",
        "BIAS",
        "COUNTS",
        {number: (whole[number] * truth.bias_pattern, None) for number, truth in chips.items()},
    )
    limit = np.float32(scene.electronics.saturated_e)
    yield (
        "SATUFILE",
        "SATURATION",
        "ELECTRONS",
        {number: (whole[number] * limit, None) for number in chips},
    )
    yield (
        "DARKFILE",
        "DARK",
        "ELECTRONS/S",
        {
            number: (truth.dark_rate(mjd), truth.dark_quality(mjd))
            for number, truth in chips.items()
        },
    )
    rate = np.float32(scene.flash.rate_e_s)
    yield (
        "FLSHFILE",
        "POST FLASH",
        "ELECTRONS/S",
        {number: (truth.light(mjd) * rate, None) for number, truth in chips.items()},
    )
    yield (
        "PFLTFILE",
        "PIXEL-TO-PIXEL FLAT",
        "UNITLESS",
        {number: (truth.flat_field, None) for number, truth in chips.items()},
    )


def _sink_codes(truth: ChipTruth, mjd: float) -> NDArray[np.float32]:
    """Minus the depth of each sink, 999 behind it, and then the level of light below which the trail is seen."""
    chip = truth.chip
    found = np.zeros(chip.shape, np.float32)
    place, depth = truth.sink_pixels.at(mjd)
    rows, cols = np.divmod(place, chip.shape[1])
    away = 1 if truth.reads_down else -1
    for step in range(_TRAIL, 0, -1):
        behind = rows + away * step
        inside = (behind >= 0) & (behind < chip.shape[0])
        level = np.full(depth.shape, 999.0) if step == 1 else np.maximum(depth - 10 * step, 0)
        found[behind[inside], cols[inside]] = level[inside]
    found[rows, cols] = -depth
    return found


def _tables(observatory: Observatory, mjd: float) -> Iterator[tuple[str, str, Table]]:
    yield "CCDTAB", "CCD PARAMETERS", _electronics(observatory)
    yield "OSCNTAB", "OVERSCAN", _overscan(observatory)
    yield "BPIXTAB", "BAD PIXELS", _bad_pixels(observatory, mjd)
    yield "CRREJTAB", "COSMIC RAY REJECTION", _rejection()


def _electronics(observatory: Observatory) -> Table:
    electronics = observatory.scene.electronics
    chips = [truth.chip for truth in observatory.chips.values()]
    count = len(chips)
    table: Table = {
        "CCDAMP": ["ABCD"] * count,
        "CCDCHIP": [chip.id for chip in chips],
        "CCDGAIN": [2.0] * count,
        "BINAXIS1": [1] * count,
        "BINAXIS2": [1] * count,
    }
    for letter, output in sorted(electronics.amplifiers.items()):
        table[f"CCDOFST{letter}"] = [_OFFSET] * count
        table[f"CCDBIAS{letter}"] = [output.bias_dn] * count
        table[f"ATODGN{letter}"] = [output.gain_e] * count
        table[f"READNSE{letter}"] = [output.read_noise_e] * count
    return table | {
        "AMPX": [chip.shape[1] // 2 for chip in chips],
        "AMPY": [chip.raw_shape[0] if chip.raw_rows[0][0] == 0 else 0 for chip in chips],
        "ATODSAT": [electronics.ceiling_dn] * count,
        "SATURATE": [electronics.saturated_e] * count,
        "OVRHFLS": [electronics.flashed_s] * count,
        "OVRHUFLS": [electronics.unflashed_s] * count,
    }


def _overscan(observatory: Observatory) -> Table:
    """Places are 1-based and inclusive."""
    rows = []
    for truth in observatory.chips.values():
        chip = truth.chip
        (low, high), (left, right) = chip.raw_rows[0], chip.raw_columns[0]
        ny, nx = chip.raw_shape
        virtual = (high + 1, ny) if low == 0 else (1, low)
        rows.append(
            {
                "CCDAMP": "ABCD",
                "CCDCHIP": chip.id,
                "BINX": 1,
                "BINY": 1,
                "NX": nx,
                "NY": ny,
                "TRIMX1": left,
                "TRIMX2": nx - right,
                "TRIMY1": low,
                "TRIMY2": ny - high,
                "VX1": left + 1,
                "VX2": right,
                "VY1": virtual[0],
                "VY2": virtual[1],
                "BIASSECTA1": left - _PRESCAN + 1,
                "BIASSECTA2": left,
                "BIASSECTB1": right + 1,
                "BIASSECTB2": right + _PRESCAN,
            }
        )
    return {name: [row[name] for row in rows] for name in rows[0]}


def _bad_pixels(observatory: Observatory, mjd: float) -> Table:
    """Pixels that flecks take more than half of the light from, 1-based on the chip without overscan."""
    table: dict[str, list[Any]] = {name: [] for name in ("PIX1", "PIX2", "CCDCHIP")}
    for truth in observatory.chips.values():
        for _, lying in truth.flecks(mjd):
            stamp = lying.stamp()
            rows, cols = np.nonzero(stamp > 0.5)
            table["PIX1"] += (cols - stamp.shape[1] // 2 + round(lying.x) + 1).tolist()
            table["PIX2"] += (rows - stamp.shape[0] // 2 + round(lying.y) + 1).tolist()
            table["CCDCHIP"] += [truth.chip.id] * rows.size
    count = len(table["PIX1"])
    bit = next(iter(observatory.chips.values())).profile.quality["bad_pixel"]
    return {
        "CCDAMP": ["N/A"] * count,
        **table,
        "LENGTH": [1] * count,
        "AXIS": [2] * count,
        "VALUE": [bit] * count,
        "CCDGAIN": [-999.0] * count,
    }


def _rejection() -> Table:
    counts = list(range(2, 41))
    number = len(counts)
    return {
        "CRSPLIT": counts,
        "MEANEXP": [10000.0] * number,
        "CRSIGMAS": ["6.5,5.5,4.5"] * number,
        "SKYSUB": ["none"] * number,
        "CRRADIUS": [2.1] * number,
        "CRTHRESH": [0.5555] * number,
        "INITGUES": ["med"] * number,
        "SCALENSE": [30.0] * number,
        "BADINPDQ": [39] * number,
        "CRMASK": [True] * number,
        "CCDCHIP": [-999] * number,
    }


def _image_file(
    observatory: Observatory, filetype: str, unit: str, planes: dict[int, Planes], mjd: float
) -> fits.HDUList:
    from astropy.io import fits

    parts = [fits.PrimaryHDU(header=_primary(observatory, filetype, mjd))]
    for version, (number, (data, quality)) in enumerate(planes.items(), start=1):
        truth = observatory.chips[number]
        every = (("SCI", data, None), ("ERR", None, 0.0), ("DQ", quality, 0))
        for name, pixels, constant in every:
            header = _image_header(truth, data.shape, pixels, constant)
            header["BUNIT"] = "UNITLESS" if name == "DQ" else unit
            parts.append(fits.ImageHDU(pixels, header, name=name, ver=version))
    parts[0].header["NEXTEND"] = len(parts) - 1
    return fits.HDUList(parts)


def _image_header(
    truth: ChipTruth,
    shape: tuple[int, ...],
    pixels: NDArray[Any] | None,
    constant: float | None,
) -> fits.Header:
    from astropy.io import fits

    ltv = truth.chip.ltv if shape == truth.chip.raw_shape else (0, 0)
    cards: dict[str, Value] = {
        "CCDCHIP": truth.chip.id,
        "LTV1": float(ltv[0]),
        "LTV2": float(ltv[1]),
        "LTM1_1": 1.0,
        "LTM2_2": 1.0,
        "BINAXIS1": 1,
        "BINAXIS2": 1,
    }
    if pixels is None and constant is not None:
        cards |= {"NPIX1": shape[1], "NPIX2": shape[0], "PIXVALUE": constant}
    header = fits.Header()
    for keyword, value in cards.items():
        header[keyword] = value
    mark(header)
    return header


def _table_file(observatory: Observatory, filetype: str, table: Table, mjd: float) -> fits.HDUList:
    from astropy.io import fits

    columns = [
        fits.Column(name, _format(values), array=np.array(values)) for name, values in table.items()
    ]
    body = fits.BinTableHDU.from_columns(columns, name=filetype.split()[0], ver=1)
    mark(body.header)
    return fits.HDUList([fits.PrimaryHDU(header=_primary(observatory, filetype, mjd)), body])


def _format(values: Sequence[Any]) -> str:
    if values and isinstance(values[0], str):
        return f"{max(map(len, values))}A"
    kinds: dict[type, str] = {bool: "L", int: "J", float: "E"}
    return kinds[type(values[0])] if values else "J"


def _primary(observatory: Observatory, filetype: str, mjd: float) -> fits.Header:
    from astropy.io import fits

    header = fits.Header()
    for keyword, value in _cards(observatory, filetype, mjd).items():
        header[keyword] = value
    mark(header)
    return header


def _cards(observatory: Observatory, filetype: str, mjd: float) -> dict[str, Value]:
    return {
        "FILETYPE": filetype,
        "TELESCOP": "HST",
        "INSTRUME": "ACS",
        "DETECTOR": "WFC",
        "USEAFTER": _use_after(mjd),
        "PEDIGREE": "MODEL",
        "DESCRIP": f"Simulated, scene {observatory.scene.name}",
        "CCDAMP": "ABCD",
        "CCDGAIN": 2.0,
        "FLASHCUR": "LOW",
        "SHUTRPOS": "B",
    }


def _use_after(mjd: float) -> str:
    return date_of(mjd).strftime("%b %d %Y 00:00:00")
