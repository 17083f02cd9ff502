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
MEANS = [
    0.01,
    0.5,
    1.0,
    3.7,
    20.0,
    64.3,
    255.99,
    256.0,
    1000.5,
    4095.7,
    50_000.25,
    1e6,
    2_097_151.0,
]


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_numbers(mean):
    drawn = photon_noise(np.full(SHAPE, mean), seed=11).ravel().astype(np.float64)
    assert (drawn == np.rint(drawn)).all()
    expected = stats.poisson(mean)
    count = drawn.size
    assert abs(drawn.mean() - mean) < 5 * np.sqrt(mean / count)
    spread = drawn.var()
    assert abs(spread / mean - 1) < 5 * np.sqrt((2 + 1 / mean) / count)
    third = ((drawn - mean) ** 3).mean()  # mean; its spread follows from the sixth moment
    moment = mean + 25 * mean**2 + 15 * mean**3
    assert abs(third - mean) < 5 * np.sqrt(moment / count)
    # Bins of equal chance (whole numbers apart where these are few).
    edges = np.unique(expected.ppf(np.linspace(0, 1, 60)[1:-1]))
    assert_chances(drawn, edges, np.diff(np.concatenate([[0], expected.cdf(edges), [1]])))


def assert_chances(drawn, edges, chance):
    """Chi-square of the counts between edges, each of which belongs to the bin below it."""
    seen = np.bincount(np.searchsorted(edges, drawn), minlength=chance.size)
    wanted = chance * drawn.size
    kept = wanted > 5
    chi_square = ((seen - wanted)[kept] ** 2 / wanted[kept]).sum()
    assert stats.chi2(kept.sum() - 1).sf(chi_square) > 1e-3


@pytest.mark.parametrize("mean", [0.004, 2.5, 64.3])
def test_rare_poisson_numbers(mean):
    drawn = photon_noise(np.full((2000, 2000), mean), seed=12).ravel()
    for chance in (1e-3, 1e-4, 1e-5):
        for limit, seen, tail in (
            (stats.poisson(mean).isf(chance), drawn.__gt__, stats.poisson(mean).sf),
            (stats.poisson(mean).ppf(chance), drawn.__le__, stats.poisson(mean).cdf),
        ):
            wanted = tail(limit) * drawn.size
            assert abs(np.count_nonzero(seen(limit)) - wanted) < 5 * np.sqrt(wanted) + 1e-9


def test_gaussian_noise():
    drawn = photon_noise(np.zeros((1000, 2000)), read_noise=4.0, seed=3).ravel() / 4
    assert abs(drawn.mean()) < 5 / np.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 5 * np.sqrt(2 / drawn.size)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    edges = np.concatenate([[-np.inf], np.linspace(-4.5, 4.5, 181), [np.inf]])
    assert_chances(drawn, edges[1:-1], np.diff(stats.norm.cdf(edges)))
    for limit in (3.0, 3.6541528853610088, 4.0, 4.5):  # the base of the ziggurat ends at the second
        wanted = stats.norm.sf(limit) * drawn.size
        for side in (-drawn, drawn):
            assert abs(np.count_nonzero(side > limit) - wanted) < 5 * np.sqrt(wanted)
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


@pytest.mark.parametrize("step", [1, 0.25])
def test_the_same_bytes_however_it_is_asked(step):
    level = step * np.random.default_rng(1).integers(0, 700, (37, 53)).astype(np.float64)
    wanted = photon_noise(level, read_noise=2.5, seed=[7, 8], threads=1)
    for threads in (2, 5, 50):
        drawn = photon_noise(level, read_noise=2.5, seed=[7, 8], threads=threads)
        assert drawn.tobytes() == wanted.tobytes()
    types = ["f4", ">f4", ">f8", *(["u2", ">i2", "i4", "u8"] if step == 1 else [])]
    wide = np.zeros((37, 2 * 53))
    wide[:, ::2] = level
    for other in (
        *(level.astype(name) for name in types),
        np.asfortranarray(level),
        np.ascontiguousarray(level[::-1])[::-1],
        wide[:, ::2],
    ):
        assert photon_noise(other, read_noise=2.5, seed=[7, 8]).tobytes() == wanted.tobytes()
    assert_array_equal(photon_noise(level[:5], read_noise=2.5, seed=[7, 8]), wanted[:5])


def test_these_numbers_stay():
    """A change of the generator would change every simulated file."""
    means = np.array([[0.0, 0.5, 3.0, 64.0, 300.25, 40_000.0, 2_000_000.0]] * 2)
    assert_array_equal(photon_noise(means, seed=[1, 2, 3]), GOLDEN)
    assert photon_noise(np.zeros((2, 2)), seed=4).sum() == 0
    noise = photon_noise(np.zeros((2, 3)), read_noise=4.0, seed=[1, 2, 3])
    assert_array_equal(noise, np.array(GOLDEN_NOISE, np.float32))
    # Some beyond the ziggurat's base and in its wedges.
    many = photon_noise(np.zeros((300, 300)), read_noise=1.0, seed=2)
    assert (many.max(), many.min(), many[299, 299]) == GOLDEN_FAR


GOLDEN = [[0, 3, 4, 63, 308, 39_760, 2_000_394], [0, 1, 3, 64, 304, 40_103, 2_001_282]]
GOLDEN_NOISE = [
    [1.1475341320037842, 2.250077962875366, -2.3970448970794678],
    [-4.701711177825928, 2.444441318511963, 4.275121688842773],
]
GOLDEN_FAR = tuple(np.float32([4.024936, -4.4741864, -0.4264502]))


@pytest.mark.parametrize(
    ("expected", "options", "message"),
    [
        (np.full((2, 2), -1.0), {}, "expected holds -1, wanted electrons from 0 to 2097151"),
        (np.full((2, 2), np.nan), {}, "holds nan"),
        (np.array([[1, np.nan]]), {}, "holds nan"),
        (np.full((2, 2), np.inf), {}, "holds inf"),
        (np.full((2, 2), np.inf, np.float16), {}, "holds inf"),
        (np.full((2, 2), 2_097_152), {}, "holds 2097152"),
        (np.ones((2, 2)), {"read_noise": -1}, "read_noise=-1"),
        (np.ones((2, 2)), {"read_noise": np.nan}, "read_noise=nan"),
        (np.ones((2, 2)), {"seed": -1}, "seed=-1"),
        (np.ones((2, 2)), {"seed": 2**64}, "seed=18446744073709551616"),
        (np.ones((2, 2)), {"seed": [1, 1.5]}, "seed=.1, 1.5."),
        (np.ones((2, 2)), {"seed": "12"}, "seed='12'"),
        (np.ones((2, 2)), {"seed": []}, "seed=.., wanted whole numbers from 0"),
        (np.ones((2, 2)), {"threads": 0}, "threads=0"),
        (np.ones(3), {}, "expected has 1 dimensions"),
    ],
)
def test_refusals(expected, options, message):
    with pytest.raises(ArrayError, match=message) as caught:
        photon_noise(expected, **{"seed": 1, **options})
    assert caught.value.code == "A09"


def test_refuses_complex_numbers():
    with pytest.raises(ArrayTypeError, match="complex"):
        photon_noise(np.ones((2, 2), complex), seed=1)


def test_a_seed_is_asked_for():
    """Two exposures with a default seed would have the same noise."""
    with pytest.raises(TypeError, match="seed"):
        photon_noise(np.ones((2, 2)))
