"""Sharp shapes blurred by a Gaussian: how far their loss has fallen at a distance from the centre."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["bar_profile", "disc_profile"]

_FAR = 6.0
"""Standard deviations beyond which a Gaussian is nothing."""
_STEPS = 20
"""Table entries per standard deviation; straight lines between them are right to 1e-4."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def disc_profile(distance: NDArray[np.float64], radius: float, sigma: float) -> NDArray[np.float64]:
    """Give a disc of height 1, blurred by a Gaussian, at distances from its centre.

    The volume under it stays ``pi * radius**2``, however wide the blur.

    Parameters
    ----------
    distance : ndarray of float64
        From the centre, pixels, not negative.
    radius, sigma : float
        Of the disc and of the Gaussian, pixels, above 0.

    Returns
    -------
    ndarray of float64, the shape of ``distance``
    """
    return np.interp(distance, *_disc_table(radius, sigma), right=0.0)


def bar_profile(offset: NDArray[np.float64], width: float, sigma: float) -> NDArray[np.float64]:
    """Give a bar of height 1 across its width, blurred by a Gaussian.

    Parameters
    ----------
    offset : ndarray of float64
        From the bar's middle line, pixels, of either sign.
    width, sigma : float
        Of the bar and of the Gaussian, pixels, above 0.

    Returns
    -------
    ndarray of float64, the shape of ``offset``
    """
    return np.interp(np.abs(offset), *_bar_table(width, sigma), right=0.0)


@lru_cache(maxsize=64)
def _disc_table(radius: float, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integrate the blurred disc over chords: along each the answer is a difference of two erf."""
    at = _table_places(radius, sigma)
    widest = math.asin(min(1.0, _FAR * sigma / radius))
    angle = widest * _NODES
    offset, half_chord = radius * np.sin(angle), radius * np.cos(angle)
    gauss = np.exp(-0.5 * (offset / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    weight = widest * _WEIGHTS * half_chord * gauss
    return at, _within(at[:, None], half_chord, sigma) @ weight


@lru_cache(maxsize=64)
def _bar_table(width: float, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    at = _table_places(width / 2, sigma)
    return at, _within(at, width / 2, sigma)


def _table_places(edge: float, sigma: float) -> NDArray[np.float64]:
    """Distances around the edge; inside of the first nothing changes, beyond the last nothing is left."""
    first, last = max(0.0, edge - _FAR * sigma), edge + _FAR * sigma
    return np.linspace(first, last, math.ceil(_STEPS * (last - first) / sigma) + 1)


def _within(
    at: NDArray[np.float64], half: NDArray[np.float64] | float, sigma: float
) -> NDArray[np.float64]:
    """Share of a Gaussian around ``at`` that lies within ``half`` of zero."""
    scale = sigma * math.sqrt(2)
    return (_erf((half + at) / scale) + _erf((half - at) / scale)) / 2


def _erf(values: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = np.fromiter(map(math.erf, values.ravel().tolist()), float, values.size)
    return flat.reshape(values.shape)
