"""The neighbourhood of a feature, divided by its background: what every measure starts from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, FrameMeta

__all__ = ["CutOut", "against_others", "cut_out", "grown"]

MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Error of the median of many Gaussian values, over that of their mean."""
CLIP = 4.0
"""Background pixels that are farther off, in their own standard deviations, do not count."""
SIGMA_OF_MAD = 1.482602218505602


@dataclass(frozen=True, eq=False)
class CutOut:
    """A part of a frame, relative to its background; all planes of shape (rows, cols).

    Attributes
    ----------
    x0, y0 : int
        0-based position of pixel ``[0, 0]`` in the frame.
    light : ndarray of float64
        Data over background: 1 where nothing is in the way. NaN where a pixel is not usable.
    error : ndarray of float64
        One standard deviation of ``light``, of each pixel alone: that of the background is common to all.
    background, background_error : float
        In the unit of the frame.
    meta : FrameMeta
        Of the frame.
    """

    x0: int
    y0: int
    light: NDArray[np.float64]
    error: NDArray[np.float64]
    background: float
    background_error: float
    meta: FrameMeta

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Where a pixel has a value."""
        return np.isfinite(self.light)

    @property
    def loss(self) -> NDArray[np.float64]:
        """Fraction of the light that is missing, ``1 - light``."""
        return 1 - self.light


def cut_out(
    frame: Frame,
    x: float,
    y: float,
    *,
    shape: tuple[int, int] = (40, 40),
    leave_out: NDArray[np.bool_] | None = None,
) -> CutOut:
    """Cut a feature out of a frame and divide it by its background.

    Parameters
    ----------
    frame : Frame
        Light, for which 0 is darkness: bias and dark current subtracted.
    x, y : float
        0-based position in the frame that becomes the middle.
    shape : (int, int)
        Rows and columns. A part that lies outside of the frame is cut off.
    leave_out : ndarray of bool, of the shape of the cut-out, optional
        Pixels that say nothing of the background, such as those of the feature. By default all pixels count, as in
        ACS ISR 2018-03, which lowers the background of 144 of 1600 pixels by a tenth of a pixel's noise.

    Returns
    -------
    CutOut
        The background is the median. Errors are those of the frame's error plane, else the scatter about the
        background, from the median absolute deviation of the same pixels.

    Raises
    ------
    ArrayError
        ``A09`` a place outside of the frame, or no light to divide by; ``A12`` a mask of another shape.
    """
    rows, cols = frame.shape
    y0, x0 = round(y) - shape[0] // 2, round(x) - shape[1] // 2
    bottom, left = max(y0, 0), max(x0, 0)
    part = np.s_[bottom : max(min(y0 + shape[0], rows), 0), left : max(min(x0 + shape[1], cols), 0)]
    data = np.array(frame.data[part], np.float64)
    if data.size == 0:
        raise ArrayError(f"x={x:g}, y={y:g} lies outside of {cols} x {rows} pixels.", code="A09")
    if leave_out is not None and leave_out.shape != data.shape:
        raise ArrayError(
            f"leave_out has shape {leave_out.shape}, the cut-out {data.shape}.", code="A12"
        )
    data[_masked(frame, part)] = np.nan
    counts = np.isfinite(data) if leave_out is None else np.isfinite(data) & ~leave_out
    level, scatter = _level(data[counts])
    if not level > 0:
        raise ArrayError(f"the background at x={x:g}, y={y:g} is {level:g}.", code="A09")
    error = (
        np.full(data.shape, scatter)
        if frame.error is None
        else np.array(frame.error[part], np.float64)
    )
    noise = scatter if frame.error is None else float(np.sqrt(np.mean(error[counts] ** 2)))
    return CutOut(
        x0=left,
        y0=bottom,
        light=data / level,
        error=error / level,
        background=level,
        background_error=MEDIAN_ERROR * noise / math.sqrt(np.count_nonzero(counts)),
        meta=frame.meta,
    )


def _masked(frame: Frame, part: tuple[slice, slice]) -> NDArray[np.bool_]:
    return Frame(
        frame.data[part], None, None if frame.quality is None else frame.quality[part], frame.meta
    ).mask


def _level(values: NDArray[np.float64]) -> tuple[float, float]:
    """Give the median and the scatter about it; no values have none."""
    if values.size == 0:
        return math.nan, math.nan
    level = float(np.median(values))
    return level, SIGMA_OF_MAD * float(np.median(np.abs(values - level)))


def against_others(cut: CutOut, feature: NDArray[np.bool_]) -> CutOut:
    """Divide a cut-out by the background of the pixels that lie more than two away from a feature.

    The background is their mean, without those that are more than 4 standard deviations from their median: the median
    itself is a sixth of an electron below the mean of counts.

    Raises
    ------
    ArrayError
        ``A12`` a mask of another shape, ``A09`` no usable pixel is left.
    """
    if feature.shape != cut.light.shape:
        raise ArrayError(
            f"the mask has shape {feature.shape}, the cut-out {cut.light.shape}.", code="A12"
        )
    others = cut.usable & ~grown(feature, 2)
    if not others.any():
        raise ArrayError("no usable pixel is outside of the mask.", code="A09")
    level = float(np.median(cut.light[others]))
    kept = others & (np.abs(cut.light - level) <= CLIP * cut.error)
    if not level > 0 or not kept.any():
        raise ArrayError(f"the background is {level:g} of what it was.", code="A09")
    level = float(cut.light[kept].mean())
    error = float(np.sqrt((cut.error[kept] ** 2).sum())) / np.count_nonzero(kept)
    return replace(
        cut,
        light=cut.light / level,
        error=cut.error / level,
        background=cut.background * level,
        background_error=cut.background * error,
    )


def grown(mask: NDArray[np.bool_], steps: int = 1) -> NDArray[np.bool_]:
    """Grow by so many pixels in every direction, diagonals too."""
    rows, cols = mask.shape
    wide = np.pad(mask, steps)
    found = np.zeros_like(mask)
    for y in range(2 * steps + 1):
        for x in range(2 * steps + 1):
            found |= wide[y : y + rows, x : x + cols]
    return found
