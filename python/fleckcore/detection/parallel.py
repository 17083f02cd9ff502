"""Independent pieces of work in several threads: kernels and numpy let others run while they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fleckcore.kernels import default_threads

__all__ = ["bands", "beside", "parallel_map"]

BAND = 64
"""Rows that are looked at together, so that what is computed on the way stays in the cache."""


Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(
    work: Callable[[Item, int], Result], items: Sequence[Item], threads: int | None
) -> list[Result]:
    """What ``work`` makes of each item, in their order; it is told how many threads it may use itself."""
    every = threads or default_threads()
    workers = min(every, len(items))
    if workers < 2:
        return [work(item, every) for item in items]
    own = every // workers
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda item: work(item, own), items))


def beside(work: Callable[[], Result], threads: int | None) -> Callable[[], Result]:
    """Begin something that needs nobody, in a thread of its own if there are several; the result gives its result."""
    if threads == 1 or default_threads() == 1:
        result = work()
        return lambda: result
    pool = ThreadPoolExecutor(1)
    begun = pool.submit(work)
    pool.shutdown(wait=False)
    return begun.result


def bands(rows: int) -> list[slice]:
    """The rows of a frame in pieces."""
    return [slice(top, min(top + BAND, rows)) for top in range(0, rows, BAND)]
