"""Flags beside acsccd and acsrej themselves, on frames of the twin. Needs HSTCAL in PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime

import numpy as np
import pytest
from astropy.io import fits

from fleckcore.flag import apply_table, deliver_table, encode_masks, preview
from fleckcore.instruments import load_profile
from fleckcore.io.bad_pixels import read_bad_pixels
from fleckcore.io.quality import read_quality
from fleckcore.io.references import Reference
from fleckcore.simulate import Observatory, load_scene, plan, write_references
from flecks import DECEMBER, deep_masks

ABOUT = Reference(
    kind="bad_pixels",
    useafter=datetime(2017, 5, 5),
    first=datetime(2017, 5, 5),
    last=datetime(2017, 12, 1),
    description="two flecks of the simulated scene",
)
TABLE = "20170505j_bpx.fits"
PROFILE = load_profile("acs_wfc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Reference files, the table of two flecks, and a raw dark that asks for nothing but DQICORR."""
    if shutil.which("acsccd.e") is None:
        pytest.skip("acsccd.e is not in PATH: build HSTCAL")
    folder = tmp_path_factory.mktemp("jref")
    observatory = Observatory(load_scene())
    names = write_references(observatory, folder, mjd=DECEMBER)
    deliver_table(folder / TABLE, encode_masks(deep_masks(observatory), PROFILE), ABOUT, PROFILE)
    item = next(e for e in plan(load_scene()) if e.kind == "short_dark" and e.mjd > DECEMBER)
    hdus = observatory.hdus(item, references=names | {"BPIXTAB": f"jref${TABLE}"})
    for keyword in [key for key in hdus[0].header if key.endswith("CORR")]:
        hdus[0].header[keyword] = "OMIT"
    hdus[0].header["DQICORR"] = "PERFORM"
    hdus.writeto(folder / "full_raw.fits")
    return folder


