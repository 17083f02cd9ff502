"""Sink pixels: traps that keep electrons of what lies in their pixel, and of what is read out through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.instruments import load_profile
from fleckcore.kernels import median_filter

__all__ = ["Sinks", "find_sinks", "flag_sinks"]

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

DEPTH_E = 10.0
"""Electrons below the local background from which a pixel is a sink, ACS ISR 2024-01."""
SURE = 5.0
"""Errors by which it must lie below too."""
SEEN = 3.0
"""Errors by which a pixel behind it, or just before it, belongs to its trail."""
TRAIL = 12
"""Pixels behind a sink that may belong to its trail, Ryon & Grogin 2017."""
WINDOW = 15
"""Of the local background, pixels."""
BEFORE, BEHIND = -1.0, 999.0
"""Codes of the pixel just before a sink, which is flagged, and of the one just behind it, which always is."""


@dataclass(frozen=True, eq=False)
class Sinks:
    """Sink pixels of one chip, in the codes of a SNKCFILE.

    Attributes
    ----------
    codes : ndarray of float32, shape (rows, cols)
        Of the trimmed chip. Below -1: a sink, minus its depth in electrons. -1: the pixel before it, towards the
        amplifier, is flagged with it. 999: the pixel just behind it. Other values above 0: a pixel farther behind,
        flagged where the sink holds less than so many electrons. 0: none of these.
    readout : {"-y", "+y"}
        The edge that charge moves to.
    """

    codes: Image
    readout: str

    @property
    def places(self) -> NDArray[np.intp]:
        """Row and column of each sink, shape (n, 2)."""
        return np.argwhere(self.codes < BEFORE)

    @property
    def depths(self) -> Image:
        """Electrons that each keeps, in the order of `places`."""
        depths: Image = -self.codes[self.codes < BEFORE]
        return depths


def find_sinks(
    dark: Frame,
    *,
    least_depth: float = DEPTH_E,
    leave_out: Mask | None = None,
    threads: int | None = None,
) -> Sinks:
    """Find sink pixels and their trails in a flashed short dark.

    Parameters
    ----------
    dark : Frame
        Electrons, of one chip, with errors: the mean of many short flashed darks, not corrected for charge transfer.
        In a single one few sinks are sure.
    least_depth : float
        Electrons below the local background.
    leave_out : ndarray of bool, shape (rows, cols), optional
        Pixels that are no sinks whatever they hold, such as those of a fleck, which keeps light from them and not
        electrons (`nature` tells which).
    threads : int, optional
        Threads; by default `fleckcore.kernels.default_threads`.

    Returns
    -------
    Sinks
        Of pixels in a row that all lie below, the one nearest to the amplifier is the sink, and the others are its
        trail as long as they are less deep. Codes of the trail are the local background: in light up to that of the
        dark the trail was seen.

    Raises
    ------
    MetadataError
        ``M07`` not electrons, no errors, or an unknown direction of readout.
    ArrayError
        ``A12`` ``leave_out`` has another shape; ``A09`` a depth that is not above 1.
    """
    if dark.meta.unit != "electron" or dark.error is None or dark.meta.readout not in ("-y", "+y"):
        raise MetadataError(
            f"unit {dark.meta.unit}, errors {dark.error is not None}, readout {dark.meta.readout}: wanted electrons "
            "with errors, read out along y.",
            code="M07",
            path=dark.meta.path,
        )
    if leave_out is not None and leave_out.shape != dark.shape:
        raise ArrayError(
            f"leave_out has shape {leave_out.shape}, the dark {dark.shape}.", code="A12"
        )
    if not least_depth > 1:
        raise ArrayError(f"least_depth={least_depth!r}, wanted more than 1.", code="A09")
    usable = ~dark.mask if leave_out is None else ~(dark.mask | leave_out)
    light = np.where(dark.mask, np.float32(np.nan), dark.data).astype(np.float32)
    level = median_filter(light, WINDOW, threads=threads)
    away = slice(None, None, 1 if dark.meta.readout == "-y" else -1)
    with np.errstate(invalid="ignore"):
        codes = _codes(
            (level - light)[away], dark.error[away], level[away], usable[away], least_depth
        )
    return Sinks(codes[away], dark.meta.readout)


def _codes(depth: Image, error: Image, level: Image, usable: Mask, least: float) -> Image:
    """Give the codes of a chip that is read out towards row 0."""
    below = usable & (depth >= least) & (depth >= SURE * error)
    before = np.zeros_like(below)
    before[1:] = below[:-1] & (depth[:-1] > depth[1:])
    sinks = below & ~before
    codes = np.zeros(depth.shape, np.float32)
    trail = sinks.copy()
    for step in range(1, TRAIL + 1):
        trail = _next(trail) & ~sinks
        if step > 1:
            trail &= usable & (depth >= SEEN * error)
        codes[trail] = BEHIND if step == 1 else level[trail]
    off = usable & (np.abs(depth) >= SEEN * error) & (codes == 0)
    first = np.zeros_like(sinks)
    first[:-1] = sinks[1:]
    codes[first & off & ~sinks] = BEFORE
    codes[sinks] = -depth[sinks]
    return codes


def _next(mask: Mask) -> Mask:
    moved = np.zeros_like(mask)
    moved[1:] = mask[:-1]
    return moved


def flag_sinks(frame: Frame, sinks: Sinks) -> Frame:
    """Set the quality bit of sink pixels, and of as much of their trails as the light of a frame lets them have.

    Parameters
    ----------
    frame : Frame
        Electrons, before charge transfer is corrected; the chip of ``sinks`` or a part of it.
    sinks : Sinks
        Of the whole chip, trimmed.

    Returns
    -------
    Frame
        The same frame, its quality plane a copy with the profile's bit ``sink``.

    Raises
    ------
    MetadataError
        ``M06`` the profile has no bit for sinks; ``M07`` not electrons, or a frame that does not lie on the chip.

    Notes
    -----
    The rule of calacs 10.5 (SINKCORR): along a column, away from the amplifier, a sink and the pixel before it are
    flagged, and then each pixel whose code is above what the frame has at the sink, until one is not, or has no code.
    """
    bits = load_profile(frame.meta.profile).quality
    if "sink" not in bits:
        raise MetadataError(f"{frame.meta.profile} has no quality bit for sinks.", code="M06")
    codes = _part(sinks, frame)
    away = slice(None, None, 1 if sinks.readout == "-y" else -1)
    flagged = np.zeros(frame.shape, bool)
    held = np.zeros(frame.shape[1], np.float32)
    follows = np.zeros(frame.shape[1], bool)
    for code, light, flag in zip(codes[away], frame.data[away], flagged[away], strict=True):
        own = code < 0
        held = np.where(code < BEFORE, light, held)
        behind = follows & (code > 0) & (code > held)
        flag[:] = own | behind
        follows = flag.copy()
    quality = np.zeros(frame.shape, np.int16) if frame.quality is None else frame.quality.copy()
    quality[flagged] |= np.array(bits["sink"], quality.dtype)
    return frame.replace(quality=quality)


def _part(sinks: Sinks, frame: Frame) -> Image:
    """Give the codes of the pixels of a frame."""
    if frame.meta.unit != "electron":
        raise MetadataError(
            f"unit {frame.meta.unit}, wanted electrons.", code="M07", path=frame.meta.path
        )
    y0, x0 = frame.meta.y_offset, frame.meta.x_offset
    rows, cols = frame.shape
    part = sinks.codes[max(y0, 0) : y0 + rows, max(x0, 0) : x0 + cols]
    if part.shape != frame.shape:
        raise MetadataError(
            f"{cols} x {rows} pixels from x={x0}, y={y0} do not lie on a chip of {sinks.codes.shape[1]} x "
            f"{sinks.codes.shape[0]}.",
            code="M07",
            path=frame.meta.path,
        )
    return part
