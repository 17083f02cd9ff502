"""Planes of a frame that are looked at in parts: arrays, or what is computed where it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

__all__ = ["Computed", "Light", "Plane"]


class Plane(Protocol):
    """A value of every pixel."""

    @property
    def shape(self) -> Any:
        """Rows and columns."""

    def __getitem__(self, part: Any, /) -> NDArray[Any]:
        """Values of a part of the frame."""


class Light(Protocol):
    """What a frame's light is measured against."""

    @property
    def transmission(self) -> Plane:
        """1 where all light comes through, NaN where nothing is known."""

    @property
    def level(self) -> Plane:
        """What was divided out."""

    @property
    def method(self) -> str:
        """How it was made."""


@dataclass(frozen=True)
class Computed:
    """A plane that does not exist: ``values`` gives a part of it, as the whole would have it."""

    shape: tuple[int, int]
    values: Callable[[Any], NDArray[Any]]

    def __getitem__(self, part: Any, /) -> NDArray[Any]:
        """Compute a part."""
        return self.values(part)
