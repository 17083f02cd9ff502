"""What the traps of a detector take from charge that is moved, and when they give it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError

__all__ = ["TrapModel", "TrapModels", "parametric_traps"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrapModel:
    """Traps of one direction of transfer, in the terms of a PCTETAB.

    Attributes
    ----------
    levels : ndarray, shape (W,)
        Charge in electrons, rising: a packet of at least ``levels[w]`` finds the traps of level w.
    traps : ndarray, shape (W,)
        Electrons that they take on the way through a whole column, at scale 1.
    release, remaining : ndarray, shape (W, T)
        Share of these that the t-th packet behind gets, and what is left after it.
    substeps : int
        The readout is that many passes, each with an equal share of the traps.
    rows : int
        Transfers of a whole column.
    row_scale : ndarray, shape (cols, 4), or None
        Factors on the traps of each column at rows 0, rows/4, rows/2 and 3 rows/4 from the
        register, joined by straight lines; None for 1.
    date0, date1 : float
        MJD at which there are no traps, and at which they are as given.
    iterations : int
        Forward models that the correction takes.
    repair_rays : bool
        The correction weakens the traps below cosmic rays that came during readout.
    ray_threshold : float
        Electrons; a column that comes out below has such a ray.
    """

    levels: Numbers
    traps: Numbers
    release: Numbers
    remaining: Numbers
    substeps: int = 1
    rows: int = 2048
    row_scale: Numbers | None = None
    date0: float = 0.0
    date1: float = 1.0
    iterations: int = 5
    repair_rays: bool = False
    ray_threshold: float = -10.0

    def __post_init__(self) -> None:
        for name in ("levels", "traps", "release", "remaining", "row_scale"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _numbers(getattr(self, name), name))
        for name in ("levels", "traps", "release", "remaining"):
            wanted = self.release.shape[: 1 if name in ("levels", "traps") else 2]
            shape = getattr(self, name).shape
            if shape != wanted or 0 in shape:
                raise ArrayError(
                    f"{name} has shape {shape}, release {self.release.shape}.", code="A12"
                )
        if self.row_scale is not None and self.row_scale.shape[1:] != (4,):
            raise ArrayError(
                f"row_scale has shape {self.row_scale.shape}, wanted (cols, 4).", code="A12"
            )
        if not (np.diff(self.levels) >= 0).all() or self.levels[0] < 0:
            raise ArrayError("levels are negative or not rising.", code="A09")
        if (self.traps < 0).any():
            raise ArrayError("traps are below 0.", code="A09")
        for name in ("substeps", "rows", "iterations"):
            if getattr(self, name) != int(getattr(self, name)) or getattr(self, name) < 1:
                raise ArrayError(f"{name}={getattr(self, name)!r}, wanted at least 1.", code="A09")
        if not self.date0 < self.date1:
            raise MetadataError(f"date0 {self.date0} is not before date1 {self.date1}.", code="M07")

    def scale(self, mjd: float) -> float:
        """Give the factor on the traps at a date; `MetadataError` (M07) before ``date0``."""
        if not mjd >= self.date0:
            raise MetadataError(
                f"MJD {mjd} is before {self.date0}, when the traps of this model began.",
                code="M07",
                advice="Choose the model of that time.",
            )
        return float((mjd - self.date0) / (self.date1 - self.date0))

    def columns(self, first: int, stop: int, *, backwards: bool = False) -> TrapModel:
        """Give the model of columns [first, stop), in that order or backwards; itself without ``row_scale``."""
        if self.row_scale is None:
            return self
        if not 0 <= first < stop <= len(self.row_scale):
            raise ArrayError(
                f"columns {first} to {stop}, the table has {len(self.row_scale)}.", code="A12"
            )
        return replace(self, row_scale=self.row_scale[first:stop][:: -1 if backwards else 1])


@dataclass(frozen=True, kw_only=True)
class TrapModels:
    """Traps of a detector.

    Attributes
    ----------
    parallel : TrapModel
        For the transfer along columns. ``row_scale``, where there is one, has the columns of the
        quadrants one after the other, each from its amplifier on, in the order of the profile's
        ``table_column``.
    serial : dict of str to TrapModel
        For the serial register of each amplifier; may be empty.
    name : str
        Where they are from.
    """

    parallel: TrapModel
    serial: Mapping[str, TrapModel] = field(default_factory=dict)
    name: str = ""


def _numbers(values: Any, name: str) -> Numbers:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ArrayError(f"{name} holds values that are not finite.", code="A09")
    array = array.view()
    array.flags.writeable = False
    return array


def parametric_traps(
    *,
    densities: Sequence[float],
    release_transfers: Sequence[float],
    full_well_e: float,
    notch_e: float = 0.0,
    fill_power: float = 1.0,
    levels: int = 80,
    trail: int = 100,
    substeps: int = 4,
    rows: int = 2048,
    date0: float = 0.0,
    date1: float = 1.0,
    iterations: int = 5,
) -> TrapModel:
    """Make a model of traps that fill by volume: a packet of n electrons meets the share
    ``((n - notch_e) / (full_well_e - notch_e)) ** fill_power`` of them.

    Parameters
    ----------
    densities : sequence of float
        Traps per pixel of each species, at ``date1``.
    release_transfers : sequence of float
        Time constant of each species, in transfers.
    full_well_e, notch_e, fill_power : float
        The volume of a packet, in electrons.
    levels : int
        Levels of charge, in equal ratios from ``notch_e`` + 1 to ``full_well_e``.
    trail : int
        Packets behind that get something back; the last gets all that is left then.
    substeps, rows, date0, date1, iterations
        As in `TrapModel`.

    Returns
    -------
    TrapModel
        Up to each level the traps hold no more in a substep than the level's charge: a packet
        cannot lose what it does not have.

    Raises
    ------
    ArrayError
        ``A09`` for numbers out of range, ``A12`` for species without a density or time.

    Notes
    -----
    The volume-driven model is that of Massey et al. 2014, MNRAS 439, 887, with instant capture.
    The level of a step lies at the geometric mean of its ends, so that steps cut as much as they add.
    """
    density, time = np.array(densities, float), np.array(release_transfers, float)
    if density.shape != time.shape or density.ndim != 1 or density.size == 0:
        raise ArrayError(f"{density.size} densities, {time.size} release times.", code="A12")
    if (density < 0).any() or not density.sum() > 0 or not (time > 0).all():
        raise ArrayError("wanted densities from 0 and release times above 0.", code="A09")
    if not (0 <= notch_e < full_well_e - 1 and fill_power > 0 and levels > 0 and trail > 0):
        raise ArrayError(
            "full well, notch, fill power, levels or trail is out of range.", code="A09"
        )
    edges = np.geomspace(1.0, full_well_e - notch_e, levels + 1)
    charge = notch_e + np.sqrt(edges[:-1] * edges[1:])
    volume = (edges[1:] / (full_well_e - notch_e)) ** fill_power
    held = np.minimum(density.sum() * rows * volume, substeps * charge)
    packet = np.arange(1, trail + 1)
    share = density / density.sum()
    left = (share[:, None] * np.exp(-packet / time[:, None])).sum(axis=0)
    left[-1] = 0.0
    shape = (levels, trail)
    return TrapModel(
        levels=charge,
        traps=np.diff(held, prepend=0.0),
        release=np.broadcast_to(-np.diff(left, prepend=1.0), shape),
        remaining=np.broadcast_to(left, shape),
        substeps=substeps,
        rows=rows,
        date0=date0,
        date1=date1,
        iterations=iterations,
    )
