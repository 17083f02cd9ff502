"""Checks that every kernel's arguments pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.frame import check_image as check_frame
from fleckcore.kernels._runtime import default_threads
from fleckcore.kernels._tuning import tuning_in_use


def check_image(data: Any, name: str = "data") -> NDArray[Any]:
    array = np.asarray(data) if isinstance(data, (list, tuple)) else data
    check_frame(array, name)
    return np.asarray(array)


def check_mask(mask: Any, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.shape != shape:
        raise ArrayError(f"mask has shape {array.shape}, data has {shape}.", code="A12")
    return array if array.dtype == bool else array.astype(bool)


def check_threads(threads: int | None) -> int:
    if threads is None:
        return default_threads()
    tuning_in_use()
    if isinstance(threads, bool) or int(threads) != threads or threads < 1:
        raise ArrayError(f"threads={threads!r}, wanted a whole number of at least 1.", code="A09")
    return int(threads)
