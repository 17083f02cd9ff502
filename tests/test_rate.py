"""Rates from counts: known intervals, and that they hold the truth as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fleckcore.errors import ArrayError
from fleckcore.measure import count_events, rate_of_events


@pytest.mark.parametrize("count", [0, 1, 2, 10, 1000])
@pytest.mark.parametrize("confidence", [0.6827, 0.95])
def test_the_interval_is_that_of_chi_square(count, confidence):
    found = rate_of_events(count, 4.0, confidence=confidence)
    half = (1 - confidence) / 2
    low = stats.chi2.ppf(half, 2 * count) / 8 if count else 0
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(stats.chi2.ppf(1 - half, 2 * count + 2) / 8)
    assert found.limit == pytest.approx(stats.chi2.ppf(confidence, 2 * count + 2) / 8)
    assert found.rate == count / 4


def test_none_in_a_year():
    assert rate_of_events(0, 1).limit == pytest.approx(-math.log(0.05))


@pytest.mark.parametrize("mean", [0.3, 2.0, 7.5])
def test_coverage(mean):
    counts = np.random.default_rng(1).poisson(mean, 1000)
    found = {int(count): rate_of_events(int(count), 1.0) for count in np.unique(counts)}
    inside = np.mean([found[count].low <= mean <= found[count].high for count in counts])
    below = np.mean([mean <= found[count].limit for count in counts])
    assert inside >= 0.95 - 0.02
    assert below >= 0.95 - 0.02


def test_what_appears_together_is_one_event():
    assert count_events([57878.2, 57878.2, 57878.9]) == 1
    assert count_events([60000, 57878.2, 57878.9, 58000]) == 3
    assert count_events([1.0, 1.5, 2.0], within_days=0.4) == 3
    assert count_events(iter([])) == 0


def test_refusals():
    for count, years, confidence in ((-1, 1, 0.9), (1, 0, 0.9), (1, math.inf, 0.9), (1, 1, 1)):
        with pytest.raises(ArrayError, match="A09"):
            rate_of_events(count, years, confidence=confidence)
    with pytest.raises(ArrayError, match="A09"):
        count_events([math.nan])
