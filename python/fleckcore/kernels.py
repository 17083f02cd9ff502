"""The compiled kernels, with every argument checked here.

All kernels take any real dtype, either byte order, any strides and read-only input, copy no whole frame for its
layout, release the GIL, and give the same bytes for every ``threads`` and every instruction set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.frame import check_image

__all__ = ["build_config", "default_threads", "gaussian_filter"]


def build_config() -> dict[str, Any]:
    """Say how the kernels were built and how they run here."""
    return {
        "isa": _core.active_isa(),
        "isas": tuple(_core.available_isas()),
        "threads": _core.default_threads(),
    }


def default_threads() -> int:
    """Threads used when ``threads=None``: ``FLECKCORE_NUM_THREADS``, else affinity and cgroup quota (R12)."""
    return int(_core.default_threads())


def _image(data: Any, name: str = "data") -> NDArray[Any]:
    array = np.asarray(data) if isinstance(data, (list, tuple)) else data
    check_image(array, name)
    return np.asarray(array)


def _mask(mask: Any, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.shape != shape:
        raise ArrayError(f"mask has shape {array.shape}, data has {shape}.", code="A12")
    return array if array.dtype == bool else array.astype(bool)


def _threads(threads: int | None) -> int:
    if threads is None:
        return 0
    if isinstance(threads, bool) or int(threads) != threads or threads < 1:
        raise ArrayError(f"threads={threads!r}, wanted a whole number of at least 1.", code="A09")
    return int(threads)


def gaussian_filter(
    data: Any, sigma: float, *, mask: Any = None, threads: int | None = None
) -> NDArray[np.float32]:
    """Smooth by a Gaussian, leaving out NaN, infinite and masked pixels.

    Parameters
    ----------
    data : ndarray, shape (rows, cols)
        Any real type, byte order and strides.
    sigma : float
        Standard deviation in pixels, greater than 0; the kernel is cut at 3.5 sigma.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    ndarray of float32, shape (rows, cols)
        Weighted mean of the pixels that count; nothing outside the frame counts. NaN where less than 5 % of the
        kernel's weight counts.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype or sigma, ``A12`` a mask of another shape.
    """
    image = _image(data)
    if not (np.isfinite(sigma) and 0 < sigma <= 1000):
        raise ArrayError(f"sigma={sigma!r}, wanted a number in (0, 1000].", code="A09")
    return _core.gaussian_filter(image, float(sigma), _mask(mask, image.shape), _threads(threads))
