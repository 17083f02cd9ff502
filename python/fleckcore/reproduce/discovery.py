"""Section 2, 7: how the flecks were found, when they came, what else is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

import numpy as np

from fleckcore.detection.catalog import Catalog
from fleckcore.detection.search import find
from fleckcore.frame import Frame
from fleckcore.measure import cut_out, find_aperture
from fleckcore.report.panels import Picture
from fleckcore.reproduce.story import NewFeature, Story, as_picture
from fleckcore.simulate import Exposure, select

__all__ = [
    "Darks",
    "describe_monitor",
    "discover",
    "look_for_changes",
    "search_by_recipe",
    "short_darks",
]

NAMES = ("larger", "elongated", "tiny")
"""What the report calls them, by falling area."""
LEAST_PIXELS, LEAST_LOSS = 8, 0.2
"""Pixels of a new feature that lose more than this. A new sink pixel and its trail are two or three."""
LEAST_SNR = 10.0
RECIPE_AREA, RECIPE_REACH = 25, 10.0
"""DETECT_MINAREA of the report, and how near to a fleck a detection is the fleck, pixels."""
EDGE = 32
"""Width of the edges of which figure 18 shows nothing."""
WIDE, NARROW = (40, 40), (30, 20)
"""Rows and columns of cut-outs: of the report's, and of what is less than half as wide as it is high."""


@dataclass(frozen=True, kw_only=True)
class Darks:
    """Mean short darks of one cycle, chip by chip.

    Attributes
    ----------
    raw, corrected : dict of int to Frame
        As they were read out, and with trapped charge put back.
    count : int
        Exposures of each.
    first, last : float
        MJD of the first and last.
    """

    raw: Mapping[int, Frame]
    corrected: Mapping[int, Frame]
    count: int
    first: float
    last: float


def short_darks(
    story: Story, day: date, *, corrected: bool = True, most: int | None = None
) -> Darks:
    """Expose the short darks of a cycle."""
    scene = story.observing.observatory.scene
    exposures = select(scene, cycle=day, kinds=["short_dark"])
    limit = most if most is not None else story.extent.most_shorts
    exposures = exposures if limit is None else _spread(exposures, limit)
    raw = story.observing.means(exposures, f"short darks of {day:%B %Y}")
    return Darks(
        raw=raw,
        corrected={
            chip: story.observing.without_trails(frame) for chip, frame in raw.items() if corrected
        },
        count=len(exposures),
        first=exposures[0].mjd,
        last=exposures[-1].mjd,
    )


def _spread(exposures: Sequence[Exposure], most: int) -> tuple[Exposure, ...]:
    """Choose exposures from all over a cycle."""
    places = np.linspace(0, len(exposures) - 1, min(most, len(exposures))).round().astype(int)
    return tuple(exposures[place] for place in dict.fromkeys(places.tolist()))


def describe_monitor(story: Story) -> None:
    """Tell from the exposures themselves what the monitor takes (claim 3)."""
    scene = story.observing.observatory.scene
    exposures = select(scene, cycle=story.extent.looked_at, kinds=["long_dark", "short_dark"])
    days = sorted({int(item.mjd) for item in exposures})
    story.note("monitor.days_between", np.median([b - a for a, b in pairwise(days)]), unit="d")
    for kind in ("long", "short"):
        taken = [item for item in exposures if item.kind == f"{kind}_dark"]
        story.note(f"monitor.{kind}_per_day", len(taken) / len(days))
        story.note(f"monitor.{kind}_s", np.median([item.exposure_s for item in taken]), unit="s")
    story.note("monitor.flash_s", np.median([item.flash_s for item in exposures]), unit="s")


def discover(story: Story, before: Darks, after: Darks) -> tuple[NewFeature, ...]:
    """Search for what a cycle shows and an earlier one does not (claims 1, 2, 22)."""
    found = look_for_changes(before, after)
    flecks = tuple(replace(feature, name=name) for name, feature in zip(NAMES, found, strict=False))
    story.note("flecks", len(flecks))
    story.note("new_features.others", len(found) - len(flecks))
    for fleck in flecks:
        story.note(f"{fleck.name}.chip", fleck.chip)
        story.note(f"{fleck.name}.x", fleck.x + 1, unit="pix")
        story.note(f"{fleck.name}.y", fleck.y + 1, unit="pix")
    story.draw(
        3,
        "the flecks in the mean short dark; the square is 20 pixels wide",
        *[
            [as_picture(fleck.cut(after.corrected[fleck.chip]), fleck.name, boxes=fleck.square)]
            for fleck in flecks
        ],
    )
    return flecks


