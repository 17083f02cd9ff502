"""Trails of a whole chip: finding the seeds, and walking from given ones."""

import numpy as np
import pytest

from fleckcore.kernels import trail_scan


@pytest.fixture(scope="module")
def chip():
    rng = np.random.default_rng(0)
    data = rng.normal(64, 4, (4096, 2048)).astype(np.float32)
    sinks = rng.integers(0, 4096, 20_000), rng.integers(0, 2048, 20_000)
    data[sinks] -= 50
    return data


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("direction", ["+y", "-y", "+x"])
def test_whole_chip(benchmark, chip, direction, threads):
    scan = benchmark(
        trail_scan, chip, direction=direction, seed_threshold=-30.0, noise=4.0, threads=threads
    )
    assert 19_000 < len(scan.row) < 21_000


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("direction", ["+y", "-y", "+x", "-x"])
def test_few_seeds(benchmark, direction, threads):
    """Noise alone passes 4.8 sigma here and there: what is left is the search of every pixel."""
    data = np.random.default_rng(1).normal(64, 4, (4096, 2048)).astype(np.float32)
    scan = benchmark(
        trail_scan, data, direction=direction, seed_threshold=19.0, noise=4.0, threads=threads
    )
    assert 10 < len(scan.row) < 500


@pytest.mark.parametrize("threads", [1, 2])
def test_given_seeds(benchmark, chip, threads):
    seeds = np.argwhere(chip < 30)
    scan = benchmark(
        trail_scan, chip, direction="+y", seeds=seeds, noise=4.0, max_length=12, n_sigma=-np.inf,
        threads=threads,
    )  # fmt: skip
    assert np.median(scan.length) == 12
