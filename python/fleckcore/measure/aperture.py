"""The pixels of a feature: those that lose more than a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.kernels import label_components
from fleckcore.measure.cutout import CutOut, against_others, grown

__all__ = [
    "Aperture",
    "MasterAperture",
    "NaturalBreak",
    "find_aperture",
    "master_aperture",
    "natural_break",
]

THRESHOLD = 0.05
"""Loss from which a pixel belongs to a feature, of ACS ISR 2018-03."""
BACKGROUND = 6.0
"""No background pixel stands out by so many standard deviations."""


@dataclass(frozen=True, eq=False)
class Aperture:
    """The pixels of a feature in one frame.

    Attributes
    ----------
    mask : ndarray of bool, shape (rows, cols)
        Its pixels.
    x0, y0 : int
        Position of pixel ``[0, 0]`` in the frame.
    threshold : float
        Loss that they exceed.
    area, area_error : float
        Pixels, as the sum over pixels of the probability that they lose more than the threshold, given their noise:
        where noise makes it hard to say, half a pixel counts.
    pixel_size_um : float or None
        Pitch of the pixels.
    """

    mask: NDArray[np.bool_]
    x0: int
    y0: int
    threshold: float
    area: float
    area_error: float
    pixel_size_um: float | None

    @property
    def pixels(self) -> int:
        """How many there are, whatever the noise."""
        return int(np.count_nonzero(self.mask))

    @property
    def area_mm2(self) -> float:
        """The area on the detector; NaN where the pitch is not known."""
        return self.area * self._pitch_mm**2

    @property
    def area_mm2_error(self) -> float:
        """Standard deviation of it."""
        return self.area_error * self._pitch_mm**2

    @property
    def diameter_um(self) -> float:
        """Of the circle that covers the same area."""
        return 2000 * self._pitch_mm * math.sqrt(self.area / math.pi)

    @property
    def _pitch_mm(self) -> float:
        return math.nan if self.pixel_size_um is None else self.pixel_size_um / 1000


@dataclass(frozen=True)
class NaturalBreak:
    """The loss ``value`` that divides background from feature; ``error`` is how much the choice of bins matters."""

    value: float
    error: float


@dataclass(frozen=True, eq=False)
class MasterAperture:
    """The pixels of a feature in any of several frames.

    Attributes
    ----------
    mask : ndarray of bool, shape (rows, cols)
        The union.
    frequency : ndarray of int, shape (rows, cols)
        In how many frames a pixel is chosen.
    x0, y0 : int
        Position of pixel ``[0, 0]`` in the frame.
    count : int
        Of the frames.
    """

    mask: NDArray[np.bool_]
    frequency: NDArray[np.int64]
    x0: int
    y0: int
    count: int

    @property
    def chosen_in_all(self) -> float:
        """Fraction of the pixels that every frame chooses."""
        return float((self.frequency == self.count).sum() / max(self.mask.sum(), 1))


def find_aperture(cut: CutOut, *, threshold: float = THRESHOLD, connected: bool = True) -> Aperture:
    """Find the pixels of the feature in the middle of a cut-out.

    Parameters
    ----------
    cut : CutOut
        The feature and its surroundings.
    threshold : float
        Loss that a pixel must exceed; `natural_break` proposes one.
    connected : bool
        Only the pixels that touch, at edges or corners, the ones of the piece nearest to the middle. Otherwise all of
        the cut-out, as in ACS ISR 2018-03: right where the threshold is many times the noise.

    Returns
    -------
    Aperture
        Empty where nothing exceeds the threshold.

    Raises
    ------
    ArrayError
        ``A09`` a threshold that is not between 0 and 1.

    Notes
    -----
    The area supposes that losses near the threshold are as likely a little above as a little below it, and weighs
    pixels in the aperture and beside it only. On the rim of a fleck more pixels lie below: with a threshold of 4
    noises the area comes out half an error too large, with 10 or more it is right.
    """
    if not 0 < threshold < 1:
        raise ArrayError(f"threshold={threshold!r}, wanted a loss between 0 and 1.", code="A09")
    cut = against_others(cut, _above(cut, threshold, connected=connected))
    mask = _above(cut, threshold, connected=connected)
    near = grown(mask) & cut.usable
    with np.errstate(divide="ignore"):
        sigmas = (cut.loss[near] - threshold) / cut.error[near]
    chance = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in sigmas.tolist()])
    return Aperture(
        mask=mask,
        x0=cut.x0,
        y0=cut.y0,
        threshold=threshold,
        area=float(chance.sum()),
        area_error=float(np.sqrt((chance * (1 - chance)).sum())),
        pixel_size_um=cut.meta.pixel_size_um,
    )


def _above(cut: CutOut, threshold: float, *, connected: bool) -> NDArray[np.bool_]:
    mask = cut.usable & (cut.loss > threshold)
    return _nearest_piece(np.where(mask, cut.loss, 0)) if connected else mask


def _nearest_piece(loss: NDArray[np.float64]) -> NDArray[np.bool_]:
    labels = label_components(loss, 0.0).labels
    assert labels is not None
    rows, cols = loss.shape
    y, x = np.nonzero(labels)
    if x.size == 0:
        return np.zeros(loss.shape, bool)
    nearest = np.argmin((y - (rows - 1) / 2) ** 2 + (x - (cols - 1) / 2) ** 2)
    piece: NDArray[np.bool_] = labels == labels[y[nearest], x[nearest]]
    return piece


def master_aperture(apertures: Sequence[Aperture]) -> MasterAperture:
    """Join the apertures of one feature in several frames, such as those of several filters.

    Raises
    ------
    ArrayError
        ``A12``: no aperture, or apertures of other places or shapes.
    """
    if not apertures:
        raise ArrayError("no aperture to join.", code="A12")
    first = apertures[0]
    for one in apertures[1:]:
        if (one.x0, one.y0, one.mask.shape) != (first.x0, first.y0, first.mask.shape):
            raise ArrayError(
                f"an aperture of {one.mask.shape} at x={one.x0}, y={one.y0}; the first has {first.mask.shape} at "
                f"x={first.x0}, y={first.y0}.",
                code="A12",
            )
    frequency: NDArray[np.int64] = np.stack([one.mask for one in apertures]).sum(axis=0)
    return MasterAperture(np.asarray(frequency > 0), frequency, first.x0, first.y0, len(apertures))


def natural_break(cut: CutOut) -> NaturalBreak:
    """Find the loss that divides background from feature, where a histogram of losses has its first gap.

    Parameters
    ----------
    cut : CutOut
        A feature and its surroundings, whose median loss is 0.

    Returns
    -------
    NaturalBreak
        NaN where no pixel stands out of the background.

    Notes
    -----
    Background pixels crowd about 0; those of a feature spread over all losses, a few a bin. The gap is the first bin,
    up from 0, that is followed by one with as many pixels or more. Which bin that is depends on the bins: 15
    histograms, of bins 6 to 10 times as wide as a pixel's noise and begun at three places, are asked.
    Narrower and wider bins find it at a third and at three times the loss; these were chosen to come out near 5 % in
    flats of ACS/WFC.
    """
    loss = cut.loss[cut.usable]
    noise = float(np.median(cut.error[cut.usable]))
    if not (loss > BACKGROUND * noise).any():
        return NaturalBreak(math.nan, math.nan)
    asked = [
        _first_gap(loss, width * noise, phase)
        for width in range(6, 11)
        for phase in (0, 1 / 3, 2 / 3)
    ]
    return NaturalBreak(float(np.mean(asked)), float(np.std(asked)))


def _first_gap(loss: NDArray[np.float64], width: float, phase: float) -> float:
    edges = width * (np.arange(2 + math.ceil(1 / width)) - phase)
    counts = np.histogram(loss, edges)[0]
    first = int(np.argmax(counts[1:] >= counts[:-1]))
    return float((edges[first] + edges[first + 1]) / 2)
