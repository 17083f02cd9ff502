"""Charge put back amplifier by amplifier, and the command that does it to files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

import reference_cte
from fleckcore.calibrate import correct_cte
from fleckcore.cli import cli
from fleckcore.errors import FleckError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.instruments import load_profile
from fleckcore.io import read
from fleckcore.io.exposures import write_exposure
from fleckcore.simulate import trail
from fleckcore.traps import TrapModels, parametric_traps

ROWS = COLS = 48  # of a quadrant
MJD = 57_878.0
NOISE = {"A": 4.5, "B": 0.0, "C": 4.0, "D": 5.0}
PROFILE = """
name = "small"
title = "Four amplifiers"
recognise = { INSTRUME = ["SMALL"] }
keywords = { mjd = ["EXPSTART"], read_noise = ["READNSE?"] }
quality = { bad = 1 }
planes = { may_lack = ["ERR", "DQ"] }

[[chips]]
id = 2
shape = [48, 96]
raw_shape = [48, 96]
raw_rows = [[0, 48]]
raw_columns = [[0, 96]]
amplifiers = ["C", "D"]
seams = [["col", 48]]

[[chips]]
id = 1
shape = [48, 96]
raw_shape = [48, 96]
raw_rows = [[0, 48]]
raw_columns = [[0, 96]]
amplifiers = ["A", "B"]
seams = [["col", 48]]

[amplifiers]
A = { readout = "+y", serial = "-x", table_column = 96, read_noise_e = 4.5 }
B = { readout = "+y", serial = "+x", table_column = 144, read_noise_e = 4.5 }
C = { readout = "-y", serial = "-x", read_noise_e = 4.5 }
D = { readout = "-y", serial = "+x", table_column = 48, read_noise_e = 4.5 }

