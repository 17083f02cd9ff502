"""The report on the flecks, repeated on a small part of the simulated campaign at full size."""

from __future__ import annotations

import json
from datetime import date

import pytest
from click.testing import CliRunner

from fleckcore.cli import cli
from fleckcore.reproduce import Extent, judge, load_claims, reproduce, write_reproduction
from fleckcore.simulate import load_scene

pytestmark = pytest.mark.timeout(900)

EXTENT = Extent(shorts=2, every=20, days=1, most_shorts=10, filters=("F435W", "F775W", "F850LP"))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    return reproduce(tmp_path_factory.mktemp("room"), extent=EXTENT)


def test_the_flecks_are_where_they_were_planted(story):
    scene = load_scene()
    shift = dict(zip("xy", scene.flash.shift, strict=True))
    for fleck in scene.flecks:
        assert story.measured[f"{fleck.name}.chip"].value == fleck.chip
        for axis in "xy":
            planted = getattr(fleck, axis) + shift[axis] + 1
            assert story.measured[f"{fleck.name}.{axis}"].value == pytest.approx(planted, abs=0.8)


def test_claims_that_need_no_more_exposures_agree(story):
    verdicts = {verdict.claim.number: verdict for verdict in judge(load_claims(), story.measured)}
    for number in (1, 2, 3, 4, 6, 7, 9, 11, 15, 18, 20, 22, 25):
        assert verdicts[number].agrees, (verdicts[number].claim.text, verdicts[number].measured)
    assert not verdicts[10].agrees  # the report's sign


def test_the_planted_move_and_rise_come_back(story):
    moved = story.measured["elongated.shift.y"]
    assert abs(moved.value - 0.1) < 4 * moved.error < 0.05
    still = story.measured["larger.shift.y"]
    assert abs(still.value) < 4 * still.error
    for name, planted in (("larger", 0.076), ("elongated", 0.071)):
        rise = story.measured[f"{name}.rise"]
        assert rise.value == pytest.approx(planted, abs=0.003)
        assert rise.error < 0.001


def test_it_is_written_with_every_figure_and_number(story, tmp_path):
    pytest.importorskip("matplotlib")
    verdicts = judge(load_claims(), story.measured)
    names = write_reproduction(story, verdicts, tmp_path)
    assert {f"figure_{number:02d}.png" for number in (*range(1, 4), *range(5, 17), 18)} < set(names)
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    record = json.loads((tmp_path / "reproduction.json").read_text())
    assert record["measured"]["larger.area"]["unit"] == "pix"
    assert len(record["claims"]) == 27
    text = (tmp_path / "claims.md").read_text()
    assert "of the sky it says nothing" in text
    assert f"{sum(verdict.agrees for verdict in verdicts)} of 27 claims agree" in text
    table = (tmp_path / "table_1.csv").read_text().splitlines()
    assert table[0] == "filter,exposures,exposure_s,median_e,rate_e_s"
    assert [line.split(",")[0] for line in table[1:]] == list(EXTENT.filters)


def test_nothing_waits_in_the_folder(tmp_path_factory, story):
    rooms = [path for path in tmp_path_factory.getbasetemp().glob("room*") if path.is_dir()]
    assert rooms
    assert not any(any(room.iterdir()) for room in rooms)


def test_a_scene_that_is_not_there(tmp_path):
    done = CliRunner().invoke(cli, ["reproduce", str(tmp_path), "--scene", "nowhere"])
    assert done.exit_code != 0
    assert "nowhere" in str(done.exception)


def test_the_extent_names_days_of_the_scene():
    scene = load_scene()
    for day in (EXTENT.before, EXTENT.looked_at, EXTENT.after):
        assert isinstance(day, date)
        assert scene.start <= day < scene.stop
