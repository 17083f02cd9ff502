"""The kernel ``shadow_search``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_mask, check_threads


def shadow_search(
    data: Any,
    radius: float,
    *,
    edge: bool = False,
    mask: Any = None,
    margin: int = 0,
    part: tuple[slice, slice] = np.s_[:, :],
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Score every place as the centre of a round shadow of one radius.

    The pixels about a place fall into a core (0.20 to 0.45 of the radius), a rim (0.55 to 0.95) and what stands
    beside (1.05 to 1.20); rim and beside are divided into 12 sectors. A sector's excess is the mean of its rim, less
    0.7 of the mean beside it and 0.3 of the mean of the core. The score is the mean excess without the two lowest and
    the two highest sectors, so that neither a bright neighbour nor a gap decides. By the ``edge`` alone, the rim
    is 0.80 to 0.97 of the radius, what stands beside 1.03 to 1.15, and there is no core.

    Parameters
    ----------
    data : ndarray, shape (rows, cols)
        What is lost (a shadow is positive). Any real type, byte order and strides.
    radius : float
        Outer radius in pixels, 2 to 1000. Bin the frame for large radii; 8 to 16 pixels are enough. Below 6 (of an
        edge, below 7) the pixel grid leaves some sectors of some radii without a pixel, and these never count.
    edge : bool
        Whether only the edge counts. White noise is least in the whole; a ground uneven over a tenth to a third of
        the radius, which wide faint shadows stand in, at the edge.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out, as NaN and infinite pixels are.
    margin : int
        Places up to this many pixels outside the frame are scored too.
    part : (slice, slice)
        Which rows and columns of the result are wanted, by default all; rows may be some apart, columns not. What is
        not wanted costs nothing.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    ndarray of float32, shape (rows + 2 margin, cols + 2 margin), or the wanted part of it
        Excess in the unit of ``data``; ``[margin, margin]`` belongs to ``data[0, 0]``. Where not all sectors have
        40 % of their pixels it is lowered by the root of the part that has; NaN where fewer than 4 have.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype, radius, margin or part, ``A12`` a mask of another shape.
    """
    image = check_image(data)
    if not (np.isfinite(radius) and 2 <= radius <= 1000):
        raise ArrayError(f"radius={radius!r}, wanted a number from 2 to 1000.", code="A09")
    if not (0 <= margin <= 2000 and int(margin) == margin):
        raise ArrayError(f"margin={margin!r}, wanted a whole number from 0 to 2000.", code="A09")
    rows, cols = (p.indices(n + 2 * margin) for p, n in zip(part, image.shape, strict=True))
    if rows[2] < 1 or cols[2] != 1:
        raise ArrayError(
            f"part={part!r}, wanted rows in order and neighbouring columns.", code="A09"
        )
    scores: NDArray[np.float32] = _core.shadow_search(
        image,
        float(radius),
        bool(edge),
        (rows[0] - margin, max(rows[:2]) - margin, rows[2]),
        (cols[0] - margin, max(cols[:2]) - margin),
        check_mask(mask, image.shape),
        check_threads(threads),
    )
    return scores
