"""Which detections are one feature: by the rules, whatever the order, and fast enough for an archive."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import reference_track
from fleckcore.errors import ArrayError
from fleckcore.track import REASONS, Detections, Known, Look, Rules, match_detections


def detections(looks):
    """Make columns of looks, each (chip, rows of (x, y, radius, depth))."""
    rows = np.array([row for _, part in looks for row in part], float).reshape(-1, 4)
    return Detections(
        looks=tuple(
            Look(name=str(i), chip=chip, mjd=57000.0 + i) for i, (chip, _) in enumerate(looks)
        ),
        look=np.repeat(np.arange(len(looks), dtype=np.int32), [len(part) for _, part in looks]),
        **dict(zip(("x", "y", "radius", "depth"), rows.T.copy(), strict=True)),
    )


def told(looks, **more):
    found = match_detections(detections(looks), **more)
    pairs = [(int(i), REASONS[r]) for i, r in zip(found.feature, found.reason, strict=True)]
    ends = np.cumsum([0, *(len(part) for _, part in looks)]).tolist()
    return [pairs[a:b] for a, b in pairwise(ends)]


def crowd(seed, count=40):
    """Looks at crowded chips, with features of all sizes, some of them missing, others in parts."""
    random = np.random.default_rng(seed)
    true = {
        chip: np.column_stack(
            [
                random.uniform(0, 300, (60, 2)),
                random.choice([1.5, 3, 8, 30], 60),
                random.uniform(0.1, 0.8, 60),
            ]
        )
        for chip in (1, 2)
    }
    looks = []
    for number in range(count):
        chip = int(random.integers(1, 3))
        rows = true[chip][random.random(60) < 0.8].copy()
        if number % 4 == 3:
            large = rows[rows[:, 2] > 20]
            halves = [large * [1, 1, 0.3, 1] + [step, 0, 0, 0] for step in (-12, 12)]
            rows = np.vstack([rows[rows[:, 2] < 20], *halves])
        rows[:, :2] += random.normal(0, 0.5, (len(rows), 2))
        rows[:, 2:] *= np.exp(random.normal(0, 0.3, (len(rows), 2)))
        looks.append((chip, [tuple(row) for row in rows.tolist()]))
    return looks


def test_by_the_letter_of_the_rules():
    seen = set()
    for seed in range(5):
        looks = crowd(seed)
        found = told(looks)
        assert found == reference_track.match(looks, Rules())
        seen |= {reason for part in found for _, reason in part}
    assert seen == set(REASONS)


def test_more_features_than_one_tree_holds():
    random = np.random.default_rng(0)
    looks = [
        (1, np.column_stack([random.uniform(0, 900, (400, 2)), np.full((400, 2), 0.5)]).tolist())
        for _ in range(6)
    ]
    assert told(looks) == reference_track.match(looks, Rules())


def test_a_feature_that_creeps_stays_itself():
    looks = [(1, [(100 + 0.2 * i, 50.0, 3.0, 0.4)]) for i in range(100)]
    assert {one for part in told(looks) for one, _ in part} == {0}


def test_the_nearest_counts_and_one_look_names_a_feature_once():
    looks = [(1, [(10, 10, 2, 0.5)]), (1, [(11.5, 10, 2, 0.5), (10.2, 10, 2, 0.5)])]
    assert told(looks)[1] == [(1, "first"), (0, "place")]


def test_chips_have_their_own_features():
    looks = [(1, [(10, 10, 2, 0.5)]), (2, [(10, 10, 2, 0.5)])]
    assert told(looks) == [[(0, "first")], [(1, "first")]]


def test_a_small_fleck_on_a_mote_is_another():
    mote, fleck = (100, 100, 40, 0.05), (101, 100, 3, 0.5)
    looks = [(1, [mote]), (1, [mote, fleck]), (1, [fleck, mote])]
    assert told(looks)[1:] == [[(0, "place"), (1, "first")], [(1, "place"), (0, "place")]]


def test_two_that_are_seen_as_one_and_again_as_two():
    left, right, both = (96, 100, 3, 0.4), (104, 100, 3, 0.4), (100, 100, 7, 0.4)
    looks = [(1, [left, right]), (1, [both]), (1, [right, left])]
    found = match_detections(detections(looks))
    assert found.feature.tolist() == [0, 1, 0, 1, 0]
    assert [REASONS[one] for one in found.reason] == ["first", "first", "blend", "place", "place"]
    assert found.blended.tolist() == [[2, 1]]


def test_one_that_is_seen_in_parts():
    left, right, both = (96, 100, 3, 0.4), (104, 100, 3, 0.4), (100, 100, 7, 0.4)
    looks = [(1, [both]), (1, [left, right]), (1, [both]), (1, [left, right])]
    found = match_detections(detections(looks))
    assert found.parent.tolist() == [-1, 0, 0]
    assert told(looks)[1:] == [
        [(1, "part"), (2, "part")],
        [(0, "place")],
        [(1, "place"), (2, "place")],
    ]


def test_what_comes_where_something_larger_went_is_no_part_of_it_only():
    looks = [(1, [(100, 100, 55, 0.02)]), (1, [(90, 100, 32, 0.02)])]
    assert told(looks)[1] == [(1, "part")]


def test_another_depth_is_the_same_feature():
    looks = [(1, [(10, 10, 3, 0.6)]), (1, [(10, 10, 3, 0.1)])]
    assert told(looks)[1] == [(0, "other depth")]


def test_known_features_keep_their_places_in_the_list():
    known = Known(
        chip=np.array([2, 1], np.int32),
        x=np.array([50.0, 10.0]),
        y=np.array([50.0, 10.0]),
        radius=np.array([3.0, 3.0]),
        depth=np.array([0.5, 0.5]),
    )
    looks = [(1, [(10.5, 10, 3, 0.5), (90, 90, 3, 0.5)])]
    assert told(looks, known=known) == [[(1, "place"), (2, "first")]]


def test_dates_order_the_looks_and_what_has_none_comes_last():
    first, second = (1, [(10, 10, 2, 0.5)]), (1, [(11.5, 10, 2, 0.5)])
    made = detections([first, second])
    turned = replace(made, looks=(made.looks[1], made.looks[0]), look=1 - made.look)
    assert match_detections(turned).reason.tolist() == [0, 1]
    undated = replace(made, looks=(replace(made.looks[0], mjd=math.nan), made.looks[1]))
    assert match_detections(undated).reason.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"x": np.array([np.nan])}, "A09"),
        ({"x": np.zeros(2)}, "A12"),
        ({"look": np.array([3], np.int32)}, "A09"),
    ],
)
def test_columns_that_cannot_be(change, code):
    made = detections([(1, [(10, 10, 2, 0.5)])])
    with pytest.raises(ArrayError) as raised:
        replace(made, **change)
    assert raised.value.code == code


def test_nothing_at_all():
    found = match_detections(detections([(1, []), (2, [])]))
    assert len(found.features) == 0
    assert found.feature.shape == (0,)
