"""When a step happened, how sure that is, and how often noise makes one."""

import math

import numpy as np
import pytest

from fleckcore.errors import ArrayError
from fleckcore.track import date_presence

DAYS = 57037 + 2.0 * np.arange(40)


def series(seed, first=20, stop=40, depth=0.6, error=0.05, absent=0.0):
    random = np.random.default_rng(seed)
    there = (np.arange(40) >= first) & (np.arange(40) < stop)
    return np.where(there, depth, absent) + error * random.standard_normal(40), np.full(40, error)


def test_a_birth_is_dated():
    depth, error = series(1)
    found = date_presence(DAYS, depth, error)
    (one,) = found.appeared
    assert (one.after, one.before) == (DAYS[19], DAYS[20])
    assert one.probability > 0.999
    assert found.vanished == ()
    assert found.present == pytest.approx(0.6, abs=4 * found.present_err)
    assert found.absent == pytest.approx(0, abs=4 * found.absent_err)
    assert found.false_alarms < 1e-30


def test_what_came_and_went():
    depth, error = series(2, first=10, stop=30)
    found = date_presence(DAYS, depth, error)
    assert found.appeared[0].before == DAYS[10]
    assert found.vanished[0].before == DAYS[30]
    assert found.vanished[0].after == DAYS[29]


def test_what_vanished():
    depth, error = series(3, first=0, stop=25)
    found = date_presence(DAYS, depth, error)
    assert found.appeared == ()
    assert (found.vanished[0].after, found.vanished[0].before) == (DAYS[24], DAYS[25])


def test_the_order_of_the_frames_does_not_matter():
    depth, error = series(4)
    turned = np.random.default_rng(0).permutation(40)
    assert date_presence(DAYS[turned], depth[turned], error[turned]) == date_presence(
        DAYS, depth, error
    )


def test_probabilities_are_right():
    """Of weak steps, intervals of 95 % hold the truth as often; the likeliest as often as it says."""
    held, likeliest, said = 0, 0, 0.0
    seeds = 1000
    for seed in range(seeds):
        first = 5 + seed % 30
        depth, error = series(seed, first=first, depth=0.1, error=0.05)
        found = date_presence(DAYS, depth, error)
        spans = [one.before for one in found.appeared]
        held += DAYS[first] in spans
        likeliest += bool(spans) and spans[0] == DAYS[first]
        said += found.appeared[0].probability if spans else 0.0
    assert held / seeds > 0.95 - 3 * math.sqrt(0.05 * 0.95 / seeds)
    assert likeliest / seeds == pytest.approx(said / seeds, abs=0.05)


def test_false_alarms_are_rarer_than_is_said():
    seeds, limit = 3000, 0.2
    alarms = 0
    for seed in range(seeds):
        depth, error = series(seed, depth=0.0)
        alarms += date_presence(DAYS[:12], depth[:12], error[:12]).false_alarms < limit
    assert 0.02 < alarms / seeds < limit


def test_more_places_more_false_alarms():
    depth, error = series(5)
    one, many = (date_presence(DAYS, depth, error, places=n).false_alarms for n in (1, 1000))
    assert many == pytest.approx(1000 * one)


def test_errors_that_are_too_small_are_enlarged():
    depth, error = series(6, depth=0.0)
    found = date_presence(DAYS, depth, error / 3)
    assert found.scatter == pytest.approx(3, rel=0.3)
    assert found.false_alarms > 0.01


def test_what_lies_far_off_is_left_out_and_listed():
    depth, error = series(7)
    depth[5] = -2.0
    found = date_presence(DAYS, depth, error)
    assert found.outliers == (5,)
    assert found.appeared[0].before == DAYS[20]


def test_unknown_dates_and_depths_are_not_used():
    depth, error = series(8)
    days = DAYS.copy()
    days[19], depth[20] = np.nan, np.nan
    found = date_presence(days, depth, error)
    assert (found.appeared[0].after, found.appeared[0].before) == (DAYS[18], DAYS[21])


def test_longer_gaps_are_likelier():
    days = np.array([0.0, 1, 2, 30, 31])
    depth, error = np.array([0, 0, 0.05, 0.1, 0.1]), np.full(5, 0.06)
    found = date_presence(days, depth, error)
    chance = {one.before: one.probability for one in found.appeared}
    assert chance[30] > 5 * chance[2]


@pytest.mark.parametrize(
    ("arguments", "more", "code"),
    [
        (([1, 2], [0.0], [1.0, 1.0]), {}, "A12"),
        (([1, 2], [0.0, 1.0], [1.0, 0.0]), {}, "A09"),
        (([1, 2], [0.0, 1.0], [1.0, 1.0]), {"places": 0}, "A09"),
        (([1, 2], [0.0, 1.0], [1.0, 1.0]), {"confidence": 1.0}, "A09"),
    ],
)
def test_refusals(arguments, more, code):
    with pytest.raises(ArrayError) as raised:
        date_presence(*arguments, **more)
    assert raised.value.code == code


def test_one_frame_tells_nothing():
    found = date_presence([1.0], [0.5], [0.1])
    assert found.appeared == found.vanished == ()
    assert math.isinf(found.false_alarms)
