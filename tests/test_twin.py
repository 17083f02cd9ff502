"""The simulated ACS/WFC: scenes, calendar, and two exposures at full size that all other tests share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

import fleckcore as fc
import real_frames
from fleckcore import simulate
from fleckcore.calibrate import measure_bias, photon_transfer, subtract_bias, to_electrons
from fleckcore.cli import cli
from fleckcore.errors import MetadataError, OutputError
from fleckcore.instruments import load_profile
from fleckcore.io.sinks import read_sink_codes
from fleckcore.measure import Sinks, flag_sinks
from fleckcore.simulate import FLECKS, ChipTruth, Observatory, load_scene, observe, plan, select
from fleckcore.simulate.campaign import KINDS, cycle_of, mjd_of
from fleckcore.simulate.exposure import calibrated

BIRTH = mjd_of(date(2017, 5, 5))
DECEMBER = mjd_of(date(2017, 12, 1))
TEXT = (files("fleckcore.simulate") / "scenes" / "acs_wfc.toml").read_text()


@pytest.fixture(scope="module")
def scene():
    return load_scene()


@pytest.fixture(scope="module")
def observatory(scene):
    return Observatory(scene)


@pytest.fixture(scope="module")
def raw(scene, observatory, tmp_path_factory):
    """One exposure of each kind that has its own physics, as a file."""
    folder = tmp_path_factory.mktemp("raw")
    names = {}
    for kind in ("short_dark", "bias"):
        item = next(e for e in plan(scene) if e.kind == kind and e.mjd > BIRTH)
        names[kind] = folder / f"{item.rootname}_raw.fits"
        observatory.hdus(item).writeto(names[kind], checksum=True)
    return names


class TestScene:
    def test_the_packaged_flecks_are_those_of_the_report(self, scene):
        for chip, known in FLECKS.items():
            lying = [f.on(date(2017, 12, 1)) for f in scene.flecks if f.chip == chip]
            assert [item.name for item in lying] == [item.name for item in known]
            for ours, item in zip(lying, known, strict=True):
                assert (ours.width, ours.height) == (item.width, item.height)
                assert (ours.x, ours.y) == pytest.approx((item.x, item.y))

    @pytest.mark.parametrize(
        ("old", "new", "place"),
        [
            ("seed = 20170505", "sead = 20170505", "sead"),
            ("per_s = 22.0", "per_s = -1.0", "cosmic_rays.per_s"),
            ("chip = 2\nx = 1520.3", "chip = 3\nx = 1520.3", "chip 3"),
            ("dates = [\n  2015-02-09", "dates = [\n  2019-02-09", "not in order"),
            ("D = { gain_e", "E = { gain_e", "no 'D'"),
            ("stop = 2018-01-20", "stop = 2014-01-20", "start"),
            ("[electronics]", "[electronics", "not TOML"),
        ],
    )
    def test_a_fault_names_its_place(self, tmp_path, old, new, place):
        assert old in TEXT
        path = tmp_path / "scene.toml"
        path.write_text(TEXT.replace(old, new))
        with pytest.raises(MetadataError, match=place) as caught:
            load_scene(path)
        assert caught.value.code == "M08"

    @pytest.mark.parametrize("name", ["nowhere", "nowhere.toml"])
    def test_a_scene_that_is_not_there(self, name):
        with pytest.raises(MetadataError) as caught:
            load_scene(name)
        assert caught.value.code == "M08"


class TestCalendar:
    def test_cycles_are_those_of_the_report(self, scene):
        for first, last in (
            (date(2017, 4, 4), date(2017, 5, 3)),
            (date(2017, 5, 5), date(2017, 5, 29)),
            (date(2017, 6, 26), date(2017, 7, 26)),
        ):
            assert cycle_of(scene, first) == cycle_of(scene, last) == (first, last)

    def test_a_cycle_has_what_the_monitor_takes(self, scene):
        kinds = [item.kind for item in select(scene, cycle=date(2017, 7, 1))]
        assert kinds.count("unflashed_dark") == 8
        assert kinds.count("long_dark") == 2 * kinds.count("short_dark") == 4 * 16
        assert kinds[:4] == kinds[-4:] == ["unflashed_dark"] * 4

    def test_flats_and_eper(self, scene):
        exposures = plan(scene)
        flats = [item for item in exposures if item.kind == "flat"]
        assert len(flats) == 2 * 8 * 3
        red = [item.lamp_e for item in flats if item.filter == "F625W"]
        assert np.allclose(np.multiply(red, 3), 167525, rtol=1e-5)
        eper = [item.lamp_e for item in exposures if item.kind == "eper"]
        assert eper == [180, 430, 1600, 3400, 7100, 42000] * 2

    def test_the_campaign_is_in_order_and_rootnames_differ(self, scene):
        exposures = plan(scene)
        assert [item.index for item in exposures] == list(range(len(exposures)))
        assert all(a.mjd <= b.mjd for a, b in pairwise(exposures))
        assert len({item.rootname for item in exposures}) == len(exposures) > 4000

    def test_faults(self, scene):
        for options in ({"cycle": date(2030, 1, 1)}, {"kinds": ["spectrum"]}):
            with pytest.raises(MetadataError) as caught:
                select(scene, **options)
            assert caught.value.code == "M07"


class TestTruth:
    @pytest.mark.parametrize(
        ("chip", "name", "area", "half"),
        [(2, "larger", 144, 67), (1, "elongated", 52, 21), (1, "tiny", 25, 9)],
    )
    def test_flecks_in_a_noiseless_flat(self, observatory, chip, name, area, half):
        truth = observatory.chips[chip]
        fleck = next(f for f in truth.scene.flecks if f.name == name)
        lit = truth.light(DECEMBER, "F435W") / truth.light(BIRTH - 1, "F435W")
        window = np.s_[
            round(fleck.y) - 20 : round(fleck.y) + 21, round(fleck.x) - 20 : round(fleck.x) + 21
        ]
        lost = 1 - lit[window]
        assert (np.count_nonzero(lost > 0.05), np.count_nonzero(lost > 0.5)) == (area, half)
        assert lost.max() > 0.99
        assert 0.001 < -lost.min() < 0.003  # light that the fleck reflects
        assert np.argwhere(lost == lost.min())[0, 0] > 20  # above it

    @pytest.mark.parametrize(
        ("chip", "name", "rise"), [(2, "larger", 0.076), (1, "elongated", 0.071)]
    )
    def test_flecks_let_red_light_through_at_the_rim(self, observatory, chip, name, rise):
        truth = observatory.chips[chip]
        fleck = next(f for f in truth.scene.flecks if f.name == name)
        window = np.s_[
            round(fleck.y) - 12 : round(fleck.y) + 12, round(fleck.x) - 12 : round(fleck.x) + 12
        ]
        through = {
            colour: (truth.light(DECEMBER, colour) / truth.light(BIRTH - 1, colour))[window]
            for colour in ("F775W", "F814W", "F850LP")
        }
        aperture = through["F775W"] < 0.95
        mean = {colour: part[aperture].mean() for colour, part in through.items()}
        assert mean["F850LP"] - mean["F775W"] == pytest.approx(rise, abs=0.001)
        assert mean["F775W"] < mean["F814W"] < mean["F850LP"]
        assert through["F850LP"].min() < 0.01

    def test_the_led_shows_shadows_elsewhere(self, observatory):
        found = []
        for truth in observatory.chips.values():
            fleck = next(f for f in truth.scene.flecks if f.chip == truth.chip.id)
            window = np.s_[
                round(fleck.y) - 15 : round(fleck.y) + 16, round(fleck.x) - 15 : round(fleck.x) + 16
            ]
            centres = []
            for source in (None, "F435W"):
                lost = np.maximum(
                    1 - (truth.light(DECEMBER, source) / truth.light(BIRTH - 1, source))[window], 0
                )
                centres.append([np.average(grid, weights=lost) for grid in np.indices(lost.shape)])
            found.append(np.subtract(*centres)[::-1])
        dx, dy = observatory.scene.flash.shift
        assert np.allclose(found, [[dx, dy]] * 2, atol=0.05)

    def test_nothing_before_the_birth(self, observatory):
        truth = observatory.chips[2]
        assert list(truth.flecks(BIRTH - 1e-6)) == []
        assert len(list(truth.flecks(BIRTH))) == 1

    def test_the_flash_varies_by_two_over_the_field(self, observatory):
        every = np.concatenate(
            [truth.light(BIRTH - 1).ravel()[::997] for truth in observatory.chips.values()]
        )
        low, high = np.percentile(every, [0.1, 99.9])
        assert 1.9 < high / low < 2.3

    def test_hot_pixels_come_and_most_heal(self, observatory):
        history = observatory.chips[2].hot_pixels
        scene = observatory.scene
        anneal = mjd_of(date(2017, 6, 25)) + 0.5
        new = (history.born > anneal - 26) & (history.born < anneal)
        assert np.count_nonzero(new) == pytest.approx(26 * scene.hot_pixels.born_per_day, rel=0.03)
        gone = np.mean(history.healed[new] <= anneal)
        assert gone == pytest.approx(scene.hot_pixels.healed, abs=0.01)
        place, rate = history.at(BIRTH)
        assert (observatory.chips[2].dark_rate(BIRTH).ravel()[place] >= rate).all()

    def test_freckles_are_apart(self, observatory):
        freckles = observatory.chips[1].freckles
        assert len(freckles) == 100
        places = np.array([(item.x, item.y) for item in freckles])
        apart = np.abs(places[:, None] - places).max(axis=2) + 1000 * np.eye(100)
        assert apart.min() > 20


class TestExposure:
    def test_bytes_follow_from_the_seed_alone(self, scene, tmp_path):
        pair = select(scene, cycle=date(2017, 5, 10), kinds=["short_dark"])[:2]
        folders = [tmp_path / name for name in ("two", "one")]
        for folder, workers, items in ((folders[0], 2, pair), (folders[1], 1, pair[1:])):
            folder.mkdir()
            done = dict(observe(scene, items, folder, workers=workers))
            assert len(done) == len(items)
        name = f"{pair[1].rootname}_raw.fits"
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
        with pytest.raises(OutputError) as caught:
            next(observe(scene, pair, folders[0]))
        assert caught.value.code == "R08"

    def test_level_noise_and_bias_of_a_raw_frame(self, raw, scene, observatory):
        electronics = scene.electronics
        for chip in (1, 2):
            for kind in raw:
                (frame,) = fc.read(raw[kind], chip=chip, trim=False)
                assert frame.data.shape == (2068, 4144)
                assert frame.data.dtype.kind == "u" or frame.data.dtype == np.float32
                for level in measure_bias(frame):
                    known = electronics.amplifiers[level.amplifier]
                    assert level.level == pytest.approx(
                        known.bias_dn, abs=4 * electronics.bias_drift_dn
                    )
                    rounding = 1 / 12 + electronics.bias_columns_dn**2
                    noise = np.hypot(known.read_noise_e, electronics.stripes_e) / known.gain_e
                    assert level.noise == pytest.approx(np.sqrt(noise**2 + rounding), rel=0.04)
            (frame,) = fc.read(raw["short_dark"], chip=chip, trim=False)
            light = to_electrons(with_gains(subtract_bias(frame, measure_bias(frame)), electronics))
            item = next(e for e in plan(scene) if e.kind == "short_dark" and e.mjd > BIRTH)
            wanted = simulate.expected_electrons(observatory.chips[chip], item)
            assert np.median(light.data) == pytest.approx(np.median(wanted), rel=0.02)

    def test_gain_from_two_flats(self, scene, observatory):
        """Without traps, which move charge to neighbours and so take noise away."""
        truth = ChipTruth(scene.model_copy(update={"traps": None}), 2)
        pair = [e for e in plan(scene) if e.filter == "F475W"][:2]
        biases = [e for e in plan(scene) if e.kind == "bias"][:2]
        frames = [as_frame(simulate.expose(truth, item).raw) for item in (*pair, *biases)]
        for letter, columns in (("C", slice(100, 2000)), ("D", slice(2100, 4000))):
            region = (slice(100, 1900), columns)
            measured = photon_transfer(
                (frames[0], frames[1]), (frames[2], frames[3]), region=region
            )
            known = scene.electronics.amplifiers[letter]
            assert measured.gain_e == pytest.approx(known.gain_e, rel=0.01)
            noise = np.hypot(known.read_noise_e, scene.electronics.stripes_e)
            assert measured.read_noise_e == pytest.approx(noise, rel=0.03)

    def test_charge_is_deferred_into_the_virtual_rows(self, raw, scene):
        for chip, letter in ((2, "C"), (1, "A")):
            (frame,) = fc.read(raw["short_dark"], chip=chip, trim=False)
            rows = np.asarray(frame.data, float)[:, 30:2000]
            virtual = (rows[2048:] if chip == 2 else rows[19::-1]).mean(axis=1)
            (level,) = (b for b in measure_bias(frame) if b.amplifier == letter)
            behind = (virtual - level.level) * scene.electronics.amplifiers[letter].gain_e
            assert behind[0] > 5
            assert behind[0] > 3 * behind[8:].mean() > 0

    def test_the_shadow_behind_a_fleck(self, observatory, scene):
        """Almost 200 e- lack in 11 x 3 pixels, says the report: what ordinary traps make of a dark place."""
        truth = observatory.chips[2]
        item = next(e for e in plan(scene) if e.kind == "short_dark" and e.mjd > BIRTH)
        read, light = [], []
        for exposure in (item, replace(item, mjd=BIRTH - 0.01)):
            light.append(simulate.expected_electrons(truth, exposure))
            read.append(simulate.trail(light[-1], truth.traps, chip=2, mjd=item.mjd))
        x, y = 1521, 1771
        assert read[0][y, x] < 0.3 * read[1][y, x]
        lacking = (read[1] - read[0] - (light[1] - light[0]))[:, x - 5 : x + 6].sum(axis=1)
        assert 150 < lacking[y + 6 : y + 9].sum() < 300
        assert abs(lacking[y + 12 :].sum()) < 1
        assert lacking[: y - 8].sum() == 0

    def test_kinds_are_recognised(self, scene, observatory, raw):
        for kind, path in raw.items():
            assert {frame.meta.kind for frame in fc.read(path)} == {kind}

    @pytest.mark.parametrize("kind", KINDS)
    def test_headers_tell_the_kind_and_the_date(self, scene, observatory, kind, tmp_path):
        item = next(e for e in plan(scene) if e.kind == kind)
        truth = observatory.chips[2]
        small = np.zeros(truth.chip.raw_shape, np.uint16)
        from fleckcore.simulate.headers import image_header, primary_header

        path = tmp_path / "one.fits"
        hdus = [fits.PrimaryHDU(header=primary_header(truth, item, filename=path.name))]
        hdus.append(fits.ImageHDU(small, image_header(truth, item, plane="SCI", pixels=small)))
        fits.HDUList(hdus).writeto(path)
        (frame,) = fc.read(path, chip=2)
        assert frame.meta.kind == kind
        assert frame.meta.mjd == pytest.approx(item.mjd)
        assert frame.meta.exposure_s == item.exposure_s
        assert frame.meta.flash_s == item.flash_s
        if item.filter:
            assert frame.meta.filters == (item.filter,)

    def test_calibrated(self, scene, observatory, tmp_path, fitsverify):
        item = next(e for e in plan(scene) if e.kind == "short_dark" and e.mjd > BIRTH)
        path = tmp_path / "one_flt.fits"
        hdus = observatory.hdus(item, calibrate=True)
        hdus.writeto(path, checksum=True)
        assert fitsverify(path) == ""
        assert [hdu.data.dtype.name for hdu in hdus[1:]] == ["float32", "float32", "int16"] * 2
        (frame,) = fc.read(path, chip=2)
        assert (frame.meta.unit, frame.meta.kind, frame.data.shape) == (
            "electron",
            "short_dark",
            (2048, 4096),
        )
        wanted = simulate.expected_electrons(observatory.chips[2], item)
        assert np.median(frame.data - wanted) == pytest.approx(0, abs=0.7)
        rate = observatory.chips[2].dark_rate(item.mjd)
        assert ((frame.quality & 16 > 0) == (rate > 0.14)).all()


class TestFiles:
    def test_fitsverify_and_layout(self, raw, fitsverify):
        for path in raw.values():
            assert fitsverify(path) == ""
            with fits.open(path) as hdus:
                names = [(hdu.name, hdu.ver, hdu.header["CCDCHIP"]) for hdu in hdus[1:]]
                assert names == [(n, v, 3 - v) for v in (1, 2) for n in ("SCI", "ERR", "DQ")]
                assert [hdus["SCI", v].header["LTV2"] for v in (1, 2)] == [0, 20]
                assert hdus["SCI", 1].header["LTV1"] == 24
                assert hdus["SCI", 1].header["BITPIX"] == 16
                for name in ("ERR", "DQ"):
                    header = hdus[name, 2].header
                    known = [header[key] for key in ("NAXIS", "NPIX1", "NPIX2", "PIXVALUE")]
                    assert known == [0, 4144, 2068, 0]
                assert all(hdu.header["SIMULATED"] is True for hdu in hdus)

    def test_cards_are_those_of_genuine_files(self, raw):
        """Every keyword with a value of its type; in the order of the genuine file of this camera."""
        with (
            fits.open(raw["short_dark"]) as ours,
            fits.open(real_frames.file("hst/j8bt05njq_raw.fits.gz")) as hrc,
            fits.open(
                real_frames.file("hst/hst_acs_biasfile_0001.fits.gz"), ignore_missing_end=True
            ) as wfc,
        ):
            for index in range(4):
                check_cards(hrc[index].header, ours[index].header)
                check_cards(wfc[index].header, ours[index].header, in_order=True)

    def test_references_have_their_keys(self, observatory, tmp_path):
        names = simulate.write_references(observatory, tmp_path, mjd=DECEMBER)
        assert set(names) >= {
            "BIASFILE",
            "CCDTAB",
            "OSCNTAB",
            "BPIXTAB",
            "CRREJTAB",
            "DARKFILE",
            "PCTETAB",
        }
        table = fits.getdata(tmp_path / names["BPIXTAB"].removeprefix("jref$"), 1)
        assert (table["CCDCHIP"] == 2).sum() == 67
        assert (table["CCDCHIP"] == 1).sum() == 21 + 9
        assert abs(table["PIX1"][table["CCDCHIP"] == 2].mean() - 1521) < 1
        header = fits.getheader(tmp_path / names["DARKFILE"].removeprefix("jref$"))
        assert (header["FILETYPE"], header["USEAFTER"]) == ("DARK", "Dec 01 2017 00:00:00")

    def test_command(self, tmp_path):
        options = [
            "-o",
            str(tmp_path),
            "--cycle",
            "2017-05-05",
            "--kinds",
            "bias",
            "--limit",
            "1",
            "--workers",
            "1",
        ]
        run = CliRunner().invoke(cli, ["simulate", *options])
        assert run.exit_code == 0, run.output
        record = json.loads((tmp_path / "truth.json").read_text())
        assert record["simulated"] is True
        assert [fleck["area_half"] for fleck in record["flecks"]] == [67, 21, 9]
        assert len(record["freckles"]) == 200
        (exposure,) = record["exposures"]
        assert (tmp_path / exposure["file"]).is_file()
        assert exposure["kind"] == "bias"
        again = CliRunner().invoke(cli, ["simulate", *options])
        assert isinstance(again.exception, OutputError)

    def test_the_command_wants_a_span(self, tmp_path):
        run = CliRunner().invoke(cli, ["simulate", "-o", str(tmp_path)])
        assert run.exit_code == 2


def with_gains(frame, electronics):
    """As the profile knows them from other years."""
    areas = tuple(
        replace(
            area,
            gain_e=electronics.amplifiers[area.amplifier].gain_e,
            read_noise_e=electronics.amplifiers[area.amplifier].read_noise_e,
        )
        for area in frame.meta.areas
    )
    return frame.replace(meta=replace(frame.meta, areas=areas))


def as_frame(data):
    return fc.Frame(data.astype(np.float32), meta=fc.frame.FrameMeta(unit="DN"))


# What describes the array itself, what only products or references have, and what 2002 had and 2017 has not.
NOT_OURS = {
    *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT"),
    *("BSCALE", "BZERO", "EXTEND", "COMMENT", "HISTORY", "ORIGIN", "DATE", "TEXPTIME"),
    *("DESCRIP", "PEDIGREE", "USEAFTER", "ADD_1", "DIFF_12", "GROUPS", "ATODTAB"),
    *("GRAPHTAB", "COMPTAB", "MDRIZSKY", "ACQNAME", "CFLTFILE", "SPOTTAB"),
}


def check_cards(genuine, ours, *, in_order=False):
    wanted = [keyword for keyword in genuine if keyword and keyword not in NOT_OURS]
    assert [keyword for keyword in wanted if keyword not in ours] == []
    if in_order:
        assert [keyword for keyword in ours if keyword in set(wanted)] == wanted
    for keyword in wanted:
        if isinstance(genuine[keyword], str | bool) and genuine[keyword] != "":
            assert type(ours[keyword]) is type(genuine[keyword]), keyword


@pytest.mark.skipif(shutil.which("acsccd.e") is None, reason="calacs is not installed")
def test_calacs_finds_what_the_scene_holds(scene, observatory, tmp_path):
    """Bias level, gain, errors, bad pixels and sinks, from a raw file and the references of the scene."""
    item = next(e for e in plan(scene) if e.kind == "short_dark" and e.mjd > BIRTH)
    names = simulate.write_references(observatory, tmp_path, mjd=item.mjd)
    raw = tmp_path / f"{item.rootname}_raw.fits"
    observatory.hdus(item, references=names).writeto(raw)
    run = subprocess.run(
        ["acsccd.e", raw.name],
        cwd=tmp_path,
        env=os.environ | {"jref": f"{tmp_path}/"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ACSCCD complete" in run.stdout, run.stdout
    profile = load_profile("acs_wfc")
    for frame in fc.read(tmp_path / f"{item.rootname}_blv_tmp.fits"):
        truth = observatory.chips[frame.meta.chip]
        ours = calibrated(truth, item, simulate.expose(truth, item))
        for half in np.s_[:, :2048], np.s_[:, 2048:]:
            assert np.median((frame.data - ours.data)[half]) == pytest.approx(0, abs=0.2)
            assert np.median((frame.error / ours.error)[half]) == pytest.approx(1, abs=0.005)
        assert np.count_nonzero(frame.quality & 4) == {1: 30, 2: 67}[frame.meta.chip]
        sinks = frame.quality & 1024 > 0
        assert np.mean((ours.quality & 1024 > 0)[sinks]) > 0.95
        codes = read_sink_codes(tmp_path / names["SNKCFILE"].removeprefix("jref$"), profile)
        found = Sinks(codes[frame.meta.chip], frame.meta.readout)
        unflagged = frame.replace(quality=frame.quality & ~np.int16(1024))
        np.testing.assert_array_equal(flag_sinks(unflagged, found).quality, frame.quality)
