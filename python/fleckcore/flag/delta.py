"""Delta flats: the light that a fleck takes, as a correction for the time since its birth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame

__all__ = ["DeltaFlat", "DepthMap", "DepthTest", "chance_above", "delta_flat", "depth_of_stacks"]

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]

REFUSED_BELOW = 1e-3
"""Chance of the worst of all tests, their number counted, below which depths do not agree."""
LEAST = 0.5
"""Transmission below which a pixel is left to the flags: what is divided by it is mostly noise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DepthMap:
    """Transmission of one epoch through one filter.

    Attributes
    ----------
    transmission, error : ndarray of float64, shape (rows, cols)
        Light over the light without the fleck, and one standard deviation.
    epoch : str
        When: equal texts are the same epoch.
    filter : str
        Filter.
    """

    transmission: Image
    error: Image
    epoch: str
    filter: str


@dataclass(frozen=True, kw_only=True)
class DepthTest:
    """Whether depths agree: chi-square, its degrees of freedom and the chance to exceed it."""

    name: str
    chi_square: float
    degrees: int
    chance: float


@dataclass(frozen=True, kw_only=True, eq=False)
class DeltaFlat:
    """A correction to divide by.

    Attributes
    ----------
    data, error : ndarray of float32, shape (rows, cols)
        Transmission and one standard deviation; 1 and 0 where nothing is corrected.
    corrected, left_to_flags : ndarray of bool, shape (rows, cols)
        Pixels that are corrected, and those that are too deep and are to be flagged.
    tests : tuple of DepthTest
        Those that it passed.
    """

    data: NDArray[np.float32]
    error: NDArray[np.float32]
    corrected: Mask
    left_to_flags: Mask
    tests: tuple[DepthTest, ...]


def depth_of_stacks(before: Frame, after: Frame, *, epoch: str, filter: str) -> DepthMap:  # noqa: A002
    """Divide a stack from after a birth by one from before it, through the same filter.

    Parameters
    ----------
    before, after : Frame
        Of one chip and shape, with errors, without bias, in one unit and of one level.
    epoch, filter : str
        See `DepthMap`.

    Returns
    -------
    DepthMap
        NaN where either is masked or holds no light.

    Raises
    ------
    MetadataError
        ``M07`` another chip or place, or no errors.
    ArrayError
        ``A12`` other shapes.
    """
    if before.shape != after.shape:
        raise ArrayError(f"before has shape {before.shape}, after {after.shape}.", code="A12")
    places = [(f.meta.chip, f.meta.x_offset, f.meta.y_offset, f.meta.unit) for f in (before, after)]
    if places[0] != places[1] or before.error is None or after.error is None:
        raise MetadataError(
            f"before is {places[0]} (chip, x, y, unit), after {places[1]}; wanted the same, and errors of both.",
            code="M07",
            path=after.meta.path,
        )
    light, later = (np.asarray(frame.data, np.float64) for frame in (before, after))
    usable = ~(before.mask | after.mask) & (light > 0)
    safe = np.where(usable, light, 1.0)
    ratio = later / safe
    error = np.hypot(after.error, ratio * before.error) / safe
    return DepthMap(
        transmission=np.where(usable, ratio, np.nan),
        error=np.where(usable, error, np.nan),
        epoch=epoch,
        filter=filter,
    )


def delta_flat(
    maps: Sequence[DepthMap],
    aperture: Mask,
    *,
    least: float = LEAST,
    refused_below: float = REFUSED_BELOW,
) -> DeltaFlat:
    """Combine transmissions into a correction, or refuse where they change with time or colour.

    Parameters
    ----------
    maps : sequence of DepthMap
        Of one shape. One alone is taken on trust.
    aperture : ndarray of bool, shape (rows, cols)
        Pixels of the fleck.
    least : float
        Transmission below which a pixel is not corrected.
    refused_below : float
        Chance of the worst test, times the number of tests, below which the correction is refused.

    Returns
    -------
    DeltaFlat

    Raises
    ------
    MetadataError
        ``M07`` the depth changes from epoch to epoch of a filter, or from filter to filter.
    ArrayError
        ``A12`` another shape; ``A09`` no map, an empty aperture or an error that is not above 0; ``A06`` a pixel
        of the aperture that no map knows.

    Notes
    -----
    Two chi-squares each for time (within filters) and colour (between filters, epochs averaged): of all pixels about
    their weighted means, which sees a fleck that moved, and of the means over the aperture, which sees a common
    change too small for single pixels.
    """
    _check(maps, aperture)
    values = np.array([one.transmission[aperture] for one in maps])
    errors = np.array([one.error[aperture] for one in maps])
    known = np.isfinite(values) & np.isfinite(errors)
    if not (errors[known] > 0).all():
        raise ArrayError("an error is not above 0.", code="A09")
    if not known.any(axis=0).all():
        raise ArrayError(
            f"{np.count_nonzero(~known.any(axis=0))} pixels of the aperture have no transmission in any map.",
            code="A06",
            advice="Leave them out of the aperture, and flag them.",
        )
    values = np.where(known, values, 0.0)
    weights = np.where(known, 1 / np.where(known, errors, 1.0) ** 2, 0.0)
    tests = _tests(maps, values, weights)
    worst = min(tests, key=lambda test: test.chance, default=None)
    if worst is not None and worst.chance * len(tests) < refused_below:
        raise MetadataError(
            f"the depth changes with {worst.name}: chi-square {worst.chi_square:.1f} of {worst.degrees} degrees, "
            f"chance {worst.chance:.2g}, wanted {refused_below / len(tests):.2g} or more.",
            code="M07",
            advice="Make one delta flat for each filter or epoch, or flag the pixels.",
        )
    mean, error = _mean(values, weights)
    return _place(aperture, mean, error, least, tests)


