"""The kernel ``word_sum``."""

from __future__ import annotations

from fleckcore import _core
from fleckcore.kernels._arguments import check_threads


def word_sum(data: memoryview | bytes, *, threads: int | None = None) -> int:
    """Sum big-endian words of 32 bits, which FITS checksums are made of.

    Parameters
    ----------
    data : bytes-like
        What is beyond the last whole word is left out.
    threads : int, optional
        Threads; ``None`` is `default_threads`.

    Returns
    -------
    int
        Exact, not reduced to 32 bits.
    """
    return _core.word_sum(data, check_threads(threads))
