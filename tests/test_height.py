"""Shadows in two lights: their shift, whether it is common, how soft they are, how high what casts them lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from exposed import SIDE, exposed, pull
from fleckcore.errors import ArrayError
from fleckcore.measure import (
    ApertureShift,
    CutOut,
    Penumbra,
    aperture_shift,
    common_shift,
    cut_out,
    height_of_penumbra,
    height_of_shift,
    penumbra,
)
from fleckcore.simulate import Obstruction
from fleckcore.simulate.shading import shade

SEEDS = 300
LAMP, FLASH = (60_000.0, 3), (64.0, 28)
LARGER = Obstruction(x=30, y=30, width=14.0, height=12.9)
ELONGATED = Obstruction(x=30, y=30, width=4.4, height=13.8)


def shadow(
    item: Obstruction,
    light: tuple[float, int],
    random: np.random.Generator,
    *,
    response: float | np.ndarray = 1.0,
    slope: tuple[float, float] = (0.0, 0.0),
    shape: tuple[int, int] = (40, 40),
) -> CutOut:
    """A cut-out of a shadow, in light that varies over the frame."""
    level, exposures = light
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    mean = level * (1 + slope[0] * x + slope[1] * y) * response
    shade((mean,), item)
    return cut_out(exposed(mean, exposures, random), SIDE / 2, SIDE / 2, shape=shape)


def two_lights(
    item: Obstruction, move: tuple[float, float], seed: int, *, other: tuple[float, int] = FLASH
) -> ApertureShift:
    random = np.random.default_rng(seed)
    response = 1 + 0.005 * random.standard_normal((SIDE, SIDE))
    x, y = SIDE / 2 + random.uniform(-0.5, 0.5, 2)
    lamp = replace(item, x=x, y=y)
    led = replace(item, x=x + move[0], y=y + move[1], loss=0.95 * item.loss)
    return aperture_shift(
        shadow(lamp, LAMP, random, response=response, slope=(2e-5, 1e-5)),
        shadow(led, other, random, response=response, slope=(1e-4, -1e-4)),
    )


@pytest.mark.parametrize(
    ("item", "move", "other"),
    [
        pytest.param(LARGER, (0.8, -0.6), FLASH, id="larger"),
        pytest.param(ELONGATED, (0.8, -0.6), FLASH, id="elongated"),
        pytest.param(LARGER, (-2.0, 1.0), (4600.0, 3), id="a reference of much light"),
        pytest.param(LARGER, (0.0, 0.0), (64.0, 1), id="one dark"),
    ],
)
def test_errors_of_a_shift_are_right(item, move, other):
    found = [two_lights(item, move, seed, other=other) for seed in range(SEEDS)]
    for mean, width in (
        pull([(one.dx - move[0]) / one.dx_error for one in found]),
        pull([(one.dy - move[1]) / one.dy_error for one in found]),
        pull([one.chi2_none for one in found]) if not any(move) else (0, 1),
    ):
        if any(move) or mean < 1:
            assert abs(mean) < 0.1
            assert width == pytest.approx(1, abs=0.1)
        else:  # chi-square of two
            assert mean == pytest.approx(2, abs=0.4)


def test_maps_of_what_differs():
    level = np.full((SIDE, SIDE), 100.0)
    first, second = level.copy(), level.copy()
    first[28:34, 28:34] = 10
    second[28:34, 30:36] = 10
    found = aperture_shift(cut_out(_noisy(first), 30, 30), cut_out(_noisy(second), 32, 31))
    assert (found.dx, found.dy) == pytest.approx((2, 0), abs=0.05)
    assert (found.length, found.angle) == pytest.approx((2, 0), abs=1)
    assert (found.x0, found.y0) == (12, 11)
    at = np.s_[28 - found.y0 : 34 - found.y0]
    assert_array_equal(np.flatnonzero(found.only_one[at].all(axis=0)) + found.x0, [28, 29])
    assert_array_equal(np.flatnonzero(found.only_other[at].all(axis=0)) + found.x0, [34, 35])
    counted = [int(one.sum()) for one in (found.only_one, found.only_other, found.both)]
    assert counted == [12, 12, 24]


def _noisy(light: np.ndarray):
    noise = 0.1 * np.random.default_rng(1).standard_normal(light.shape)
    return exposed(light, 10**6, np.random.default_rng(2)).replace(data=light + noise)


def test_apertures_may_be_given():
    cut = shadow(LARGER, LAMP, np.random.default_rng(1))
    mask = cut.loss > 0.5
    found = aperture_shift(cut, cut, apertures=(mask, ~mask))
    assert_array_equal(found.only_one, mask)
    assert_array_equal(found.only_other, ~mask)
    assert not found.both.any()
    with pytest.raises(ArrayError, match="A12"):
        aperture_shift(cut, cut, apertures=(mask, mask[1:]))


def test_unusable_pixels_count_in_neither():
    one = shadow(LARGER, LAMP, np.random.default_rng(1))
    other = shadow(LARGER, LAMP, np.random.default_rng(2))
    light = other.light.copy()
    light[20, 24:27] = np.nan
    found = aperture_shift(one, replace(other, light=light))
    assert abs(found.dx) < 5 * found.dx_error


def test_a_common_shift():
    p_values, pulls = [], []
    for seed in range(200):
        shifts = [
            two_lights(item, (0.8, -0.6), seed + n) for n, item in ((0, LARGER), (9000, ELONGATED))
        ]
        found = common_shift(shifts)
        p_values.append(found.p_value)
        pulls.append((found.dx - 0.8) / found.dx_error)
        assert found.degrees == 2
        assert found.dx_error < min(one.dx_error for one in shifts)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    mean, width = pull(pulls)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)


def test_shifts_that_are_not_common():
    shifts = [two_lights(LARGER, (0.8, -0.6), 1), two_lights(ELONGATED, (-0.8, 0.6), 2)]
    found = common_shift(shifts)
    assert found.p_value < 1e-6
    assert found.p_value == pytest.approx(stats.chi2.sf(found.chi2, 2))
    three = common_shift([*shifts, two_lights(LARGER, (0.0, 0.0), 3)])
    assert three.degrees == 4
    assert three.p_value == pytest.approx(stats.chi2.sf(three.chi2, 4))


def test_one_shift_is_common_to_itself():
    one = two_lights(LARGER, (0.8, -0.6), 1)
    found = common_shift([one])
    assert (found.dx, found.dy, found.p_value) == pytest.approx((one.dx, one.dy, 1))
    assert_allclose(found.covariance, one.covariance)


@pytest.mark.parametrize(
    ("radius", "blur"), [(7.0, 1.0), (7.0, 2.5), (4.0, 1.5)], ids=["sharp", "soft", "small"]
)
def test_errors_of_a_penumbra_are_right(radius, blur):
    """The truth is the variance of the Gaussian that blurs an opaque disc."""
    pulls, radii = [], []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        x, y = SIDE / 2 + random.uniform(-0.5, 0.5, 2)
        disc = Obstruction(
            x=x, y=y, width=2 * radius, height=2 * radius, kind="disc", softness=blur
        )
        found = penumbra(shadow(disc, FLASH, random, shape=(SIDE, SIDE)))
        pulls.append((found.variance - blur**2) / found.variance_error)
        radii.append(found.radius)
    mean, width = pull(pulls)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)
    assert np.mean(radii) == pytest.approx(radius, rel=0.01)


def test_an_even_pupil():
    """Its blur is a disc, not a Gaussian: the width comes out 2 % too large at most."""
    y, x = np.mgrid[-300:300, -300:300] + 0.5
    sharp, pupil = np.hypot(x, y) < 100, np.hypot(x, y) < 40
    lost = (
        np.fft.ifft2(np.fft.fft2(sharp) * np.fft.fft2(np.fft.ifftshift(pupil))).real / pupil.sum()
    )
    light = 1 - lost.reshape(60, 10, 60, 10).mean(axis=(1, 3))
    random = np.random.default_rng(1)
    cut = cut_out(exposed(1e6 * light, 100, random), 30, 30, shape=(60, 60))
    assert penumbra(cut).width == pytest.approx(8, rel=0.03)


def test_blur_of_the_detector_and_depth():
    disc = Obstruction(x=30, y=30, width=14, height=14, kind="disc", softness=1.5, loss=0.6)
    cut = shadow(disc, LAMP, np.random.default_rng(1))
    sharp = penumbra(cut, depth=0.6)
    assert sharp.variance == pytest.approx(1.5**2, abs=0.1)
    assert penumbra(cut, depth=0.6, blur=1.2).variance == pytest.approx(sharp.variance - 1.44)
    assert penumbra(cut).variance > 2 * sharp.variance


def test_height_of_a_penumbra():
    soft = Penumbra(variance=4.0, variance_error=0.4, radius=7)
    found = height_of_penumbra(soft, f_ratio=25, pixel_size_um=15)
    assert found.um == pytest.approx(8 * 25 * 15)
    assert found.error_um == pytest.approx(0.8 / 2 * 25 * 15, rel=0.01)
    assert found.limit_um > found.um + found.error_um
    none = Penumbra(variance=-0.1, variance_error=0.1, radius=7)
    touching = height_of_penumbra(none, f_ratio=25, pixel_size_um=15)
    assert touching.um == 0
    assert touching.limit_um == pytest.approx(4 * np.sqrt(0.1645) * 25 * 15, rel=0.01)


def test_shadows_of_window_and_filters_lie_as_far_apart_as_their_sizes_say():
    """ACS/WFC: about 100 pixels from the window's dust, 350 to 400 from that of the filters, some 10 of a fleck."""
    heights = [
        height_of_penumbra(
            Penumbra(variance=(width / 4) ** 2, variance_error=1e-6, radius=5),
            f_ratio=25,
            pixel_size_um=15,
        ).um
        for width in (10, 100, 350, 400)
    ]
    assert_allclose(heights, [3_750, 37_500, 131_250, 150_000])


