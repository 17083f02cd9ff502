"""Sections 2 and 3: long darks that hide the flecks, unflashed ones that do not have them, and when they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fleckcore.calibrate import superdark
from fleckcore.frame import Frame
from fleckcore.instruments import load_profile
from fleckcore.measure import CutOut, cut_out, measure_transmission
from fleckcore.report.panels import Picture
from fleckcore.reproduce.discovery import Darks
from fleckcore.reproduce.story import NewFeature, Story
from fleckcore.simulate import Exposure, select

__all__ = ["date_the_flecks", "hide_the_flecks"]

Masks = Mapping[str, NDArray[np.bool_]]
NEIGHBOURHOOD = (120, 120)
"""Rows and columns of figures 1 and 2."""
SEEN = 5.0
"""Sigma from which a fleck is seen in one exposure."""


def hide_the_flecks(
    story: Story, flecks: Sequence[NewFeature], masks: Masks, shorts: Darks
) -> Mapping[int, Frame]:
    """Make a daily dark and its superdark, in which the flecks are gone (claim 4, figures 1 and 2).

    Returns
    -------
    dict of int to Frame
        The base dark of each chip, as a mean exposure.
    """
    exposures = _long_darks(story)
    first_day = sum(int(item.mjd) == int(exposures[0].mjd) for item in exposures)
    observing = story.observing
    bases = {}
    with observing.frames(exposures, "long darks") as chips:
        for chip, frames in chips.items():
            base, daily = (
                observing.without_trails(observing.mean(part))
                for part in (frames, frames[:first_day])
            )
            made = superdark(base, daily, shorts.corrected[chip]).frame
            bases[chip] = base
            images = {
                "daily dark": daily,
                "short dark": shorts.corrected[chip],
                "superdark": made,
            }
            _tell_significances(story, [f for f in flecks if f.chip == chip], masks, images, made)
            if flecks[0].chip == chip:
                _draw_hiding(story, flecks[0], bases[chip], images)
    return bases


def _long_darks(story: Story) -> tuple[Exposure, ...]:
    """Those of the first days of the cycle."""
    scene = story.observing.observatory.scene
    exposures = select(scene, cycle=story.extent.looked_at, kinds=["long_dark"])
    days = sorted({int(item.mjd) for item in exposures})[: story.extent.days]
    return tuple(item for item in exposures if int(item.mjd) in days)


def _tell_significances(
    story: Story,
    flecks: Sequence[NewFeature],
    masks: Masks,
    images: Mapping[str, Frame],
    judged_by: Frame,
) -> None:
    for fleck in flecks:
        for name, frame in images.items():
            cut = fleck.cut(_without_hot_pixels(frame, judged_by))
            seen = measure_transmission(cut, masks[fleck.name])
            significance = (1 - seen.value) / seen.error
            story.note(f"{fleck.name}.significance.{name.replace(' ', '_')}", significance)


def _without_hot_pixels(frame: Frame, judged_by: Frame) -> Frame:
    bits = load_profile(frame.meta.profile).quality
    masked = bits["hot"] | bits["warm"] | bits["unstable"]
    return frame.replace(quality=judged_by.quality, meta=replace(frame.meta, masked_bits=masked))


def _draw_hiding(story: Story, fleck: NewFeature, base: Frame, images: Mapping[str, Frame]) -> None:
    def panel(frame: Frame, title: str, low: float, high: float, label: str) -> Picture:
        cut = cut_out(frame, fleck.x, fleck.y, shape=NEIGHBOURHOOD)
        data = cut.light * cut.background
        return Picture(data, title, cut.x0, cut.y0, low, high, fleck.square, label=label)

    level = float(np.median(images["short dark"].data))
    story.draw(
        1,
        "the larger fleck in the long dark of a cycle; the square is 20 pixels wide",
        [panel(base, "base dark", 0, 2.5 * level, "e-")],
    )
    story.draw(
        2,
        "the difference of a daily dark and the short dark hides the fleck",
        [panel(images["daily dark"], "daily dark", 0, 2.5 * level, "e-")],
        [panel(images["short dark"], "short dark", 0, 1.5 * level, "e-")],
        [panel(images["superdark"], "daily superdark", -0.02, 0.06, "e-/s")],
    )


def date_the_flecks(
    story: Story, flecks: Sequence[NewFeature], masks: Masks, days: int = 4
) -> None:
    """Find the first single short dark that shows them (claim 1)."""
    scene = story.observing.observatory.scene
    ends = [
        select(scene, cycle=day, kinds=["short_dark"])
        for day in (story.extent.before, story.extent.after)
    ]
    exposures = (*ends[0][-2 * days :], *ends[1][: 2 * days])
    with story.observing.frames(exposures, "short darks, one by one") as chips:
        seen = np.array([
            [_significance(fleck.cut(frame), masks[fleck.name]) for frame in chips[fleck.chip]]
            for fleck in flecks
        ])  # fmt: skip
    dates = np.array([item.mjd for item in exposures])
    shown = (seen > SEEN).all(axis=0)
    first = int(np.argmax(shown))
    story.note("birth.first_seen", dates[first] if shown.any() else np.nan, unit="d")
    story.note("birth.last_clean", dates[first - 1] if first else np.nan, unit="d")
    story.tables["birth"] = [
        {"mjd": round(date, 4)} | {
            fleck.name: round(float(value), 1) for fleck, value in zip(flecks, column, strict=True)
        }
        for date, column in zip(dates.tolist(), seen.T, strict=True)
    ]  # fmt: skip


def _significance(cut: CutOut, mask: NDArray[np.bool_]) -> float:
    seen = measure_transmission(cut, mask)
    return (1 - seen.value) / seen.error
