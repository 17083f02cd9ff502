"""Comparing what was found with what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.simulate.obstruction import Obstruction

__all__ = ["match_truth", "pair_nearest"]


def match_truth(truth: Sequence[Obstruction], x: Any, y: Any) -> list[int | None]:
    """Pair every known shadow with at most one found position, nearest pairs first.

    Parameters
    ----------
    truth : sequence of Obstruction
        What is there.
    x, y : array_like, shape (n,)
        0-based positions of what was found, pixels.

    Returns
    -------
    list of int or None
        For each item of ``truth`` the index of its position, within 3 pixels or half the item's size, whichever is
        more; ``None`` where there is none.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    distance = np.hypot(
        x - np.array([item.x for item in truth])[:, None],
        y - np.array([item.y for item in truth])[:, None],
    )
    near = np.array([max(3.0, item.width / 2, item.height / 2) for item in truth])
    return pair_nearest(distance, distance <= near[:, None])


def pair_nearest(distance: NDArray[Any], allowed: NDArray[np.bool_]) -> list[int | None]:
    """Pair every row with at most one column, nearest pairs first.

    Parameters
    ----------
    distance : ndarray, shape (n, m)
        Between row and column.
    allowed : ndarray of bool, shape (n, m)
        Pairs that may be.

    Returns
    -------
    list of int or None
        For each row its column.
    """
    pairs = sorted((float(distance[i, j]), int(i), int(j)) for i, j in np.argwhere(allowed))
    found: list[int | None] = [None] * len(distance)
    taken: set[int] = set()
    for _, i, j in pairs:
        if found[i] is None and j not in taken:
            found[i] = j
            taken.add(j)
    return found
