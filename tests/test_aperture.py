"""Apertures and transmissions of known shadows, with errors that are right."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import shadows
from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.measure import (
    against_others,
    cut_out,
    find_aperture,
    master_aperture,
    measure_excess,
    measure_transmission,
    natural_break,
)

SEEDS = range(1000)
"""The mean of 200 pulls is uncertain by 0.07, too much to tell 0.1 from 0."""


def shifted(seed: int, name: str = "larger", **changes: float) -> shadows.Image:
    """Pixels of another phase for every seed, without which an area is the same whole number each time."""
    dx, dy = np.random.default_rng([seed, 7]).uniform(-0.5, 0.5, 2)
    return shadows.transmission(shadows.fleck(name, dx, dy, **changes))


@pytest.mark.parametrize(("name", "pixels", "half"), [("larger", 144, 67), ("elongated", 52, 21)])
def test_without_noise_it_is_what_was_drawn(name, pixels, half):
    through = shadows.transmission(shadows.fleck(name, 0.3, -0.3))
    frame = Frame(1e4 * through, np.full(through.shape, 1e-3), meta=FrameMeta(pixel_size_um=15))
    cut = cut_out(frame, 30, 30)
    found = find_aperture(cut)
    assert found.pixels == np.count_nonzero(1 - through > 0.05)
    assert found.pixels == pytest.approx(pixels, abs=2)
    assert found.area == pytest.approx(found.pixels, abs=1e-6)
    assert found.area_mm2 == pytest.approx(found.pixels * 2.25e-4)
    assert found.diameter_um == pytest.approx(15 * (4 * found.pixels / np.pi) ** 0.5)
    below_half = find_aperture(cut, threshold=0.5)
    assert below_half.pixels == pytest.approx(half, abs=2)
    light = measure_transmission(cut, found.mask)
    part = through[cut.y0 : cut.y0 + 40, cut.x0 : cut.x0 + 40]
    assert light.value == pytest.approx(part[found.mask].mean(), abs=1e-9)
    assert light.pixels == found.pixels


def test_only_the_piece_in_the_middle_counts():
    through = shadows.transmission(shadows.fleck())
    through[14, 14] = through[45, 40] = 0.2
    cut = cut_out(Frame(1e4 * through, np.full(through.shape, 1.0)), 30, 30)
    alone, all_of_it = find_aperture(cut), find_aperture(cut, connected=False)
    assert all_of_it.pixels == alone.pixels + 2
    assert not alone.mask[14 - cut.y0, 14 - cut.x0]


def test_nothing_there():
    cut = cut_out(Frame(np.full((60, 60), 1e4), np.full((60, 60), 1.0)), 30, 30)
    found = find_aperture(cut)
    assert (found.pixels, found.area, found.area_error) == (0, 0, 0)
    assert np.isnan(natural_break(cut).value)


@pytest.mark.parametrize("level", [42000.0, 180000.0])
def test_pulls_of_the_area(level):
    found = []
    for seed in SEEDS:
        through = shifted(seed)
        cut = cut_out(shadows.exposed(through, level, seed), 30, 30)
        area = find_aperture(cut)
        found.append((area.area, np.count_nonzero(1 - through > 0.05), area.area_error))
    mean, width = shadows.pulls(found)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("level", [180.0, 7100.0, 180000.0])
@pytest.mark.parametrize("name", ["larger", "elongated"])
def test_pulls_of_the_transmission(level, name):
    found = []
    for seed in SEEDS:
        through = shifted(seed, name)
        cut = cut_out(shadows.exposed(through, level, seed), 30, 30)
        part = through[cut.y0 : cut.y0 + 40, cut.x0 : cut.x0 + 40]
        mask = 1 - part > 0.05
        light = measure_transmission(cut, mask)
        found.append((light.value, part[mask].mean(), light.error))
        assert light.error == pytest.approx(np.hypot(light.pixel_error, light.background_error))
    mean, width = shadows.pulls(found)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)


def test_a_core_is_dark_where_the_feature_is():
    through = shadows.transmission(shadows.fleck(width=20.0, height=20.0))
    cut = cut_out(shadows.exposed(through, 1000, 1), 30, 30)
    light = measure_transmission(cut, find_aperture(cut, threshold=0.3).mask)
    assert abs(light.core) < 4 * light.core_error < 0.02
    assert 0.2 < light.value < 0.5
    assert 0.01 < light.aperture_error < 0.2


def test_light_beside_a_feature():
    through = shadows.transmission(shadows.fleck())
    through[39:42, 25:36] *= 1.004
    box = np.zeros((40, 40), bool)
    box[29:32, 15:26] = True
    found = []
    for seed in SEEDS:
        cut = cut_out(shadows.exposed(through, 60000, seed, exposures=3), 30, 30)
        assert (cut.x0, cut.y0) == (10, 10)
        seen = measure_excess(cut, box, feature=1 - through[10:50, 10:50] > 0.01)
        found.append((seen.value, 0.004, seen.error))
    mean, width = shadows.pulls(found)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)


def test_a_master_aperture():
    cuts = [
        cut_out(shadows.exposed(shifted(0, width=width), 1e5, 3), 30, 30)
        for width in (13.0, 14.0, 15.0)
    ]
    apertures = [find_aperture(cut) for cut in cuts]
    master = master_aperture(apertures)
    assert_array_equal(master.mask, apertures[0].mask | apertures[1].mask | apertures[2].mask)
    assert master.frequency.max() == master.count == 3
    assert master.chosen_in_all == pytest.approx(
        np.mean(master.frequency[master.mask] == 3), abs=1e-12
    )
    assert 0.7 < master.chosen_in_all < 1
    with pytest.raises(ArrayError, match="A12"):
        master_aperture([])
    other = find_aperture(cut_out(shadows.exposed(shifted(0), 1e5, 3), 31, 30))
    with pytest.raises(ArrayError, match=r"A12.*x=11"):
        master_aperture([apertures[0], other])


def test_the_natural_break_of_a_flat_is_a_few_per_cent():
    breaks = [
        natural_break(cut_out(shadows.exposed(shifted(seed), 180000, seed), 30, 30))
        for seed in range(30)
    ]
    values = np.array([found.value for found in breaks])
    assert values.mean() == pytest.approx(0.05, abs=0.01)
    assert values.std() < 2 * np.mean([found.error for found in breaks])


def test_refusals():
    cut = cut_out(Frame(np.full((60, 60), 1e4)), 30, 30)
    with pytest.raises(ArrayError, match="A09"):
        find_aperture(cut, threshold=1.5)
    with pytest.raises(ArrayError, match="A12"):
        measure_transmission(cut, np.zeros((3, 3), bool))
    with pytest.raises(ArrayError, match=r"A09.*aperture"):
        measure_transmission(cut, np.zeros((40, 40), bool))
    with pytest.raises(ArrayError, match=r"A09.*outside"):
        against_others(cut, np.ones((40, 40), bool))
    with pytest.raises(ArrayError, match=r"A09.*box"):
        measure_excess(cut, np.zeros((40, 40), bool))
