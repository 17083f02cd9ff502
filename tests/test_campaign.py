"""Short darks of a year: one fleck is one birth, on its day; without one nothing is born."""

from datetime import date

import pytest

from campaigns import CHIP, FLECK, HOW, cycles, small_scene
from fleckcore.simulate.campaign import mjd_of
from fleckcore.simulate.scene import Fleck
from fleckcore.track import follow

YEAR = {"start": date(2016, 12, 1), "stop": date(2017, 10, 1)}
BORN = date(2017, 5, 5)


def scene(seed, flecks=()):
    return small_scene(seed, flecks).model_copy(update=YEAR)


def test_one_fleck_is_one_birth_on_its_day():
    fleck = Fleck(x=200.0, y=300.0, born=BORN, **FLECK)
    quiet = cycles(scene(1), exposures=2)
    near = [
        n
        for n, one in enumerate(quiet)
        if one.first < mjd_of(BORN) + 30 and one.last > mjd_of(BORN) - 35
    ]
    registry = follow(cycles(scene(1, (fleck,)), keep=near), options=HOW)
    (born,) = registry.events
    assert str(born["kind"]) == "appeared"
    assert (
        mjd_of(BORN) - 3
        < born["after"].value
        < mjd_of(BORN)
        <= born["before"].value
        < mjd_of(BORN) + 3
    )
    assert born["probability"] > 0.95
    row = registry[str(born["id"])]
    shift = scene(1).flash.shift
    assert row["x"].value == pytest.approx(200 + shift[0], abs=1)
    assert row["y"].value == pytest.approx(300 + shift[1], abs=1)
    assert row["chip"] == CHIP
    assert len(registry) > 8


def test_without_a_fleck_nothing_is_born():
    registry = follow(cycles(scene(2)), options=HOW)
    assert len(registry) > 8
    assert len(registry.events) == 0