[traps]
full_well_e = 80000
fill_power = 0.5
shares = [0.4, 0.6]
serial_from_mjd = 54962
eras = [{ from_mjd = 52334, began_mjd = 52000, density_per_day = 5e-4, release_transfers = [1.0, 8.0] }]
"""


@pytest.fixture(scope="module")
def profile_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "small.toml"
    path.write_text(PROFILE)
    return path


@pytest.fixture(scope="module")
def profile(profile_path):
    return load_profile(profile_path)


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(8)

    def scaled(**changes):
        numbers = {"full_well_e": 80_000, "fill_power": 0.5, "levels": 12, "trail": 10}
        dates = {"rows": ROWS, "date0": 54_000.0, "date1": 58_000.0}
        traps = parametric_traps(**(numbers | dates | changes))
        return replace(traps, row_scale=rng.uniform(0.1, 2.0, (192, 4)), repair_rays=True)

    serial = {
        letter: scaled(densities=[rate], release_transfers=[2.0], substeps=2, iterations=3)
        for letter, rate in zip("ABCD", (0.3, 0.6, 0.9, 1.2), strict=True)
    }
    parallel = scaled(densities=[2.0, 3.0], release_transfers=[1.0, 8.0])
    return TrapModels(parallel=parallel, serial=serial, name="made up")


def frame_of(chip, profile, seed=0, **meta):
    rng = np.random.default_rng(seed + chip)
    data = rng.normal(64.0, 9.0, (ROWS, 2 * COLS))
    rays = rng.random(data.shape) < 0.03
    data[rays] += 100 * rng.pareto(1.0, rays.sum()).clip(0, 400)
    error = np.sqrt(np.maximum(data, 0) + 16.0)
    known = {"profile": profile.name, "chip": chip, "unit": "electron", "mjd": MJD} | meta
    return Frame(data.astype(np.float32), error.astype(np.float32), meta=FrameMeta(**known))


def aligned(plane, letter):
    """As the published correction turns quadrants: amplifiers at the lower left. Its own inverse."""
    plane = plane[:, ::-1] if letter in "BD" else plane
    return plane[::-1] if letter in "AB" else plane


def rotated(plane, letter):
    """As it turns them for the serial register, before it aligns them."""
    return plane.T[:, ::-1] if letter in "BC" else plane.T[::-1]


def back_from_rotated(plane, letter):
    return plane.T[::-1] if letter in "BC" else plane.T[:, ::-1]


def reference_correction(data, error, model, noise, scale):
    smooth = reference_cte.smooth_noise(data, noise)[0]
    restored = reference_cte.cte_readout(
        smooth, model, scale=scale, inverse=True, read_noise_e=noise
    )
    change = restored.astype(np.float32) - smooth
    err = np.sqrt(error * error + (0.1 * np.abs(change.astype(float))) ** 2).astype(np.float32)
    return data + change, err


@pytest.mark.parametrize("chip", [1, 2])
def test_equals_the_published_order(chip, profile, models):
    frame = frame_of(chip, profile)
    corrected, _ = correct_cte(frame, models, profile=profile, read_noise_e=NOISE)
    for i, letter in enumerate("AB" if chip == 1 else "CD"):
        part, first = np.s_[:, COLS * i : COLS * (i + 1)], "CDAB".index(letter) * COLS
        data, error = frame.data[part], frame.error[part]
        for name in ("serial", "parallel"):
            turn, back = (rotated, back_from_rotated) if name == "serial" else (None, None)
            model = models.serial[letter] if turn else models.parallel
            planes = [turn(p, letter) if turn else p for p in (data, error)]
            planes = [aligned(p, letter) for p in planes]
            done = reference_correction(
                *planes, model.columns(first, first + COLS), NOISE[letter], model.scale(MJD)
            )
            done = [aligned(p, letter) for p in done]
            data, error = (back(p, letter) for p in done) if back else done
        np.testing.assert_array_equal(corrected.data[part], data)
        np.testing.assert_array_equal(corrected.error[part], error)


def test_record(profile, models):
    corrected, record = correct_cte(frame_of(2, profile), models, profile=profile)
    assert record["traps"] == "made up"
    assert sorted(record["amplifiers"]) == ["C", "D"]
    told = record["amplifiers"]["D"]
    assert told["read_noise_e"] == pytest.approx(4.5)
    assert told["parallel"]["scale"] == pytest.approx((MJD - 54_000) / 4000)
    assert told["serial"]["moved_e"] > 100
    change = corrected.data.astype(float) - frame_of(2, profile).data
    added = sum(
        amp[way]["added_e"]
        for amp in record["amplifiers"].values()
        for way in ("serial", "parallel")
    )
    assert change.sum() == pytest.approx(added, abs=0.5)
    json.dumps(record, allow_nan=False)


def test_early_frames_are_not_corrected_along_the_register(profile, models):
    frame = frame_of(2, profile)
    _, record = correct_cte(frame, models, profile=profile, mjd=54_900.0)
    assert "serial" not in record["amplifiers"]["C"]


@pytest.mark.parametrize("chip", [1, 2])
def test_undoes_a_trail(chip, profile):
    dates = {"rows": ROWS, "date0": 52_000.0, "date1": MJD, "levels": 80, "substeps": 6}
    numbers = {"full_well_e": 80_000, "fill_power": 0.5, "trail": 30, "iterations": 7} | dates
    parallel = parametric_traps(densities=[2.0, 3.0], release_transfers=[1.0, 8.0], **numbers)
    register = parametric_traps(densities=[0.5], release_transfers=[2.0], **numbers)
    models = TrapModels(parallel=parallel, serial=dict.fromkeys("ABCD", register))
    truth = np.full((ROWS, 2 * COLS), 64.0)
    truth[[5, 20, 30, 40], [10, 40, 60, 80]] += (500.0, 2000.0, 10_000.0, 40_000.0)
    trailed = trail(truth, models, chip=chip, mjd=MJD, profile=profile)
    frame = frame_of(chip, profile).replace(data=trailed, error=None)
    quiet = dict.fromkeys("ABCD", 0.0)
    corrected, _ = correct_cte(frame, models, profile=profile, read_noise_e=quiet)
    wrong = [np.abs(plane - truth).sum() for plane in (trailed, corrected.data)]
    assert wrong[0] > 100
    assert wrong[1] < 0.1 * wrong[0]
    assert corrected.error is None


def test_pixels_that_are_not_finite_stay(profile, models):
    frame = frame_of(2, profile)
    data = np.array(frame.data)
    data[10, 10], data[20, 70] = np.nan, np.inf
    corrected, record = correct_cte(frame.replace(data=data), models, profile=profile)
    assert record["not_finite"] == 2
    assert np.isnan(corrected.data[10, 10])
    assert np.isinf(corrected.data[20, 70])
    assert np.isfinite(corrected.data).sum() == data.size - 2


@pytest.mark.parametrize(
    ("meta", "how", "words"),
    [
        ({"unit": "DN"}, {}, "unit DN"),
        ({"mjd": None}, {}, "date None"),
        ({"chip": None}, {}, "chip None"),
        ({"chip": 3}, {}, "chip 3"),
        ({"mjd": 53_000.0}, {}, "before 54000"),
        ({}, {"read_noise_e": {"C": 4.0}}, "read noise of amplifier D"),
    ],
)
def test_faults(profile, models, meta, how, words):
    frame = frame_of(2, profile)
    frame = frame.replace(meta=replace(frame.meta, **meta))
    with pytest.raises(FleckError, match=words) as caught:
        correct_cte(frame, models, profile=profile, **how)
    assert caught.value.code == "M07"


@pytest.fixture
def exposure(tmp_path, profile):
    path = tmp_path / "j9_flt.fits"
    primary = fits.PrimaryHDU()
    for key, value in {
        "INSTRUME": "SMALL",
        "EXPSTART": MJD,
        "READNSEC": 3.5,
        "TARGNAME": "DARK",
    }.items():
        primary.header[key] = value
    hdus = [primary]
    for version, chip in ((1, 2), (2, 1)):
        frame = frame_of(chip, profile)
        quality = np.full(frame.shape, chip, np.int16)
        for name, plane in (("SCI", frame.data), ("ERR", frame.error), ("DQ", quality)):
            hdu = fits.ImageHDU(plane, name=name, ver=version)
            hdu.header["CCDCHIP"], hdu.header["KEPT"] = chip, name
            hdu.header["BUNIT"] = "UNITLESS" if name == "DQ" else "ELECTRONS"
            hdus.append(hdu)
    hdus.append(fits.BinTableHDU.from_columns([fits.Column("X", "J", array=[1, 2])], name="LOG"))
    fits.HDUList(hdus).writeto(path)
    return path


def run(*arguments):
    return CliRunner().invoke(cli, ["cte", *map(str, arguments)], standalone_mode=False)


def test_the_command(tmp_path, exposure, profile_path, profile):
    done = run(exposure, "-o", tmp_path / "out", "--model", "--profile", profile_path)
    assert done.return_value == 0, done.output
    assert "chip 2, amplifier C: parallel" in done.output
    written = tmp_path / "out" / "j9_flt_cte.fits"
    with fits.open(exposure) as before, fits.open(written, checksum=True) as after:
        assert [h.name for h in before] == [h.name for h in after]
        header = after[0].header
        assert (header["PCTECORR"], header["TARGNAME"]) == ("COMPLETE", "DARK")
        assert header["PCTEFRAC"] == 1.0
        assert "fleckcore" in str(header["HISTORY"])
        for one, two in zip(before[1:7], after[1:7], strict=True):
            assert (two.header["KEPT"], two.header["CCDCHIP"]) == (one.name, one.header["CCDCHIP"])
        np.testing.assert_array_equal(before["DQ", 2].data, after["DQ", 2].data)
        np.testing.assert_array_equal(before["LOG"].data["X"], after["LOG"].data["X"])
        assert after["SCI", 1].header["BITPIX"] == -32
        assert np.abs(after["SCI", 2].data - before["SCI", 2].data).max() > 1
        assert (after["ERR", 1].data >= before["ERR", 1].data).all()
    record = json.loads((tmp_path / "out" / "j9_flt_cte.json").read_text())
    chips = {chip["chip"]: chip["amplifiers"] for chip in record["chips"]}
    assert chips[2]["C"]["read_noise_e"] == 3.5
    assert chips[1]["A"]["read_noise_e"] == 4.5
    assert chips[1]["A"]["parallel"]["moved_e"] > 0
    assert [frame.meta.chip for frame in read(written, profile=profile)] == [1, 2]


def test_the_command_and_what_it_cannot_use(tmp_path, exposure, profile_path):
    missing = tmp_path / "none.fits"
    options = ("-o", tmp_path / "out", "--profile", profile_path, "--model", "--json")
    done = run(exposure, missing, *options)
    assert done.return_value == 3
    good, bad = json.loads(done.stdout)
    assert good["output"].endswith("j9_flt_cte.fits")
    assert bad["input"] == str(missing)
    assert bad["code"]
    assert run(missing, *options).return_value == 4
    for wrong in ((), ("--model", "--table", "x.fits")):
        with pytest.raises(Exception, match="either --table or --model"):
            raise run(exposure, "-o", tmp_path, *wrong).exception


def test_an_exposure_keeps_its_shape(tmp_path, exposure, profile):
    frame = read(exposure, profile=profile, chip=2)[0]
    other = replace(frame.meta, extension="SCI,7")
    small = Frame(frame.data[:5], meta=frame.meta)
    for wrong, words in ((frame.replace(meta=other), "SCI,7"), (small, r"shape \(5, 96\)")):
        with pytest.raises(FleckError, match=words) as caught:
            write_exposure(tmp_path / "x.fits", [wrong], like=exposure, profile=profile)
        assert caught.value.code == "M07"
    assert not (tmp_path / "x.fits").exists()
