"""``fleckcore combine`` and ``fleckcore darks``: files in, a file and a record out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

import dark_frames
import fleckcore
from fleckcore.calibrate import combine
from fleckcore.cli import cli
from fleckcore.io.references import check_reference

SHAPE = (2048, 4096)
CORNER = tuple(slice(0, size) for size in dark_frames.SHAPE)


def run(*arguments, code=0):
    result = CliRunner().invoke(
        cli, [str(argument) for argument in arguments], standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    assert result.return_value == code, result.output
    return result


def expose(path, kind, seed, mjd, hot=None):
    """Write an exposure of both chips, of which a corner is busy and the rest is level."""
    hdus = [fits.PrimaryHDU()]
    header = hdus[0].header
    seconds = 1000.5 if kind == "long_dark" else 0.5
    for keyword, value in {
        "TELESCOP": "HST",
        "INSTRUME": "ACS",
        "DETECTOR": "WFC",
        "ROOTNAME": path.name[:9],
        "IMAGETYP": "DARK",
        "CCDAMP": "ABCD",
        "EXPTIME": seconds,
        "DARKTIME": seconds + 7.6,
        "EXPSTART": mjd,
        "EXPEND": mjd + seconds / 86400,
        "FLASHDUR": 4.6,
        "FLASHSTA": "SUCCESSFUL",
    }.items():
        header[keyword] = value
    for version, chip in ((1, 2), (2, 1)):
        corner = dark_frames.dark(kind, 10 * seed + chip, hot=hot, mjd=mjd)
        level = dark_frames.FLASH_E + dark_frames.CURRENT * seconds
        planes = {
            "SCI": np.full(SHAPE, level, np.float32),
            "ERR": np.full(SHAPE, np.sqrt(level + 16), np.float32),
            "DQ": np.zeros(SHAPE, np.int16),
        }
        planes["SCI"][CORNER], planes["ERR"][CORNER] = corner.data, corner.error
        for name, plane in planes.items():
            hdus.append(fits.ImageHDU(plane, name=name, ver=version))
            hdus[-1].header["CCDCHIP"] = chip
            hdus[-1].header["BUNIT"] = "UNITLESS" if name == "DQ" else "ELECTRONS"
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.fixture(scope="module")
def cycle(tmp_path_factory):
    """Two days of two long and one short dark each; on the second a pixel is hot."""
    folder = tmp_path_factory.mktemp("cycle")
    files = []
    for day in range(2):
        mjd = 57878.3 + 2 * day
        hot = {(90, 40): 3.0} if day else None
        for n in range(2):
            name = folder / f"jdl{day}{n}1xxq_blv.fits"
            files.append(expose(name, "long_dark", 4 * day + n, mjd + n / 50, hot))
        files.append(expose(folder / f"jds{day}01xxq_blv.fits", "short_dark", 40 + day, mjd + 0.1))
    return files


def test_combine_is_what_the_function_gives(cycle, tmp_path, fitsverify):
    output = tmp_path / "made.fits"
    longs = [path for path in cycle if "jdl" in path.name]
    result = run("combine", *longs, "-o", output, "--initial", "median")
    assert "chip 2: acsrej of 4 exposures (long_dark)" in result.output
    assert fitsverify(output) == ""
    for made in fleckcore.read(output):
        frames = [fleckcore.read(path, chip=made.meta.chip)[0] for path in longs]
        rules = fleckcore.calibrate.CosmicRays(initial="median", exempt=True)
        wanted = combine(frames, rules=rules)
        np.testing.assert_array_equal(made.data, wanted.frame.data)
        np.testing.assert_array_equal(made.error, wanted.frame.error)
        np.testing.assert_array_equal(made.quality, wanted.frame.quality)
    header = fits.getheader(output)
    assert header["EXPTIME"] == pytest.approx(4002)
    assert header["DARKTIME"] == pytest.approx(4 * 1008.1)
    assert header["FLASHDUR"] == pytest.approx(18.4)
    assert header["EXPSTART"] == pytest.approx(57878.3)
    assert header["NCOMBINE"] == 4
    record = json.loads(output.with_suffix(".json").read_text())
    assert [chip["chip"] for chip in record["chips"]] == [1, 2]
    assert len(record["chips"][0]["frames"]) == 4
    rejected = sum(frame["rejected"] for frame in record["chips"][1]["frames"])
    assert rejected > 20


def test_combine_refuses_long_with_short_ones(cycle, tmp_path):
    with pytest.raises(fleckcore.FleckError, match="flash per second differs"):
        run("combine", *cycle, "-o", tmp_path / "made.fits")
    assert not (tmp_path / "made.fits").exists()


def test_combine_goes_on_without_a_broken_file(cycle, tmp_path):
    broken = tmp_path / "broken.fits"
    broken.write_bytes(cycle[0].read_bytes()[:100_000])
    output = tmp_path / "made.fits"
    result = run("combine", *cycle[:2], broken, "-o", output, "--json", "--chip", 2, code=3)
    record = json.loads(result.stdout)
    assert record["not_used"][0]["code"] == "I01"
    assert len(record["chips"][0]["frames"]) == 2
    assert run("combine", broken, "-o", tmp_path / "none.fits", code=4)


def test_combine_replaces_only_when_told(cycle, tmp_path):
    output = tmp_path / "made.fits"
    output.write_bytes(b"older")
    with pytest.raises(fleckcore.errors.OutputError, match="there already"):
        run("combine", *cycle[:2], "-o", output, "--chip", 2)
    assert output.read_bytes() == b"older"
    run("combine", *cycle[:2], "-o", output, "--chip", 2, "--overwrite", "--method", "mean")
    (made,) = fleckcore.read(output)
    assert made.meta.exposure_s == 1000.5


@pytest.mark.parametrize("traps", [False, True])
def test_darks_of_a_cycle(cycle, tmp_path, fitsverify, traps):
    output = tmp_path / "darks"
    run(
        "darks",
        *cycle,
        "-o",
        output,
        "--chip",
        2,
        "--useafter",
        "2017-05-04",
        *(["--model"] if traps else []),
    )
    ending = "dkc" if traps else "drk"
    names = sorted(path.name for path in output.iterdir())
    days = [f"20170505j_{ending}.fits", f"20170507j_{ending}.fits"]
    assert names == sorted([*days, "base_dark.fits", "short_dark.fits", "darks.json"])
    record = json.loads((output / "darks.json").read_text())["chips"][0]
    assert [day["born"] for day in record["days"].values()] == [0, 1]
    late = fleckcore.read(output / days[1])[0]
    assert late.quality[90, 40] & 16
    assert late.data[90, 40] == pytest.approx(3.0, rel=0.1)
    assert (
        abs(late.data[54:67, 74:87].mean() - late.data[20:50].mean()) < 4 * late.error.mean() / 13
    )
    headers = [fits.getheader(output / day) for day in days]
    assert [header["USEAFTER"] for header in headers] == [
        "May 04 2017 00:00:00",
        "May 07 2017 07:12:00",
    ]
    assert headers[0]["FILETYPE"] == ("CTEDARK" if traps else "DARK")
    for day in days:
        assert fitsverify(output / day) == ""
        # One chip was asked for: nothing else is wrong.
        assert [text for text in check_reference(output / day) if "CCDCHIP" not in text] == []


def test_darks_need_both_kinds(cycle, tmp_path):
    with pytest.raises(fleckcore.FleckError, match="0 exposures are a short_dark"):
        run("darks", *cycle[:2], "-o", tmp_path / "darks", "--chip", 2)
