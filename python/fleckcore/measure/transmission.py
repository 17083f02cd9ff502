"""How much light a feature lets through."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.measure.cutout import CutOut, against_others, grown

__all__ = [
    "Excess",
    "Transmission",
    "core_of",
    "mean_of",
    "measure_excess",
    "measure_transmission",
    "sensitivity",
]


@dataclass(frozen=True)
class Transmission:
    """Mean transmission over an aperture.

    Attributes
    ----------
    value, error : float
        Mean of light over background, and its standard deviation: of pixels and background together.
    pixel_error, background_error : float
        The two parts of it.
    core, core_error : float
        Mean of the 3 by 3 pixels about the centroid of the loss: the least transmission of a feature that is darkest
        in its middle. (The least pixel would be too dark by its noise.) Of a ring, the mean.
    aperture_error : float
        Half of what the mean changes by when the aperture loses its outermost pixels or gains the next ones: how much
        the choice of the aperture matters. No part of ``error``.
    pixels : int
        Of the aperture.
    """

    value: float
    error: float
    pixel_error: float
    background_error: float
    core: float
    core_error: float
    aperture_error: float
    pixels: int


@dataclass(frozen=True)
class Excess:
    """Light of some pixels over the background, less 1; ``value`` and its standard deviation ``error``."""

    value: float
    error: float


def measure_transmission(cut: CutOut, mask: NDArray[np.bool_]) -> Transmission:
    """Measure how much light comes through the pixels of an aperture.

    Parameters
    ----------
    cut : CutOut
        The feature and its surroundings.
    mask : ndarray of bool, of the shape of the cut-out
        The aperture; pixels that are not usable do not count.

    Returns
    -------
    Transmission
        Relative to the background of `against_others`.

    Raises
    ------
    ArrayError
        ``A12`` a mask of another shape, ``A09`` nothing usable inside or outside.

    Notes
    -----
    Errors suppose an aperture that was not chosen by the noise of the same pixels. One that was prefers pixels that
    noise made darker; where the threshold is many times the noise, as in flats, only some pixels of the rim are
    affected. The master aperture of several frames is the better choice in noisy ones.
    """
    cut = against_others(cut, mask)
    inside = mask & cut.usable
    if not inside.any():
        raise ArrayError("no usable pixel is in the aperture.", code="A09")
    known = cut.background_error / cut.background
    value, pixel_error = mean_of(cut, inside)
    background_error = abs(value) * known
    core, core_error = mean_of(cut, core_of(cut, inside))
    return Transmission(
        value=value,
        error=math.hypot(pixel_error, background_error),
        pixel_error=pixel_error,
        background_error=background_error,
        core=core,
        core_error=math.hypot(core_error, abs(core) * known),
        aperture_error=sensitivity(cut, inside),
        pixels=int(np.count_nonzero(inside)),
    )


def measure_excess(
    cut: CutOut, box: NDArray[np.bool_], *, feature: NDArray[np.bool_] | None = None
) -> Excess:
    """Measure how much brighter than the background some pixels are.

    Parameters
    ----------
    cut : CutOut
        The surroundings.
    box : ndarray of bool, of the shape of the cut-out
        The pixels.
    feature : ndarray of bool, of the shape of the cut-out, optional
        Pixels that do not count as background either.

    Raises
    ------
    ArrayError
        ``A12`` a mask of another shape, ``A09`` nothing usable inside or outside.
    """
    cut = against_others(cut, box if feature is None else box | feature)
    inside = box & cut.usable
    if not inside.any():
        raise ArrayError("no usable pixel is in the box.", code="A09")
    value, error = mean_of(cut, inside)
    return Excess(value - 1, math.hypot(error, value * cut.background_error / cut.background))


def mean_of(cut: CutOut, pixels: NDArray[np.bool_]) -> tuple[float, float]:
    """Give the mean light of some pixels, and the error that is theirs alone."""
    error = float(np.sqrt((cut.error[pixels] ** 2).sum())) / np.count_nonzero(pixels)
    return float(cut.light[pixels].mean()), error


def core_of(cut: CutOut, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the pixels of the aperture within one of the centroid of the loss."""
    loss = np.where(inside, np.maximum(cut.loss, 0), 0)
    if not loss.any():
        loss = inside.astype(float)
    y, x = np.indices(loss.shape)
    total = loss.sum()
    near = (abs(y - round((loss * y).sum() / total)) <= 1) & (
        abs(x - round((loss * x).sum() / total)) <= 1
    )
    return near & inside if (near & inside).any() else inside


def sensitivity(cut: CutOut, inside: NDArray[np.bool_]) -> float:
    """Give half of what the mean changes by between one pixel more and one pixel less all around."""
    larger, smaller = grown(inside) & cut.usable, inside & ~grown(~inside)
    means = [mean_of(cut, pixels)[0] for pixels in (larger, smaller) if pixels.any()]
    return (max(means) - min(means)) / 2 if len(means) > 1 else math.nan
