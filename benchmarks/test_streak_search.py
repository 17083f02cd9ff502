"""The search for streaks: one length after another, with one and two threads, and with a mask."""

import numpy as np
import pytest

from fleckcore.kernels import streak_search

SHAPE = (1024, 1024)
DEPTH, CENTRE, ANGLE = 0.5, (400, 600), 30.0


@pytest.fixture(scope="module")
def lost():
    return np.random.default_rng(0).normal(0, 0.01, SHAPE).astype(np.float32)


def with_streak(lost):
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    cos, sin = np.cos(np.radians(ANGLE)), np.sin(np.radians(ANGLE))
    along = (x - CENTRE[1]) * cos + (y - CENTRE[0]) * sin
    across = (y - CENTRE[0]) * cos - (x - CENTRE[1]) * sin
    return (lost + DEPTH * ((np.abs(along) < 80) & (np.abs(across) <= 1.5))).astype(np.float32)


def assert_finds(found):
    assert found[CENTRE] == pytest.approx(DEPTH, rel=0.05)
    assert np.nanmedian(np.abs(found)) < 0.01


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("length", [16, 48, 96])
def test_length(benchmark, lost, length, threads):
    data, options = with_streak(lost), {"threads": threads}
    found = benchmark.pedantic(
        streak_search, (data, length, ANGLE), options, rounds=7, warmup_rounds=1
    )
    assert_finds(found)


@pytest.mark.parametrize("threads", [1, 2])
def test_masked(benchmark, lost, threads):
    """1 % of the pixels at random: what counts is added up everywhere."""
    options = {"mask": np.random.default_rng(1).random(SHAPE) < 0.01, "threads": threads}
    found = benchmark.pedantic(
        streak_search, (with_streak(lost), 48, ANGLE), options, rounds=7, warmup_rounds=1
    )
    assert_finds(found)
