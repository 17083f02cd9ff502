"""A picture of what a dither covers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleckcore.report.panels import Box, FigureRecord, Picture, plot_panels

if TYPE_CHECKING:
    from fleckcore.flag import Coverage

__all__ = ["plot_coverage"]

WIDEST = 1000
"""Pixels of the picture; a pixel shows the least covered one of those behind it."""
MOST = 200
"""Boxes around pixels that nothing covers."""
REACH = 20.0


def plot_coverage(found: Coverage, path: str | Path, *, overwrite: bool = False) -> None:
    """Draw how often each pixel of the sky is seen on a good pixel, with circles where none sees it.

    Parameters
    ----------
    found : Coverage
        Of `fleckcore.flag.coverage`.
    path : path-like
        Ends in .png, .pdf or .svg.
    overwrite : bool
        Replace an older file.

    Raises
    ------
    MissingExtraError
        ``R17`` without matplotlib.
    OutputError
        ``R08``, ``R01``: the file cannot be written.
    """
    step = -(-max(found.good.shape) // WIDEST)
    rows, cols = np.nonzero(found.lost)
    boxes = tuple(
        Box(
            (x - REACH) / step,
            (y - REACH) / step,
            (x + REACH) / step,
            (y + REACH) / step,
            round=True,
        )
        for x, y in zip(cols[:MOST].tolist(), rows[:MOST].tolist(), strict=True)
    )
    picture = Picture(
        _least(found.good, step),
        f"{len(found.offsets)} exposures, {step} x {step} pixels each",
        low=0,
        high=len(found.offsets),
        boxes=boxes,
        label="exposures on good pixels",
    )
    caption = (
        f"{found.uncovered} pixels of the sky are seen on flagged pixels alone ({found.uncovered_twice} of them by "
        f"several exposures), {found.in_gap} lie in a gap, {found.good_once} are seen once"
    )
    plot_panels(FigureRecord(0, caption, ((picture,),)), path, overwrite=overwrite)


def _least(counts: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    rows, cols = counts.shape
    filled = np.pad(counts, ((0, -rows % step), (0, -cols % step)), mode="edge")
    blocks = filled.reshape(filled.shape[0] // step, step, filled.shape[1] // step, step)
    least: NDArray[np.uint8] = blocks.min(axis=(1, 3))
    return least
