"""How to search: the one home of every default."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any, Literal, get_args

from fleckcore.detection.normalise import Method
from fleckcore.errors import ArrayError, MetadataError

__all__ = ["DEFAULTS", "Options", "Shapes"]

Shapes = Literal["all", "compact"]

LEAST_LARGE = 4.0
"""Smallest radius that the search of large shadows can score, pixels."""
MOST_LARGE = 150.0
"""Largest one: the level that it measures against follows what is larger, and takes its depth away."""
LEAST_MESH = 8
"""Boxes of fewer pixels a side know their noise to worse than a tenth."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to search. Every default of the search has its home here.

    Attributes
    ----------
    normalise : {"ratio", "literal", "difference", "none"}
        See `fleckcore.detection.normalise.normalise`.
    window, stripe_window : int
        Windows of the normalisation in pixels, odd.
    unlit_below : float
        Pixels with less than this fraction of the typical light are not searched.
    shapes : {"all", "compact"}
        ``compact``: up to some 15 pixels radius. ``all``: large discs, rings and streaks too.
    bright : bool
        Search what is brighter than its surroundings instead of what is darker.
    false_alarms : float
        Expected number of features in a frame of pure Gaussian noise.
    sigmas : tuple of float
        Sizes of the matched smoothing in pixels: 0, 1, then rising to 100 at most.
    mesh : int
        Side of the boxes in which noise is measured, in pixels; at least 8.
    min_depth : float
        Least loss in the deepest pixel of a feature of up to some 3 pixels across. Below it, pixels of another
        sensitivity cannot be told from dust.
    min_area : int
        Least number of footprint pixels.
    max_size : int
        Largest extent in pixels, streaks excepted. What is larger is counted, not listed.
    least_radius, largest_radius : float
        Of large discs and rings, 4 to 150 pixels.
    model_error : float
        Part of a large shadow that may be left when its model is divided out: its shape is not quite that of the
        model. What is found on top of it must stand out from that.
    edge_zone : int
        Within this distance of the frame's edge, where the level is extrapolated, a feature must be twice as
        significant. A large shadow must reach farther into the frame; a compact feature that touches the edge may
        extend over twice as much, in a corner over as much.

    Raises
    ------
    MetadataError
        ``M07`` for bright features by the published recipe.
    ArrayError
        ``A13`` for a window that is not odd, ``A09`` for another value out of range.
    """

    normalise: Method = "ratio"
    window: int = 63
    stripe_window: int = 127
    unlit_below: float = 1 / 3
    shapes: Shapes = "all"
    bright: bool = False
    false_alarms: float = 0.1
    sigmas: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0)
    mesh: int = 64
    min_depth: float = 0.05
    min_area: int = 1
    max_size: int = 64
    edge_zone: int = 16
    least_radius: float = 12.0
    largest_radius: float = 150.0
    model_error: float = 0.08

    def __post_init__(self) -> None:
        if self.bright and self.normalise == "literal":
            raise MetadataError(
                "the published recipe knows shadows only, bright=True cannot be meant.", code="M07"
            )
        if self.shapes not in get_args(Shapes):
            raise MetadataError(
                f"unknown shapes {self.shapes!r}, wanted one of {', '.join(get_args(Shapes))}.",
                code="M07",
            )
        for name in ("window", "stripe_window"):
            size = getattr(self, name)
            if not (_is_whole(size, 1) and size % 2 == 1):
                raise ArrayError(
                    f"{name}={size!r}, wanted an odd whole number of pixels.",
                    code="A13",
                    advice="An even window has no centre pixel; take one more or one less.",
                )
        large = f"{LEAST_LARGE:g} to {MOST_LARGE:g} pixels"
        for name, good, wanted in (
            ("unlit_below", _is_within(self.unlit_below, 0, 1), "a fraction from 0 to 1"),
            ("false_alarms", _is_within(self.false_alarms, 1e-99), "a finite number above 0"),
            ("sigmas", _are_sigmas(self.sigmas), "0, 1, then rising numbers of pixels up to 100"),
            ("mesh", _is_whole(self.mesh, LEAST_MESH), f"at least {LEAST_MESH} whole pixels"),
            ("min_depth", _is_within(self.min_depth, 0, 1), "a fraction from 0 to 1"),
            ("min_area", _is_whole(self.min_area, 1), "at least 1 whole pixel"),
            ("max_size", _is_whole(self.max_size, 1), "at least 1 whole pixel"),
            ("edge_zone", _is_whole(self.edge_zone, 0), "a whole number of pixels, 0 or more"),
            ("least_radius", _is_within(self.least_radius, LEAST_LARGE, MOST_LARGE), large),
            ("largest_radius", _is_within(self.largest_radius, LEAST_LARGE, MOST_LARGE), large),
            ("model_error", _is_within(self.model_error, 0, 1), "a fraction from 0 to 1"),
        ):
            if not good:
                raise ArrayError(f"{name}={getattr(self, name)!r}, wanted {wanted}.", code="A09")
        if self.least_radius > self.largest_radius:
            raise ArrayError(
                f"least_radius={self.least_radius!r} is above largest_radius={self.largest_radius!r}.",
                code="A09",
            )


def _is_within(value: Any, least: float, most: float = math.inf) -> bool:
    """Whether it is a finite number of that range; True and False are none."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and math.isfinite(value) and least <= value <= most


def _is_whole(value: Any, least: int) -> bool:
    return _is_within(value, least) and value % 1 == 0


def _are_sigmas(values: Any) -> bool:
    return (
        isinstance(values, Sequence)
        and all(_is_within(value, 0, 100) for value in values)
        and tuple(values[:2]) == (0, 1)
        and all(first < second for first, second in pairwise(values))
    )


DEFAULTS = Options()
