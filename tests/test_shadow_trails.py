"""What readout leaves behind a feature: boxes on the right side, deficits with right errors, the step in a series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import shadows
from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.measure import Deficit, PixelBox, box_deficit, find_step, shadow_boxes

SPAN = (22, 38, 22, 37)
"""With all of its rim."""


def frame(seed: int, deficit: float = 0.0, *, exposures: int = 28, level: float = 64.0) -> Frame:
    """A mean of short darks with a fleck and a planted trail behind it."""
    through = shadows.transmission(shadows.fleck(), 80)
    box, _ = shadow_boxes(SPAN, "-y")
    through[box.place] += deficit / level / 33
    made = shadows.exposed(through, level, seed, exposures)
    return made.replace(meta=replace(made.meta, mjd=57878.0 + seed))


def test_boxes_lie_away_from_the_register():
    box, beside = shadow_boxes(SPAN, "-y")
    assert box == PixelBox(25, 38, 36, 41)
    assert beside == PixelBox(44, 38, 55, 41)
    below, _ = shadow_boxes(SPAN, "+y", size=(4, 5))
    assert below == PixelBox(28, 18, 33, 22)
    with pytest.raises(ArrayError, match="A09"):
        shadow_boxes(SPAN, "+x")


@pytest.mark.parametrize("planted", [0.0, -200.0])
@pytest.mark.parametrize("exposures", [1, 28])
def test_pulls_of_the_deficit(planted, exposures):
    found = []
    boxes = shadow_boxes(SPAN, "-y")
    for seed in range(1000):
        seen = box_deficit(frame(seed, planted, exposures=exposures), *boxes)
        found.append((seen.value, planted, seen.error))
    mean, width = shadows.pulls(found)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)


def test_the_root_of_the_total_is_not_the_noise_of_a_mean():
    boxes = shadow_boxes(SPAN, "-y")
    seen = [box_deficit(frame(seed), *boxes) for seed in range(200)]
    scatter = np.std([one.value for one in seen])
    assert seen[0].root_of_total == pytest.approx(np.sqrt(33 * 64), rel=0.02)
    assert seen[0].root_of_total / scatter == pytest.approx((28 / 2 * 64 / 80) ** 0.5, rel=0.15)
    assert np.mean([one.error for one in seen]) == pytest.approx(scatter, rel=0.15)


def test_masked_pixels_count_in_neither_box():
    boxes = shadow_boxes(SPAN, "-y")
    made = frame(1)
    data, quality = made.data.copy(), np.zeros(made.shape, np.int16)
    data[39, 30], quality[39, 30] = 1e6, 16
    hot = made.replace(data=data, quality=quality, meta=replace(made.meta, masked_bits=16))
    seen, clean = box_deficit(hot, *boxes), box_deficit(made, *boxes)
    away = boxes[1].x0 - boxes[0].x0
    missing = float(made.data[39, 30]) - float(made.data[39, 30 + away])
    assert seen.value == pytest.approx(clean.value - missing, abs=1e-3)
    assert seen.error < clean.error


def test_a_step_in_a_series():
    boxes = shadow_boxes(SPAN, "-y")
    series = [box_deficit(frame(seed, -200.0 * (seed >= 12)), *boxes) for seed in range(30)]
    step = find_step(series[::-1])
    assert (step.last_before, step.first_after) == (57889, 57890)
    assert abs(step.before) < 4 * step.before_error
    assert abs(step.after + 200) < 4 * step.after_error
    assert step.chi_square > 100
    assert 0.4 < step.scatter < 1.8
    with pytest.raises(MetadataError, match=r"M07.*1 of 1"):
        find_step(series[:1])
    with pytest.raises(MetadataError, match=r"M07.*1 of 2"):
        find_step([series[0], replace(series[1], mjd=None)])


def test_levels_of_a_step_are_weighted_means():
    def one(mjd: float, value: float, error: float) -> Deficit:
        return Deficit(value=value, error=error, total=0, total_beside=0, root_of_total=0, mjd=mjd)

    step = find_step([one(1, 0, 1), one(2, 3, 2), one(3, 100, 1), one(4, 100, 1)])
    assert step.before == pytest.approx(0.6)
    assert step.before_error == pytest.approx((1 / 1.25) ** 0.5)
    assert step.after == 100


def test_refusals():
    made = frame(0)
    box, beside = shadow_boxes(SPAN, "-y")
    with pytest.raises(MetadataError, match="M07"):
        box_deficit(made.replace(error=None), box, beside)
    with pytest.raises(ArrayError, match=r"A09.*not inside of 80 x 80"):
        box_deficit(made, box, PixelBox(75, 0, 86, 3))
    with pytest.raises(ArrayError, match="A12"):
        box_deficit(made, box, PixelBox(0, 0, 5, 3))
