"""The yardsticks of the benchmarks: where the simulated shadows lie, and how exactly one can be measured."""

import numpy as np
import pytest

from known_shadows import NOISE, SIZE, SOFTNESS, apart, limit, pairs, shadow


def test_the_limit_of_a_disc_is_that_of_its_blurred_edge():
    radius, depth = 60, 0.03
    blur = np.hypot(SOFTNESS, 12**-0.5)  # with the pixel's own
    along_x = (
        depth**2 / (2 * np.sqrt(np.pi) * blur) * np.pi * radius
    )  # integral of the slope squared
    assert limit(shadow("disc", 0, 0, radius, depth)).centre == pytest.approx(
        NOISE / np.sqrt(along_x), rel=0.02
    )


def test_a_shadow_twice_as_deep_is_measured_twice_as_well():
    shallow, deep = (limit(shadow("ring", 0, 0, 30, depth)) for depth in (0.002, 0.004))
    assert shallow.centre == pytest.approx(2 * deep.centre, rel=0.01)
    assert shallow.radius == pytest.approx(2 * deep.radius, rel=0.01)
    assert deep.significance == pytest.approx(2 * shallow.significance, rel=0.01)


@pytest.mark.parametrize("size", [4, 30, 150])
def test_shadows_apart_touch_no_other_and_the_cut_ones_reach_across_the_edge(size):
    scene = list(apart("disc", size, 0.1, np.random.default_rng(1)))
    assert {item.situation for item in scene} == {"inside", "cut"}
    for number, item in enumerate(scene):
        about = item.obstruction
        inside = size < about.x < SIZE - 1 - size
        assert inside == (item.situation == "inside")
        for other in scene[:number]:
            away = np.hypot(about.x - other.obstruction.x, about.y - other.obstruction.y)
            assert away > item.radius + other.radius


@pytest.mark.parametrize(("situation", "apart_by"), [("touching", 2), ("half", 1)])
def test_pairs_lie_as_far_apart_as_their_name_says(situation, apart_by):
    scene = [
        s for s in pairs("ring", 60, 0.1, np.random.default_rng(1)) if s.situation == situation
    ]
    for left, right in zip(scene[::2], scene[1::2], strict=True):
        assert right.obstruction.x - left.obstruction.x == pytest.approx(apart_by * 60)
        assert right.obstruction.y == left.obstruction.y
