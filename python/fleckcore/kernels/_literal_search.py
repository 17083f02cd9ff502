"""The kernel ``literal_search``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_threads
from fleckcore.kernels._memory import sparse_zeros
from fleckcore.kernels._mesh_statistics import mesh_shape

FLAGGED, UNLIT, DEVIANT = 1, 2, 4
"""Why a pixel is left out: quality or no number; no level; far on the other side of the noise."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LiteralObjects:
    """What `literal_search` finds.

    Attributes
    ----------
    level : ndarray of float64, shape (ny, nx)
        Level of the frame in boxes of ``level_box``, filled and median-filtered; NaN when nothing is known.
    loss_noise : ndarray of float64, shape (ny, nx)
        One standard deviation of a pixel's loss in boxes of ``noise_box``, likewise.
    noise : float
        Of the filtered image, per cent; NaN when nothing is known.
    state : ndarray of uint8, shape (rows, cols)
        0 for a pixel that is searched, else `FLAGGED`, `UNLIT` or `DEVIANT`.
    flagged, unlit, deviant : int
        How many there are of each.
    peaks : ndarray of float64, shape (n,)
        Largest excess of each object, per cent; by the raster order of their first pixels.
    runs : ndarray of int64, shape (m, 4)
        Row, first and last (exclusive) column, and object of every run of pixels, in raster order.
    """

    level: NDArray[np.float64]
    loss_noise: NDArray[np.float64]
    noise: float
    state: NDArray[np.uint8]
    flagged: int
    unlit: int
    deviant: int
    peaks: NDArray[np.float64]
    runs: NDArray[np.int64]


def literal_search(
    data: Any,
    *,
    quality: NDArray[Any] | None = None,
    bits: int = 0,
    level_box: int = 64,
    noise_box: int = 64,
    window: tuple[int, int] = (15, 15),
    sigma: float = 5.0,
    min_area: int = 25,
    deviation: float = 6.0,
    least_noise: float = 1e-5,
    few_valid: float = 0.0,
    without_deviants: bool = True,
    threads: int | None = None,
) -> LiteralObjects:
    """Search a frame by the published recipe, in bands of rows.

    The frame over the level of its mesh is median-filtered and subtracted from unity, in per cent; objects are
    connected pixels that exceed the level of that image's own mesh by ``sigma`` times its noise, the median over
    its boxes. All is as `mesh_statistics`, `median_filter` and `label_components` give it, to the byte, but no
    plane of the frame is made except ``state``, whose zeros are never touched.

    Parameters
    ----------
    data : array_like, shape (rows, cols)
        Any real type.
    quality : ndarray of int, shape (rows, cols), optional
        Pixels with one of ``bits`` are left out.
    bits : int
        A set of quality bits.
    level_box, noise_box : int
        Sides of the boxes of the level, and of those of the noise, pixels.
    window : (int, int)
        Of the median: rows, columns; odd, no larger than the frame.
    sigma : float
        Threshold in standard deviations.
    min_area : int
        Least number of pixels of an object.
    deviation : float
        Single pixels with a gain beyond so many standard deviations are left out of objects, and of the noise.
    least_noise : float
        No noise counts as less.
    few_valid : float
        Part of a box's pixels that must do where no box has a quarter of them.
    without_deviants : bool
        Whether ``loss_noise`` is measured again without the deviant pixels.
    threads : int, optional
        Threads; ``None`` is `default_threads`.

    Returns
    -------
    LiteralObjects

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` for wrong arguments, ``A12`` for a quality plane of another shape.
    """
    image = check_image(data)
    rows, cols = image.shape
    if quality is not None and quality.shape != image.shape:
        raise ArrayError(f"quality has shape {quality.shape}, data has {image.shape}.", code="A12")
    level = np.empty(mesh_shape((rows, cols), level_box))
    loss_noise = np.empty(mesh_shape((rows, cols), noise_box))
    state = sparse_zeros((rows, cols), np.uint8)
    noise, counts, peaks, runs = _core.literal_search(
        image,
        quality,
        bits,
        level_box,
        noise_box,
        *window,
        sigma,
        min_area,
        deviation,
        least_noise,
        few_valid,
        without_deviants,
        level,
        loss_noise,
        state,
        check_threads(threads),
    )
    return LiteralObjects(
        level=level,
        loss_noise=loss_noise,
        noise=noise,
        state=state,
        flagged=counts[0],
        unlit=counts[1],
        deviant=counts[2],
        peaks=peaks,
        runs=runs,
    )
