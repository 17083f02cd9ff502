"""Planes that are mostly zeros."""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def sparse_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros that take memory by the page, where they are written: numpy's own take 2 MB at a touch."""
    kind, count = np.dtype(dtype), math.prod(shape)
    pages = mmap.mmap(-1, count * kind.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, kind).reshape(shape)


def forget_rows(plane: NDArray[Any], first: int, stop: int) -> None:
    """Give back the memory of rows that were read from a mapped file; they are read again when needed.

    Does nothing where the plane is not a view of a file. The pages stay in the system's cache.
    """
    pages = _mapped(plane)
    if pages is None or first >= stop:
        return
    start = np.frombuffer(pages, np.uint8).__array_interface__["data"][0]
    here = plane.__array_interface__["data"][0] - start
    begin, end = sorted((here + first * plane.strides[0], here + stop * plane.strides[0]))
    page = mmap.PAGESIZE
    begin, end = -(-begin // page) * page, end // page * page
    if 0 <= begin < end <= len(pages) and hasattr(pages, "madvise"):
        pages.madvise(mmap.MADV_DONTNEED, begin, end - begin)


def _mapped(plane: Any) -> mmap.mmap | None:
    """Find the read-only file that an array looks at: what was written to one would be lost."""
    while plane is not None and not isinstance(plane, mmap.mmap):
        if isinstance(plane, np.ndarray) and plane.flags.writeable:
            return None
        plane = plane.obj if isinstance(plane, memoryview) else getattr(plane, "base", None)
    return plane
