"""The search for large shadows: one radius after another, types, and masks. Nothing else does that."""

from functools import lru_cache

import numpy as np
import pytest

import reference
from fleckcore.bench import frames, tasks

SHAPE = (1024, 1024)
DEPTH, CENTRE = 0.5, (400, 600)


@lru_cache(maxsize=1)
def lost():
    return np.random.default_rng(0).normal(0, 0.01, SHAPE).astype(np.float32)


def with_ring(radius, dtype):
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - CENTRE[0], x - CENTRE[1])
    ring = (distance >= radius / 2) & (distance <= radius)
    return (lost() + DEPTH * ring).astype(dtype)


def additions(radius):
    """Of one frame, where all pixels count."""
    core, rims, besides = reference.shadow_zones(radius, int(1.2 * radius) + 1)
    return SHAPE[0] * SHAPE[1] * int(np.sum([core, *rims, *besides]))


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
@pytest.mark.parametrize("percent", [0, 1, 50], ids="masked-{}".format)
@pytest.mark.parametrize("radius", [6, 8, 11, 16, 32], ids="radius-{}".format)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shadow_search(ours, benchmark, dtype, radius, percent, threads):
    mask = frames.scattered(percent / 100, SHAPE) if percent else None
    name = f"radius {radius} {dtype}, {percent} % masked"
    found = ours(tasks.shadow(name, with_ring(radius, dtype), radius, mask), threads)
    best = np.unravel_index(np.nanargmax(found), SHAPE)
    assert np.hypot(*np.subtract(best, CENTRE)) < 2
    if percent < 50:
        assert found[CENTRE] == pytest.approx(DEPTH, rel=0.03)
    if benchmark.enabled and not percent:
        benchmark.extra_info["10^9 additions a second"] = (
            additions(radius) / benchmark.stats.stats.min / 1e9
        )
