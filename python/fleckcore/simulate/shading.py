"""Known shadows on any frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.frame import Frame, as_frame
from fleckcore.simulate.obstruction import Obstruction

__all__ = ["multiply", "obscure", "shade"]


def obscure(source: Any, obstructions: Iterable[Obstruction]) -> Frame:
    """Put known shadows in front of a frame.

    Parameters
    ----------
    source : Frame, ndarray, MaskedArray, Quantity, NDData or CCDData, shape (rows, cols)
        Bias-subtracted light.
    obstructions : iterable of Obstruction
        What is cut off by the edge of the frame, or lies wholly beyond it, is allowed.

    Returns
    -------
    Frame
        Data and, where given, error multiplied by the light that is left; at least float32. Quality and meta are as
        they were.

    Raises
    ------
    ArrayError, ArrayTypeError
        As for `fleckcore.search`, when ``source`` is no image.

    Notes
    -----
    The noise of a frame shrinks with its light here, whereas photon noise shrinks with the root of it. In a shadow
    of 10 % that is 5 % less noise than there would be.
    """
    frame = as_frame(source)
    planes = {"data": frame.data} | ({} if frame.error is None else {"error": frame.error})
    dimmed = {name: _float_copy(plane) for name, plane in planes.items()}
    for item in obstructions:
        shade(tuple(dimmed.values()), item)
    return frame.replace(**dimmed)


def shade(planes: Iterable[NDArray[Any]], item: Obstruction) -> None:
    """Multiply images of one shape by the light that an obstruction leaves, in place.

    Parameters
    ----------
    planes : iterable of ndarray of float, shape (rows, cols)
        Changed where the obstruction lies.
    item : Obstruction
        Cut off at the edge of the images.
    """
    multiply(planes, 1 - item.stamp(), item.x, item.y)


def multiply(
    planes: Iterable[NDArray[Any]], stamp: NDArray[np.float64], x: float, y: float
) -> None:
    """Multiply images of one shape, in place, by a stamp of odd size whose middle is the pixel nearest to a place.

    What lies beyond the edge of the images is cut off.
    """
    for plane in planes:
        ys, top = _overlap(round(y), stamp.shape[0] // 2, plane.shape[0])
        xs, start = _overlap(round(x), stamp.shape[1] // 2, plane.shape[1])
        part = plane[ys, xs]
        part *= stamp[top : top + part.shape[0], start : start + part.shape[1]]


def _overlap(centre: int, reach: int, size: int) -> tuple[slice, int]:
    """Give the pixels of an axis that a stamp covers, and the stamp's first pixel that lies on it."""
    first = max(0, centre - reach)
    return slice(first, max(first, min(size, centre + reach + 1))), first - (centre - reach)


def _float_copy(plane: NDArray[Any]) -> NDArray[Any]:
    return plane.astype(np.result_type(plane.dtype, np.float32), order="C")
