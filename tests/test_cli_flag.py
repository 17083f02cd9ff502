"""``fleckcore flag``: each command once through, and what it says of faults."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from fleckcore.cli import _run, cli
from fleckcore.flag import read_masks, write_masks
from fleckcore.instruments import load_profile
from fleckcore.io.quality import read_quality
from fleckcore.io.references import Reference

WFC = load_profile("acs_wfc")
ABOUT = Reference(
    kind="bad_pixels",
    useafter=datetime(2017, 5, 5),
    first=datetime(2017, 5, 5),
    last=datetime(2017, 5, 5),
    description="a test",
)


def run(*words, code=0):
    done = CliRunner().invoke(cli, ["flag", *map(str, words)], standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value == code, done.output
    return done.output


@pytest.fixture
def masks():
    mask = np.zeros((2048, 4096), bool)
    mask[1765:1774, 1515:1524] = True
    return {2: mask, 1: np.roll(mask, 7)}


@pytest.fixture
def given(masks, tmp_path):
    path = tmp_path / "mask.fits"
    write_masks(path, masks, "boolean", profile=WFC)
    return path


def test_a_table_of_a_mask(given, masks, tmp_path):
    path = tmp_path / "20170505j_bpx.fits"
    text = run("table", given, path, "--born", "2017-05-05", "--last", "2017-12-01")
    assert "18 rows, 81 pixels of chip 2, 81 pixels of chip 1" in text
    for chip, mask in read_masks(path, "bpixtab", profile=WFC).items():
        np.testing.assert_array_equal(mask, masks[chip])
    assert fits.getheader(path)["PEDIGREE"] == "INFLIGHT 05/05/2017 01/12/2017"
    record = json.loads(run("check", path, "--json"))
    assert record == [{"file": str(path), "findings": []}]
    assert (
        _run(["flag", "table", str(given), str(path), "--born", "2017-05-05"]) == 5
    )  # it is there


def test_the_wrong_bit_is_said_at_once(given, tmp_path):
    path = tmp_path / "20170505j_bpx.fits"
    text = run("table", given, path, "--born", "2017-05-05", "--value", 1024, code=3)
    assert "refused: VALUE is 1024 (sink)" in text
    assert "a bad pixel is 4" in run("check", path, code=3)
    seen = json.loads(run("preview", path, "--value", 1024, "--json", code=3))
    assert seen["problems"]


def test_check_of_what_is_no_table(given, tmp_path):
    assert "I05" in run("check", given, code=4)
    path = tmp_path / "20170505j_bpx.fits"
    run("table", given, path, "--born", "2017-05-05")
    record = json.loads(run("check", given, path, "--json", code=3))
    assert [one.get("code") for one in record] == ["I05", None]


@pytest.fixture
def exposure(tmp_path):
    parts = [fits.PrimaryHDU()]
    parts[0].header.update(INSTRUME="ACS", DETECTOR="WFC", CCDAMP="C", CCDGAIN=2.0)
    sci = fits.ImageHDU(np.ones((50, 60), np.float32), name="SCI")
    sci.header.update(CCDCHIP=2, LTV1=-1490.0, LTV2=-1750.0)
    parts += [sci, fits.ImageHDU(np.full((50, 60), 16, np.int16), name="DQ")]
    path = tmp_path / "x_flt.fits"
    fits.HDUList(parts).writeto(path)
    return path


def test_apply_to_copies_and_in_place(given, exposure, tmp_path, fitsverify):
    path = tmp_path / "20170505j_bpx.fits"
    run("table", given, path, "--born", "2017-05-05")
    text = run("apply", path, exposure, "-o", tmp_path / "flagged")
    assert "[DQ,1]: 81 pixels, 9 rows" in text
    copy = tmp_path / "flagged" / exposure.name
    assert fitsverify(copy) == ""
    (plane,) = read_quality(copy)
    assert (plane.bits[15:24, 25:34] == 20).all()
    assert np.count_nonzero(plane.bits == 20) == 81
    (before,) = read_quality(exposure)
    assert (before.bits == 16).all()
    record = json.loads(run("apply", path, exposure, "--in-place", "--json"))
    assert record[0]["planes"][0]["changed"] == 81
    (after,) = read_quality(exposure)
    np.testing.assert_array_equal(after.bits, plane.bits)
    assert "20170505j_bpx.fits" in str(fits.getheader(exposure)["HISTORY"])


def test_apply_wants_to_know_where_and_goes_on_after_a_fault(given, exposure, tmp_path):
    path = tmp_path / "20170505j_bpx.fits"
    run("table", given, path, "--born", "2017-05-05")
    assert _run(["flag", "apply", str(path), str(exposure)]) == 2
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"")
    run("apply", path, bad, exposure, "-o", tmp_path / "out", code=3)
    run("apply", path, bad, "-o", tmp_path / "out2", code=4)


@pytest.mark.parametrize("form", ["lsst", "siril", "pixinsight", "ds9"])
def test_convert_there_and_back(given, masks, tmp_path, form):
    path = tmp_path / {"lsst": "x.ecsv", "ds9": "x.reg"}.get(form, "x.txt")
    assert "81 pixels of chip 2" in run("convert", given, path, "--to", form, "--chip", 2)
    back = tmp_path / "back.fits"
    run("convert", path, back, "--to", "eso", "--from", form, "--chip", 2)
    (mask,) = read_masks(back, "eso", profile=WFC).values()
    np.testing.assert_array_equal(mask, masks[2])
    assert "chip 2: 81 pixels" in run("preview", back)  # BADVALUE says what it is


def test_a_list_for_a_camera_that_nobody_knows(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("P 3 0 C\n")
    words = ["convert", path, tmp_path / "m.fits", "--to", "boolean", "--from", "siril"]
    run(*words, "--profile", "generic", "--size", 6, 8)
    assert np.argwhere(fits.getdata(tmp_path / "m.fits")).tolist() == [[5, 3]]
    assert _run(["flag", *map(str, words), "--profile", "generic"]) == 4


def test_convert_wants_dates_for_a_table(given, tmp_path):
    words = ["flag", "convert", str(given), str(tmp_path / "20170505j_bpx.fits"), "--to", "bpixtab"]
    assert _run(words) == 2
    assert not (tmp_path / "20170505j_bpx.fits").exists()


def test_a_mask_whose_format_nothing_tells(tmp_path):
    path = tmp_path / "mask.fits"
    fits.PrimaryHDU(np.zeros((2048, 4096), np.uint8)).writeto(path)
    assert _run(["flag", "preview", str(path)]) == 4


def test_preview_says_what_comes(given):
    text = run("preview", given)
    assert "value 4: bad_pixel" in text
    assert "before 10.2.0: left out: the mask is imprinted" in text
    assert "drizzle of one exposure (good bits 65535): flagged pixels are kept" in text
    record = json.loads(run("preview", given, "--json"))
    assert [one["used"] for one in record["rejection"]] == [False, True, False]


def test_coverage_of_the_line_and_of_any_list(given, tmp_path):
    record = json.loads(run("coverage", given, "--json"))
    assert (record["uncovered"], record["in_gap"]) == (0, 500)
    words = ["--offset", 0, 0, "--offset", 0, 5]
    if pytest.importorskip("matplotlib"):
        words += ["--picture", tmp_path / "c.png"]
    record = json.loads(run("coverage", given, *words, "--json"))
    assert record["uncovered_though_seen_again"] == 2 * 4 * 9  # nine rows moved by five
    assert (tmp_path / "c.png").stat().st_size > 1000
    assert "alone: 162" in run("coverage", given, "--points", 1)
    assert _run(["flag", "coverage", str(given), "--pattern", "OTHER"]) == 4
