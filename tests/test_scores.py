"""The noise of scores, beside what explained shadows leave in doubt."""

import numpy as np
import pytest

from fleckcore.detection.scores import (
    Level,
    Noise,
    White,
    _weighted_quantile,
    peaks,
    round_noise,
    round_scores,
)

SIGMA = 0.002


def scores(seed=1, shape=(400, 500)):
    random = np.random.Generator(np.random.PCG64(seed))
    return (SIGMA * random.standard_normal(shape)).astype(np.float32)


def test_noise_without_doubt():
    noise = Noise.of(scores())
    assert noise.sigma == pytest.approx(SIGMA, rel=0.03)
    assert abs(noise.middle) < 0.02 * SIGMA


@pytest.mark.parametrize("covered", [0.2, 0.5, 0.8])
def test_where_the_doubt_is_large_nothing_is_learnt_of_the_noise(covered):
    """If those scores counted as quiet ones, everything else would be significant."""
    doubt = np.zeros((400, 500), np.float32)
    doubt[:, : int(covered * 500)] = 10 * SIGMA
    assert Noise.of(scores(), doubt).sigma == pytest.approx(SIGMA, rel=0.05)


def test_what_is_left_as_deep_as_the_doubt_is_no_noise():
    score, doubt = scores(), np.zeros((400, 500), np.float32)
    doubt[:, :250] = 5 * SIGMA
    score[:, :250] += doubt[:, :250] * scores(seed=2)[:, :250] / SIGMA
    assert Noise.of(score, doubt).sigma == pytest.approx(SIGMA, rel=0.1)
    assert Noise.of(score).sigma > 1.5 * SIGMA


def test_shadows_above_do_not_count():
    score = scores()
    score[100:180, 100:200] += 20 * SIGMA
    assert Noise.of(score).sigma == pytest.approx(SIGMA, rel=0.12)


def test_few_scores_tell_no_noise():
    assert Noise.of(scores(shape=(6, 8))).sigma == np.inf


def growing(factor, shape=(384, 384)):
    """White noise that grows so many times from left to right."""
    grows = np.linspace(1, factor, shape[1], dtype=np.float32)
    return grows * scores(seed=3, shape=shape), grows


def test_white_noise_that_is_alike_is_one_number():
    image, _ = growing(1.1)
    white = White.of(image, np.ones_like(image), None)
    assert white.rough is None
    assert white.usual == pytest.approx(1.05 * SIGMA, rel=0.02)
    assert white.halved().usual == white.usual / 2


def test_white_noise_that_grows_is_measured_at_its_place():
    image, grows = growing(4)
    white = White.of(image, np.ones_like(image), None)
    error = white.usual * white.rough / (grows * SIGMA)
    assert np.abs(error[:, 48:-48] - 1).max() < 0.1
    assert np.abs(error - 1).max() < 0.3
    assert white.halved().rough.shape == (192, 192)


def test_what_is_not_valid_tells_no_noise():
    image, _ = growing(1)
    assert White.of(image, np.zeros_like(image), None).usual == 0
    valid = np.ones_like(image)
    image[:, :100], valid[:, :100] = 100 * image[:, :100], 0
    assert White.of(image, valid, None).usual == pytest.approx(SIGMA, rel=0.05)


@pytest.mark.parametrize("edge", [False, True])
def test_significance_is_that_of_the_noise_at_its_place(edge):
    image, _ = growing(4)
    valid = np.ones_like(image)
    level = Level(2, image, valid, np.zeros_like(image), White.of(image, valid, None))
    z = round_scores(level, 24, 0, edge=edge, model_error=0.1, threads=None).significance()
    for part in (z[:, 24:120], z[:, 144:240], z[:, 264:360]):
        assert np.nanstd(part) == pytest.approx(1, abs=0.2)


def test_a_ground_that_is_no_white_noise_counts_everywhere_alike():
    """Half of the image has a fourth of the white noise, but it makes little of the scores."""
    power = np.full((400, 500), 4.0, np.float32)
    power[:, :250] = 0.25
    noise = Noise.of(scores(), None, power, 0.1 * SIGMA)
    assert noise.white < 0.02
    assert noise.sigma == pytest.approx(SIGMA, rel=0.05)
    assert noise.local(power)[0] == pytest.approx(1, abs=0.05)


def level_of(image, explained, *changed):
    valid = np.ones_like(image)
    valid[30:33, 200:210] = 0
    return Level(2, image, valid, explained, White(SIGMA, None), changed)


SCORED = {"edge": False, "model_error": 0.1, "threads": 2}


@pytest.mark.parametrize(("radius", "margin"), [(12.0, 2), (24.0, 4), (40.0, 3)])
def test_what_changes_do_not_reach_is_kept_and_the_rest_scored_again(radius, margin):
    """The same bytes as when all is scored; at the edge, in the middle and where changes overlap."""
    image, explained = scores(shape=(300, 400)), np.zeros((300, 400), np.float32)
    before = round_scores(level_of(image, explained).suited(radius), radius, margin, **SCORED)
    kept = before.score.copy()
    parts = [np.s_[0:9, 0:12], np.s_[200:215, 100:117], np.s_[205:221, 110:131]]
    changed, taken = image.copy(), explained.copy()
    for part in parts:
        changed[part] -= 0.01
        taken[part] += 0.01
    level = level_of(changed, taken, *parts).suited(radius)
    again = round_scores(level, radius, margin, before=before, **SCORED)
    every = round_scores(level, radius, margin, **SCORED)
    np.testing.assert_array_equal(again.score, every.score)
    np.testing.assert_array_equal(again.doubt, every.doubt)
    assert again.noise == every.noise
    assert (every.score != kept).any()
    assert np.array_equal(every.score[:, -40:], kept[:, -40:], equal_nan=True)


@pytest.mark.parametrize("explained", [0.0, 0.01])
@pytest.mark.parametrize("shape", [(200, 300), (700, 640)])
def test_the_noise_alone_is_that_of_all_scores(shape, explained):
    image, taken = scores(shape=shape), np.zeros(shape, np.float32)
    taken[50:90, 60:110] = explained
    level = level_of(image, taken)
    assert round_noise(level, 16.0, 3, **SCORED) == round_scores(level, 16.0, 3, **SCORED).noise


@pytest.mark.parametrize("factor", [1, 4])
def test_peaks_are_those_of_the_significance(factor):
    image, _ = growing(factor)
    image[100:110, 200:212] += 10 * SIGMA
    valid = np.ones_like(image)
    level = Level(2, image, valid, np.zeros_like(image), White.of(image, valid, None))
    found = round_scores(level, 24, 3, **SCORED)
    z = found.significance()
    ys, xs, above = found.above(2.5)
    np.testing.assert_array_equal(np.nonzero(z > 2.5), (ys, xs))
    np.testing.assert_array_equal(above, z[ys, xs])
    y, x, highest = (column[0] for column in peaks(found, 2.5, 4))
    assert z[y, x] == highest == np.nanmax(z)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.8413, 0.999])
@pytest.mark.parametrize("size", [1, 2, 400, 30_000])
def test_weighted_quantile_is_that_of_sorted_values(part, size):
    random = np.random.default_rng(4)
    values = random.standard_normal(size).astype(np.float32).round(2)
    weight = random.random(size).astype(np.float32)
    order = np.argsort(values)
    total = np.cumsum(weight[order], dtype=float)
    expected = values[order[np.searchsorted(total, part * total[-1])]]
    assert _weighted_quantile(values, weight, part) == expected
    assert _weighted_quantile(np.full_like(values, 3), weight, part) == 3
