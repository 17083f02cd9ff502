"""What would have been seen to appear: known shadows are put on the later epoch, and looked for as new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import QTable
from numpy.typing import NDArray

from fleckcore.detection.completeness import depth_reaching
from fleckcore.detection.injection import Round, make_cells, plan
from fleckcore.simulate import obscure
from fleckcore.track.follow import Following
from fleckcore.track.night import Night

if TYPE_CHECKING:
    from fleckcore.track.changes import Changes

__all__ = ["birth_limits"]

BRIEF: dict[str, Any] = {"kinds": ("disc",), "radii": (4, 16, 64), "trials": 10}
"""What is tried by default."""
NEAR, NEAR_RADII = 3.0, 0.25
"""Pixels, or radii, within which an event is the shadow that was put there."""


def birth_limits(
    found: Changes,
    *,
    kinds: Sequence[str] = BRIEF["kinds"],
    radii: Sequence[float] = BRIEF["radii"],
    depths: Sequence[float] | None = None,
    trials: int = BRIEF["trials"],
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> QTable:
    """Say from which depth on a shadow that came between two epochs would have been found, for some sizes.

    Known shadows are put on all frames of the later epoch, many at a time and far apart; then everything is done as
    before, up to the events. Those count that are said to have appeared, within 3 pixels or a quarter of the radius.

    Parameters
    ----------
    found : Changes
        Two epochs that were compared.
    kinds, radii, depths, trials
        As for `fleckcore.completeness`.
    seed : int
        The same seed gives the same result.
    progress : callable, optional
        Called with the rounds done and due.

    Returns
    -------
    QTable
        A row for every kind and radius: ``kind``, ``radius``, ``injected``, and ``depth_50`` and ``depth_95``, the
        depth from which half and 95 % appear: NaN where not even the deepest that was tried, and never less than the
        shallowest.

    Raises
    ------
    ArrayError, MetadataError
        As for `fleckcore.completeness`.
    """
    cells = make_cells(kinds, radii, depths)
    searched = found.later.normalised.mask
    rounds = plan(cells, trials, searched, np.random.Generator(np.random.PCG64(seed)))
    injected, appeared = np.zeros((2, len(cells)), np.int64)
    for count, some in enumerate(rounds, 1):
        np.add.at(injected, some.cells, 1)
        np.add.at(appeared, some.cells, _appear(found.following, some))
        if progress:
            progress(count, len(rounds))
    rows = []
    for kind, radius in dict.fromkeys((cell.kind, cell.radius) for cell in cells):
        own = [i for i, cell in enumerate(cells) if (cell.kind, cell.radius) == (kind, radius)]
        with np.errstate(invalid="ignore"):
            fraction = appeared[own] / np.where(injected[own] > 0, injected[own], np.nan)
        depth = np.array([cells[i].depth for i in own])
        limits = [depth_reaching(depth, fraction, share) for share in (0.5, 0.95)]
        rows.append((kind, float(radius), *limits, int(injected[own].sum())))
    names = ("kind", "radius", "depth_50", "depth_95", "injected")
    table = QTable(rows=rows, names=names)
    table["radius"].unit = "pix"
    return table


def _appear(following: Following, some: Round) -> NDArray[np.int64]:
    """Tell which of some shadows appear: 1 or 0 each."""
    earlier, later = following.epochs
    frames = tuple(obscure(frame, some.items) for frame in later.frames)
    options, threads = following.options, following.threads
    again = Following(
        [earlier, replace(later, frames=frames, exposures=())],
        known=following.known,
        options=options,
        searched={
            0: following.nights[0],
            1: Night(list(frames), threads, options, keep=False),
        },
        threads=threads,
    )
    events = [one for one, _, _ in again.events if one.kind in ("appeared", "moved")]
    places = np.array([(one.x_after, one.y_after) for one in events]).reshape(-1, 2)
    x, y, radius = some.circles.T
    apart = np.hypot(places[:, 0] - x[:, None], places[:, 1] - y[:, None])
    near = apart < np.maximum(NEAR, NEAR_RADII * radius)[:, None]
    told: NDArray[np.int64] = near.any(axis=1).astype(np.int64)
    return told
