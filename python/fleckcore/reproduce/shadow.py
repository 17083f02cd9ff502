"""Section 5: what readout leaves behind the larger fleck, over three years."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np

from fleckcore.frame import Frame
from fleckcore.measure import (
    CutOut,
    Deficit,
    box_deficit,
    cut_out,
    find_aperture,
    find_step,
    shadow_boxes,
)
from fleckcore.report.panels import Box, Points, Series
from fleckcore.reproduce.discovery import Darks, short_darks
from fleckcore.reproduce.story import NewFeature, Story, as_picture
from fleckcore.simulate import select
from fleckcore.simulate.campaign import cycle_of, date_of

__all__ = ["follow_the_shadow"]

NEIGHBOURHOOD = (40, 60)
"""Rows and columns of figure 8, which holds both boxes."""
HALF = 0.5
"""Of the light that a pixel of the fleck takes: where the edge of a blurred shadow is."""


def follow_the_shadow(story: Story, fleck: NewFeature, known: Mapping[date, Darks]) -> None:
    """Measure the shadow in every cycle's mean short dark (claim 12, figures 8 and 9).

    ``known`` are darks that have been made already, by a day of their cycle.
    """
    looked_at = known[story.extent.looked_at]
    readout = looked_at.raw[fleck.chip].meta.readout
    assert readout is not None
    boxes = shadow_boxes(_span(fleck.cut(looked_at.raw[fleck.chip])), readout)
    series = [box_deficit(frame, *boxes) for frame in _frames(story, fleck.chip, known)]
    step = find_step(series)
    story.note("shadow.before", step.before, step.before_error, "e-")
    story.note("shadow.after", step.after, step.after_error, "e-")
    story.note("shadow.scatter", step.scatter)
    story.note("shadow.step_mjd", (step.last_before + step.first_after) / 2, unit="d")
    put_back = box_deficit(looked_at.corrected[fleck.chip], *boxes)
    story.note("shadow.trapped_charge_put_back", put_back.value, put_back.error, "e-")
    cut = cut_out(looked_at.raw[fleck.chip], boxes[0].x1, fleck.y, shape=NEIGHBOURHOOD)
    marks = tuple(
        Box(box.x0, box.y0, box.x1, box.y1, colour)
        for box, colour in zip(boxes, ("tab:blue", "tab:green"), strict=True)
    )
    story.draw(
        8,
        "the shadow behind the larger fleck in the mean short dark (blue), and its surroundings (green)",
        [as_picture(cut, "short dark", boxes=marks, low=0.7, high=1.1)],
    )
    story.draw(9, "signal of the shadow less that of the box beside it", [_plot(series)])


def _span(cut: CutOut) -> tuple[int, int, int, int]:
    """Give first and last column and row of the pixels that take half of the light, where an eye sees the edge."""
    ys, xs = np.nonzero(find_aperture(cut, threshold=HALF, connected=True).mask)
    return (
        cut.x0 + int(xs.min()),
        cut.x0 + int(xs.max()),
        cut.y0 + int(ys.min()),
        cut.y0 + int(ys.max()),
    )


def _frames(story: Story, chip: int, known: Mapping[date, Darks]) -> Iterator[Frame]:
    """Give the mean short dark of every cycle, in order."""
    scene = story.observing.observatory.scene
    starts: dict[date, date] = {}
    for item in select(scene, kinds=["short_dark"]):
        starts.setdefault(cycle_of(scene, date_of(item.mjd))[0], date_of(item.mjd))
    made = {cycle_of(scene, day)[0]: darks for day, darks in known.items()}
    for number, (start, day) in enumerate(starts.items()):
        if start in made:
            yield made[start].raw[chip]
        elif number % story.extent.every == 0:
            darks = short_darks(story, day, corrected=False, most=story.extent.shorts)
            yield darks.raw[chip]


def _plot(series: list[Deficit]) -> Points:
    dates = [one.mjd or 0.0 for one in series]
    return Points(
        (
            Series(
                "errors of the pixels",
                dates,
                [one.value for one in series],
                [one.error for one in series],
            ),
        ),
        "MJD",
        "electrons",
        "square root of the total, the report's error: "
        f"{sum(one.root_of_total for one in series) / len(series):.0f} e-",
    )
