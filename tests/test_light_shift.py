"""How far a shadow lies from where another light casts it, and whether several do so alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from exposed import FLASH, LAMP, SIDE, pull, shadow
from fleckcore.errors import ArrayError
from fleckcore.measure import (
    Shift,
    centroid_scatter,
    combine_shifts,
    find_aperture,
    light_shift,
)
from fleckcore.simulate import Obstruction

SEEDS = 1000
LARGER = Obstruction(x=30, y=30, width=14.0, height=12.9)
ELONGATED = Obstruction(x=30, y=30, width=4.4, height=13.8)


def two_lights(
    item: Obstruction, move: tuple[float, float], seed: int, *, flash: tuple[float, int] = FLASH
) -> Shift:
    random = np.random.default_rng(seed)
    response = 1 + 0.005 * random.standard_normal((SIDE, SIDE))
    x, y = SIDE / 2 + random.uniform(-0.5, 0.5, 2)
    lamp = replace(item, x=x, y=y)
    led = replace(item, x=x + move[0], y=y + move[1], loss=0.95 * item.loss)
    other = shadow(lamp, LAMP, random, response=response, slope=(2e-5, 1e-5))
    one = shadow(led, flash, random, response=response, slope=(1e-4, -1e-4))
    return light_shift(one, other, find_aperture(other).mask)


@pytest.mark.parametrize(
    ("item", "move", "flash"),
    [
        pytest.param(LARGER, (0.8, -0.6), FLASH, id="larger"),
        pytest.param(ELONGATED, (0.8, -0.6), FLASH, id="elongated"),
        pytest.param(LARGER, (-2.0, 1.0), (4600.0, 3), id="much light"),
        pytest.param(LARGER, (0.0, 0.0), (64.0, 1), id="one dark"),
    ],
)
def test_errors_are_right(item, move, flash):
    found = [two_lights(item, move, seed, flash=flash) for seed in range(SEEDS)]
    for pulls in (
        [(one.dx - move[0]) / one.dx_error for one in found],
        [(one.dy - move[1]) / one.dy_error for one in found],
    ):
        mean, width = pull(pulls)
        assert abs(mean) < 0.1
        assert width == pytest.approx(1, abs=0.1)
    if not any(move):
        assert stats.kstest([one.chi_square for one in found], stats.chi2(2).cdf).pvalue > 0.01


def test_errors_of_noise_that_pixels_share():
    """Noise that goes on along columns, as after the correction of charge transfer, and a pattern of columns."""

    def flashed(seed, item):
        random = np.random.default_rng(seed)
        cut = shadow(item, FLASH, random)
        noise = 0.03 * random.standard_normal((SIDE + 3, SIDE))
        noise = noise[:-3] + noise[1:-2] + noise[2:-1] + noise[3:]
        noise = noise + 0.01 * random.standard_normal(SIDE)
        return replace(cut, light=cut.light + noise[: cut.light.shape[0], : cut.light.shape[1]])

    other = shadow(LARGER, LAMP, np.random.default_rng(0))
    feature = find_aperture(other).mask
    nothing = replace(LARGER, loss=0.0)
    empty = [flashed(seed, nothing) for seed in range(1000, 1600)]
    covariance = centroid_scatter(empty, other, feature)
    lamps = [shadow(LARGER, LAMP, np.random.default_rng(seed)) for seed in range(5000, 6000)]
    found = [
        light_shift(flashed(seed, LARGER), lamps[seed], feature, covariance=covariance)
        for seed in range(SEEDS)
    ]
    alone = light_shift(flashed(1, LARGER), other, feature)
    assert found[1].dy_error > 1.3 * alone.dy_error
    for pulls in (
        [one.dx / one.dx_error for one in found],
        [one.dy / one.dy_error for one in found],
    ):
        mean, width = pull(pulls)
        assert abs(mean) < 0.1
        assert width == pytest.approx(1, abs=0.1)
    with pytest.raises(ArrayError, match=r"A09.*19 empty places"):
        centroid_scatter(empty[:19], other, feature)
    with pytest.raises(ArrayError, match="A12"):
        centroid_scatter([replace(empty[0], light=empty[0].light[1:])], other, feature)


def test_unusable_pixels_do_not_count():
    random = np.random.default_rng(1)
    one, other = (shadow(LARGER, LAMP, random) for _ in range(2))
    light = other.light.copy()
    light[10, 24:27] = np.nan
    found = light_shift(one, replace(other, light=light), find_aperture(one).mask)
    assert np.hypot(found.dx, found.dy) < 0.02


def test_two_features_that_move_alike():
    chances, pulls = [], []
    for seed in range(SEEDS):
        shifts = [
            two_lights(item, (0.8, -0.6), seed + n) for n, item in ((0, LARGER), (9000, ELONGATED))
        ]
        found = combine_shifts(shifts)
        chances.append(found.common_p)
        pulls.append((found.dx - 0.8) / found.dx_error)
        assert found.degrees == 2
        assert found.dx_error < min(one.dx_error for one in shifts)
    assert stats.kstest(chances, "uniform").pvalue > 0.01
    mean, width = pull(pulls)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)


def test_two_features_that_do_not():
    shifts = [two_lights(LARGER, (0.8, -0.6), 1), two_lights(ELONGATED, (-0.8, 0.6), 2)]
    found = combine_shifts(shifts)
    assert found.common_p < 1e-6
    assert found.common_p == pytest.approx(stats.chi2.sf(found.disagreement, 2))
    three = combine_shifts([*shifts, two_lights(LARGER, (0.0, 0.0), 3)])
    assert three.degrees == 4
    assert three.common_p == pytest.approx(stats.chi2.sf(three.disagreement, 4))


def test_one_shift_is_common_to_itself():
    one = two_lights(LARGER, (0.8, -0.6), 1)
    found = combine_shifts([one])
    assert (found.dx, found.dy, found.common_p) == pytest.approx((one.dx, one.dy, 1))
    assert_allclose(found.covariance, one.covariance)


def test_refusals():
    cut = shadow(LARGER, LAMP, np.random.default_rng(1))
    feature = find_aperture(cut).mask
    with pytest.raises(ArrayError, match="A12"):
        light_shift(cut, replace(cut, x0=cut.x0 + 1), feature)
    with pytest.raises(ArrayError, match="A12"):
        light_shift(cut, cut, feature[1:])
    with pytest.raises(ArrayError, match=r"A09.*no light is lost"):
        light_shift(cut, replace(cut, light=2 - cut.light), feature)
    with pytest.raises(ArrayError, match=r"A09.*ground"):
        light_shift(cut, cut, np.ones_like(feature))
