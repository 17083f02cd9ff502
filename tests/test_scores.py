"""The noise of scores, beside what explained shadows leave in doubt."""

import numpy as np
import pytest

from fleckcore.detection.scores import Noise

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
