"""The kernel ``peak_search``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_mask, check_threads
from fleckcore.kernels._mesh_statistics import Mesh


class Peaks(NamedTuple):
    """What `peak_search` finds.

    Attributes
    ----------
    ys, xs : ndarray of int64, shape (n,)
        Rows and columns, in the order of the frame.
    significance : ndarray of float32, shape (n,)
        In standard deviations.
    opposite : ndarray of float32
        The negative significance of a sample of the pixels, where it exceeds ``opposite_floor``, and the greatest of
        the rest last.
    sampled : int
        Pixels in the sample.
    """

    ys: NDArray[np.int64]
    xs: NDArray[np.int64]
    significance: NDArray[np.float32]
    opposite: NDArray[np.float32]
    sampled: int


def peak_search(
    image: Any,
    mesh: Mesh,
    limit: float,
    *,
    least_noise: float = 1e-5,
    error: NDArray[Any] | None = None,
    white: float = 1.0,
    doubt: NDArray[Any] | None = None,
    mask: Any = None,
    opposite_floor: float = 2.0,
    threads: int | None = None,
) -> Peaks:
    """Give the local maxima, of 3 x 3 pixels, of an image over its noise.

    Of equal neighbours the first one counts. Nothing is beyond the frame.

    Parameters
    ----------
    image : array_like, shape (rows, cols)
        Any real type; finite.
    mesh : Mesh
        Its ``noise`` is one standard deviation of a pixel; NaN is infinite.
    limit : float
        Standard deviations that a maximum must exceed.
    least_noise : float
        No noise counts as less.
    error : ndarray, shape (rows, cols), optional
        The noise is at least this over ``white``.
    white : float
        What white noise is divided by.
    doubt : ndarray, shape (rows, cols), optional
        One more standard deviation, added in squares.
    mask : array_like of bool, shape (rows, cols), optional
        Pixels that are not in the sample; a maximum may be one.
    opposite_floor : float
        What the sample of every third row and column leaves out.
    threads : int, optional
        Threads; ``None`` is `default_threads`.

    Returns
    -------
    Peaks

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` for wrong arguments, ``A12`` for planes of another shape.
    """
    data = check_image(image)
    if mesh.shape != data.shape:
        raise ArrayError(f"the mesh is of shape {mesh.shape}, data has {data.shape}.", code="A12")
    for name, plane in (("error", error), ("doubt", doubt)):
        if plane is not None and check_image(plane, name).shape != data.shape:
            raise ArrayError(f"{name} has shape {plane.shape}, data has {data.shape}.", code="A12")
    single = np.finfo(np.float32)
    for name, number in (("least_noise", least_noise), ("white", white)):
        if not single.tiny <= number <= single.max:
            raise ArrayError(f"{name}={number!r}, wanted a positive float32.", code="A09")
    for name, number in (("limit", limit), ("opposite_floor", opposite_floor)):
        if np.isnan(number):
            raise ArrayError(f"{name} is NaN, wanted a number.", code="A09")
    places, significance, opposite, sampled = _core.peak_search(
        data,
        mesh.noise,
        *mesh.box,
        least_noise,
        error,
        white,
        doubt,
        check_mask(mask, data.shape),
        limit,
        opposite_floor,
        check_threads(threads),
    )
    return Peaks(places[:, 0], places[:, 1], significance, opposite, sampled)
