"""The kernel ``label_components``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_mask, check_threads


@dataclass(frozen=True, eq=False, kw_only=True)
class Components:
    """Connected objects of a frame, in raster order of their first pixel.

    Positions are 0-based pixel indices of the frame; object ``i`` has label ``i + 1``.

    Attributes
    ----------
    labels : ndarray of int32, shape (rows, cols), or None
        1 to `count` on objects, 0 elsewhere.
    count : int
        Number of objects.
    area : ndarray of int64, shape (count,)
        Pixels.
    bbox : ndarray of int64, shape (count, 4)
        ``ymin, ymax, xmin, xmax``, all inclusive.
    sum : ndarray of float64, shape (count,)
        Sum of the data, in the unit of the data.
    peak : ndarray of float64, shape (count,)
        Largest value.
    peak_y, peak_x : ndarray of int64, shape (count,)
        Where it is; of equal ones the first in raster order.
    centroid_y, centroid_x : ndarray of float64, shape (count,)
        Mean position weighted by ``data - threshold``.
    moment_yy, moment_xx, moment_xy : ndarray of float64, shape (count,)
        Second central moments with the same weights, in pixels squared.
    level_counts : ndarray of int64, shape (count, len(levels))
        Pixels above each of the further thresholds.
    """

    labels: NDArray[np.int32] | None
    count: int
    area: NDArray[np.int64]
    bbox: NDArray[np.int64]
    sum: NDArray[np.float64]
    peak: NDArray[np.float64]
    peak_y: NDArray[np.int64]
    peak_x: NDArray[np.int64]
    centroid_y: NDArray[np.float64]
    centroid_x: NDArray[np.float64]
    moment_yy: NDArray[np.float64]
    moment_xx: NDArray[np.float64]
    moment_xy: NDArray[np.float64]
    level_counts: NDArray[np.int64]


def label_components(
    data: Any,
    threshold: float,
    *,
    mask: Any = None,
    connectivity: int = 8,
    min_area: int = 1,
    labels: bool = True,
    levels: Sequence[float] = (),
    deblend: float | None = None,
    threads: int | None = None,
) -> Components:
    """Find the connected objects above a threshold and measure them, in one pass.

    Parameters
    ----------
    data : ndarray, shape (rows, cols)
        Any real type.
    threshold : float
        A pixel belongs to an object where ``data > threshold``, in the unit of `data`. NaN never
        does. The comparison is exact for every type. Infinite pixels do belong, and make sums and
        moments infinite or NaN: mask them.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel belongs to no object.
    connectivity : {8, 4}
        Pixels touch at edges and corners, or at edges only.
    min_area : int
        Objects with fewer pixels are dropped.
    labels : bool
        Give the label image as well. It costs more than the rest.
    levels : sequence of float
        Further thresholds; for each, the pixels of every object above it are counted.
    deblend : float, optional
        Contrast in (0, 1] for taking objects apart. Each object is flooded from its brightest pixel
        down. Where branches of the flood meet at a pixel of value ``s``, those stay apart whose sum
        of ``data - s`` exceeds this fraction of the whole object's sum of ``data - threshold`` and
        that have at least `min_area` pixels; everything else goes to the object of the neighbour
        that was flooded first.
    threads : int, optional
        Default: `default_threads`.

    Returns
    -------
    Components

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype or an option out of range, ``A11`` a threshold of 2**53 or beyond with
        64-bit integers (their values are measured as the nearest float64), ``A12`` a mask of
        another shape, ``A14`` more objects than an int32 label image can number.

    Notes
    -----
    Runs of pixels are linked with the row above and joined by union-find [1]_; deblending grows a
    max-tree [2]_.

    References
    ----------
    .. [1] He, Chao & Suzuki 2008, IEEE Trans. Image Processing 17, 749.
    .. [2] Salembier, Oliveras & Garrido 1998, IEEE Trans. Image Processing 7, 555.
    """
    image = check_image(data)
    limit = _level(threshold, image.dtype, "threshold")
    further = [_level(value, image.dtype, "levels") for value in levels]
    if connectivity not in (4, 8):
        raise ArrayError(f"connectivity={connectivity!r}, wanted 4 or 8.", code="A09")
    if isinstance(min_area, bool) or int(min_area) != min_area or min_area < 1:
        raise ArrayError(f"min_area={min_area!r}, wanted a whole number of at least 1.", code="A09")
    if deblend is not None and not 0 < deblend <= 1:
        raise ArrayError(
            f"deblend={deblend!r}, wanted a contrast above 0 and up to 1.",
            code="A09",
            advice="Leave it out to keep objects whole.",
        )
    painted = np.empty(image.shape, dtype=np.int32) if labels else None
    try:
        table, counts = _core.label_components(
            image,
            check_mask(mask, image.shape),
            limit,
            int(connectivity),
            min(int(min_area), image.size + 1),
            0.0 if deblend is None else float(deblend),
            further,
            painted,
            check_threads(threads),
        )
    except OverflowError as error:
        raise ArrayError(
            "more objects than an int32 label image can number (2147483647).",
            code="A14",
            advice="Raise threshold or min_area, or call with labels=False.",
        ) from error
    names = table.dtype.names or ()
    columns = {name: table[name] for name in names}  # views, one row per object
    for name in ("ymin", "ymax", "xmin", "xmax"):
        del columns[name]
    integers = table.view(np.int64).reshape(len(table), len(names))  # every field has 8 bytes
    first = names.index("ymin")
    return Components(
        labels=painted,
        count=len(table),
        bbox=integers[:, first : first + 4],
        level_counts=counts.reshape(len(table), len(further)),
        **columns,
    )


def _level(value: float, dtype: np.dtype[Any], name: str) -> float:
    level = float(value)
    if not math.isfinite(level):
        raise ArrayError(f"{name} holds {value!r}, wanted a finite number.", code="A09")
    if dtype.kind in "iu" and dtype.itemsize == 8 and abs(level) >= 2**53:
        raise ArrayError(
            f"{name} holds {value!r}; {dtype} data are compared exactly only below 2**53.",
            code="A11",
            advice="Subtract an offset from data first.",
        )
    return level