def acsccd(path):
    """Quality planes by chip that acsccd makes of a raw file."""
    env = {**os.environ, "jref": f"{path.parent}/"}
    run = subprocess.run(
        ["acsccd.e", path.name], cwd=path.parent, env=env, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    planes = read_quality(path.with_name(path.name.replace("raw", "blv_tmp")))
    return {plane.chip: plane.bits for plane in planes}


def subarray(folder, *, name, chip, x, y, size, table=TABLE, **cards):
    """A part of the full frame as a file of its own; x and y count from 0 in the raw frame."""
    with fits.open(folder / "full_raw.fits") as hdus:
        first = next(i for i, h in enumerate(hdus) if i and h.header["CCDCHIP"] == chip)
        parts = [hdus[0].copy()]
        for plane in range(3):
            hdu = hdus[first + plane].copy()
            hdu.header["EXTVER"] = 1
            if plane == 0:
                data = np.array(hdu.data[y : y + size[0], x : x + size[1]])
                header = hdu.header.copy()
                header["LTV1"] -= x
                header["LTV2"] -= y
                hdu = fits.ImageHDU(data, header)
            else:
                hdu.header["NPIX1"], hdu.header["NPIX2"] = size[::-1]
                hdu.header["LTV1"] -= x
                hdu.header["LTV2"] -= y
            parts.append(hdu)
        for keyword, value in {
            "SUBARRAY": True,
            "NEXTEND": 3,
            "BPIXTAB": f"jref${table}",
            **cards,
        }.items():
            parts[0].header[keyword] = value
        path = folder / name
        fits.HDUList(parts).writeto(path)
    return path


def compare(path, table):
    theirs = acsccd(path)
    ours = {plane.chip: apply_table(table, plane) for plane in read_quality(path)}
    assert ours.keys() == theirs.keys()
    for chip, applied in ours.items():
        assert applied.plane.bits.shape == theirs[chip].shape
        np.testing.assert_array_equal(applied.plane.bits, theirs[chip])
    return ours


def test_full_frame(folder):
    ours = compare(folder / "full_raw.fits", read_bad_pixels(folder / TABLE))
    assert {chip: one.pixels for chip, one in ours.items()} == {2: 67, 1: 21}
    rows, columns = np.nonzero(ours[2].plane.bits == 4)
    assert (round(columns.mean()), round(rows.mean())) == (1520 + 24, 1772)


@pytest.mark.parametrize(
    ("x", "y", "pixels"),
    [(1400, 1700, 67), (1541, 1700, None), (1400, 1775, None), (0, 0, 0)],
    ids=["around", "cut in x", "cut in y", "elsewhere"],
)
def test_subarray(folder, x, y, pixels):
    name = f"s{x}{y}_raw.fits"
    path = subarray(folder, name=name, chip=2, x=x, y=y, size=(256, 512))
    ours = compare(path, read_bad_pixels(folder / TABLE))[2]
    assert not ours.placeholder
    if pixels is None:
        assert 0 < ours.pixels < 67
    else:
        assert ours.pixels == pixels


def test_no_row_that_holds(folder):
    """The placeholder: (1,1) says the log, and counts from 0."""
    table = encode_masks({1: deep_masks(Observatory(load_scene()))[1]}, PROFILE)
    deliver_table(folder / "onechip_j_bpx.fits", table, ABOUT, PROFILE)
    path = subarray(
        folder,
        name="empty_raw.fits",
        chip=2,
        x=100,
        y=100,
        size=(64, 512),
        table="onechip_j_bpx.fits",
    )
    ours = compare(path, read_bad_pixels(folder / "onechip_j_bpx.fits"))[2]
    assert ours.placeholder
    assert ours.plane.bits[1, 1] == 64
    assert np.count_nonzero(ours.plane.bits) == 1


@pytest.mark.parametrize("form", ["E", "J", "I"])
def test_rows_are_chosen_as_acsccd_does(folder, form):
    """Amplifiers, gains and chips of every sort, overlapping bits, both axes, runs beyond every border."""
    rng = np.random.default_rng(7)
    count = 400
    amplifiers = rng.choice(["ABCD", "A", "C", "N/A", "ANY", "abcd", "D"], count)
    gains = rng.choice([2.0, 1.0, -1.0, -999.0] + ([2.5] if form == "E" else []), count)
    columns = [
        fits.Column("CCDAMP", "4A", array=amplifiers),
        fits.Column("PIX1", "I", array=rng.integers(-60, 4200, count)),
        fits.Column("PIX2", "I", array=rng.integers(-60, 2100, count)),
        fits.Column("LENGTH", "I", array=rng.integers(1, 300, count)),
        fits.Column("AXIS", "I", array=rng.integers(1, 3, count)),
        fits.Column("VALUE", "I", array=rng.choice([4, 16, 64, 1024, 5, -32768], count)),
        fits.Column("CCDCHIP", "I", array=rng.choice([1, 2, -1, -999, 3], count)),
        fits.Column("CCDGAIN", form, array=gains),
    ]
    primary = fits.PrimaryHDU(header=fits.getheader(folder / TABLE))
    body = fits.BinTableHDU.from_columns(columns, name="BPX")
    name = f"mixed{form.lower()}_j_bpx.fits"
    fits.HDUList([primary, body]).writeto(folder / name)
    with fits.open(folder / "full_raw.fits") as hdus:
        hdus[0].header["BPIXTAB"] = f"jref${name}"
        hdus.writeto(folder / f"mixed{form.lower()}_raw.fits")
    ours = compare(folder / f"mixed{form.lower()}_raw.fits", read_bad_pixels(folder / name))
    assert all(50 < one.rows < 350 for one in ours.values())


@pytest.mark.parametrize("imagetyp", ["DARK", "BIAS", "EXT"])
def test_the_preview_is_what_acsrej_does(folder, tmp_path, imagetyp):
    """Three exposures of 200 e-, a cosmic ray in one, on a flagged pixel of every sort."""
    if shutil.which("acsrej.e") is None:
        pytest.skip("acsrej.e is not in PATH: build HSTCAL")
    values = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 5, 6, 36, 48]
    rows = 10 + 10 * np.arange(len(values))
    for index in range(3):
        light, error = np.full((200, 256), 200, np.float32), np.full((200, 256), 15, np.float32)
        bits = np.zeros((200, 256), np.int16)
        bits[rows, 100] = values
        if index == 1:
            light[rows, 100] = 5000
        primary = fits.PrimaryHDU(header=fits.getheader(folder / "full_raw.fits"))
        primary.header.update(IMAGETYP=imagetyp, CRCORR="PERFORM", DQICORR="OMIT", NEXTEND=3)
        for letter in "ABCD":
            primary.header.update({f"ATODGN{letter}": 2.0, f"READNSE{letter}": 4.0})
        parts = [primary]
        for name, plane in (("SCI", light), ("ERR", error), ("DQ", bits)):
            hdu = fits.ImageHDU(plane, name=name, ver=1)
            hdu.header.update(CCDCHIP=2, LTV1=0.0, LTV2=0.0)
            parts.append(hdu)
        fits.HDUList(parts).writeto(tmp_path / f"d{index}_blv_tmp.fits")
    inputs = ",".join(f"d{index}_blv_tmp.fits" for index in range(3))
    run = subprocess.run(
        ["acsrej.e", inputs, "out_crj.fits"],
        cwd=tmp_path,
        env={**os.environ, "jref": f"{folder}/"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    with fits.open(tmp_path / "out_crj.fits") as hdus:
        bad_bits = hdus[0].header["BADINPDQ"]
        made = hdus["SCI", 1].data[rows, 100]
        assert hdus["SCI", 1].data[5, 100] == 600
    for value, light in zip(values, made.tolist(), strict=True):
        seen = preview({}, PROFILE, value=value, bad_bits=bad_bits).rejection
        wanted = seen[2 if imagetyp == "EXT" else 1]
        fate = 0 if not wanted.used else 600 if wanted.tested else 5400
        assert light == fate, (value, light, str(wanted))