def _check(maps: Sequence[DepthMap], aperture: Mask) -> None:
    if not maps or not aperture.any():
        raise ArrayError(
            f"{len(maps)} maps, {np.count_nonzero(aperture)} pixels of the aperture, wanted some.",
            code="A09",
        )
    for one in maps:
        for plane in (one.transmission, one.error):
            if plane.shape != aperture.shape:
                raise ArrayError(
                    f"the map of {one.epoch}, {one.filter} has shape {plane.shape}, the aperture {aperture.shape}.",
                    code="A12",
                )


def _mean(values: Image, weights: Image) -> tuple[Image, Image]:
    """Give the weighted mean over maps of each pixel, and its error; NaN where no map has a weight."""
    total = weights.sum(axis=0)
    safe = np.where(total > 0, total, np.nan)
    return (values * weights).sum(axis=0) / safe, 1 / np.sqrt(safe)


def _tests(maps: Sequence[DepthMap], values: Image, weights: Image) -> tuple[DepthTest, ...]:
    order = sorted(range(len(maps)), key=lambda i: maps[i].filter)
    groups = [list(group) for _, group in groupby(order, key=lambda i: maps[i].filter)]
    colours = [_mean(values[group], weights[group]) for group in groups]
    between = np.array([mean for mean, _ in colours])
    known = np.isfinite(between)
    firm = np.where(known, 1 / np.array([error for _, error in colours]) ** 2, 0.0)
    named = [
        ("time", [(values[group], weights[group]) for group in groups]),
        ("colour", [(np.where(known, between, 0.0), np.where(known, firm, 0.0))]),
    ]
    found = []
    for name, sets in named:
        for how, reduce in (
            ("pixel by pixel", _same),
            ("in the mean over the aperture", _averaged),
        ):
            parts = [_misfit(*reduce(*part)) for part in sets]
            chi_square, degrees = (sum(column) for column in zip(*parts, strict=True))
            if degrees:
                found.append(
                    DepthTest(
                        name=f"{name}, {how}",
                        chi_square=float(chi_square),
                        degrees=int(degrees),
                        chance=chance_above(float(chi_square), int(degrees)),
                    )
                )
    return tuple(found)


def _same(values: Image, weights: Image) -> tuple[Image, Image]:
    return values, weights


def _averaged(values: Image, weights: Image) -> tuple[Image, Image]:
    """Give the mean over pixels that every map knows, one for each map, and its weight."""
    known = (weights > 0).all(axis=0)
    count = int(np.count_nonzero(known))
    if not count:
        return np.zeros((len(values), 1)), np.zeros((len(values), 1))
    variance = (1 / weights[:, known]).sum(axis=1, keepdims=True) / count**2
    return values[:, known].mean(axis=1, keepdims=True), 1 / variance


def _misfit(values: Image, weights: Image) -> tuple[float, int]:
    """Give the chi-square of maps about their mean, and its degrees of freedom."""
    mean, _ = _mean(values, weights)
    known = weights > 0
    degrees = int(np.maximum(known.sum(axis=0) - 1, 0).sum())
    return float((np.where(known, values - mean, 0.0) ** 2 * weights).sum()), degrees


def _place(
    aperture: Mask, mean: Image, error: Image, least: float, tests: tuple[DepthTest, ...]
) -> DeltaFlat:
    data, errors = np.ones(aperture.shape, np.float32), np.zeros(aperture.shape, np.float32)
    good = mean >= least
    corrected, left = np.zeros_like(aperture), np.zeros_like(aperture)
    corrected[aperture], left[aperture] = good, ~good
    data[corrected], errors[corrected] = mean[good], error[good]
    return DeltaFlat(data=data, error=errors, corrected=corrected, left_to_flags=left, tests=tests)


def chance_above(chi_square: float, degrees: int) -> float:
    """Give the chance that a chi-square of so many degrees of freedom is larger.

    The regularised upper incomplete gamma function of ``degrees / 2`` at ``chi_square / 2``, by its series below the
    mean and by Lentz's continued fraction above (Abramowitz & Stegun 6.5.29 and 6.5.31).
    """
    a, x = degrees / 2, chi_square / 2
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        while abs(term) > 1e-16 * abs(total):
            a += 1
            term *= x / a
            total += term
        return max(0.0, 1 - front * total)
    b = x + 1 - a
    c, d = 1e300, 1 / b
    fraction = d
    for step in range(1, 100_000):
        factor = -step * (step - a)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction
