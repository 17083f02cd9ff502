"""The kernel ``photon_noise``: numbers that follow their distributions, and the same ones every time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import stats

from fleckcore.errors import ArrayError, ArrayTypeError
from fleckcore.kernels import photon_noise

SHAPE = (400, 1000)
MEANS = [0.01, 0.5, 1.0, 3.7, 20.0, 64.3, 255.99, 256.0, 1000.5, 50_000.25, 1_500_000.0]


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_numbers(mean):
    drawn = photon_noise(np.full(SHAPE, mean), seed=11).ravel()
    assert (drawn == np.rint(drawn)).all()
    expected = stats.poisson(mean)
    count = drawn.size
    assert abs(drawn.mean() - mean) < 5 * np.sqrt(mean / count)
    spread = drawn.astype(float).var()
    assert abs(spread / mean - 1) < 5 * np.sqrt((2 + 1 / mean) / count)
    # Chi-square over bins of equal chance (whole numbers apart where these are few).
    edges = np.unique(expected.ppf(np.linspace(0, 1, 60)[1:-1]))
    seen = np.bincount(np.searchsorted(edges, drawn), minlength=edges.size + 1)
    chance = np.diff(np.concatenate([[0], expected.cdf(edges), [1]]))
    kept = chance * count > 5
    chi_square = (((seen - chance * count) ** 2) / (chance * count))[kept].sum()
    assert stats.chi2(kept.sum() - 1).sf(chi_square) > 1e-4


def test_gaussian_noise():
    drawn = photon_noise(np.zeros((1000, 2000)), read_noise=4.0, seed=3).ravel() / 4
    assert abs(drawn.mean()) < 5 / np.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 5 * np.sqrt(2 / drawn.size)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    for limit in (3.0, 3.6541528853610088, 4.0, 4.5):  # the base of the ziggurat ends at the second
        beyond = np.count_nonzero(np.abs(drawn) > limit)
        wanted = 2 * stats.norm.sf(limit) * drawn.size
        assert abs(beyond - wanted) < 5 * np.sqrt(wanted)
    assert abs(stats.skew(drawn)) < 5 * np.sqrt(6 / drawn.size)
    assert abs(stats.kurtosis(drawn)) < 5 * np.sqrt(24 / drawn.size)


def test_noise_adds_up():
    drawn = photon_noise(np.full(SHAPE, 64.0), read_noise=4.0, seed=5)
    assert drawn.dtype == np.float32
    assert drawn.astype(float).var() == pytest.approx(64 + 16, rel=0.02)
    assert stats.skew(drawn.ravel()) == pytest.approx(64 / 80**1.5, abs=0.02)


def test_rows_columns_and_seeds_are_independent():
    level = np.full((300, 300), 10.0)
    images = [photon_noise(level, seed=seed) for seed in (0, 1, [0, 0], [0, 1], [1, 0])]
    for one, other in itertools.combinations(images, 2):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / 300
    first = images[0]
    for one, other in ((first[1:], first[:-1]), (first[:, 1:], first[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / 300
    means = np.array([first.mean(axis=0), first.mean(axis=1)])
    assert np.abs(means - 10).max() < 5 * np.sqrt(10 / 300)


def test_the_same_bytes_however_it_is_asked():
    level = np.random.default_rng(1).integers(0, 700, (37, 53)).astype(np.float64)
    wanted = photon_noise(level, read_noise=2.5, seed=[7, 8], threads=1)
    for threads in (2, 5):
        assert_array_equal(
            photon_noise(level, read_noise=2.5, seed=[7, 8], threads=threads), wanted
        )
    for other in (
        level.astype(np.float32),
        level.astype(">f4"),
        level.astype(np.uint16),
        np.asfortranarray(level),
        np.ascontiguousarray(level[::-1])[::-1],
    ):
        assert_array_equal(photon_noise(other, read_noise=2.5, seed=[7, 8]), wanted)
    assert_array_equal(photon_noise(level[:5], read_noise=2.5, seed=[7, 8]), wanted[:5])


def test_these_numbers_stay():
    """A change of the generator would change every simulated file."""
    drawn = photon_noise(np.array([[0.0, 0.5, 3.0, 64.0, 300.25, 40_000.0]]), seed=[1, 2, 3])
    assert_array_equal(drawn, GOLDEN)
    assert photon_noise(np.zeros((2, 2)), seed=4).sum() == 0


GOLDEN = [[0, 0, 4, 63, 288, 39_569]]


@pytest.mark.parametrize(
    ("expected", "options", "message"),
    [
        (np.full((2, 2), -1.0), {}, "holds -1"),
        (np.full((2, 2), np.nan), {}, "holds nan"),
        (np.full((2, 2), np.inf), {}, "holds inf"),
        (np.full((2, 2), 3e6), {}, "holds 3000000"),
        (np.ones((2, 2)), {"read_noise": -1}, "read_noise=-1"),
        (np.ones((2, 2)), {"seed": -1}, "seed=-1"),
        (np.ones(3), {}, "dimensions"),
    ],
)
def test_refusals(expected, options, message):
    with pytest.raises(ArrayError, match=message) as caught:
        photon_noise(expected, **options)
    assert caught.value.code == "A09"


def test_refuses_complex_numbers():
    with pytest.raises(ArrayTypeError, match="complex"):
        photon_noise(np.ones((2, 2), complex))
