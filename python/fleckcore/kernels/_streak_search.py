"""The kernel ``streak_search``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_mask, check_threads


def streak_search(
    data: Any,
    length: float,
    angle: float,
    *,
    mask: Any = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Score every place as the middle of a straight streak of one length and direction.

    The pixels about a place fall into 12 parts along the direction, and in each part into a line, up to 1.25 pixels
    from the middle, and two sides, 2 to 4 pixels from it. Per side, the excess of the line is the interquartile mean
    over the parts of what the line loses more, so that neither a fleck nor a gap decides. The score is the mean of
    both sides, no more than twice the lesser, and 0 where they differ in sign, so that an edge scores nothing (the
    monotonized central limiter of van Leer 1977, J. Comput. Phys. 23, 276).

    Parameters
    ----------
    data : ndarray, shape (rows, cols)
        What is lost (a shadow is positive). Any real type, byte order and strides.
    length : float
        In pixels, 8 to 1000. Bin the frame for streaks more than 3 pixels wide. Below 24 the pixel grid leaves some
        parts without a pixel, and these never count.
    angle : float
        Direction in degrees from +x towards +y.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out, as NaN and infinite pixels are.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    ndarray of float32, shape (rows, cols)
        Excess in the unit of ``data``. Where not all parts have 40 % of the pixels of line and sides it is lowered by
        the root of the share that has; NaN where fewer than 6 have.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype, length or angle, ``A12`` a mask of another shape.
    """
    image = check_image(data)
    if not (np.isfinite(length) and 8 <= length <= 1000):
        raise ArrayError(f"length={length!r}, wanted a number from 8 to 1000.", code="A09")
    if not np.isfinite(angle):
        raise ArrayError(f"angle={angle!r}, wanted a finite number of degrees.", code="A09")
    scores: NDArray[np.float32] = _core.streak_search(
        image, float(length), float(angle), check_mask(mask, image.shape), check_threads(threads)
    )
    return scores
