"""Transmission against wavelength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.measure.transmission import Transmission

__all__ = ["Rise", "Spectrum", "fit_spectrum", "measure_rise"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A straight line through transmissions.

    Attributes
    ----------
    slope, slope_error : float
        Per unit of wavelength.
    level, level_error : float
        At the mean wavelength ``middle``, weighted by the errors.
    middle : float
        That wavelength.
    chi_square : float
        About the line, with two degrees of freedom less than there are points.
    deviations : ndarray of float64, shape (n,)
        Of each point from the line through all others, in standard deviations of that difference: beyond 3 or so, a
        point does not belong. NaN for fewer than 4 points.
    noisy : ndarray of bool, shape (n,)
        Points whose error is more than 1.5 times the median one.
    """

    slope: float
    slope_error: float
    level: float
    level_error: float
    middle: float
    chi_square: float
    deviations: NDArray[np.float64]
    noisy: NDArray[np.bool_]


def fit_spectrum(
    wavelengths: Sequence[float], transmissions: Sequence[float], errors: Sequence[float]
) -> Spectrum:
    """Fit a straight line to transmissions, and ask of each whether it belongs to the line of the others.

    Parameters
    ----------
    wavelengths, transmissions, errors : sequence of float
        Of three filters or more.

    Returns
    -------
    Spectrum

    Raises
    ------
    ArrayError
        ``A12`` sequences of other lengths, ``A09`` fewer than three points, equal wavelengths or errors that are not
        above 0.
    """
    x, y, e = (np.asarray(part, np.float64) for part in (wavelengths, transmissions, errors))
    if not x.shape == y.shape == e.shape:
        raise ArrayError(f"{x.size}, {y.size} and {e.size} numbers.", code="A12")
    if x.size < 3 or not (e > 0).all() or np.ptp(x) == 0:
        raise ArrayError(
            "wanted three wavelengths or more, not all the same, and errors above 0.", code="A09"
        )
    slope, level, middle, slope_variance, level_variance = _line(x, y, e)
    off = y - level - slope * (x - middle)
    deviations = np.full(x.size, math.nan)
    for n in range(x.size if x.size > 3 else 0):
        others = np.arange(x.size) != n
        if np.ptp(x[others]) > 0:
            b, a, m, vb, va = _line(x[others], y[others], e[others])
            away = x[n] - m
            deviations[n] = (y[n] - a - b * away) / math.sqrt(e[n] ** 2 + va + vb * away**2)
    return Spectrum(
        slope=slope,
        slope_error=math.sqrt(slope_variance),
        level=level,
        level_error=math.sqrt(level_variance),
        middle=middle,
        chi_square=float(((off / e) ** 2).sum()),
        deviations=deviations,
        noisy=np.asarray(e > 1.5 * np.median(e)),
    )


def _line(
    x: NDArray[np.float64], y: NDArray[np.float64], e: NDArray[np.float64]
) -> tuple[float, float, float, float, float]:
    """Give slope, level and middle, and the variances of the first two, which are independent there."""
    weights = 1 / e**2
    total = float(weights.sum())
    middle = float((weights * x).sum() / total)
    spread = float((weights * (x - middle) ** 2).sum())
    slope = float((weights * (x - middle) * y).sum() / spread)
    return slope, float((weights * y).sum() / total), middle, 1 / spread, 1 / total


@dataclass(frozen=True)
class Rise:
    """By how much more light comes through in a redder filter; ``value`` and its standard deviation ``error``."""

    value: float
    error: float


def measure_rise(red: Transmission, blue: Transmission) -> Rise:
    """Compare the transmissions of two filters over one aperture.

    Parameters
    ----------
    red, blue : Transmission
        Of `measure_transmission`. What both share, such as the pixels' sensitivities, counts twice in the error.

    Returns
    -------
    Rise
        The red light that a detector scatters into a halo is a few per cent at most (ACS ISR 2018-03): a rise above
        that is the feature's.
    """
    return Rise(red.value - blue.value, math.hypot(red.error, blue.error))
