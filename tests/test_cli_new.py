"""``fleckcore new``: an archive in, names, events and dates out; and what would have been seen."""

import json

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from fleckcore.cli import cli
from fleckcore.errors import InputFileError
from fleckcore.track import Registry, birth_limits, find_changes
from two_nights import DUST, Dust, flat

NEW = Dust(140, 160, 5, 0.4)
DAYS = ("2020-03-01", "2020-03-03", "2020-03-05", "2020-03-07", "2020-03-09", "2020-03-11")
MJD = 58909.0
"""Of the first day."""


def run(*arguments, code=0):
    result = CliRunner().invoke(
        cli, [str(argument) for argument in arguments], standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    assert result.return_value == code, result.output
    return result


def write(folder, name, day, dust, seed, **cards):
    header = fits.Header({"IMAGETYP": "Flat Field", "FILTER": "r", "EXPTIME": 2.0} | cards)
    if day:
        header["DATE-OBS"] = f"{day}T00:00:00"
    data = np.round(flat(dust, seed).data).astype(np.uint16)
    fits.PrimaryHDU(data, header).writeto(folder / name)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Six nights; dust lands before the fifth. One file has no date, one is there twice."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "deeper").mkdir()
    for n, day in enumerate(DAYS):
        where = folder / "deeper" if n % 2 else folder
        write(where, f"flat{n}.fits", day, (*DUST, NEW) if n >= 4 else DUST, n)
    write(folder, "undated.fits", "", DUST, 9)
    twin = folder / "deeper" / "flat5.fits"
    (folder / "again").mkdir()
    (folder / "again" / "flat5.fits").write_bytes(twin.read_bytes())
    return folder


def test_what_is_new_and_since_when(archive, tmp_path):
    events = tmp_path / "done.csv"
    events.write_text(f"kind,mjd\nfilter move,{MJD + 7.5}\nsafing,{MJD + 1}\n")
    result = run(
        "new", archive, "--since", "2020-03-06", "-o", tmp_path, "--events", events, code=3
    )
    assert "1 changed" in result.output
    assert "acs" not in result.output
    record = json.loads((tmp_path / "new.json").read_text())
    (chip,) = record["chips"]
    (event,) = chip["events"]
    assert (event["kind"], event["feature"]) == ("appeared", "generic-141-161")
    assert (event["after"], event["before"]) == (MJD + 6, MJD + 8)
    assert event["probability"] > 0.9
    assert {one["code"] for one in record["not_used"]} == {"M02", "M03"}
    together = {one["kind"]: one["together"] for one in record["coincidences"]}
    assert together == {"filter move": 1, "safing": 0}
    registry = Registry.read(tmp_path / "registry.fits")
    assert len(registry) == len(DUST) + 1
    assert registry["generic-141-161"]["appeared_before"].value == MJD + 8


def test_names_and_differences_against_an_earlier_run(archive, tmp_path):
    options = ("--no-limits", "--json")
    first, second = tmp_path / "first", tmp_path / "second"
    before = run("new", archive / "deeper", "--since", "2020-03-05", "-o", first, *options)
    assert json.loads(before.output)["chips"][0]["features"] >= len(DUST)
    earlier = first / "registry.fits"
    after = run(
        "new",
        archive,
        "--since",
        "2020-03-06",
        "-o",
        second,
        "--registry",
        earlier,
        *options,
        code=3,
    )
    found = json.loads(after.stdout)["difference"]
    assert found["gone"] == []
    names = [set(Registry.read(one / "registry.fits").features["id"]) for one in (first, second)]
    assert names[0] <= names[1]


def test_nothing_new(archive, tmp_path):
    result = run(
        "new", archive, "--since", MJD + 3, "-o", tmp_path, "--no-limits", "--chip", 1, code=4
    )
    assert "nothing lit" in result.output
    folder = tmp_path / "quiet"
    folder.mkdir()
    for n, day in enumerate(DAYS[:4]):
        write(folder, f"flat{n}.fits", day, DUST, n)
    said = run("new", folder, "--since", "2020-03-04", "-o", tmp_path, "--no-limits").output
    assert "nothing changed" in said
    assert "events a year (95 %)" in said


def test_what_would_have_been_seen():
    found = find_changes([flat(DUST, 1)], [flat(DUST, 2)])
    limits = birth_limits(found, kinds=("fleck",), radii=(4,), depths=(0.01, 0.05, 0.4), trials=6)
    (row,) = limits
    assert row["injected"] == 18
    assert 0.01 < row["depth_95"] <= 0.4


@pytest.mark.parametrize("since", ["yesterday", "2020-13-01"])
def test_a_date_that_is_none(archive, tmp_path, since):
    with pytest.raises(Exception, match="neither a date"):
        run("new", archive, "--since", since, "-o", tmp_path)


def test_files_that_are_none(archive, tmp_path):
    table = tmp_path / "events.csv"
    table.write_text("what,when\n")
    with pytest.raises(InputFileError, match="kind and mjd"):
        run("new", archive, "--since", "2020-03-06", "-o", tmp_path, "--events", table)
    with pytest.raises(InputFileError):
        run("new", archive, "--since", "2020-03-06", "-o", tmp_path, "--registry", table)
    run("new", tmp_path / "none", "--since", "2020-03-06", "-o", tmp_path, code=4)
