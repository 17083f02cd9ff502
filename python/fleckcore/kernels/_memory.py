"""Memory by the page."""

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


class MappedRows:
    """Rows of a mapped file, whose memory can be given back when they have been read.

    They are read again when needed; the pages stay in the system's cache. Does nothing where the plane is not a
    read-only view of a file.
    """

    def __init__(self, plane: NDArray[Any]) -> None:
        self._pages = pages = _mapped(plane)
        if pages is None or not hasattr(pages, "madvise"):
            self._pages = None
            return
        start = np.frombuffer(pages, np.uint8).__array_interface__["data"][0]
        self._here = plane.__array_interface__["data"][0] - start
        self._stride = plane.strides[0]

    def forget(self, first: int, stop: int) -> None:
        """Give back the rows from first to before stop."""
        if self._pages is None:
            return
        begin, end = sorted((self._here + first * self._stride, self._here + stop * self._stride))
        page = mmap.PAGESIZE
        begin, end = -(-begin // page) * page, end // page * page
        if 0 <= begin < end <= len(self._pages):
            self._pages.madvise(mmap.MADV_DONTNEED, begin, end - begin)


def _mapped(plane: Any) -> mmap.mmap | None:
    """Find the read-only file that an array looks at: what was written to one would be lost."""
    while plane is not None and not isinstance(plane, mmap.mmap):
        if isinstance(plane, np.ndarray) and plane.flags.writeable:
            return None
        plane = plane.obj if isinstance(plane, memoryview) else getattr(plane, "base", None)
    return plane
