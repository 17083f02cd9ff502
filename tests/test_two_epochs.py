"""Two epochs of one light: ratios, and moves with the right sign, size and error."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import shadows
from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.measure import (
    CutOut,
    combine_shifts,
    cut_out,
    epoch_ratio,
    measure_shift,
    pair_by_level,
)

EPER_LEVELS = (180.0, 430.0, 1600.0, 3400.0, 7100.0, 42000.0)


def two_epochs(
    name: str, level: float, seed: int, dx: float = 0.0, dy: float = 0.0
) -> tuple[CutOut, CutOut, np.ndarray]:
    """Later and earlier cut-out, and the pixels of both."""
    x, y = np.random.default_rng([seed, 7]).uniform(-0.5, 0.5, 2)
    scenes = [
        shadows.transmission(shadows.fleck(name, x + dx, y + dy)),
        shadows.transmission(shadows.fleck(name, x, y)),
    ]
    later, earlier = (
        cut_out(shadows.exposed(scene, level, 2 * seed + n), 30, 30)
        for n, scene in enumerate(scenes)
    )
    there = np.s_[later.y0 : later.y0 + 40, later.x0 : later.x0 + 40]
    return later, earlier, (scenes[0][there] < 0.95) | (scenes[1][there] < 0.95)


@pytest.mark.parametrize("name", ["larger", "elongated", "tiny"])
@pytest.mark.parametrize("level", [180.0, 42000.0])
def test_pulls_of_the_shift(name, level):
    found: dict[str, list[tuple[float, float, float]]] = {"x": [], "y": []}
    for seed in range(1000):
        moved = measure_shift(*two_epochs(name, level, seed, 0.07, -0.1))
        found["x"].append((moved.dx, 0.07, moved.dx_error))
        found["y"].append((moved.dy, -0.1, moved.dy_error))
    for pull in map(shadows.pulls, found.values()):
        assert abs(pull[0]) < 0.1
        assert pull[1] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("size", [0.05, 0.2, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("direction", range(8))
def test_moves_come_back_with_their_sign(size, direction):
    dx, dy = (
        size * math.cos(math.pi * direction / 4),
        size * math.sin(math.pi * direction / 4),
    )
    for name in ("larger", "elongated", "tiny"):
        moved = measure_shift(*two_epochs(name, 42000, direction, dx, dy))
        assert abs(moved.dx - dx) < 4.5 * moved.dx_error < 0.1
        assert abs(moved.dy - dy) < 4.5 * moved.dy_error < 0.1
        for planted, seen in ((dx, moved.dx), (dy, moved.dy)):
            if abs(planted) > 0.03:
                assert math.copysign(1, planted) == math.copysign(1, seen)


def test_a_bright_lower_and_a_dark_upper_half_mean_up():
    later, earlier, feature = two_epochs("elongated", 42000, 3, 0.0, 0.1)
    ratio = epoch_ratio(later, earlier, feature).ratio
    rows = np.flatnonzero(feature.any(axis=1))
    middle = (rows[0] + rows[-1] + 1) // 2
    upper, lower = np.zeros_like(feature), np.zeros_like(feature)
    upper[middle:] = feature[middle:]
    lower[:middle] = feature[:middle]
    assert np.nanmean(ratio[upper]) < 1 < np.nanmean(ratio[lower])
    assert measure_shift(later, earlier, feature).dy > 0.05


def test_shifts_of_several_levels_together():
    shifts = [
        measure_shift(*two_epochs("elongated", level, n, 0.0, 0.1))
        for n, level in enumerate(EPER_LEVELS)
    ]
    both = combine_shifts(shifts)
    assert both.dy_error < min(shift.dy_error for shift in shifts)
    assert abs(both.dy - 0.1) < 4 * both.dy_error
    twice = combine_shifts([shifts[0], shifts[0]])
    assert twice.dx == pytest.approx(shifts[0].dx)
    assert twice.dx_error == pytest.approx(shifts[0].dx_error / math.sqrt(2))


def test_significance_is_that_of_two_degrees_of_freedom():
    later, earlier, feature = two_epochs("larger", 7100, 0)
    shift = measure_shift(later, earlier, feature)
    for chi_square, sigmas in ((0.0, 0.0), (11.83, 3.0), (28.74, 5.0)):
        moved = math.sqrt(chi_square) * shift.dx_error
        one = replace(shift, dx=moved, dy=0.0, covariance=np.diag(np.diag(shift.covariance)))
        assert one.chi_square == pytest.approx(chi_square)
        assert one.significance == pytest.approx(sigmas, abs=0.01)


@pytest.mark.parametrize("level", [180.0, 7100.0])
def test_pulls_of_the_ratio(level):
    found, literal = [], []
    for seed in range(1000):
        ratio = epoch_ratio(*two_epochs("elongated", level, seed))
        found.append((ratio.value, 1.0, ratio.value_error))
        literal.append(ratio.mean)
    mean, width = shadows.pulls(found)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)
    if level == 180:  # what the mean of quotients does in the dark
        assert np.mean(literal) > 1.003


def test_scatter_is_larger_where_it_is_dark():
    ratio = epoch_ratio(*two_epochs("larger", 1600, 5))
    assert ratio.scatter > 1.3 * ratio.scatter_outside
    expected = math.sqrt(2 * (1600 + shadows.READ_NOISE**2)) / 1600
    assert ratio.scatter_outside == pytest.approx(expected, rel=0.1)
    beside = ratio.error[:5, :5]
    assert np.median(beside) == pytest.approx(expected, rel=0.05)


def test_frames_are_paired_by_level():
    def frames(factor: float) -> list[Frame]:
        return [Frame(np.full((5, 5), factor * level)) for level in EPER_LEVELS[::-1]]

    pairs = pair_by_level(frames(1.01)[::-1], frames(1.0))
    assert [later.data[0, 0] / earlier.data[0, 0] for later, earlier in pairs] == [
        pytest.approx(1.01)
    ] * 6
    assert [earlier.data[0, 0] for _, earlier in pairs] == list(EPER_LEVELS)
    with pytest.raises(MetadataError, match=r"M07.*5 later and 6 earlier"):
        pair_by_level(frames(1)[1:], frames(1))
    with pytest.raises(MetadataError, match=r"M07.*do not belong together"):
        pair_by_level(frames(1.3), frames(1))
    with pytest.raises(MetadataError, match=r"M07.*wanted light"):
        pair_by_level([Frame(np.zeros((5, 5)))], [Frame(np.ones((5, 5)))])


def test_refusals():
    later, earlier, feature = two_epochs("larger", 1600, 5)
    with pytest.raises(ArrayError, match="A12"):
        measure_shift(later, replace(earlier, x0=3), feature)
    with pytest.raises(ArrayError, match=r"A09.*no usable pixel"):
        epoch_ratio(later, earlier, np.zeros_like(feature))
    with pytest.raises(ArrayError, match="A09"):
        combine_shifts([])
    blank = cut_out(Frame(np.full((60, 60), 100.0), np.full((60, 60), 10.0)), 30, 30)
    with pytest.raises(ArrayError, match="A09"):
        measure_shift(blank, blank, feature)
