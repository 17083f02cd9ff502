"""What the steps of the reproduction share: what is exposed, what is found, what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from fleckcore.frame import Frame
from fleckcore.measure import CutOut, cut_out
from fleckcore.report.panels import Box, FigureRecord, Picture
from fleckcore.reproduce.claims import Measured
from fleckcore.reproduce.observing import Observing

__all__ = ["Extent", "NewFeature", "Story", "as_picture"]


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is exposed.

    Attributes
    ----------
    looked_at : date
        Of the cycle in which the flecks are looked at.
    before, after : date
        Of the cycles just before and just after they appeared, as the first look at short darks tells.
    shorts : int
        Short darks of each other cycle of the campaign.
    every : int
        Every so many cycles of it.
    days : int
        Days of long darks that make a base dark.
    most_shorts : int, optional
        At most so many short darks of the cycles that are searched; by default all.
    filters : tuple of str
        Of the flats; none are all of them.
    """

    looked_at: date = date(2017, 7, 1)
    before: date = date(2017, 4, 10)
    after: date = date(2017, 5, 10)
    shorts: int = 4
    every: int = 1
    days: int = 7
    most_shorts: int | None = None
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewFeature:
    """What is on the detector now and was not before.

    Attributes
    ----------
    name : str
        For people.
    chip : int
        Where it lies.
    x, y : float
        0-based centroid.
    area : int
        Pixels of its footprint.
    span : (int, int, int, int)
        First and last column, first and last row.
    shape : (int, int)
        Rows and columns of its cut-outs.
    """

    name: str
    chip: int
    x: float
    y: float
    area: int
    span: tuple[int, int, int, int]
    shape: tuple[int, int]

    @property
    def square(self) -> tuple[Box]:
        """The report's square of 20 pixels around it."""
        x, y = round(self.x) - 10, round(self.y) - 10
        return (Box(x, y, x + 20, y + 20),)

    def cut(self, frame: Frame, **options: Any) -> CutOut:
        """Cut it out of a frame of its chip."""
        return cut_out(frame, self.x, self.y, shape=self.shape, **options)


@dataclass(kw_only=True)
class Story:
    """The reproduction as it grows.

    Attributes
    ----------
    observing : Observing
        The detector.
    extent : Extent
        How much is exposed.
    measured : dict of str to Measured
        Every number, by the names that claims use.
    figures : list of FigureRecord
        In the order in which they were made.
    tables : dict of str to list of dict
        By name.
    """

    observing: Observing
    extent: Extent
    measured: dict[str, Measured] = field(default_factory=dict)
    figures: list[FigureRecord] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def note(self, name: str, value: float, error: float = 0.0, unit: str = "") -> None:
        """Keep a number."""
        self.measured[name] = Measured(float(value), float(error), unit)

    def draw(self, number: int, caption: str, *rows: Sequence[Any]) -> None:
        """Keep a figure."""
        self.figures.append(FigureRecord(number, caption, tuple(tuple(row) for row in rows)))


def as_picture(cut: CutOut, title: str, **options: Any) -> Picture:
    """Make a panel of a cut-out."""
    return Picture(cut.light, title, cut.x0, cut.y0, **{"low": 0.0, "high": 1.3, **options})
