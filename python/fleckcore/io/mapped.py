"""Files that are mapped into memory, and the way back from an array to its file."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import InputFileError, OutputError
from fleckcore.frame import Frame

__all__ = ["MappedFile", "mapped_file", "opened", "put_aside"]

MOST_OPEN = 500
"""Files that are open at a time: of the 1024 that a process may have, others need some."""


class MappedFile(mmap.mmap):
    """The bytes of a file, read-only, and which file it was.

    No descriptor is kept open (from Python 3.13 on): an archive has more files than a process may open.
    """

    path: Path
    identity: tuple[int, int]

    def __new__(cls, file: IO[bytes], path: Path) -> Self:
        """Map a whole file, which may be closed afterwards."""
        more = {"trackfd": False} if sys.version_info >= (3, 13) else {}
        self = super().__new__(cls, file.fileno(), 0, access=mmap.ACCESS_READ, **more)
        self.path, self.identity = path.absolute(), _identity(file.fileno())
        return self

    def open(self) -> int | None:
        """Open the file once more: a descriptor, or None where it is no longer there or another took its name."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return None
        if _identity(descriptor) == self.identity:
            return descriptor
        os.close(descriptor)
        return None


def _identity(descriptor: int) -> tuple[int, int]:
    state = os.fstat(descriptor)
    return state.st_dev, state.st_ino


def mapped_file(array: Any) -> MappedFile | None:
    """Find the file that an array looks at, if it is one that is mapped."""
    while array is not None and not isinstance(array, MappedFile):
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    return array


@contextmanager
def opened(
    planes: Iterable[NDArray[Any]],
) -> Iterator[list[tuple[int, MappedFile] | None]]:
    """Open the files that arrays look at, for as long as they are read.

    Yields
    ------
    list of ((int, MappedFile) or None)
        Descriptor and bytes of each array's file. None where there is none or it cannot be opened; what is mapped
        is right all the same.

    Raises
    ------
    InputFileError
        ``I04`` a file that cannot be read within, for example because it was cut.
    """
    files: dict[int, MappedFile] = {}
    with ExitStack() as stack:
        found: list[tuple[int, MappedFile] | None] = []
        for plane in planes:
            file = mapped_file(plane)
            descriptor = file.open() if file is not None and len(files) < MOST_OPEN else None
            if file is None or descriptor is None:
                found.append(None)
                continue
            stack.callback(os.close, descriptor)
            files[descriptor] = file
            found.append((descriptor, file))
        try:
            yield found
        except OSError as error:
            if error.filename not in files:
                raise
            raise InputFileError(
                f"cannot be read: {error.strerror}.", code="I04", path=files[error.filename].path
            ) from None


def put_aside(frame: Frame, path: Path) -> Frame:
    """Write the planes of a frame into a new file, to wait there, and give a frame that looks at it.

    Raises
    ------
    OutputError
        ``R01``: the write failed, for example because the disk is full.
    """
    planes = {name: getattr(frame, name) for name in ("data", "error", "quality")}
    planes = {name: plane for name, plane in planes.items() if plane is not None}
    try:
        with path.open("w+b") as file:
            for plane in planes.values():
                file.write(np.ascontiguousarray(plane).data)
            file.flush()
            there = MappedFile(file, path)
    except OSError as error:
        raise OutputError(
            f"the write failed: {error.strerror}.",
            code="R01",
            path=path,
            advice="Make room, and run again.",
        ) from None
    views, start = {}, 0
    for name, plane in planes.items():
        views[name] = np.frombuffer(there, plane.dtype, plane.size, start).reshape(plane.shape)
        start += plane.nbytes
    return frame.replace(**views)
