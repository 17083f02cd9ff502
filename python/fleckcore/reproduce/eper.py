"""Section 4: lamp images of two epochs, at six levels: did the flecks move?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.frame import Frame
from fleckcore.measure import (
    EpochRatio,
    combine_shifts,
    epoch_ratio,
    measure_shift,
    pair_by_level,
)
from fleckcore.report.panels import Picture
from fleckcore.reproduce.story import NewFeature, Story
from fleckcore.simulate import Exposure, select

__all__ = ["compare_epochs"]

Masks = Mapping[str, NDArray[np.bool_]]


def compare_epochs(story: Story, flecks: Sequence[NewFeature], masks: Masks) -> None:
    """Pair the lamp images of both epochs and take their ratio (claims 7 to 11, figures 5 to 7)."""
    scene = story.observing.observatory.scene
    exposures = select(scene, kinds=["eper"])
    first_day = int(exposures[0].mjd)
    with story.observing.frames(exposures, "lamp images at six levels") as chips:
        pairs = {chip: _pairs(frames, exposures, first_day) for chip, frames in chips.items()}
        levels = [float(np.median(later.data)) for later, _ in pairs[flecks[0].chip]]
        story.note("eper.levels", len(levels))
        story.note("eper.lowest", min(levels), unit="e-")
        story.note("eper.highest", max(levels), unit="e-")
        for number, fleck in enumerate(flecks, 5):
            _compare(story, number, fleck, masks[fleck.name], pairs[fleck.chip], levels)


def _pairs(
    frames: Sequence[Frame], exposures: Sequence[Exposure], first_day: int
) -> list[tuple[Frame, Frame]]:
    """Give later and earlier frames of the same level."""
    epochs: tuple[list[Frame], list[Frame]] = ([], [])
    for frame, exposure in zip(frames, exposures, strict=True):
        epochs[int(exposure.mjd) != first_day].append(frame)
    return pair_by_level(epochs[1], epochs[0])


def _compare(
    story: Story,
    number: int,
    fleck: NewFeature,
    mask: NDArray[np.bool_],
    pairs: Sequence[tuple[Frame, Frame]],
    levels: Sequence[float],
) -> None:
    ratios = [epoch_ratio(fleck.cut(later), fleck.cut(earlier), mask) for later, earlier in pairs]
    _tell_ratios(story, fleck, ratios, levels)
    shift = combine_shifts(
        [measure_shift(fleck.cut(later), fleck.cut(earlier), mask) for later, earlier in pairs]
    )
    for axis, moved, error in (("x", shift.dx, shift.dx_error), ("y", shift.dy, shift.dy_error)):
        story.note(f"{fleck.name}.shift.{axis}", moved, error, "pix")
    story.note(f"{fleck.name}.shift.significance", shift.significance)
    story.draw(
        number,
        f"lamp images of November over May 2017 at the {fleck.name} fleck",
        *[
            [
                Picture(ratio.ratio, f"{level:.0f} e-", ratio.x0, ratio.y0, 0.8, 1.2, signed=True)
                for ratio, level in row
            ]
            for row in _in_rows(list(zip(ratios, levels, strict=True)), 3)
        ],
    )


def _tell_ratios(
    story: Story, fleck: NewFeature, ratios: Sequence[EpochRatio], levels: Sequence[float]
) -> None:
    means = [ratio.value for ratio in ratios]
    errors = [ratio.value_error for ratio in ratios]
    for name, choose in (("least", np.argmin), ("most", np.argmax)):
        at = int(choose(means))
        story.note(f"{fleck.name}.ratio.{name}", means[at], errors[at])
    scatter = [ratio.scatter / ratio.scatter_outside for ratio in ratios]
    story.note(f"{fleck.name}.ratio.scatter", float(np.median(scatter)))
    story.tables[f"ratio_{fleck.name}"] = [
        {
            "level_e": round(level),
            "ratio": round(ratio.value, 4),
            "error": round(ratio.value_error, 4),
            "mean_of_pixels": round(ratio.mean, 4),
        }
        for ratio, level in zip(ratios, levels, strict=True)
    ]


def _in_rows(items: Sequence[Any], columns: int) -> list[Sequence[Any]]:
    return [items[start : start + columns] for start in range(0, len(items), columns)]
