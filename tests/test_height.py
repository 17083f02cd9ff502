"""How soft shadows are, and how high what casts them lies, by softness and by shift."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from exposed import FLASH, LAMP, SIDE, exposed, pull, shadow
from fleckcore.errors import ArrayError
from fleckcore.measure import (
    Penumbra,
    Shift,
    cut_out,
    find_aperture,
    height_of_penumbra,
    height_of_shift,
    light_shift,
    penumbra,
)
from fleckcore.simulate import Obstruction

SEEDS = 1000
F_RATIO, PIXEL_UM = 25.0, 15.0


def disc(radius: float, blur: float, random: np.random.Generator, **more: float) -> Obstruction:
    """The shadow of an opaque round particle somewhere in the middle."""
    x, y = SIDE / 2 + random.uniform(-0.5, 0.5, 2)
    size = 2 * radius
    return Obstruction(x=x, y=y, width=size, height=size, kind="disc", softness=blur, **more)


@pytest.mark.parametrize(
    ("radius", "blur"), [(7.0, 1.0), (7.0, 2.5), (4.0, 1.5)], ids=["sharp", "soft", "small"]
)
def test_errors_of_softness_and_height_are_right(radius, blur):
    """A disc at a height blurs its shadow by a fourth of the width of the light's cone there."""
    height = 4 * blur * F_RATIO * PIXEL_UM
    pulls, heights, radii = [], [], []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        cut = shadow(disc(radius, blur, random), FLASH, random, shape=(SIDE, SIDE))
        soft = penumbra(cut, find_aperture(cut, threshold=0.3).mask)
        found = height_of_penumbra(soft, f_ratio=F_RATIO, pixel_size_um=PIXEL_UM)
        pulls.append((soft.variance - blur**2) / soft.variance_error)
        heights.append((found.um - height) / found.error_um)
        radii.append(soft.radius)
    for values in (pulls, heights):
        mean, width = pull(values)
        assert abs(mean) < 0.1
        assert width == pytest.approx(1, abs=0.1)
    assert np.mean(radii) == pytest.approx(radius, rel=0.01)


def test_errors_of_a_height_by_shift_are_right():
    """150 um, in light that is tilted by a 20th from the other."""
    tilt, height, pulls = (0.04, 0.03), 150.0, []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        lamp = disc(7.0, 1.0, random)
        moved = [height * part / PIXEL_UM for part in tilt]
        led = Obstruction(
            x=lamp.x + moved[0], y=lamp.y + moved[1], width=14, height=14, kind="disc", softness=1.5
        )
        other = shadow(lamp, LAMP, random)
        shift = light_shift(shadow(led, FLASH, random), other, find_aperture(other).mask)
        found = height_of_shift(shift, tilt=tilt, pixel_size_um=PIXEL_UM)
        pulls.append((found.um - height) / found.error_um)
    mean, width = pull(pulls)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)


def test_an_even_pupil():
    """Its blur is a disc, not a Gaussian: the width comes out 3 % too large at most."""
    y, x = np.mgrid[-300:300, -300:300] + 0.5
    sharp, pupil = np.hypot(x, y) < 100, np.hypot(x, y) < 40
    lost = (
        np.fft.ifft2(np.fft.fft2(sharp) * np.fft.fft2(np.fft.ifftshift(pupil))).real / pupil.sum()
    )
    light = 1 - lost.reshape(60, 10, 60, 10).mean(axis=(1, 3))
    cut = cut_out(exposed(1e6 * light, 100, np.random.default_rng(1)), 30, 30, shape=(60, 60))
    assert penumbra(cut, find_aperture(cut).mask).width == pytest.approx(8, rel=0.03)


def test_a_shadow_that_lets_light_through_looks_softer():
    random = np.random.default_rng(1)
    cut = shadow(disc(7.0, 1.5, random, loss=0.8), LAMP, random)
    assert penumbra(cut, find_aperture(cut).mask).variance > 2 * 1.5**2


def test_a_wide_blur_is_summed_over_as_far_as_it_reaches():
    random = np.random.default_rng(1)
    cut = shadow(disc(7.0, 3.0, random), LAMP, random, shape=(SIDE, SIDE))
    assert penumbra(cut, cut.loss > 0.8).variance == pytest.approx(9, rel=0.02)


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


def test_height_of_a_shift():
    still = Shift(0.0, 0.0, np.diag([0.03**2, 0.03**2]))
    moved = Shift(0.8, -0.6, still.covariance)
    found = height_of_shift(moved, tilt=(0.08, -0.06), pixel_size_um=15)
    assert found.um == pytest.approx(150)
    assert found.error_um == pytest.approx(15 * 0.03 / 0.1)
    across = height_of_shift(moved, tilt=(0.06, 0.08), pixel_size_um=15)
    assert across.um == pytest.approx(0)
    none = height_of_shift(still, tilt=(0.08, -0.06), pixel_size_um=15)
    assert none.um == 0
    assert none.limit_um == pytest.approx(1.645 * none.error_um, rel=1e-3)


def test_shadows_of_window_and_filters_lie_as_far_apart_as_their_sizes_say():
    """ACS/WFC: about 100 pixels from the window's dust, 350 to 400 from that of the filters, some 10 of a fleck."""
    heights = [
        height_of_penumbra(
            Penumbra(variance=(width / 4) ** 2, variance_error=1e-6, radius=5),
            f_ratio=F_RATIO,
            pixel_size_um=PIXEL_UM,
        ).um
        for width in (10, 100, 350, 400)
    ]
    assert_allclose(heights, [3_750, 37_500, 131_250, 150_000])


def test_refusals():
    random = np.random.default_rng(1)
    cut = shadow(disc(7.0, 1.0, random), LAMP, random)
    with pytest.raises(ArrayError, match="A12"):
        penumbra(cut, np.ones((3, 3), bool))
    with pytest.raises(ArrayError, match=r"A09.*ground"):
        penumbra(cut, np.ones(cut.light.shape, bool))
    faint = shadow(disc(7.0, 1.0, random, loss=0.05), LAMP, random)
    with pytest.raises(ArrayError, match=r"A09.*softer"):
        penumbra(faint, find_aperture(cut).mask)
    with pytest.raises(ArrayError, match=r"A09.*direction"):
        height_of_shift(Shift(1.0, 0.0, np.eye(2)), tilt=(0, 0), pixel_size_um=15)
