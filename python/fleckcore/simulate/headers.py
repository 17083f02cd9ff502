"""The headers of a simulated exposure: cards in the order and form of genuine ACS/WFC files.

``templates/`` holds what a genuine header holds for any internal exposure; here is what differs from one to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fleckcore.simulate.campaign import Exposure
from fleckcore.simulate.detector import ChipTruth
from fleckcore.simulate.exposure import dark_time
from fleckcore.simulate.scene import DetectorScene

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["image_header", "mark", "primary_header"]

Value = str | int | float | bool

_PLANES = {"SCI": "science", "ERR": "error", "DQ": "quality"}
_TARGETS = {"bias": "BIAS", "flat": "TUNGSTEN", "eper": "TUNGSTEN"}
_TYPES = {"bias": "BIAS", "flat": "FLAT", "eper": "FLAT"}


def primary_header(
    truth: ChipTruth,
    exposure: Exposure,
    *,
    filename: str,
    calibrated: bool = False,
    references: Mapping[str, str] | None = None,
) -> fits.Header:
    """Give the header of the empty first part.

    Parameters
    ----------
    truth : ChipTruth
        Any chip of the scene.
    exposure : Exposure
        What is exposed.
    filename : str
        FILENAME.
    calibrated : bool
        The bias is subtracted already; gains and read noises, which a raw file does not tell, are given.
    references : mapping of str to str, optional
        Keyword and name of reference files.
    """
    header = _template("primary")
    _set(header, {"FILENAME": filename, **_what(exposure), **_when(truth, exposure, calibrated)})
    _set(
        header, {keyword: name for keyword, name in (references or {}).items() if keyword in header}
    )
    if calibrated:
        _set(header, _calibration(truth.scene))
    mark(header)
    return header


def image_header(
    truth: ChipTruth,
    exposure: Exposure,
    *,
    plane: str,
    pixels: NDArray[Any] | None,
    calibrated: bool = False,
) -> fits.Header:
    """Give the header of a plane of a chip, SCI, ERR or DQ; without ``pixels`` it is constant."""
    chip = truth.chip
    rows, cols = chip.shape if calibrated else chip.raw_shape
    ltv1, ltv2 = (0, 0) if calibrated else chip.ltv
    header = _template(_PLANES[plane])
    cards: dict[str, Value] = {
        "EXTVER": [known.id for known in truth.profile.chips].index(chip.id) + 1,
        "ROOTNAME": exposure.rootname,
        "EXPNAME": exposure.rootname,
        "CCDCHIP": chip.id,
        "CRPIX1": chip.shape[1] / 2 + ltv1,
        "CRPIX2": chip.shape[0] / 2 + ltv2,
        "LTV1": float(ltv1),
        "LTV2": float(ltv2),
    }
    if plane == "SCI":
        cards |= {"SIZAXIS1": cols, "SIZAXIS2": rows}
    if calibrated and plane != "DQ":
        cards["BUNIT"] = "ELECTRONS"
    if pixels is None:
        cards |= {"NPIX1": cols, "NPIX2": rows}
    else:
        for keyword in ("NPIX1", "NPIX2", "PIXVALUE"):
            header.remove(keyword, ignore_missing=True)
        cards |= _statistics(header, pixels)
    _set(header, cards)
    mark(header)
    return header


def _statistics(header: fits.Header, pixels: NDArray[Any]) -> dict[str, Value]:
    least, greatest = float(pixels.min()), float(pixels.max())
    known: dict[str, Value] = {
        "DATAMIN": least,
        "DATAMAX": greatest,
        "NGOODPIX": pixels.size,
        "GOODMIN": least,
        "GOODMAX": greatest,
        "GOODMEAN": float(pixels.mean(dtype=float)),
    }
    return {keyword: value for keyword, value in known.items() if keyword in header}


def mark(header: fits.Header) -> None:
    """Say in a header that it is no observation."""
    header["HIERARCH SIMULATED"] = (True, "no light fell on a detector")


def _set(header: fits.Header, cards: dict[str, Value]) -> None:
    for keyword, value in cards.items():
        header[keyword] = value


@cache
def _text(name: str) -> str:
    text = (files("fleckcore.simulate") / "templates" / f"{name}.txt").read_text("ascii")
    return "".join(line.ljust(80) for line in text.splitlines())


def _template(name: str) -> fits.Header:
    from astropy.io import fits

    return fits.Header.fromstring(_text(name))


def _what(exposure: Exposure) -> dict[str, Value]:
    lamp = exposure.lamp_e > 0
    flashed = exposure.flash_s > 0
    cards: dict[str, Value] = {
        "ROOTNAME": exposure.rootname,
        "IMAGETYP": _TYPES.get(exposure.kind, "DARK"),
        "TARGNAME": _TARGETS.get(exposure.kind, "DARK"),
        "PROPOSID": exposure.program,
        "PR_INV_L": exposure.investigator,
        "SCLAMP": "TUNG-1" if lamp else "NONE",
        "FILTER1": exposure.wheels[0],
        "FILTER2": exposure.wheels[1],
        "CTEIMAGE": "EPER" if exposure.kind == "eper" else "NONE",
        "CTEDIR": "PARALLEL" if exposure.kind == "eper" else "NONE",
        "PCTECORR": "OMIT" if exposure.kind == "bias" else "PERFORM",
        "NSHUTOPN": int(lamp),
        "FLASHDUR": exposure.flash_s,
        "FLASHCUR": "LOW" if flashed else "OFF",
        "FLASHSTA": "SUCCESSFUL" if flashed else "NOT PERFORMED",
    }
    return cards


def _when(truth: ChipTruth, exposure: Exposure, calibrated: bool) -> dict[str, Value]:
    start = datetime(1858, 11, 17) + timedelta(days=exposure.mjd)
    return {
        "DATE-OBS": start.strftime("%Y-%m-%d"),
        "TIME-OBS": start.strftime("%H:%M:%S"),
        "EXPSTART": exposure.mjd,
        "EXPEND": exposure.mjd + exposure.exposure_s / 86400,
        "EXPTIME": exposure.exposure_s,
        "DARKTIME": dark_time(truth, exposure)
        if calibrated  # calacs adds the overhead
        else exposure.exposure_s + exposure.flash_s,
    }


def _calibration(scene: DetectorScene) -> dict[str, Value]:
    cards: dict[str, Value] = dict.fromkeys(("DQICORR", "BIASCORR", "BLEVCORR"), "COMPLETE")
    for letter, output in scene.electronics.amplifiers.items():
        cards[f"ATODGN{letter}"] = output.gain_e
        cards[f"READNSE{letter}"] = output.read_noise_e
        cards[f"BIASLEV{letter}"] = output.bias_dn
    return cards
