"""Features through many epochs: one name each, measured everywhere, and what happened to them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from fleckcore.errors import ArrayError, InputFileError, MetadataError
from fleckcore.track import Epoch, Registry, follow, name_features
from two_nights import DUST, Dust, flat, ring

FIRST = 57000.0


def epoch(number, dust, *, bands="r", dated=True, exposures=0, **how):
    """A month: flats of some filters, and single exposures if asked for."""
    day = FIRST + 30 * number
    frames = tuple(flat(dust, 100 * number + n, band=band, **how) for n, band in enumerate(bands))
    frames = tuple(one.replace(meta=replace(one.meta, chip=2, profile="acs_wfc")) for one in frames)
    when = {"first": day, "last": day + 20} if dated else {}
    return Epoch(frames=frames, name=f"month {number}", **when)


def ids(registry):
    return [str(name) for name in registry.features["id"]]


def events(registry):
    rows = registry.events
    return [(str(kind), str(name)) for kind, name in zip(rows["kind"], rows["id"], strict=True)]


@pytest.fixture(scope="module")
def landed():
    """Six months; dust lands after the third, an old fleck goes after the fourth, one moves after the second."""
    new, gone, moved = Dust(140, 160, 5, 0.4), DUST[5], DUST[0]
    rest = tuple(one for one in DUST if one not in (gone, moved))
    epochs = []
    for month in range(6):
        dust = [*rest, moved if month < 2 else moved.moved(24, 32)]
        dust += [new] * (month >= 3) + [gone] * (month < 4)
        epochs.append(epoch(month, dust, bands="gr", lit=(0.1 * month, 0.1)))
    return epochs, follow(epochs)


def test_events_have_their_dates(landed):
    _, registry = landed
    assert sorted(kind for kind, _ in events(registry)) == ["appeared", "moved", "vanished"]
    by_kind = {str(row["kind"]): row for row in registry.events}
    for kind, month in (("moved", 2), ("appeared", 3), ("vanished", 4)):
        row = by_kind[kind]
        assert row["after"].value == FIRST + 30 * (month - 1)
        assert row["before"].value == FIRST + 30 * month + 20
        assert row["probability"] > 0.9
        assert row["false_alarms"] < 0.01
        assert "sigma" in str(row["reason"])


def test_every_feature_has_one_name(landed):
    _, registry = landed
    assert len(registry) == len(DUST) + 1
    assert len(set(ids(registry))) == len(registry)
    assert all(re.fullmatch(r"acs_wfc-2-\d+-\d+", name) for name in ids(registry))
    moved = registry.sightings[registry.sightings["id"] == f"acs_wfc-2-{90 + 1}-{100 + 1}"]
    assert len(moved) == 6
    assert np.hypot(moved["x"][-1].value - 114, moved["y"][-1].value - 132) < 2


def test_absence_is_a_measurement(landed):
    _, registry = landed
    rows = registry.history("acs_wfc-2-141-161")
    assert len(rows) == 12
    months = np.array([int(str(name).split()[1]) for name in rows["epoch"]])
    depth, error = rows["depth"], rows["depth_err"]
    assert (np.abs(depth[months < 3]) < 4 * error[months < 3]).all()
    assert (depth[months >= 3] > 20 * error[months >= 3]).all()
    assert np.ptp(depth[months >= 3]) < 8 * error.max()


def test_names_survive_reprocessing(landed):
    epochs, registry = landed
    again = follow(epochs[1:], previous=registry)
    assert set(ids(again)) == set(ids(registry))
    other = [replace(one, frames=one.frames[:1]) for one in epochs]
    assert set(ids(follow(other, previous=registry))) == set(ids(registry))


def test_a_registry_is_a_file(landed, tmp_path):
    _, registry = landed
    registry.write(tmp_path / "registry.fits")
    back = Registry.read(tmp_path / "registry.fits")
    assert not registry.diff(back)
    assert back.meta == registry.meta
    for name in ("features", "epochs", "sightings", "measured", "events"):
        before, after = getattr(registry, name), getattr(back, name)
        assert before.colnames == after.colnames
        for column in before.colnames:
            assert np.array_equal(
                *(
                    np.asarray(getattr(one[column], "value", one[column]))
                    for one in (before, after)
                ),
                equal_nan=before[column].dtype.kind == "f",
            )
    (tmp_path / "other.fits").write_bytes(b"no")
    with pytest.raises(InputFileError) as raised:
        Registry.read(tmp_path / "other.fits")
    assert raised.value.code == "I04"


def test_what_two_registries_differ_in(landed):
    epochs, registry = landed
    short = follow(epochs[:3])
    found = short.diff(registry)
    assert found.new == ("acs_wfc-2-141-161",)
    assert found.gone == ()
    assert ("appeared", "acs_wfc-2-141-161") in found.events
    assert "+ acs_wfc-2-141-161" in str(found)
    assert str(registry.diff(registry)) == "no difference"


def test_a_feature_by_its_name(landed):
    _, registry = landed
    row = registry["acs_wfc-2-141-161"]
    assert row["appeared_before"].value == FIRST + 110
    with pytest.raises(MetadataError):
        registry["acs_wfc-2-1-1"]


def test_without_dates_the_order_counts(landed):
    epochs, _ = landed
    undated = [replace(one, first=np.nan, last=np.nan) for one in epochs]
    registry = follow(undated)
    assert sorted(kind for kind, _ in events(registry)) == ["appeared", "moved", "vanished"]
    assert np.isnan(registry.events["after"].value).all()


def test_single_exposures_narrow_the_date():
    new = Dust(140, 160, 5, 0.4)
    epochs = []
    for month in range(3):
        made = epoch(month, DUST, bands="r")
        days = made.first + 2.0 * np.arange(10)
        taken = []
        for n, day in enumerate(days):
            dust = (*DUST, new) if day >= FIRST + 34 else DUST
            frame = flat(dust, 1000 * month + n, level=2000)
            taken.append(frame.replace(meta=replace(frame.meta, mjd=float(day))))
        mean = np.mean([one.data for one in taken], axis=0)
        frame = taken[0].replace(data=mean)
        epochs.append(replace(made, frames=(frame,), exposures=tuple(taken)))
    registry = follow(epochs)
    assert [kind for kind, _ in events(registry)] == ["appeared"]
    (row,) = registry.events
    assert (row["after"].value, row["before"].value) == (FIRST + 32, FIRST + 34)


def test_nothing_happens_where_nothing_does():
    for seed in (1, 2):
        epochs = [epoch(10 * seed + n, DUST, blur=0.5 * n, shift=(0.1 * n, 0)) for n in range(5)]
        assert len(follow(epochs).events) == 0


def test_one_that_becomes_deeper():
    """Depths that all change alike are the light's; one that changes alone is that feature's."""
    small = [Dust(60 + 60 * n, 60 + 40 * (n % 7), 4, 0.3) for n in range(7)]
    epochs = []
    for month in range(4):
        grown = replace(small[3], loss=0.3 if month < 2 else 0.55)
        epochs.append(epoch(month, [*small[:3], grown, *small[4:]]))
    registry = follow(epochs)
    assert events(registry) == [("deeper", "acs_wfc-2-241-181")]


def test_two_that_merge_and_one_that_splits():
    left, right = Dust(200, 200, 4, 0.5), Dust(214, 200, 4, 0.5)
    one = Dust(207, 200, 11, 0.5)
    apart = [epoch(n, [left, right]) for n in (0, 1)]
    together = [epoch(n, [one]) for n in (2, 3)]
    merged = follow([*apart, *together])
    assert "merged" in [kind for kind, _ in events(merged)]
    back = [
        replace(made, first=FIRST + 30 * n, last=FIRST + 30 * n + 20)
        for n, made in enumerate([*together, *apart])
    ]
    split = follow(back)
    assert "split" in [kind for kind, _ in events(split)]


def test_nothing_is_seen_at_all():
    registry = follow([epoch(n, ()) for n in range(2)])
    assert len(registry) == 0
    assert len(registry.events) == 0


def test_names():
    assert name_features("ACS WFC", [2, 2, -1], [1520.3, 1520.4, 3], [1772.2, 1772.1, 4]) == [
        "acs_wfc-2-1521-1773",
        "acs_wfc-2-1521-1773-2",
        "acs_wfc-4-5",
    ]
    assert name_features("a", [1], [0], [0], taken=["a-1-1-1"]) == ["a-1-1-1-2"]


@pytest.mark.parametrize(
    ("epochs", "error", "code"),
    [
        ([], ArrayError, "A09"),
        ([Epoch(frames=())], ArrayError, "A09"),
        ([epoch(0, (), bands="g"), epoch(1, (), bands="r")], MetadataError, "M07"),
    ],
)
def test_refusals(epochs, error, code):
    with pytest.raises(error) as raised:
        follow(epochs)
    assert raised.value.code == code


def test_joining_chips(landed):
    _, registry = landed
    both = Registry.join([registry, registry])
    assert len(both) == 2 * len(registry)


def test_a_ring_that_lands_in_one_filter():
    epochs = []
    for month in range(3):
        made = epoch(month, DUST, bands="gr")
        if month > 0:
            new = flat((*DUST, ring(170, 230)), 7 + month, band="r")
            new = new.replace(meta=made.frames[1].meta)
            made = replace(made, frames=(made.frames[0], new))
        epochs.append(made)
    registry = follow(epochs)
    (row,) = registry.events
    assert (str(row["kind"]), str(row["filters"])) == ("appeared", "r")