def test_height_of_a_shift():
    shift = two_lights(LARGER, (0.8, -0.6), 1)
    found = height_of_shift(shift, tilt=(0.08, -0.06), pixel_size_um=15)
    assert found.um == pytest.approx(150, abs=4 * found.error_um)
    assert found.error_um == pytest.approx(15 * shift.dx_error / 0.1, rel=0.1)
    none = height_of_shift(two_lights(LARGER, (0.0, 0.0), 2), tilt=(0.08, -0.06), pixel_size_um=15)
    assert abs(none.um) < 3 * none.error_um
    assert none.limit_um >= 1.64 * none.error_um


def test_errors_of_the_height_are_right():
    pulls = []
    for seed in range(SEEDS):
        found = height_of_shift(
            two_lights(LARGER, (0.4, 0.3), seed), tilt=(0.04, 0.03), pixel_size_um=15
        )
        pulls.append((found.um - 150) / found.error_um)
    mean, width = pull(pulls)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)


def test_refusals():
    cut = shadow(LARGER, LAMP, np.random.default_rng(1))
    far = replace(cut, x0=cut.x0 + 100)
    with pytest.raises(ArrayError, match=r"A09.*overlap"):
        aperture_shift(cut, far)
    bright = replace(cut, light=np.ones_like(cut.light))
    with pytest.raises(ArrayError, match=r"A09.*no pixel loses light"):
        aperture_shift(bright, bright)
    with pytest.raises(ArrayError, match=r"A09.*ground"):
        penumbra(cut, margin=40)
    with pytest.raises(ArrayError, match=r"A09.*softer"):
        penumbra(cut, depth=20)
    with pytest.raises(ArrayError, match=r"A09.*one or more"):
        common_shift([])
    shift = aperture_shift(cut, cut)
    with pytest.raises(ArrayError, match=r"A09.*one or more"):
        common_shift([replace(shift, covariance=np.zeros((2, 2)))])
    with pytest.raises(ArrayError, match=r"A09.*direction"):
        height_of_shift(shift, tilt=(0, 0), pixel_size_um=15)
