"""Two nights of one detector: what stands in front of it in one of them only, or elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.joint import JointResult
from fleckcore.detection.options import DEFAULTS, Options
from fleckcore.errors import MetadataError
from fleckcore.frame import Frame
from fleckcore.track.build import build_registry
from fleckcore.track.events import Event, to_table
from fleckcore.track.follow import Drift, Epoch, Following
from fleckcore.track.night import by_filter, level_out, mean_light, require_one_detector

if TYPE_CHECKING:
    from astropy.table import QTable

    from fleckcore.track.registry import Registry

__all__ = ["Changes", "compare_epochs", "find_changes"]

Image = NDArray[np.float32]

WINDOW, STRIPE = 255, 511
"""Of the level under the light of both nights, pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Changes:
    """What differs between two nights.

    Attributes
    ----------
    changes : tuple of Event
        Moved, appeared, vanished, changed in depth; each by falling significance.
    registry : Registry
        All features, each under one identifier for both nights and all filters.
    stayed : int
        Features that both nights list at one place.
    drift : Drift
        Of these.
    filters : tuple of str
        That both nights have.
    earlier, later : JointResult
        What each night shows by itself.
    before, after : ndarray of float32, shape (rows, cols)
        Light of each night over its level, mean of the filters.
    ratio : ndarray of float32, shape (rows, cols)
        Light of the later night over that of the earlier, over its level: below 1 where something appeared.
    following : Following
        How it was found.
    """

    changes: tuple[Event, ...]
    registry: Registry
    stayed: int
    drift: Drift
    filters: tuple[str, ...]
    earlier: JointResult
    later: JointResult
    before: Image
    after: Image
    ratio: Image
    following: Following

    def to_table(self) -> QTable:
        """Give the changes as a table, a row each."""
        table = to_table(self.changes)
        table.meta = {
            "filters": list(self.filters),
            "stayed": self.stayed,
            "drift": [self.drift.dx, self.drift.dy],
        }
        return table


def find_changes(
    earlier: Iterable[Any],
    later: Iterable[Any],
    *,
    bias: Any = None,
    threads: int | None = None,
) -> Changes:
    """Find what appeared, vanished or moved from one night to another.

    Each night is searched by itself, all of its filters at once; then every feature of either is measured in both,
    with all others. A change is what takes light in one night and less than half of it in the other, so significantly
    that noise makes one such in a hundred pairs of nights. So another light, another focus or a shift of everything
    change nothing, nor does what is just below the limit of one search.

    Parameters
    ----------
    earlier, later : sequence of Frame, ndarray, CCDData, ... of shape (rows, cols)
        Flats, or other evenly lit frames, of one detector. Those of filters that the other night does not have are
        left out.
    bias : Frame, ndarray of shape (rows, cols), float, or a tuple of two of these, optional
        Subtracted first; of two, the first from the earlier night.
    threads : int, optional
        Threads; by default `fleckcore.kernels.default_threads`.

    Returns
    -------
    Changes

    Raises
    ------
    ArrayError
        ``A09`` a night without frames; ``A12`` frames of different shapes.
    MetadataError
        ``M07`` no filter that both nights have, or frames of different chips.
    """
    biases = bias if isinstance(bias, tuple) else (bias, bias)
    nights = [
        by_filter(frames, of_night, name)
        for frames, of_night, name in zip(
            (earlier, later), biases, ("earlier", "later"), strict=True
        )
    ]
    require_one_detector([frame for night in nights for part in night.values() for frame in part])
    filters = tuple(sorted(nights[0].keys() & nights[1].keys()))
    if not filters:
        names = " and ".join(", ".join(sorted(night)) or "no filter" for night in nights)
        raise MetadataError(f"the nights have no filter in common: {names}.", code="M07")
    epochs = [
        _epoch(night, filters, name, threads)
        for night, name in zip(nights, ("earlier", "later"), strict=True)
    ]
    return compare_epochs(epochs[0], epochs[1], threads=threads)


def compare_epochs(
    earlier: Epoch,
    later: Epoch,
    *,
    previous: Registry | None = None,
    options: Options = DEFAULTS,
    threads: int | None = None,
) -> Changes:
    """Find what changed between two epochs, as `find_changes` does.

    Parameters
    ----------
    earlier, later : Epoch
        With the same filters.
    previous : Registry, optional
        Whose features keep their names.
    options : Options
        How each epoch is searched.
    threads : int, optional
        Threads; by default `fleckcore.kernels.default_threads`.

    Returns
    -------
    Changes

    Raises
    ------
    ArrayError, MetadataError
        As for `follow`.
    """
    known, names = previous.known() if previous else (None, [])
    following = Following(
        [earlier, later], known=known, options=options, keep=True, threads=threads
    )
    found = [night.found for night in following.nights if night.found]
    lights = [_light(one.frame, threads) for one in found]
    built = build_registry(following, names)
    return Changes(
        changes=built.told,
        registry=built.registry,
        stayed=int(np.count_nonzero((following.rows >= 0).all(axis=1))),
        drift=following.drift(0, 1),
        filters=earlier.filters,
        earlier=found[0],
        later=found[1],
        before=lights[0],
        after=lights[1],
        ratio=_ratio(found[0].frame, found[1].frame, lights, threads),
        following=following,
    )


def _epoch(
    night: dict[str, list[Frame]], filters: tuple[str, ...], name: str, threads: int | None
) -> Epoch:
    frames = [frame for one in filters for frame in night[one]]
    dates = [np.nan if frame.meta.mjd is None else frame.meta.mjd for frame in frames]
    return Epoch(
        frames=tuple(mean_light(night[one], threads) for one in filters),
        name=name,
        first=float(np.min(dates)),
        last=float(np.max(dates)),
    )


def _light(frame: Frame, threads: int | None) -> Image:
    light: Image = level_out(frame, WINDOW, STRIPE, threads).transmission
    return light


def _ratio(before: Frame, after: Frame, lights: list[Image], threads: int | None) -> Image:
    """Later over earlier, over its own level: what illuminates both does not matter."""
    lit = np.isfinite(lights[0]) & np.isfinite(lights[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(lit, after.data / before.data, np.float32(np.nan))
    return _light(before.replace(data=ratio, error=None), threads)
