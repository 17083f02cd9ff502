"""What changed between two nights, and what did not."""

from dataclasses import replace

import numpy as np
import pytest

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.track import find_changes
from two_nights import DUST, Dust, flat, ring

OTHER = {"lit": (-0.2, 0.3), "blur": 1.0, "shift": (0.4, -0.6), "level": 18_000.0}
"""Another lamp, another focus, everything 0.7 pixels away."""


def night(dust, seed, bands="r", **how):
    return [flat(dust, seed + n, band=band, **how) for n, band in enumerate(bands)]


def on_chip(chip):
    frame = flat(DUST[:1], 1)
    return frame.replace(meta=replace(frame.meta, chip=chip))


def test_another_light_focus_and_a_shift_of_everything_change_nothing():
    found = find_changes(night(DUST, 1, "gr"), night(DUST, 11, "gr", **OTHER))
    assert found.changes == ()
    assert found.stayed == len(DUST)
    assert (found.drift.dx, found.drift.dy) == pytest.approx(OTHER["shift"], abs=0.3)
    assert found.filters == ("g", "r")


def test_what_moved_appeared_and_vanished():
    moved, gone, *rest = DUST
    new = ring(170, 230, 30, 0.05)
    later = (moved.moved(24, 32), new, *rest)
    found = find_changes(night(DUST, 1), night(later, 11, **OTHER))
    assert [one.kind for one in found.changes] == ["moved", "appeared", "vanished"]
    move, appeared, vanished = found.changes
    assert (move.x_before, move.y_before) == pytest.approx((moved.x, moved.y), abs=2)
    assert move.distance == pytest.approx(40, abs=2)
    assert (appeared.x_after, appeared.y_after) == pytest.approx((new.x, new.y), abs=2)
    assert (vanished.x_before, vanished.y_before) == pytest.approx((gone.x, gone.y), abs=2)
    for one, loss in ((move, 0.05), (appeared, 0.05)):
        assert one.depth_after == pytest.approx(loss, abs=0.015)
    assert abs(appeared.depth_before) < 4 * appeared.depth_before_err
    assert abs(vanished.depth_after) < 4 * vanished.depth_after_err
    assert all(one.significance > 5 for one in found.changes)
    assert len(DUST) - 3 <= found.stayed <= len(DUST) - 2


def test_small_flecks_too():
    new, moved = Dust(140, 160, 8, 0.15), DUST[7]
    later = (*DUST[:5], DUST[6], moved.moved(-9, 4), *DUST[8:], new)
    found = find_changes(night(DUST, 1), night(later, 11))
    assert [one.kind for one in found.changes] == ["moved", "appeared", "vanished"]
    assert found.changes[0].distance == pytest.approx(np.hypot(9, 4), abs=1)
    assert found.changes[1].x_after == pytest.approx(140, abs=1)
    assert found.changes[2].x_before == pytest.approx(DUST[5].x, abs=1)


def test_dust_on_one_filter():
    new = ring(170, 230, 30, 0.05)
    earlier = night(DUST, 1, "gr")
    later = [flat(DUST, 11, band="g"), flat((*DUST, new), 12, band="r")]
    (one,) = find_changes(earlier, later).changes
    assert (one.kind, one.filters) == ("appeared", ("r",))


def test_a_night_beside_itself_turned_round():
    moved, _, *rest = DUST
    first, second = night(DUST, 1), night((moved.moved(24, 32), *rest), 11)
    there, back = find_changes(first, second), find_changes(second, first)
    assert [one.kind for one in there.changes] == ["moved", "vanished"]
    assert [one.kind for one in back.changes] == ["moved", "appeared"]
    assert back.changes[0].x_before == there.changes[0].x_after
    assert back.changes[1].x_after == there.changes[1].x_before


def test_clean_flats():
    """Nothing on either night, and dust that lands on a clean window."""
    clean = night((), 1), night((), 11)
    assert find_changes(*clean).changes == ()
    (one,) = find_changes(clean[0], night(DUST[:1], 11)).changes
    assert (one.kind, one.filters) == ("appeared", ("r",))
    assert np.isnan(one.distance)


def test_far_apart_is_not_moved():
    later = (DUST[0].moved(130, 60), *DUST[1:])
    found = find_changes(night(DUST, 1), night(later, 11))
    assert [one.kind for one in found.changes] == ["appeared", "vanished"]


def test_false_changes_are_rare():
    for seed in range(100, 400, 100):
        assert find_changes(night(DUST, seed, "r"), night(DUST, seed + 50, "r")).changes == ()


def test_the_table_and_the_ratio():
    new = ring(170, 230, 30, 0.05)
    found = find_changes(night(DUST, 1, "r"), night((*DUST, new), 11, "r"))
    table = found.to_table()
    assert list(table["kind"]) == ["appeared"]
    assert np.isnan(table["x_before"][0])
    assert table["x_after"].unit == "pix"
    inside = new.through() < 0.96
    assert np.nanmean(found.ratio[inside]) == pytest.approx(0.955, abs=0.01)
    assert found.changes[0].to_json()["x_before"] is None


@pytest.mark.parametrize(
    ("earlier", "later", "error", "code"),
    [
        ([], night(DUST[:1], 1), ArrayError, "A09"),
        (night(DUST[:1], 1, "g"), night(DUST[:1], 1, "r"), MetadataError, "M07"),
        (night(DUST[:1], 1), [on_chip(1)], MetadataError, "M07"),
        (night(DUST[:1], 1, "g"), [np.ones((9, 9))], ArrayError, "A12"),
        ([np.ones((90, 90))], [np.ones((80, 90))], ArrayError, "A12"),
        ([np.ones((90, 90)), np.ones((80, 90))], [np.ones((90, 90))], ArrayError, "A12"),
    ],
)
def test_what_cannot_be_compared(earlier, later, error, code):
    with pytest.raises(error) as raised:
        find_changes(earlier, later)
    assert raised.value.code == code
