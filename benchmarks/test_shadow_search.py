"""The search for large shadows: one radius after another, with one and two threads, and with a mask."""

import numpy as np
import pytest

import reference
from fleckcore.kernels import shadow_search

SHAPE = (1024, 1024)
DEPTH, CENTRE = 0.5, (400, 600)


@pytest.fixture(scope="module")
def lost():
    return np.random.default_rng(0).normal(0, 0.01, SHAPE).astype(np.float32)


def with_ring(lost, radius):
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - CENTRE[0], x - CENTRE[1])
    ring = (distance >= radius / 2) & (distance <= radius)
    return (lost + DEPTH * ring).astype(np.float32)


def additions(radius):
    """Of one frame, where all pixels count."""
    core, rims, besides = reference.shadow_zones(radius, int(1.2 * radius) + 1)
    return SHAPE[0] * SHAPE[1] * int(np.sum([core, *rims, *besides]))


def assert_finds(found):
    assert found[CENTRE] == pytest.approx(DEPTH, rel=0.03)
    best = np.unravel_index(np.nanargmax(found), SHAPE)
    assert np.hypot(*np.subtract(best, CENTRE)) < 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("radius", [6, 8, 11, 16, 32])
def test_radius(benchmark, lost, radius, threads):
    data = with_ring(lost, radius)
    found = benchmark.pedantic(
        shadow_search, (data, radius), {"threads": threads}, rounds=7, warmup_rounds=1
    )
    assert_finds(found)
    if benchmark.enabled:
        rate = additions(radius) / benchmark.stats.stats.min / 1e9
        benchmark.extra_info["Gadd/s"] = rate
        print(f"radius {radius}, {threads} threads: {rate:.1f} Gadd/s")


@pytest.mark.parametrize("threads", [1, 2])
def test_masked(benchmark, lost, threads):
    """1 % of the pixels at random: what counts is added up everywhere."""
    mask = np.random.default_rng(1).random(SHAPE) < 0.01
    options = {"mask": mask, "threads": threads}
    found = benchmark.pedantic(
        shadow_search, (with_ring(lost, 11), 11), options, rounds=7, warmup_rounds=1
    )
    assert_finds(found)
