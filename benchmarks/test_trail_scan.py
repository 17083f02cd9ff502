"""Trails of a whole chip: searching every pixel for seeds, and walking from given ones. Nothing else does that."""

from functools import lru_cache

import numpy as np
import pytest

from fleckcore.bench import frames, tasks
from fleckcore.kernels import trail_scan

THREADS = pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
SIGMA = frames.NOISE * frames.LEVEL
SINKS = 20_000

scattered = lru_cache(maxsize=1)(frames.scattered)


@lru_cache(maxsize=1)
def sky(dtype="float32", bright=0):
    """Noise, and pixels far above it: seeds."""
    rng = np.random.default_rng(0)
    data = rng.normal(frames.LEVEL, SIGMA, frames.SHAPE)
    data[tuple(rng.integers(0, side, bright) for side in data.shape)] += 20 * SIGMA
    return data.astype(dtype)


@THREADS
@pytest.mark.parametrize("direction", ["+y", "+x"])
@pytest.mark.parametrize("percent", [0, 1, 50], ids="masked-{}".format)
@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_few_seeds(ours, dtype, percent, direction, threads):
    """Noise alone passes 4.8 sigma here and there: what is left is the search of every pixel."""
    mask = scattered(percent / 100) if percent else None
    name = f"few seeds {direction} {dtype}, {percent} % masked"
    scan = ours(tasks.trail(name, sky(dtype), direction, 4.8, mask), threads)
    assert len(scan.row) < 500


@THREADS
@pytest.mark.parametrize("direction", ["+y", "-y", "+x", "-x"])
def test_many_seeds(ours, direction, threads):
    task = tasks.trail(f"many seeds {direction} float32", sky(bright=SINKS), direction, 10)
    assert len(ours(task, threads).row) == pytest.approx(SINKS, rel=0.05)


@THREADS
def test_given_seeds(timed, threads):
    data = sky(bright=SINKS)
    seeds = np.argwhere(data > frames.LEVEL + 10 * SIGMA)
    task = tasks.trail("given seeds float32", data, "+y", 10)
    scan = timed(
        task,
        lambda: trail_scan(
            data,
            direction="+y",
            seeds=seeds,
            noise=SIGMA,
            max_length=12,
            n_sigma=-np.inf,
            threads=threads,
        ),
        program="fleckcore",
        threads=threads,
    )
    assert np.median(scan.length) == 12
