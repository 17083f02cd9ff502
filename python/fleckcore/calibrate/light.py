"""References of light: the flash per second, and flats of unit mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fleckcore.errors import MetadataError
from fleckcore.frame import Frame
from fleckcore.instruments import load_profile
from fleckcore.io import require_alike

__all__ = ["flash_reference", "normalise_flat"]


def flash_reference(pairs: Sequence[tuple[Frame, Frame]]) -> Frame:
    """Measure the post-flash from pairs of darks that differ in flash time alone.

    Parameters
    ----------
    pairs : sequence of (Frame, Frame)
        Darks of the same exposure time, electrons, cosmic rays removed: with the longer and with the shorter flash.

    Returns
    -------
    Frame
        Electrons per second of flash, the mean of all pairs weighted by their errors, with its error; the quality is
        the OR of all.

    Raises
    ------
    MetadataError
        ``M07``: no pair, other chips or units, exposure times that differ, or no difference in flash.

    Notes
    -----
    Dark current is the same in both, and cancels. LED light is not strictly proportional to the flash time (WFC3 ISR
    2013-12 finds 8 % for short ones), so pairs of equal flash times belong together.
    """
    if not pairs:
        raise MetadataError("no pair of darks.", code="M07")
    require_alike([frame for pair in pairs for frame in pair])
    shape = pairs[0][0].shape
    total, weights = np.zeros(shape), np.zeros(shape)
    quality = np.zeros(shape, np.int32)
    for long, short in pairs:
        _require_pair(long, short)
        seconds = (long.meta.flash_s or 0.0) - (short.meta.flash_s or 0.0)
        rate = (long.data.astype(np.float64) - short.data) / seconds
        error = np.ones(shape)
        if long.error is not None and short.error is not None:
            error = np.hypot(long.error, short.error) / seconds
        weight = 1 / np.maximum(error, 1e-12) ** 2
        total += weight * rate
        weights += weight
        for frame in (long, short):
            if frame.quality is not None:
                quality |= frame.quality.astype(np.int32)
    known = all(frame.error is not None for pair in pairs for frame in pair)
    meta = replace(
        pairs[0][0].meta, unit="electron/s", kind="flash_reference", exposure_s=1.0, flash_s=1.0
    )
    return Frame(
        (total / weights).astype(np.float32),
        (1 / np.sqrt(weights)).astype(np.float32) if known else None,
        quality,
        meta,
    )


def _require_pair(long: Frame, short: Frame) -> None:
    times = long.meta.exposure_s, short.meta.exposure_s
    flashes = long.meta.flash_s, short.meta.flash_s
    if long.meta.unit != "electron" or None in times or None in flashes or times[0] != times[1]:
        raise MetadataError(
            f"a pair of {times[0]} and {times[1]} s in {long.meta.unit}, flashed for {flashes[0]} and {flashes[1]} "
            "s; wanted electrons, equal exposures and known flashes.",
            code="M07",
            path=long.meta.path,
        )
    if not (flashes[0] or 0.0) > (flashes[1] or 0.0):
        raise MetadataError(
            f"flashed for {flashes[0]:g} and {flashes[1]:g} s, wanted the longer flash first.",
            code="M07",
            path=long.meta.path,
        )


def normalise_flat(flat: Frame, *, level: float | None = None, least: float = 0.0) -> Frame:
    """Divide a flat by its level, so that it divides others without changing them.

    Parameters
    ----------
    flat : Frame
        Bias-subtracted light.
    level : float, optional
        In the unit of the data; by default the median of the pixels that no quality bit masks. Chips of one
        detector keep their ratio when they are given the same level.
    least : float
        Pixels with less light, relative to the level, are undefined.

    Returns
    -------
    Frame
        Data and error relative to the level. Undefined pixels are 1 with error 0 and the quality bit of a bad
        reference.

    Raises
    ------
    MetadataError
        ``A06``: no light.
    """
    used = ~flat.mask
    if level is None:
        level = float(np.median(flat.data[used])) if used.any() else 0.0
    if not level > 0:
        raise MetadataError(
            f"the level is {level:g}, wanted light.", code="A06", path=flat.meta.path
        )
    data = (flat.data / np.float64(level)).astype(np.float32)
    undefined = ~(np.isfinite(data) & (data > least))
    error = None if flat.error is None else (flat.error / np.float64(level)).astype(np.float32)
    quality = (
        np.zeros(flat.shape, np.int32) if flat.quality is None else flat.quality.astype(np.int32)
    )
    data[undefined] = 1
    if error is not None:
        error[undefined] = 0
    quality[undefined] |= load_profile(flat.meta.profile).quality.get("bad_reference", 0)
    return Frame(data, error, quality, replace(flat.meta, exposure_s=None))
