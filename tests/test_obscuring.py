"""Discs, rings and streaks: how much light they take, and where."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import as_frame
from fleckcore.simulate import Obstruction, blank_frame, obscure
from fleckcore.simulate.edges import bar_profile, disc_profile

SIZES = [(4, 4), (9, 6), (32, 32), (300, 300)]
SOFTNESSES = [0.0, 0.3, 0.99, 1.0, 3.0, 8.0]


def expected_area(item):
    if item.kind == "streak":
        return item.width * item.height
    full = math.pi / 4 * item.width * item.height
    return full * (1 - item.hole**2) if item.kind == "ring" else full


def centre(stamp, item):
    rows, cols = item.reach
    y, x = (np.average(grid, weights=stamp) for grid in np.indices(stamp.shape))
    return x - cols + round(item.x), y - rows + round(item.y)


@pytest.mark.parametrize("kind", ["disc", "ring", "streak"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("softness", SOFTNESSES)
def test_total_loss_is_area_times_depth_and_the_centre_is_kept(kind, size, softness):
    item = Obstruction(
        x=10.37,
        y=19.81,
        width=size[0],
        height=size[1],
        kind=kind,
        softness=softness,
        loss=0.02,
        angle=30,
        hole=0.4,
    )
    stamp = item.stamp()
    assert stamp.shape == (2 * item.reach[0] + 1, 2 * item.reach[1] + 1)
    assert stamp.sum() == pytest.approx(0.02 * expected_area(item), rel=1e-3)
    assert centre(stamp, item) == pytest.approx((10.37, 19.81), abs=0.01)
    assert stamp.min() >= -1e-12
    edge = np.concatenate([stamp[0], stamp[-1], stamp[:, 0], stamp[:, -1]])
    assert edge.max() < 1e-5 * 0.02  # nothing is cut off


def test_a_soft_disc_is_the_blur_of_a_sharp_one():
    """Against a sum over a fine grid: the edge where the Gaussian is as wide as half the disc is not an erf."""
    radius, sigma, step = 4.0, 2.0, 0.02
    at = np.arange(-radius + step / 2, radius, step)
    inside = at**2 + at[:, None] ** 2 <= radius**2
    for distance in (0.0, 2.0, 4.0, 7.0):
        gauss = np.exp(-0.5 * ((at - distance) ** 2 + at[:, None] ** 2) / sigma**2)
        brute = gauss[inside].sum() * step**2 / (2 * np.pi * sigma**2)
        assert disc_profile(np.array([distance]), radius, sigma)[0] == pytest.approx(
            brute, abs=3e-4
        )


def test_a_soft_edge_is_half_way_where_the_sharp_one_is():
    assert bar_profile(np.array([-50.0, 0.0, 50.0]), 100.0, 3.0) == pytest.approx([0.5, 1, 0.5])
    assert disc_profile(np.array([200.0]), 200.0, 1.0) == pytest.approx(0.5, abs=0.002)


def test_a_ring_is_clear_in_its_middle_and_a_disc_is_flat():
    about = {"x": 50.0, "y": 50.0, "width": 60, "height": 60, "loss": 0.1}
    ring = Obstruction(**about, kind="ring", hole=0.5)
    disc = Obstruction(**about, kind="disc")
    middle = ring.reach[0]
    assert ring.stamp()[middle, middle] == pytest.approx(0, abs=1e-9)
    assert ring.stamp()[middle, middle + 22] == pytest.approx(0.1)
    assert disc.stamp()[middle - 15 : middle + 16, middle - 15 : middle + 16] == pytest.approx(0.1)


def test_a_streak_points_from_x_towards_y():
    item = Obstruction(x=0, y=0, width=60, height=3, kind="streak", angle=30)
    stamp = item.stamp()
    rows, cols = item.reach
    y, x = np.indices(stamp.shape) - np.array([rows, cols])[:, None, None]
    xx, yy, xy = (np.average(v, weights=stamp) for v in (x * x, y * y, x * y))
    assert math.degrees(0.5 * math.atan2(2 * xy, xx - yy)) == pytest.approx(30, abs=0.01)
    assert rows < cols
    along = xx * math.cos(math.radians(30)) ** 2 + yy * 0.25 + 2 * xy * math.cos(math.pi / 6) * 0.5
    assert math.sqrt(12 * along) == pytest.approx(60, abs=0.3)


def test_area_counts_what_loses_more_than_five_per_cent():
    item = {"x": 0.2, "y": 0.4, "width": 40, "height": 40, "kind": "disc", "softness": 1.0}
    assert Obstruction(**item, loss=0.5).area == pytest.approx(math.pi * 21.28**2, rel=0.02)
    assert Obstruction(**item, loss=0.04).area == 0


@pytest.mark.parametrize("kind", ["fleck", "freckle", "disc", "ring", "streak"])
def test_obscuring_multiplies_data_and_error(kind):
    item = Obstruction(x=40.3, y=30.8, width=20, height=12, loss=0.3, kind=kind)
    light = np.full((64, 80), 500, np.uint16)
    frame = as_frame(light, error=20.0, chip=2)
    after = obscure(frame, [item])
    rows, cols = item.reach
    wanted = np.ones(frame.shape)
    wanted[31 - rows : 32 + rows, 40 - cols : 41 + cols] -= item.stamp()
    np.testing.assert_allclose(after.data, 500 * wanted, rtol=1e-6)
    np.testing.assert_allclose(after.error, 20 * wanted, rtol=1e-6)
    assert after.data.dtype == np.float32
    assert after.meta == frame.meta
    assert (light == 500).all()


@pytest.mark.parametrize(("x", "y"), [(-6.4, 20.0), (39.0, -3.7), (45.2, 33.1), (0.0, 0.0)])
def test_shadows_are_cut_off_at_the_edge(x, y):
    """A frame with a wide border shows the same pixels."""
    border, shape = 60, (30, 40)
    item = {"width": 24, "height": 24, "loss": 0.4, "kind": "disc"}
    small = obscure(np.ones(shape), [Obstruction(x=x, y=y, **item)]).data
    large = obscure(
        np.ones((shape[0] + 2 * border, shape[1] + 2 * border)),
        [Obstruction(x=x + border, y=y + border, **item)],
    ).data
    assert small.min() < 1
    np.testing.assert_allclose(small, large[border:-border, border:-border], atol=1e-12)


def test_shadows_beyond_the_frame_change_nothing():
    blank = blank_frame("white", shape=(40, 50))
    far = [
        Obstruction(x=x, y=y, width=8, height=8, kind="disc")
        for x, y in ((-100, 20), (200, 20), (20, -100), (20, 300))
    ]
    np.testing.assert_array_equal(obscure(blank, far).data, blank)


def test_overlapping_shadows_multiply():
    item = Obstruction(x=20, y=20, width=20, height=20, loss=0.5, kind="disc")
    assert obscure(np.ones((41, 41)), [item, item]).data[20, 20] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "donut"}, "M07"),
        ({"width": 0}, "A09"),
        ({"height": math.nan}, "A09"),
        ({"x": math.inf}, "A09"),
        ({"loss": 1.2}, "A09"),
        ({"softness": -1}, "A09"),
        ({"hole": 1.0}, "A09"),
    ],
)
def test_impossible_shadows_are_refused(changes, code):
    with pytest.raises((ArrayError, MetadataError), match=code):
        Obstruction(**{"x": 0, "y": 0, "width": 5, "height": 5, **changes})


def test_impossible_blank_frames_are_refused():
    with pytest.raises(MetadataError, match=r"M07.*wanted one of white, correlated"):
        blank_frame("pink")
    with pytest.raises(ArrayError, match="A09"):
        blank_frame("white", shape=(0, 5))


def test_correlated_noise_has_its_rms_everywhere():
    noise = blank_frame("correlated", shape=(600, 800), seed=4) - 1000.0
    assert noise.std() == pytest.approx(20, rel=0.02)
    edge = np.concatenate([noise[:3].ravel(), noise[-3:].ravel(), noise[:, :3].ravel()])
    assert edge.std() == pytest.approx(20, rel=0.05)
    assert np.mean(noise[:, 1:] * noise[:, :-1]) / 400 == pytest.approx(
        math.exp(-1 / (4 * 1.2**2)), abs=0.02
    )
