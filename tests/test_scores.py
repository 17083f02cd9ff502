"""The noise of scores, beside what explained shadows leave in doubt."""

import numpy as np
import pytest

from fleckcore.detection.scores import Level, Noise, White, round_scores

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