def look_for_changes(before: Darks, after: Darks) -> list[NewFeature]:
    """Give what is new from one cycle to another, the largest first."""
    found = []
    for chip, frame in after.corrected.items():
        catalog = find(
            frame,
            reference=before.corrected[chip],
            normalise="difference",
            shapes="compact",
        )
        for row in catalog:
            if row["snr"] < LEAST_SNR:
                continue
            left, right, bottom, top = (
                int(row[name].value)
                for name in ("bbox_xmin", "bbox_xmax", "bbox_ymin", "bbox_ymax")
            )
            feature = NewFeature(
                name="new",
                chip=chip,
                x=float(row["x_centroid"].value),
                y=float(row["y_centroid"].value),
                area=int(row["area"].value),
                span=(left, right, bottom, top),
                shape=NARROW if 2 * (right - left + 1) < top - bottom + 1 else WIDE,
            )
            if _is_deep(feature, frame):
                found.append(feature)
    return sorted(found, key=lambda feature: -feature.area)


def _is_deep(feature: NewFeature, frame: Frame) -> bool:
    """Tell whether enough of its pixels lose enough now; a hot pixel that healed loses nothing."""
    aperture = find_aperture(feature.cut(frame), threshold=LEAST_LOSS)
    left, right, bottom, top = feature.span
    own = aperture.mask[
        bottom - aperture.y0 : top + 1 - aperture.y0, left - aperture.x0 : right + 1 - aperture.x0
    ]
    return aperture.pixels >= LEAST_PIXELS and bool(own.any())


def search_by_recipe(
    story: Story, flecks: Sequence[NewFeature], before: Darks, after: Darks
) -> None:
    """Search as the report says, and as fleckcore does by itself (claim 21, figure 18)."""
    found = {
        chip: find(frame, normalise="literal", min_area=RECIPE_AREA)
        for chip, frame in after.corrected.items()
    }
    seen = [fleck for fleck in flecks if _is_listed(fleck, found[fleck.chip])]
    story.note("recipe.detections", sum(len(catalog) for catalog in found.values()))
    story.note("recipe.flecks", len(seen))
    story.tables["recipe"] = [
        {
            "chip": chip,
            "x": round(float(row["x_centroid"].value) + 1, 1),
            "y": round(float(row["y_centroid"].value) + 1, 1),
            "area": int(row["area"].value),
        }
        for chip, catalog in found.items()
        for row in catalog
    ]
    story.draw(
        18,
        "the flecks in short darks after and before they came, and other places of the recipe's list",
        *[
            [
                as_picture(fleck.cut(after.corrected[fleck.chip]), f"{fleck.name}, after"),
                as_picture(fleck.cut(before.corrected[fleck.chip]), f"{fleck.name}, before"),
                _another(after, found, flecks, number),
            ]
            for number, fleck in enumerate(flecks)
        ],
    )


def _is_listed(fleck: NewFeature, catalog: Catalog) -> bool:
    x, y = catalog["x_centroid"].value, catalog["y_centroid"].value
    return bool((np.hypot(x - fleck.x, y - fleck.y) < RECIPE_REACH).any())


def _another(
    darks: Darks, found: Mapping[int, Catalog], flecks: Sequence[NewFeature], number: int
) -> Picture:
    """Draw the next largest thing that the recipe lists and that is no fleck, away from the edges."""
    others = [
        (
            int(row["area"].value),
            chip,
            float(row["x_centroid"].value),
            float(row["y_centroid"].value),
        )
        for chip, catalog in found.items()
        for row in catalog
        if not any(
            fleck.chip == chip and _is_listed(fleck, catalog[[row.index]]) for fleck in flecks
        )
    ]
    inside = sorted(other for other in others if _is_inside(darks.corrected[other[1]], *other[2:]))
    if number >= len(inside):
        return Picture(np.full(WIDE, np.nan), "nothing else")
    _, chip, x, y = inside[-1 - number]
    return as_picture(
        cut_out(darks.corrected[chip], x, y, shape=WIDE), f"listed at {x:.0f}, {y:.0f}"
    )


def _is_inside(frame: Frame, x: float, y: float) -> bool:
    """Tell what lies away from the edges, where a running median is noisier."""
    rows, cols = frame.shape
    return EDGE < x < cols - EDGE and EDGE < y < rows - EDGE
