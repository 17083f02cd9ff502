"""Two epochs of one light: what changed in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.measure.cutout import CutOut, against_others, grown

__all__ = ["EpochRatio", "epoch_ratio", "pair_by_level"]

LEAST_SIGNAL = 3.0
"""Pixels of the earlier epoch with less light than so many of its errors have no ratio."""
MOST_APART = 1.25
"""Largest ratio of two levels that are the same."""


@dataclass(frozen=True, eq=False)
class EpochRatio:
    """Light of a later epoch over that of an earlier one, each relative to its background.

    Attributes
    ----------
    ratio, error : ndarray of float64, shape (rows, cols)
        Pixel by pixel; NaN where the earlier epoch has no light to speak of.
    x0, y0 : int
        Position of pixel ``[0, 0]`` in the frame.
    value, value_error : float
        Of the feature: its light in the later epoch over its light in the earlier one, background included.
    mean : float
        Mean of the ratio's pixels in the feature, as in ACS ISR 2018-03. Too large where the light is faint: the mean
        of 1/x is more than 1 over the mean of x.
    scatter, scatter_outside : float
        Standard deviations of the ratio's pixels within the feature and more than two pixels away from it.
    """

    ratio: NDArray[np.float64]
    error: NDArray[np.float64]
    x0: int
    y0: int
    value: float
    value_error: float
    mean: float
    scatter: float
    scatter_outside: float


def epoch_ratio(later: CutOut, earlier: CutOut, feature: NDArray[np.bool_]) -> EpochRatio:
    """Divide two epochs of a feature by each other.

    Parameters
    ----------
    later, earlier : CutOut
        Of one place and shape.
    feature : ndarray of bool, of their shape
        Its pixels.

    Returns
    -------
    EpochRatio

    Raises
    ------
    ArrayError
        ``A12`` cut-outs of other places or shapes, ``A09`` no usable pixel in the feature or beside it.
    """
    require_same_place(later, earlier)
    one, other = against_others(later, feature), against_others(earlier, feature)
    usable = one.usable & other.usable
    inside, outside = feature & usable, usable & ~grown(feature, 2)
    if not inside.any() or not outside.any():
        raise ArrayError("no usable pixel in the feature, or none beside it.", code="A09")
    bright = usable & (other.light > LEAST_SIGNAL * other.error)
    ratio = np.full(one.light.shape, np.nan)
    error = ratio.copy()
    ratio[bright] = one.light[bright] / other.light[bright]
    error[bright] = np.hypot(one.error[bright], ratio[bright] * other.error[bright])
    error[bright] /= other.light[bright]
    sums = [_sum(cut, inside) for cut in (one, other)]
    value = sums[0][0] / sums[1][0]
    relative = [
        math.hypot(e / s, c.background_error / c.background)
        for (s, e), c in zip(sums, (one, other), strict=True)
    ]
    told = inside & bright
    return EpochRatio(
        ratio=ratio,
        error=error,
        x0=later.x0,
        y0=later.y0,
        value=value,
        value_error=abs(value) * math.hypot(*relative),
        mean=float(ratio[told].mean()) if told.any() else math.nan,
        scatter=float(ratio[told].std()) if told.any() else math.nan,
        scatter_outside=float(ratio[outside & bright].std()),
    )


def require_same_place(one: CutOut, other: CutOut) -> None:
    """Raise `ArrayError` A12 unless two cut-outs show the same pixels."""
    if (one.x0, one.y0, one.light.shape) != (other.x0, other.y0, other.light.shape):
        raise ArrayError(
            f"cut-outs of {one.light.shape} at x={one.x0}, y={one.y0} and of {other.light.shape} at x={other.x0}, "
            f"y={other.y0}.",
            code="A12",
        )


def _sum(cut: CutOut, pixels: NDArray[np.bool_]) -> tuple[float, float]:
    return float(cut.light[pixels].sum()), float(np.sqrt((cut.error[pixels] ** 2).sum()))


def pair_by_level(later: Sequence[Frame], earlier: Sequence[Frame]) -> list[tuple[Frame, Frame]]:
    """Pair the frames of two epochs by the level of their signal.

    Parameters
    ----------
    later, earlier : sequence of Frame
        As many of each, of one chip, bias subtracted.

    Returns
    -------
    list of (Frame, Frame)
        Later and earlier, from the lowest level to the highest.

    Raises
    ------
    MetadataError
        ``M07``: other numbers of frames, no signal, or a pair whose levels differ by more than a quarter.
    """
    if len(later) != len(earlier):
        raise MetadataError(
            f"{len(later)} later and {len(earlier)} earlier frames, wanted pairs.", code="M07"
        )
    ranked = [
        sorted(((_level(frame), n) for n, frame in enumerate(part))) for part in (later, earlier)
    ]
    pairs = []
    for (high, n), (low, m) in zip(*ranked, strict=True):
        if not 1 / MOST_APART < high / low < MOST_APART:
            raise MetadataError(
                f"levels of {high:.4g} and {low:.4g} do not belong together.",
                code="M07",
                path=later[n].meta.path,
            )
        pairs.append((later[n], earlier[m]))
    return pairs


def _level(frame: Frame) -> float:
    level = float(np.median(frame.data[~frame.mask]))
    if not level > 0:
        raise MetadataError(
            f"the level is {level:g}, wanted light.", code="M07", path=frame.meta.path
        )
    return level
