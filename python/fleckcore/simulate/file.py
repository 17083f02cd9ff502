"""Simulated scenes as a FITS file in the layout of a calibrated ACS/WFC exposure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fleckcore.errors import MetadataError, OutputError

if TYPE_CHECKING:
    from astropy.io import fits

    from fleckcore.frame import FrameMeta
    from fleckcore.simulate.chip import Scene

__all__ = ["write"]


def write(scenes: Scene | Sequence[Scene], path: str | Path, *, overwrite: bool = False) -> None:
    """Write one chip, or both, as SCI, ERR and DQ extensions.

    Parameters
    ----------
    scenes : Scene or sequence of Scene
        In any order; the file begins with CCDCHIP 2, as every ACS/WFC file does.
    path : path-like
        The file; ``.gz`` compresses.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    MetadataError
        ``M07`` when the chips are not one or two different ones.
    OutputError
        ``R08`` when the file exists or cannot be written.
    """
    from astropy.io import fits

    ordered = sorted([scenes] if not isinstance(scenes, Sequence) else scenes, key=_reading_order)
    chips = [scene.frame.meta.chip for scene in ordered]
    if not chips or len(set(chips)) != len(chips):
        raise MetadataError(
            f"scenes are of chips {chips}, wanted one scene per chip.", code="M07", path=path
        )
    path = Path(path)
    hdus = [_primary(ordered[0].frame.meta, path.name)]
    for version, scene in enumerate(ordered, start=1):
        hdus += _imset(scene, version)
    try:
        fits.HDUList(hdus).writeto(path, overwrite=overwrite, checksum=True)
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error}", code="R08", path=path, advice="Choose another path."
        ) from error


def _reading_order(scene: Scene) -> int:
    return -(scene.frame.meta.chip or 0)


def _primary(meta: FrameMeta, filename: str) -> fits.PrimaryHDU:
    from astropy.io import fits
    from astropy.time import Time

    start = Time(meta.mjd, format="mjd")
    date, time = start.isot.split("T")
    seconds = (meta.exposure_s or 0.0) + (meta.flash_s or 0.0)
    header = fits.Header()
    for keyword, value, comment in (
        ("HIERARCH SIMULATED", True, "no light fell on a detector"),
        ("FILENAME", filename, "name of file"),
        ("ROOTNAME", meta.rootname, "rootname of the observation set"),
        ("TELESCOP", "HST", "telescope imitated"),
        ("INSTRUME", meta.instrument, "instrument imitated"),
        ("DETECTOR", meta.detector, "detector imitated"),
        ("IMAGETYP", "DARK", "type of exposure"),
        ("OBSTYPE", "INTERNAL", "observation type"),
        ("TARGNAME", "DARK", "target"),
        ("DATE-OBS", date, "UT date of start of observation"),
        ("TIME-OBS", time, "UT time of start of observation"),
        ("EXPSTART", meta.mjd, "exposure start time (MJD)"),
        ("EXPEND", (meta.mjd or 0.0) + seconds / 86400, "exposure end time (MJD)"),
        ("EXPTIME", meta.exposure_s, "exposure duration (s)"),
        ("DARKTIME", seconds, "dark time (s)"),
        ("FILTER1", "CLEAR1L", "element selected from filter wheel 1"),
        ("FILTER2", "CLEAR2L", "element selected from filter wheel 2"),
        ("FLASHDUR", meta.flash_s, "post-flash exposure time (s)"),
        ("FLASHCUR", "LOW", "post-flash current"),
        ("FLASHSTA", "SUCCESSFUL", "post-flash status"),
        ("SHUTRPOS", "B", "shutter position"),
        ("SUBARRAY", False, "data from a subarray"),
        ("CCDAMP", "ABCD", "CCD amplifier readout configuration"),
        ("CCDGAIN", 2.0, "commanded gain of the CCD"),
        *((f"READNSE{amp}", meta.read_noise_e, f"read noise, amp {amp} (e-)") for amp in "ABCD"),
    ):
        header[keyword] = (value, comment)
    return fits.PrimaryHDU(header=header)


def _imset(scene: Scene, version: int) -> list[fits.ImageHDU]:
    from astropy.io import fits

    frame = scene.frame
    hdus = []
    for name, plane, unit in (
        ("SCI", frame.data, "ELECTRONS"),
        ("ERR", frame.error, "ELECTRONS"),
        ("DQ", frame.quality, "UNITLESS"),
    ):
        hdu = fits.ImageHDU(np.asarray(plane), name=name, ver=version)
        for keyword, value, comment in (
            ("CCDCHIP", frame.meta.chip, "CCD chip (1 or 2)"),
            ("BUNIT", unit, "brightness units"),
            ("LTV1", 0.0, "offset in X to subsection start"),
            ("LTV2", 0.0, "offset in Y to subsection start"),
            ("LTM1_1", 1.0, "reciprocal of sampling rate in X"),
            ("LTM2_2", 1.0, "reciprocal of sampling rate in Y"),
        ):
            hdu.header[keyword] = (value, comment)
        hdus.append(hdu)
    return hdus
