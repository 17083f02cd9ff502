"""Section 6: lamp flats in eight filters, and what the flecks let through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.calibrate import combine
from fleckcore.frame import Frame
from fleckcore.instruments import load_profile
from fleckcore.measure import (
    CutOut,
    MasterAperture,
    Transmission,
    find_aperture,
    fit_spectrum,
    master_aperture,
    measure_excess,
    measure_rise,
    measure_transmission,
    natural_break,
)
from fleckcore.report.panels import Box, Histogram, Picture, Points, Series
from fleckcore.reproduce.story import NewFeature, Story, as_picture
from fleckcore.simulate import Exposure, select
from fleckcore.simulate.campaign import date_of

__all__ = ["FlatSet", "expose_flats", "measure_fleck", "show_thumbnails", "tabulate"]


RED = ("F814W", "F850LP")
"""Filters of the rise to the red, not of the plateau."""


@dataclass(frozen=True, kw_only=True)
class FlatSet:
    """Flats of one epoch.

    Attributes
    ----------
    day : date
        When they were taken.
    filters : tuple of str
        In the order of their wavelength.
    cuts : dict of str to dict of str to CutOut
        By fleck and filter.
    medians : dict of str to float
        Of the whole sum of exposures, electrons, by filter.
    exposures : dict of str to (int, float)
        How many, and their seconds together, by filter.
    pivots : dict of str to float
        Wavelengths of the filters, Angstrom.
    """

    day: date
    filters: tuple[str, ...]
    cuts: Mapping[str, Mapping[str, CutOut]]
    medians: Mapping[str, float]
    exposures: Mapping[str, tuple[int, float]]
    pivots: Mapping[str, float]


def expose_flats(story: Story, flecks: Sequence[NewFeature]) -> tuple[FlatSet, ...]:
    """Expose the flats of every epoch, and keep the cut-outs of the flecks."""
    scene = story.observing.observatory.scene
    days: dict[date, list[Exposure]] = {}
    for item in select(scene, kinds=["flat"]):
        days.setdefault(date_of(item.mjd), []).append(item)
    return tuple(_epoch(story, flecks, day, taken) for day, taken in sorted(days.items()))


def _epoch(
    story: Story, flecks: Sequence[NewFeature], day: date, taken: Sequence[Exposure]
) -> FlatSet:
    pivots = load_profile(story.observing.observatory.scene.profile).filters.pivot_angstrom
    chosen = story.extent.filters or {item.filter for item in taken}
    filters = tuple(sorted(chosen, key=lambda name: pivots[name]))
    cuts: dict[str, dict[str, CutOut]] = {fleck.name: {} for fleck in flecks}
    medians, exposures = {}, {}
    for name in filters:
        parts = [item for item in taken if item.filter == name]
        exposures[name] = len(parts), sum(item.exposure_s for item in parts)
        with story.observing.frames(parts, f"{name} flats of {day:%B %Y}") as chips:
            sums = {chip: _total(story, frames) for chip, frames in chips.items()}
        medians[name] = float(np.median([frame.data for frame in sums.values()]))
        for fleck in flecks:
            cuts[fleck.name][name] = fleck.cut(sums[fleck.chip])
    return FlatSet(
        day=day, filters=filters, cuts=cuts, medians=medians, exposures=exposures, pivots=pivots
    )


def _total(story: Story, frames: Sequence[Frame]) -> Frame:
    """Add up exposures without cosmic rays, with trapped charge put back."""
    threads = story.observing.threads
    total = combine(frames, method="acsrej", sky="none", threads=threads).frame
    return story.observing.without_trails(total)


def tabulate(story: Story, flats: FlatSet) -> None:
    """Table 1 (claims 13, 26)."""
    rows = []
    for name in flats.filters:
        count, seconds = flats.exposures[name]
        median = flats.medians[name]
        rows.append(
            {
                "filter": name,
                "exposures": count,
                "exposure_s": round(seconds, 1),
                "median_e": round(median),
                "rate_e_s": round(median / seconds),
            }
        )
        story.note(f"table.{name}", median, unit="e-")
    story.tables["table_1"] = rows
    most = max(flats.medians[name] / flats.exposures[name][0] for name in flats.filters)
    story.note("table.most_per_exposure", most, unit="e-")


def show_thumbnails(
    story: Story, fleck: NewFeature, number: int, before: FlatSet, after: FlatSet
) -> None:
    """Figures 10 and 11: each filter in both epochs."""
    radius = min(fleck.shape) // 2 - 1
    x, y = round(fleck.x), round(fleck.y)
    circle = (Box(x - radius, y - radius, x + radius + 1, y + radius + 1, round=True),)
    story.draw(
        number,
        f"the {fleck.name} fleck in lamp flats of {after.day:%B %Y} (above) and {before.day:%B %Y} (below)",
        *[
            [
                as_picture(flats.cuts[fleck.name][name], f"{name} {flats.day.year}", boxes=circle)
                for name in flats.filters
            ]
            for flats in (after, before)
        ],
    )


def measure_fleck(
    story: Story, fleck: NewFeature, numbers: tuple[int, int], flats: FlatSet
) -> MasterAperture:
    """Apertures, transmission and its dependence on wavelength (claims 6, 14 to 18, 20, 27)."""
    cuts = flats.cuts[fleck.name]
    apertures = {name: find_aperture(cut) for name, cut in cuts.items()}
    master = master_aperture(list(apertures.values()))
    bluest = flats.filters[0]
    first = apertures[bluest]
    half = find_aperture(cuts[bluest], threshold=0.5)
    story.note(f"{fleck.name}.area", first.area, first.area_error, "pix")
    story.note(f"{fleck.name}.area_mm2", first.area_mm2, first.area_mm2_error, "mm2")
    story.note(f"{fleck.name}.diameter", first.diameter_um, unit="um")
    story.note(f"{fleck.name}.below_half", half.area, half.area_error, "pix")
    story.note(f"{fleck.name}.aperture.filters", master.count)
    story.note(f"{fleck.name}.aperture.chosen_in_all", master.chosen_in_all)
    gap = natural_break(cuts[bluest])
    story.note(f"{fleck.name}.natural_break", gap.value, gap.error)
    seen = {name: measure_transmission(cut, master.mask) for name, cut in cuts.items()}
    core = seen[bluest]
    story.note(f"{fleck.name}.core", core.core, core.core_error)
    _tell_excess(story, fleck, cuts, master)
    _tell_spectrum(story, fleck, flats, seen)
    _draw_aperture(story, fleck, numbers[0], bluest, cuts[bluest], first.mask, master, gap.value)
    _draw_spectrum(story, fleck, numbers[1], flats, seen)
    return master


def _tell_excess(
    story: Story, fleck: NewFeature, cuts: Mapping[str, CutOut], master: MasterAperture
) -> None:
    """Light of the rows just above the fleck, mean of all filters."""
    rows, columns = np.nonzero(master.mask)
    box = np.zeros(master.mask.shape, bool)
    above = rows.max() + 2
    box[above : above + 3, columns.min() : columns.max() + 1] = True
    found = [measure_excess(cut, box, feature=master.mask) for cut in cuts.values()]
    weights = np.array([1 / excess.error**2 for excess in found])
    mean = float((weights * [excess.value for excess in found]).sum() / weights.sum())
    story.note(f"{fleck.name}.excess_above", mean, float(weights.sum() ** -0.5))


def _tell_spectrum(
    story: Story, fleck: NewFeature, flats: FlatSet, seen: Mapping[str, Transmission]
) -> None:
    blue = [name for name in flats.filters if name not in RED]
    if len(blue) > 2:
        fit = fit_spectrum(
            [flats.pivots[name] for name in blue],
            [seen[name].value for name in blue],
            [seen[name].error for name in blue],
        )
        values = [seen[name].value for name in blue]
        story.note(f"{fleck.name}.plateau_spread", float(np.std(values)))
        story.note(f"{fleck.name}.slope", 1e4 * fit.slope, 1e4 * fit.slope_error, "/um")
        for name, deviation in zip(blue, fit.deviations, strict=True):
            story.note(f"{fleck.name}.{name}.deviation", deviation, unit="sigma")
    last, before = flats.filters[-1], blue[-1]
    rise = measure_rise(seen[last], seen[before])
    story.note(f"{fleck.name}.rise", rise.value, rise.error)
    story.tables[f"transmission_{fleck.name}"] = [
        {
            "filter": name,
            "wavelength_a": flats.pivots[name],
            "transmission": round(seen[name].value, 5),
            "error": round(seen[name].error, 5),
            "aperture_error": round(seen[name].aperture_error, 5),
        }
        for name in flats.filters
    ]


def _draw_aperture(
    story: Story,
    fleck: NewFeature,
    number: int,
    filter_name: str,
    cut: CutOut,
    chosen: NDArray[np.bool_],
    master: MasterAperture,
    gap: float,
) -> None:
    """Figures 12 and 13, or 15."""
    counts, edges = np.histogram(cut.loss[cut.usable], bins=60, range=(-0.1, 1.1))
    lines = {"5 %": 0.05, "50 %": 0.5, "natural break": gap}

    def panel(
        image: NDArray[Any], title: str, high: float = 1.0, *, outlined: bool = False
    ) -> Picture:
        outline = master.mask if outlined else None
        return Picture(image, title, cut.x0, cut.y0, 0.0, high, outline=outline)

    first = [
        panel(cut.loss, f"loss in {filter_name}"),
        Histogram(edges, counts, "pixels", "fraction of the light that is lost", lines),
        panel(chosen.astype(float), f"loses more than 5 % in {filter_name}"),
    ]
    second = [
        panel(master.frequency, "filters that choose a pixel", master.count, outlined=True),
        panel(cut.light, f"master aperture on {filter_name}", outlined=True),
    ]
    caption = f"the {fleck.name} fleck in {filter_name}: loss, its histogram, and the aperture"
    joint = f"the master aperture of the {fleck.name} fleck"
    if number == 12:
        story.draw(12, caption, first)
        story.draw(13, joint, second)
    else:
        story.draw(number, f"{caption}, and the master aperture of all filters", first, second)


def _draw_spectrum(
    story: Story,
    fleck: NewFeature,
    number: int,
    flats: FlatSet,
    seen: Mapping[str, Transmission],
) -> None:
    series = Series(
        f"{fleck.name} fleck",
        [flats.pivots[name] for name in flats.filters],
        [seen[name].value for name in flats.filters],
        [seen[name].error for name in flats.filters],
        flats.filters,
    )
    story.draw(
        number,
        f"transmission of the {fleck.name} fleck, mean over the master aperture",
        [Points((series,), "pivot wavelength (Angstrom)", "transmission")],
    )
