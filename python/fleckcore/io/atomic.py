"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleckcore.errors import OutputError

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; sync and move it there when the block ends well.

    Parameters
    ----------
    path : Path
        The file to make.
    overwrite : bool
        Replace an existing file.

    Yields
    ------
    Path
        Does not exist yet; in the folder of ``path``, with the same ending. Removed when the block
        raises.

    Raises
    ------
    OutputError
        ``R08`` when ``path`` exists, or its folder cannot be written.
    """
    if path.exists() and not overwrite:
        raise OutputError(
            "exists.", code="R08", path=path, advice="Choose another path, or overwrite."
        )
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise OutputError(
            "its folder is missing or cannot be written.",
            code="R08",
            path=path,
            advice="Make the folder, or choose another.",
        )
    temporary = path.with_name(f".{secrets.token_hex(6)}.{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
