"""The kernel ``gaussian_filter``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_mask, check_threads


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
    image = check_image(data)
    if not (np.isfinite(sigma) and 0 < sigma <= 1000):
        raise ArrayError(f"sigma={sigma!r}, wanted a number in (0, 1000].", code="A09")
    return _core.gaussian_filter(
        image, float(sigma), check_mask(mask, image.shape), check_threads(threads)
    )
