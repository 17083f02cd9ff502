"""Births that follow what was done to the observatory, and those that do so by chance."""

import numpy as np
import pytest

from fleckcore.errors import ArrayError
from fleckcore.track import find_coincidences

SPAN = (57000.0, 58000.0)


def test_births_that_follow_an_anneal():
    anneals = [("anneal", 57000.0 + 29 * n) for n in range(34)]
    births = [(57029.0, 57030.0), (57116.0, 57116.5)]
    (found,) = find_coincidences(births, anneals, span=SPAN)
    assert (found.births, found.together) == (2, 2)
    assert found.matched == ((0, 57029.0), (1, 57116.0))
    assert found.chance < 0.01


def test_three_flecks_on_one_day_are_one_birth():
    births = [(57876.0, 57878.1)] * 2 + [(57875.0, 57879.0)]
    (found,) = find_coincidences(births, [("safing", 57100.0)], span=SPAN)
    assert (found.births, found.together, found.chance) == (1, 0, 1.0)
    assert found.expected == pytest.approx((2.1 + 1) / (1000 - 2.1))


def test_chances_are_right():
    """Births at random times: as many coincide as is expected, and p-values are uniform or larger."""
    random = np.random.default_rng(0)
    occurrences = [("move", float(day)) for day in random.uniform(*SPAN, 20)]
    together, expected, low, runs = 0, 0.0, 0, 2000
    for _ in range(runs):
        starts = random.uniform(SPAN[0], SPAN[1] - 5, 3)
        (found,) = find_coincidences([(s, s + 5) for s in starts], occurrences, span=SPAN)
        together, expected = together + found.together, expected + found.expected
        low += found.chance < 0.1
    assert together == pytest.approx(expected, rel=0.06)
    assert low / runs < 0.12


def test_kinds_are_told_apart():
    found = find_coincidences([(57500.0, 57501.0)], [("b", 57500.5), ("a", 57900.0)], span=SPAN)
    assert [(one.kind, one.together) for one in found] == [("a", 0), ("b", 1)]


@pytest.mark.parametrize(
    "arguments",
    [
        ([(57500.0, 57400.0)], [], SPAN),
        ([(56000.0, 57400.0)], [], SPAN),
        ([], [("a", np.nan)], SPAN),
        ([], [], (1.0, 1.0)),
    ],
)
def test_refusals(arguments):
    births, occurrences, span = arguments
    with pytest.raises(ArrayError) as raised:
        find_coincidences(births, occurrences, span=span)
    assert raised.value.code == "A09"
