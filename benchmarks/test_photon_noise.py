"""Photon and read noise, by level and threads; numpy beside it."""

from functools import partial

import numpy as np
import pytest

from fleckcore.bench.measure import Case
from fleckcore.kernels import photon_noise

SHAPE = (1024, 1024)
READ_NOISE = 4.0


def level(mean):
    return (mean * np.linspace(0.5, 1.5, SHAPE[1]) * np.ones(SHAPE)).astype(np.float32)


def case(mean, run):
    return Case("photon_noise", f"{mean} e-", run, frame=level(mean))


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
@pytest.mark.parametrize("mean", [0.1, 64, 40_000])
def test_photon_noise(timed, mean, threads):
    run = partial(photon_noise, level(mean), read_noise=READ_NOISE, seed=1, threads=threads)
    made = timed(case(mean, run), run, program="fleckcore", threads=threads)
    assert np.var(made - level(mean)) == pytest.approx(mean + READ_NOISE**2, rel=0.01)


@pytest.mark.parametrize("mean", [0.1, 64, 40_000])
def test_numpy(timed, mean):
    random, expected = np.random.Generator(np.random.SFC64(1)), level(mean)

    def run():
        noise = random.standard_normal(SHAPE, dtype=np.float32)
        return random.poisson(expected) + np.float32(READ_NOISE) * noise

    made = timed(case(mean, run), run, program="numpy", version=np.__version__)
    assert np.var(made - expected) == pytest.approx(mean + READ_NOISE**2, rel=0.01)
