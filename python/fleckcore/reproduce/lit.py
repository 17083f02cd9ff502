"""Sections 3, 6.2 and 7: the flecks without light, and in the light of the flash instead of the lamp's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fleckcore.frame import Frame
from fleckcore.instruments import load_profile
from fleckcore.measure import (
    Contrast,
    CutOut,
    MasterAperture,
    centroid_scatter,
    combine_shifts,
    contrast,
    cut_out,
    find_aperture,
    find_sinks,
    flag_sinks,
    height_of_penumbra,
    light_shift,
    nature,
    penumbra,
)
from fleckcore.report.panels import Picture
from fleckcore.reproduce.discovery import Darks
from fleckcore.reproduce.flats import FlatSet
from fleckcore.reproduce.story import NewFeature, Story
from fleckcore.simulate import Exposure, select
from fleckcore.simulate.campaign import cycle_of, mjd_of

__all__ = ["compare_lights", "look_without_light"]

NEIGHBOURHOOD = (60, 60)
"""Rows and columns of figure 4."""
PLACES = 8
"""Of empty places on each side of a fleck, cut-outs."""
F_RATIO = 25.0
"""Of the light in ACS/WFC."""

Chips = Mapping[int, Frame]
Masks = Mapping[str, NDArray[np.bool_]]


def look_without_light(
    story: Story, flecks: Sequence[NewFeature], masks: Masks, shorts: Darks, longs: Chips
) -> None:
    """Compare darks with and without flash (claims 5 and 23, figure 4)."""
    observing = story.observing
    exposures = _unflashed_darks(story)
    raw = observing.means(exposures, "unflashed darks")
    unflashed = {chip: observing.without_trails(frame) for chip, frame in raw.items()}
    kinds = {"short": shorts.corrected, "long": longs, "unflashed": unflashed}
    for fleck in flecks:
        cut = fleck.cut(unflashed[fleck.chip])
        frames = {kind: chips[fleck.chip] for kind, chips in kinds.items()}
        mask, x0, y0 = masks[fleck.name], cut.x0, cut.y0
        found = nature(frames["short"], frames["unflashed"], aperture=mask, x0=x0, y0=y0)
        dark = found.measured[1]
        story.note(f"{fleck.name}.deficit.unflashed", dark.deficit, dark.deficit_error, "e-")
        for one in found.hypotheses:
            story.note(f"{fleck.name}.probability.{one.name}", one.probability)
            expected, error = one.expected[1], one.expected_error[1]
            story.note(f"{fleck.name}.deficit.if_{one.name}", expected, error, "e-")
        by_kind = {kind: contrast(frame, mask, x0=x0, y0=y0) for kind, frame in frames.items()}
        story.tables[f"contrast_{fleck.name}"] = [_row(kind, one) for kind, one in by_kind.items()]
        if fleck is flecks[0]:
            _compare_contrasts(story, by_kind)
    _draw_without_light(story, flecks, raw, shorts.raw, len(exposures))


def _unflashed_darks(story: Story) -> Sequence[Exposure]:
    """Those after the flecks came, up to the cycle in which they are looked at."""
    scene, day = story.observing.observatory.scene, story.extent.looked_at
    first, last = story.measured["birth.first_seen"].value, mjd_of(cycle_of(scene, day)[1])
    taken = [one for one in select(scene, kinds=["unflashed_dark"]) if first < one.mjd < last]
    taken = taken or list(select(scene, cycle=day, kinds=["unflashed_dark"]))
    return taken[-(story.extent.most_shorts or len(taken)) :]


def _row(kind: str, one: Contrast) -> dict[str, object]:
    return {
        "dark": kind,
        "level_e": round(one.level, 2),
        "missing_e": round(one.deficit, 2),
        "missing_e_error": round(one.deficit_error, 2),
        "contrast": round(one.depth, 4),
        "contrast_error": round(one.depth_error, 4),
        "noise_e": round(one.noise, 2),
        "outliers": round(one.outliers, 4),
    }


def _compare_contrasts(story: Story, kinds: Mapping[str, Contrast]) -> None:
    """Contrast, the part of the level that is missing, over that of short darks, which is known best."""
    short = kinds["short"]
    for kind in ("long", "unflashed"):
        ratio = kinds[kind].depth / short.depth
        error = math.hypot(kinds[kind].depth_error, ratio * short.depth_error) / short.depth
        story.note(f"contrast.{kind}_over_short", ratio, error)


def _draw_without_light(
    story: Story, flecks: Sequence[NewFeature], unflashed: Chips, flashed: Chips, count: int
) -> None:
    def panel(fleck: NewFeature, frame: Frame, title: str, high: float) -> Picture:
        cut = cut_out(frame, fleck.x, fleck.y, shape=NEIGHBOURHOOD)
        data = cut.light * cut.background
        title = f"{fleck.name} fleck, {title}"
        return Picture(data, title, cut.x0, cut.y0, 0, high, fleck.square, label="e-")

    story.draw(
        4,
        f"the flecks vanish without light: their places in the mean of {count} unflashed darks of 1040 s (left), "
        "with hot pixels and their trails, and in the mean short dark, flashed (right); the square is 20 pixels wide",
        *[
            [
                panel(fleck, unflashed[fleck.chip], "unflashed", 40),
                panel(fleck, flashed[fleck.chip], "flashed", 90),
            ]
            for fleck in flecks
        ],
    )


def compare_lights(
    story: Story,
    flecks: Sequence[NewFeature],
    masters: Mapping[str, MasterAperture],
    lamp: FlatSet,
    before: Darks,
    darks: Darks,
) -> None:
    """Compare the flecks in the light of lamp and flash (claim 19, figure 17)."""
    shifts, rows = [], []
    for fleck in flecks:
        by_lamp = lamp.cuts[fleck.name][lamp.filters[0]]
        frame = _without_sinks(darks.corrected[fleck.chip], before.raw[fleck.chip])
        by_flash = fleck.cut(frame)
        mask = masters[fleck.name].mask
        scatter = centroid_scatter(_beside(fleck, frame), by_lamp, mask)
        shift = light_shift(by_flash, by_lamp, mask, covariance=scatter)
        story.note(f"{fleck.name}.lamp_to_led.x", shift.dx, shift.dx_error, "pix")
        story.note(f"{fleck.name}.lamp_to_led.y", shift.dy, shift.dy_error, "pix")
        shifts.append(shift)
        pitch = by_lamp.meta.pixel_size_um or math.nan
        height = height_of_penumbra(penumbra(by_lamp, mask), f_ratio=F_RATIO, pixel_size_um=pitch)
        story.note(f"{fleck.name}.height.limit", height.limit_um, unit="um")
        rows.append(_lamp_and_flash(fleck.name, by_flash, find_aperture(by_flash).mask, mask))
    common = combine_shifts(shifts)
    story.note("lamp_to_led.x", common.dx, common.dx_error, "pix")
    story.note("lamp_to_led.y", common.dy, common.dy_error, "pix")
    story.note("lamp_to_led.significance", common.significance, unit="sigma")
    story.note("lamp_to_led.common_p", common.common_p)
    story.draw(
        17,
        "the aperture of the lamp flats (red line) on the flashed short dark; right: pixels of the lamp's aperture "
        "alone are blue, of the flash's alone red",
        *rows,
    )


def _without_sinks(frame: Frame, before: Frame) -> Frame:
    """Mask the sink pixels that were there before the flecks."""
    flagged = flag_sinks(frame, find_sinks(before))
    bit = load_profile(frame.meta.profile).quality["sink"]
    return flagged.replace(meta=replace(frame.meta, masked_bits=frame.meta.masked_bits | bit))


def _beside(fleck: NewFeature, frame: Frame) -> list[CutOut]:
    """Cut out places around a fleck that are as far from the amplifier, to a tenth of the rows."""
    rows, cols = frame.shape
    height, width = fleck.shape
    ways = product(range(-PLACES, PLACES + 1), range(-PLACES, PLACES + 1))
    places = [(fleck.x + n * width, fleck.y + m * height / 2) for n, m in ways if abs(n) > 1]
    return [
        cut_out(frame, x, y, shape=fleck.shape)
        for x, y in places
        if width < x < cols - width and height < y < rows - height
    ]


def _lamp_and_flash(
    name: str, flash: CutOut, own: NDArray[np.bool_], lamp: NDArray[np.bool_]
) -> list[Picture]:
    return [
        Picture(flash.light, f"{name} fleck, flashed", flash.x0, flash.y0, 0, 1.3, outline=lamp),
        Picture(
            own.astype(int) - lamp,
            "flash's aperture less the lamp's",
            flash.x0,
            flash.y0,
            -1,
            1,
            signed=True,
        ),
    ]
