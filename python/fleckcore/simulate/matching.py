"""Comparing what was found with what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fleckcore.simulate.obstruction import Obstruction

__all__ = ["match_truth"]


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
    pairs = sorted(
        (float(distance), i, j)
        for i, item in enumerate(truth)
        for j, distance in enumerate(np.hypot(x - item.x, y - item.y))
        if distance <= max(3.0, item.width / 2, item.height / 2)
    )
    found: list[int | None] = [None] * len(truth)
    taken: set[int] = set()
    for _, i, j in pairs:
        if found[i] is None and j not in taken:
            found[i] = j
            taken.add(j)
    return found
