"""The report on the flecks, step by step, on a detector of which everything is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fleckcore.flag import dither_offsets, uncovered
from fleckcore.instruments import load_profile
from fleckcore.measure import find_aperture
from fleckcore.reproduce.claims import Check, Claim, Measured, Verdict, judge, load_claims
from fleckcore.reproduce.darks import date_the_flecks, hide_the_flecks
from fleckcore.reproduce.discovery import (
    Darks,
    describe_monitor,
    discover,
    look_for_changes,
    search_by_recipe,
    short_darks,
)
from fleckcore.reproduce.eper import compare_epochs
from fleckcore.reproduce.flats import expose_flats, measure_fleck, show_thumbnails, tabulate
from fleckcore.reproduce.lit import compare_lights, look_without_light
from fleckcore.reproduce.observing import Observing, Told
from fleckcore.reproduce.shadow import follow_the_shadow
from fleckcore.reproduce.story import Extent, NewFeature, Story
from fleckcore.reproduce.write import write_reproduction
from fleckcore.simulate import Observatory, load_scene

__all__ = [
    "QUICK",
    "Check",
    "Claim",
    "Extent",
    "Measured",
    "NewFeature",
    "Story",
    "Verdict",
    "judge",
    "load_claims",
    "reproduce",
    "write_reproduction",
]

QUICK = Extent(shorts=2, every=8, days=2, most_shorts=12, filters=("F435W", "F775W", "F850LP"))
"""A small part of the campaign: in a minute or two, with larger errors."""
DEEP = 0.3
"""Loss of the pixels in which a fleck is looked for in single darks."""
DITHER = "ACS-WFC-DITHER-LINE"
LAST = -3
"""Of the anneals, the one that begins the last whole cycle."""


def reproduce(
    room: Path,
    *,
    scene: str = "acs_wfc",
    extent: Extent | None = None,
    threads: int | None = None,
    told: Told | None = None,
) -> Story:
    """Expose the campaign of a scene and repeat the report's analysis on it.

    Parameters
    ----------
    room : path-like
        Folder with room for some 8 GB of files, which are gone afterwards.
    scene : str
        Name of a scene, or path of one.
    extent : Extent, optional
        How much is exposed; by default all that the report needs.
    threads : int, optional
        Threads; by default `fleckcore.kernels.default_threads`.
    told : callable, optional
        Called with what is done, how much of it and out of how much.

    Returns
    -------
    Story
        Every number, figure and table.
    """
    observing = Observing(
        observatory=Observatory(load_scene(scene)), room=Path(room), threads=threads, told=told
    )
    story = Story(observing=observing, extent=extent or Extent())
    days = story.extent.before, story.extent.looked_at
    before, after = (short_darks(story, day) for day in days)
    describe_monitor(story)
    flecks = discover(story, before, after)
    search_by_recipe(story, flecks, before, after)
    masks = {
        fleck.name: find_aperture(fleck.cut(after.corrected[fleck.chip]), threshold=DEEP).mask
        for fleck in flecks
    }
    longs = hide_the_flecks(story, flecks, masks, after)
    date_the_flecks(story, flecks, masks)
    look_without_light(story, flecks[:2], masks, after, longs)
    compare_epochs(story, flecks, masks)
    follow_the_shadow(story, flecks[0], dict(zip(days, (before, after), strict=True)))
    _analyse_flats(story, flecks[:2], (before, after))
    _look_on(story, after)
    return story


def _analyse_flats(
    story: Story, flecks: tuple[NewFeature, ...], darks: tuple[Darks, Darks]
) -> None:
    """Section 6."""
    before, after = expose_flats(story, flecks)
    tabulate(story, after)
    masks: dict[int, NDArray[np.bool_]] = {}
    masters = {}
    for fleck, numbers in zip(flecks, ((10, 12, 14), (11, 15, 16)), strict=True):
        show_thumbnails(story, fleck, numbers[0], before, after)
        masters[fleck.name] = measure_fleck(story, fleck, numbers[1:], after)
        cut = after.cuts[fleck.name][after.filters[0]]
        mask = find_aperture(cut, threshold=0.5).mask
        flagged = masks.setdefault(fleck.chip, np.zeros(_shape(story, fleck.chip), bool))
        flagged[cut.y0 : cut.y0 + mask.shape[0], cut.x0 : cut.x0 + mask.shape[1]] |= mask
    line = dither_offsets(load_profile(story.observing.observatory.scene.profile), DITHER)
    story.note("dither.uncovered", uncovered(masks, line))
    compare_lights(story, flecks, masters, after, *darks)


def _shape(story: Story, chip: int) -> tuple[int, int]:
    return story.observing.observatory.chips[chip].shape


def _look_on(story: Story, then: Darks) -> None:
    """Sections 7 and 8: nothing else since (claim 24)."""
    last = short_darks(story, story.observing.observatory.scene.anneals.dates[LAST])
    story.note("new_features.later", len(look_for_changes(then, last)))
