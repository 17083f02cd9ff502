"""Tables of bad pixels: runs, headers, mistakes, and quality planes of files."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

import real_frames
from fleckcore.errors import ArrayError, FleckError, InputFileError, MetadataError, OutputError
from fleckcore.flag import (
    apply_table,
    check_table,
    decode_table,
    deliver_table,
    encode_bits,
    encode_masks,
    join_tables,
)
from fleckcore.frame import Frame
from fleckcore.instruments import load_profile
from fleckcore.io.bad_pixels import BadPixelTable, read_bad_pixels, write_bad_pixels
from fleckcore.io.quality import QualityPlane, read_quality, write_quality
from fleckcore.io.references import Reference, check_reference, read_useafter, write_reference
from fleckcore.simulate import Observatory, load_scene
from flecks import deep_masks
from reference_flag import dodqi

WFC, HRC = load_profile("acs_wfc"), load_profile("acs_hrc")
ABOUT = Reference(
    kind="bad_pixels",
    useafter=datetime(2017, 5, 5),
    first=datetime(2017, 5, 5),
    last=datetime(2017, 12, 1),
    description="two flecks",
)
NAME = "20170505j_bpx.fits"


@pytest.fixture(scope="module")
def masks():
    return deep_masks(Observatory(load_scene()))


@pytest.fixture
def delivered(masks, tmp_path):
    deliver_table(tmp_path / NAME, encode_masks(masks, WFC), ABOUT, WFC, history=["made here"])
    return tmp_path / NAME


def shrunk(rows=40, cols=50):
    chips = tuple(
        chip.model_copy(
            update={
                "shape": (rows, cols),
                "raw_shape": (rows + 5, cols + 6),
                "raw_rows": ((0 if chip.id == 2 else 5, rows + (0 if chip.id == 2 else 5)),),
                "raw_columns": ((3, cols + 3),),
            }
        )
        for chip in WFC.chips
    )
    return WFC.model_copy(update={"chips": chips})


class TestFlecks:
    def test_67_and_21_pixels_in_the_decoded_table(self, delivered, masks, fitsverify):
        assert fitsverify(delivered) == ""
        table = read_bad_pixels(delivered)
        decoded = decode_table(table, WFC)
        assert {chip: int((bits == 4).sum()) for chip, bits in decoded.items()} == {2: 67, 1: 21}
        for chip, mask in masks.items():
            np.testing.assert_array_equal(decoded[chip], np.where(mask, 4, 0))
        assert set(table.axis) == {2}
        assert len(table) < 30  # runs, not pixels
        assert check_table(table, WFC) == ()
        assert check_reference(delivered) == ()
        header = fits.getheader(delivered)
        assert header["USEAFTER"] == "May 05 2017 00:00:00"
        assert header["FILETYPE"] == "BAD PIXELS"
        assert fits.getheader(delivered, 1)["EXTNAME"] == "BPX"

    def test_raw_trimmed_and_subarray_frames_get_the_same_pixels(self, delivered, masks):
        table = read_bad_pixels(delivered)
        for chip in WFC.chips:
            whole = masks[chip.id]
            rows, cols = np.nonzero(whole)
            for shape, ltv in (
                (chip.raw_shape, chip.ltv),
                (chip.shape, (0, 0)),
                ((64, 64), (-(int(cols.min()) - 20), -(int(rows.min()) - 30))),
                ((64, 64), (-(int(cols.min()) + 1), -(int(rows.min()) + 1))),
            ):
                plane = QualityPlane(
                    bits=np.zeros(shape, np.int16), chip=chip.id, gain=2.0, ltv=ltv
                )
                found = np.argwhere(apply_table(table, plane).plane.bits == 4) - np.array(ltv)[::-1]
                lower, upper = -np.array(ltv)[::-1], np.array(shape) - np.array(ltv)[::-1]
                here = np.argwhere(whole)
                here = here[((here >= lower) & (here < upper)).all(axis=1)]
                assert here.size
                np.testing.assert_array_equal(found, here)


class TestLetter:
    rows = st.fixed_dictionaries(
        {
            "PIX1": st.integers(-10, 70),
            "PIX2": st.integers(-10, 60),
            "LENGTH": st.integers(1, 80),
            "AXIS": st.integers(1, 2),
            "VALUE": st.sampled_from([1, 4, 5, 1024, 16384, -32768]),
            "CCDCHIP": st.sampled_from([1, 2, -1, -999]),
            "CCDAMP": st.sampled_from(["ABCD", "C", "N/A", "ANY"]),
            "CCDGAIN": st.sampled_from([2.0, 0.5, -1.0, -999.0]),
        }
    )

    @settings(max_examples=150, deadline=None)
    @given(
        rows=st.lists(rows, min_size=1, max_size=12),
        ltv=st.tuples(st.integers(-30, 30), st.integers(-30, 30)),
        chip=st.sampled_from([1, 2]),
        gain=st.sampled_from([2.0, 0.5]),
        before=st.sampled_from([0, 8192]),
    )
    def test_as_dodqi(self, rows, ltv, chip, gain, before):
        number = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        table = BadPixelTable(
            x=number["PIX1"],
            y=number["PIX2"],
            length=number["LENGTH"],
            axis=number["AXIS"],
            value=number["VALUE"],
            chip=number["CCDCHIP"],
            amplifiers=number["CCDAMP"],
            gain=number["CCDGAIN"].astype(np.float32),
        )
        bits = np.full((40, 50), before, np.int16)
        plane = QualityPlane(bits=bits, chip=chip, amplifiers="ABCD", gain=gain, ltv=ltv)
        wanted, held = dodqi(rows, bits, chip=chip, amplifiers="ABCD", gain=gain, ltv=ltv)
        found = apply_table(table, plane)
        np.testing.assert_array_equal(found.plane.bits, wanted)
        assert (found.rows, found.placeholder) == (held, held == 0)
        assert found.changed == np.count_nonzero(wanted != before)
        assert (bits == before).all()  # the given plane stays as it is

    @settings(max_examples=100, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0, 0.01, 0.5, 1]))
    def test_any_bits_make_the_round_trip(self, seed, share):
        profile, rng = shrunk(), np.random.default_rng(seed)
        planes = {
            chip.id: np.where(
                rng.random(chip.shape) < share, rng.choice([4, 16, 20], chip.shape), 0
            )
            for chip in profile.chips
        }
        decoded = decode_table(encode_bits(planes, profile), profile)
        for chip, plane in planes.items():
            np.testing.assert_array_equal(decoded[chip], plane)

    def test_a_whole_gain_is_compared_without_its_fraction(self):
        table = replace(encode_masks({2: np.eye(40, 50, dtype=bool)}, shrunk()), whole_gain=True)
        plane = QualityPlane(bits=np.zeros((40, 50), np.int16), chip=2, gain=1.4)
        for gain, holds in ((1.0, True), (2.0, False)):
            told = replace(table, gain=np.full(len(table), gain, np.float32))
            assert apply_table(told, plane).placeholder is not holds
            assert apply_table(replace(told, whole_gain=False), plane).placeholder

    def test_a_gain_that_nobody_knows(self):
        table = replace(
            encode_masks({2: np.eye(40, 50, dtype=bool)}, shrunk()), gain=np.full(40, 2, np.float32)
        )
        with pytest.raises(MetadataError, match="CCDGAIN") as caught:
            apply_table(table, QualityPlane(bits=np.zeros((40, 50), np.int16), chip=2))
        assert caught.value.code == "M07"

    def test_a_joined_table_flags_what_both_do(self):
        profile = shrunk()
        one, two = (
            encode_masks({2: np.eye(40, 50, k, dtype=bool)}, profile, value=4 + k) for k in (0, 1)
        )
        parts = decode_table(one, profile)[2] | decode_table(two, profile)[2]
        joined = decode_table(join_tables([one, replace(two, amplifiers=None, gain=None)]), profile)
        np.testing.assert_array_equal(joined[2], parts)
        assert set(np.unique(parts)) == {0, 4, 5}


class TestMistakes:
    def test_1024_in_place_of_4(self, masks, tmp_path):
        """What the first table of the flecks had."""
        table = encode_masks(masks, WFC, value=1024)
        written = deliver_table(tmp_path / NAME, table, ABOUT, WFC)
        (finding,) = check_table(written, WFC)
        assert finding.severity == "refused"
        assert finding.text.startswith("VALUE is 1024 (sink)")
        assert finding.text.endswith("a bad pixel is 4")
        assert finding.rows == len(table)
        old = replace(ABOUT, useafter=datetime(2008, 1, 1))
        written = deliver_table(tmp_path / NAME, table, old, WFC, overwrite=True)
        assert [one.severity for one in check_table(written, WFC)] == ["doubtful"]

    @pytest.mark.parametrize(
        ("changes", "severity", "text"),
        [
            ({"axis": 3}, "refused", "AXIS is neither 1 nor 2"),
            ({"length": 0}, "refused", "LENGTH is not positive"),
            ({"chip": 3}, "refused", "CCDCHIP is none of"),
            ({"x": 4097}, "refused", "outside the chip"),
            ({"y": 0, "length": 2}, "doubtful", "beyond the chip"),
            ({"value": 0}, "refused", "VALUE is 0"),
            ({"value": -32768}, "refused", "VALUE is -32768"),
            ({"value": 8192}, "refused", "calibration sets cr_reject itself"),
            ({"amplifiers": "AB"}, "refused", "CCDAMP is none of"),
            ({"gain": 3.0}, "refused", "CCDGAIN is none of"),
        ],
    )
    def test_rows(self, masks, changes, severity, text):
        table = encode_masks(masks, WFC)
        for name, value in changes.items():
            values = getattr(table, name).copy()
            values[5] = value
            table = replace(table, **{name: values})
        found = check_table(table, WFC)
        assert any(text in one.text and one.severity == severity for one in found), found
        assert all(one.rows == 1 for one in found)

    @pytest.mark.parametrize(("name", "value"), [("axis", 0), ("length", -1), ("value", 40000)])
    def test_what_calacs_stops_at_is_not_applied(self, masks, name, value):
        table = encode_masks(masks, WFC)
        values = getattr(table, name).copy()
        values[3] = value
        with pytest.raises(InputFileError, match=f"is {value} in row 4") as caught:
            decode_table(replace(table, **{name: values}), WFC)
        assert caught.value.code == "I05"

    @pytest.mark.parametrize(
        ("keyword", "value", "text"),
        [
            ("USEAFTER", "2017-05-05", "USEAFTER is '2017-05-05'"),
            ("DETECTOR", "HRC", "DETECTOR is 'HRC', wanted WFC"),
            ("PEDIGREE", "MADE", "PEDIGREE"),
        ],
    )
    def test_headers(self, delivered, keyword, value, text):
        fits.setval(delivered, keyword, value=value)
        found = [one for one in check_table(read_bad_pixels(delivered), WFC) if text in one.text]
        assert [one.severity for one in found] == ["refused"]

    def test_names_of_extensions_and_files(self, delivered, tmp_path):
        fits.setval(delivered, "EXTNAME", value="BPIX", ext=1)
        delivered.rename(tmp_path / "mine.fits")
        text = " ".join(check_reference(tmp_path / "mine.fits"))
        assert "wanted one binary table BPX" in text
        assert "the name is mine.fits" in text

    def test_a_table_without_rows(self):
        profile = shrunk()
        empty = encode_masks({2: np.zeros((40, 50), bool)}, profile)
        assert len(empty) == 0
        assert any("no row" in one.text for one in check_table(empty, profile))
        assert not any(bits.any() for bits in decode_table(empty, profile).values())

    @pytest.mark.parametrize("value", [0, -4, 2**15])
    def test_bits_that_16_do_not_hold(self, masks, value):
        with pytest.raises(ArrayError, match="from 1 to 32767"):
            encode_masks(masks, WFC, value=value)

    def test_refused_before_a_file_is_made(self, masks, tmp_path):
        with pytest.raises(ArrayError, match="shape") as caught:
            encode_masks({2: np.zeros((2068, 4144), bool)}, WFC)
        assert caught.value.code == "A12"
        with pytest.raises(MetadataError, match="chip 3"):
            encode_masks({3: masks[1]}, WFC)
        with pytest.raises(MetadataError, match="no tables of bad pixels"):
            encode_masks({}, load_profile("generic"))
        table = encode_masks(masks, WFC)
        with pytest.raises(OutputError, match="PIX1 goes from"):
            write_bad_pixels(tmp_path / NAME, replace(table, x=table.x + 40000), ABOUT, WFC)
        with pytest.raises(MetadataError, match="are a table"):
            write_reference(tmp_path / NAME, [Frame(np.ones((2, 2)))], ABOUT)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            (lambda hdus: hdus[0].header.set("FILETYPE", "DARK"), "I05"),
            (lambda hdus: hdus.pop(1), "I11"),
            (lambda hdus: hdus[1].columns.change_name("CCDCHIP", "CHIP"), "I05"),
            (lambda hdus: hdus[1].header.set("TNULL6", 4), "I05"),
        ],
        ids=["another kind", "no table", "a column", "an empty cell"],
    )
    def test_files_that_are_no_table(self, delivered, tmp_path, change, code):
        path = tmp_path / "other.fits"
        with fits.open(delivered) as hdus:
            change(hdus)
            hdus.writeto(path)
        with pytest.raises(FleckError) as caught:
            read_bad_pixels(path)
        assert caught.value.code == code
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"<html>no</html>"])
    def test_files_that_are_not_fits(self, tmp_path, content):
        path = tmp_path / "x.fits"
        path.write_bytes(content)
        with pytest.raises(InputFileError) as caught:
            read_bad_pixels(path)
        assert caught.value.code == "I04"

    def test_dates_are_read_as_delivery_does(self):
        assert read_useafter("Jan 1 1991") == datetime(1991, 1, 1)
        assert read_useafter("may 05 2017 01:02:03") == datetime(2017, 5, 5, 1, 2, 3)
        for wrong in ("Feb 30 2017", "05/05/2017", "Mai 05 2017", ""):
            assert read_useafter(wrong) is None


class TestRealTable:
    @pytest.fixture
    def path(self, tmp_path):
        packed = real_frames.file("hst/j4d1435jj_bpx.fits.gz")
        path = tmp_path / packed.name.removesuffix(".gz")
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        return path

    def test_it_reads_validates_and_makes_the_round_trip(self, path, tmp_path):
        table = read_bad_pixels(path)
        assert len(table) == 4008
        assert table.useafter == datetime(1991, 1, 1)
        found = check_table(table, HRC)
        assert {one.severity for one in found} == {"doubtful"}
        assert sum("SIZAXIS" in one.text for one in found) == 1
        written = deliver_table(tmp_path / "20010101j_bpx.fits", table, ABOUT, HRC)
        for name in ("x", "y", "length", "axis", "value", "chip", "amplifiers", "gain"):
            np.testing.assert_array_equal(getattr(table, name), getattr(written, name))
        bits = decode_table(table, HRC)
        again = decode_table(encode_bits(bits, HRC), HRC)
        np.testing.assert_array_equal(bits[1], again[1])

    def test_its_rows_are_chosen_and_set_as_dodqi_does(self, path):
        table = read_bad_pixels(path)
        data = fits.getdata(path, 1)
        rows = [{name: row[name] for name in data.names} for row in data]
        rows = [{k: v if isinstance(v, str) else int(v) for k, v in row.items()} for row in rows]
        for amplifiers, gain in (("D", 1.0), ("D", 2.0), ("C", 1.0)):
            plane = QualityPlane(
                bits=np.zeros((1044, 1062), np.int16),
                chip=1,
                amplifiers=amplifiers,
                gain=gain,
                ltv=(19, 0),
            )
            wanted, held = dodqi(
                rows, plane.bits, chip=1, amplifiers=amplifiers, gain=gain, ltv=(19, 0)
            )
            found = apply_table(table, plane)
            assert found.rows == held == (1002 if amplifiers == "D" else 0)
            np.testing.assert_array_equal(found.plane.bits, wanted)


class TestFiles:
    @pytest.fixture
    def raw(self, tmp_path):
        """A small raw file: unsigned data, constant quality planes, chip 2 first."""
        parts = [fits.PrimaryHDU()]
        parts[0].header.update(INSTRUME="ACS", DETECTOR="WFC", CCDAMP="ABCD", CCDGAIN=2.0)
        for version, chip in enumerate((2, 1), start=1):
            data = np.arange(60 * 70, dtype=np.uint16).reshape(60, 70) + 40000
            sci = fits.ImageHDU(data, name="SCI", ver=version)
            sci.header.update(CCDCHIP=chip, LTV1=-1500.0 if chip == 2 else -3490.0)
            sci.header["LTV2"] = -1750.0 if chip == 2 else -330.0
            dq = fits.ImageHDU(name="DQ", ver=version)
            dq.header.update(NPIX1=70, NPIX2=60, PIXVALUE=0)
            parts += [sci, dq]
        path = tmp_path / "x_raw.fits"
        fits.HDUList(parts).writeto(path, checksum=True)
        return path

    def applied(self, raw, delivered):
        table = read_bad_pixels(delivered)
        return [apply_table(table, plane).plane for plane in read_quality(raw)]

    def test_a_copy_keeps_all_else_and_its_sums_fit(self, raw, delivered, tmp_path, fitsverify):
        before = raw.read_bytes()
        write_quality(tmp_path / "y.fits", self.applied(raw, delivered), history=["flagged"])
        assert raw.read_bytes() == before
        assert fitsverify(tmp_path / "y.fits") == ""
        with fits.open(raw) as old, fits.open(tmp_path / "y.fits", checksum=True) as new:
            assert [hdu.name for hdu in new] == [hdu.name for hdu in old]
            for version, pixels in ((1, 67), (2, 21)):
                np.testing.assert_array_equal(old["SCI", version].data, new["SCI", version].data)
                assert new["SCI", version].header["BZERO"] == 32768
                assert new["DQ", version].data.dtype.name == "int16"
                assert np.count_nonzero(new["DQ", version].data == 4) == pixels
                assert "PIXVALUE" not in new["DQ", version].header
            assert list(new[0].header["HISTORY"]) == ["flagged"]

    def test_compressed_files(self, raw, delivered, tmp_path):
        packed = tmp_path / "x_raw.fits.gz"
        packed.write_bytes(gzip.compress(raw.read_bytes()))
        planes = self.applied(packed, delivered)
        with pytest.raises(OutputError, match="as its name says"):
            write_quality(packed, planes, overwrite=True)
        write_quality(tmp_path / "plain.fits", planes)
        assert int((read_quality(tmp_path / "plain.fits")[0].bits == 4).sum()) == 67
        with fits.open(tmp_path / "plain.fits") as hdus:
            hdus["DQ", 1] = fits.CompImageHDU(hdus["DQ", 1].data, name="DQ")
            hdus.writeto(tmp_path / "tiled.fits")
        with pytest.raises(InputFileError, match="unpack"):
            read_quality(tmp_path / "tiled.fits")

    def test_a_table_that_does_not_come_back_is_removed(self, masks, tmp_path):
        table = encode_masks(masks, WFC)
        long = replace(table, amplifiers=np.full(len(table), "ABCDE"))
        with pytest.raises(OutputError, match="removed"):
            deliver_table(tmp_path / NAME, long, ABOUT, WFC)
        assert not list(tmp_path.iterdir())

    def test_in_place_and_twice_is_the_same(self, raw, delivered):
        for _ in range(2):
            write_quality(raw, self.applied(raw, delivered), overwrite=True)
        planes = read_quality(raw)
        assert [int((plane.bits == 4).sum()) for plane in planes] == [67, 21]
        with pytest.raises(OutputError):
            write_quality(raw, planes)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            (lambda hdus: hdus["SCI", 1].header.set("LTM1_1", 0.5), "I15"),
            (lambda hdus: hdus["SCI", 1].header.set("BINAXIS2", 2), "I15"),
            (lambda hdus: hdus["SCI", 1].header.remove("CCDCHIP"), "I14"),
            (lambda hdus: hdus["DQ", 1].header.set("PIXVALUE", 40000), "I05"),
            (lambda hdus: hdus["DQ", 1].header.set("PIXVALUE", 1.5), "I05"),
            (lambda hdus: [hdus.pop(4), hdus.pop(2)], "I11"),
            (lambda hdus: hdus[0].header.set("DETECTOR", "SBC"), "M07"),
        ],
    )
    def test_exposures_that_cannot_be_flagged(self, raw, tmp_path, change, code):
        path = tmp_path / "z.fits"
        with fits.open(raw) as hdus:
            change(hdus)
            hdus.writeto(path)
        with pytest.raises(FleckError) as caught:
            read_quality(path)
        assert caught.value.code == code
