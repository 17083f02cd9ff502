"""Which pixels of the sky no exposure of a dither sees, once flagged pixels go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.flag.table import flagging_of
from fleckcore.instruments import Profile

__all__ = ["Coverage", "coverage", "dither_offsets", "uncovered"]

Mask = NDArray[np.bool_]
Counts = NDArray[np.uint8]
Offsets = Sequence[tuple[float, float]]

MOST_EXPOSURES = 255


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """How often each pixel of the sky was exposed, and how often on a pixel without flag.

    Attributes
    ----------
    exposed, good : ndarray of uint8, shape (rows, cols)
        On a grid of the detector's pixels that holds all exposures, the chip gap included.
    offsets : tuple of (int, int)
        Columns and rows, each exposure against the lowest and leftmost one.
    """

    exposed: Counts
    good: Counts
    offsets: tuple[tuple[int, int], ...]

    @property
    def lost(self) -> Mask:
        """Pixels that were exposed, but on flagged pixels alone."""
        lost: Mask = (self.exposed > 0) & (self.good == 0)
        return lost

    @property
    def uncovered(self) -> int:
        """Number of `lost` pixels."""
        return int(np.count_nonzero(self.lost))

    @property
    def uncovered_twice(self) -> int:
        """Number of these that more than one exposure saw: what dithering was to recover."""
        return int(np.count_nonzero(self.lost & (self.exposed > 1)))

    @property
    def in_gap(self) -> int:
        """Number of pixels that no chip saw, though some lie below and above in their column."""
        seen = self.exposed > 0
        below = np.logical_or.accumulate(seen, axis=0)
        above = np.logical_or.accumulate(seen[::-1], axis=0)[::-1]
        return int(np.count_nonzero(below & above & ~seen))

    @property
    def good_once(self) -> int:
        """Number of pixels that just one exposure sees on a good pixel: cosmic rays stay there."""
        return int(np.count_nonzero(self.good == 1))


def dither_offsets(profile: Profile, pattern: str, points: int = 2) -> tuple[tuple[int, int], ...]:
    """Give the offsets of a pattern that the profile knows, columns and rows.

    Raises
    ------
    MetadataError
        ``M07`` no such pattern, or fewer than one point.
    """
    known = flagging_of(profile).dithers
    if pattern not in known or points < 1:
        raise MetadataError(
            f"pattern {pattern!r} of {points} points, wanted one of {', '.join(known) or 'none'}.",
            code="M07",
            advice="Give the offsets in pixels.",
        )
    dx, dy = known[pattern]
    return tuple((dx * step, dy * step) for step in range(points))


def coverage(masks: Mapping[int, Mask], offsets: Offsets, *, gap: float = 0.0) -> Coverage:
    """Count how often each pixel of the sky is seen.

    Parameters
    ----------
    masks : dict of int to ndarray of bool, shape (rows, cols)
        True where a pixel is flagged; every chip of the detector, from the bottom up.
    offsets : sequence of (float, float)
        Columns and rows of each exposure, rounded to whole pixels.
    gap : float
        Rows between the chips, rounded.

    Returns
    -------
    Coverage

    Raises
    ------
    ArrayError
        ``A09`` no mask, no offset or more than 255, or one that is not finite; ``A12`` chips of other widths.

    Notes
    -----
    Distortion is left out: the steps of a dither differ by some per cent over the field of ACS/WFC.
    """
    shifts = _whole(offsets)
    shapes = {mask.shape for mask in masks.values()}
    if not masks or len({shape[1] for shape in shapes}) != 1:
        raise ArrayError(
            f"chips of shapes {sorted(shapes)}, wanted the same width for all.", code="A12"
        )
    firsts = _firsts(masks, gap)
    height = firsts[-1] + list(masks.values())[-1].shape[0]
    width = next(iter(shapes))[1]
    size = height + max(dy for _, dy in shifts), width + max(dx for dx, _ in shifts)
    exposed, good = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for dx, dy in shifts:
        for first, mask in zip(firsts, masks.values(), strict=True):
            place = np.s_[dy + first : dy + first + mask.shape[0], dx : dx + width]
            exposed[place] += 1
            good[place] += ~mask
    return Coverage(exposed=exposed, good=good, offsets=shifts)


def _whole(offsets: Offsets) -> tuple[tuple[int, int], ...]:
    given = np.asarray(offsets, float)
    if given.ndim != 2 or given.shape[1] != 2 or not 0 < len(given) <= MOST_EXPOSURES:
        raise ArrayError(
            f"offsets of shape {given.shape}, wanted x and y of 1 to {MOST_EXPOSURES} exposures.",
            code="A09",
        )
    if not np.isfinite(given).all():
        raise ArrayError("an offset is not finite.", code="A09")
    whole = np.rint(given).astype(int)
    return tuple((int(x), int(y)) for x, y in whole - whole.min(axis=0))


def _firsts(masks: Mapping[int, Mask], gap: float) -> list[int]:
    """Give the row on which each chip begins."""
    rows = np.array([0, *(mask.shape[0] + round(gap) for mask in masks.values())])
    return [int(first) for first in np.cumsum(rows)[:-1]]


def uncovered(masks: Mapping[int, Mask], offsets: Offsets) -> int:
    """Count the pixels of the sky that several exposures saw, and all on flagged pixels, each chip for itself."""
    return sum(coverage({chip: mask}, offsets).uncovered_twice for chip, mask in masks.items())
