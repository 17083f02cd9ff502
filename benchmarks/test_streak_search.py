"""The search for streaks: one length and direction after another, and masks. Nothing else does that."""

from functools import lru_cache

import numpy as np
import pytest

from fleckcore.bench import frames, tasks

SHAPE = (1024, 1024)
DEPTH, CENTRE = 0.5, (400, 600)


@lru_cache(maxsize=1)
def lost():
    return np.random.default_rng(0).normal(0, 0.01, SHAPE).astype(np.float32)


def with_streak(angle):
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    along = (x - CENTRE[1]) * cos + (y - CENTRE[0]) * sin
    across = (y - CENTRE[0]) * cos - (x - CENTRE[1]) * sin
    return (lost() + DEPTH * ((np.abs(along) < 80) & (np.abs(across) <= 1.5))).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
@pytest.mark.parametrize("percent", [0, 1], ids="masked-{}".format)
@pytest.mark.parametrize("angle", [0, 30, 90], ids="{}-degrees".format)
@pytest.mark.parametrize("length", [16, 48, 96], ids="length-{}".format)
def test_streak_search(ours, length, angle, percent, threads):
    mask = frames.scattered(percent / 100, SHAPE) if percent else None
    name = f"length {length}, {angle} degrees float32, {percent} % masked"
    found = ours(tasks.streak(name, with_streak(angle), length, angle, mask), threads)
    near = np.s_[CENTRE[0] - 1 : CENTRE[0] + 2, CENTRE[1] - 1 : CENTRE[1] + 2]
    assert np.nanmax(found[near]) == pytest.approx(DEPTH, rel=0.1)
    assert np.nanmedian(np.abs(found)) < 0.01
