"""Frames of real cameras and of every layout that a reader meets."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bad_fits as bad
import real_frames
from fleckcore.errors import InputFileError, MetadataError
from fleckcore.frame import Frame
from fleckcore.io import read


def one(path: Path, **options: object) -> Frame:
    (frame,) = read(path, **options)
    return frame


def raw_wfc(marks: dict[int, list[tuple[int, int, int]]]) -> bytes:
    """A raw ACS/WFC exposure: 4144 x 2068, null ERR and DQ; marks are raw (x, y, value)."""
    parts = b""
    for version, chip in ((1, 2), (2, 1)):
        data = np.full((2068, 4144), 1000, np.uint16)
        for x, y, value in marks[chip]:
            data[y, x] = value
        stored = (data ^ np.uint16(0x8000)).view(np.int16)
        ltv = {"LTV1": 24.0, "LTV2": 0.0 if chip == 2 else 20.0}
        parts += bad.image(
            "SCI", version, stored, CCDCHIP=chip, BZERO=32768.0, BSCALE=1.0, BUNIT="COUNTS", **ltv
        )
        null = {"NPIX1": 4144, "NPIX2": 2068, **ltv}
        parts += bad.image("ERR", version, None, PIXVALUE=0.0, **null)
        parts += bad.image("DQ", version, None, PIXVALUE=0, **null)
    return bad.acs(parts)


def test_raw_wfc_is_trimmed_to_the_pixel(tmp_path: Path) -> None:
    marks = {
        2: [(24, 0, 65535), (4119, 2047, 0), (1544, 1772, 40_000), (23, 0, 7), (4120, 5, 7)],
        1: [(24, 20, 65535), (4119, 2067, 0), (3533, 374, 40_000), (24, 19, 7), (30, 0, 7)],
    }
    upper, lower = read(bad.write(tmp_path, raw_wfc(marks)))
    assert (upper.meta.chip, lower.meta.chip) == (1, 2)
    for frame in (upper, lower):
        assert frame.shape == (2048, 4096)
        assert frame.data.dtype == np.uint16
        assert (frame.data[0, 0], frame.data[2047, 4095]) == (65535, 0)
        assert not (frame.data == 7).any()
        assert int((frame.data != 1000).sum()) == 3
        assert frame.error is None
        assert frame.quality is not None
        assert frame.quality.shape == (2048, 4096)
        assert not frame.quality.any()
        assert (frame.meta.x_offset, frame.meta.y_offset) == (0, 0)
        assert frame.meta.seams == (("col", 2048),)
    assert lower.data[1772, 1520] == 40_000  # raw x - 24, raw y
    assert upper.data[354, 3509] == 40_000  # raw x - 24, raw y - 20
    assert (lower.meta.readout, upper.meta.readout) == ("-y", "+y")
    assert lower.meta.gain_e == pytest.approx((2.017 + 2.011) / 2)
    assert lower.meta.kind == "short_dark"
    assert lower.meta.mjd == 57878.25
    assert (lower.meta.x_offset, lower.meta.extension) == (0, "SCI,1")


def test_raw_wfc3_loses_the_overscan_in_the_middle(tmp_path: Path) -> None:
    data = np.zeros((2070, 4206), np.int16)
    data[19] = np.arange(4206)
    content = bad.acs(
        bad.image("SCI", 1, data, CCDCHIP=1, LTV1=25.0, LTV2=19.0),
        INSTRUME="WFC3",
        DETECTOR="UVIS",
        FILTER="F606W",
    )
    frame = one(bad.write(tmp_path, content))
    assert frame.shape == (2051, 4096)
    wanted = [*range(25, 2073), *range(2133, 4181)]
    assert frame.data[0].tolist() == wanted


def test_one_amplifier_has_no_seam(tmp_path: Path) -> None:
    meta = one(bad.write(tmp_path, bad.acs(bad.sci(LTV1=-2046.0), CCDAMP="AD"))).meta
    assert meta.seams == ()
    assert meta.gain_e == 1.0
    assert meta.read_noise_e == 4.04


def test_header_numbers_win_over_the_profile_and_zeros_do_not(tmp_path: Path) -> None:
    def gain(**cards: object) -> float | None:
        return one(bad.write(tmp_path, bad.acs(bad.sci(BUNIT="COUNTS"), **cards))).meta.gain_e

    assert gain(ATODGNC=3.0, ATODGND=5.0) == 4.0
    assert gain(ATODGNC=0.0, ATODGND=0.0) == pytest.approx(2.014)


@pytest.mark.parametrize("dtype", ["u1", ">i2", ">i4", ">i8", ">f4", ">f8"])
def test_plain_gzip_and_tiles_give_the_same_pixels(tmp_path: Path, dtype: str) -> None:
    from astropy.io import fits

    values = np.random.default_rng(5).integers(0, 200, (40, 60)).astype(dtype)
    plain = bad.write(tmp_path, bad.primary(values))
    packed = bad.write(tmp_path, gzip.compress(bad.primary(values)), "frame.fits.gz")
    tiled = tmp_path / "frame.fits.fz"
    codec = {"quantize_level": 0, "compression_type": "GZIP_2"} if "f" in dtype else {}
    fits.CompImageHDU(values.astype(dtype.replace(">i8", ">i4")), **codec).writeto(tiled)
    for path in (plain, packed, tiled):
        data = one(path).data
        assert data.tobytes() == values.astype(data.dtype).tobytes()
        assert data.tolist() == values.tolist()


@pytest.mark.parametrize("codec", ["GZIP_1", "RICE_1", "HCOMPRESS_1"])
def test_tiles_of_16_bits_are_exact(tmp_path: Path, codec: str) -> None:
    from astropy.io import fits

    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / "a.fits.fz"
    fits.CompImageHDU(values, compression_type=codec).writeto(path, checksum=True)
    frame = one(path)
    assert np.array_equal(frame.data, values)
    assert not [w for w in frame.meta.warnings if w.startswith("I03")]


def test_a_packed_primary_image_is_found(tmp_path: Path) -> None:
    from astropy.io import fits

    image = fits.CompImageHDU(np.zeros((1040, 2152), np.int16))
    image.header["CAM_ID"] = "ESIS1"
    image.writeto(tmp_path / "a.fits.fz")
    frame = one(tmp_path / "a.fits.fz")
    assert (frame.meta.profile, frame.shape) == ("esis", (1024, 2052))


def test_a_plain_file_is_mapped_in_its_own_byte_order(tmp_path: Path) -> None:
    data = one(bad.write(tmp_path, bad.primary(bad.SMALL))).data
    assert data.dtype == np.dtype(">f4")
    assert not data.flags.owndata
    assert not data.flags.writeable


def test_descriptors_are_not_kept_by_the_hundred(tmp_path: Path) -> None:
    path = bad.write(tmp_path, gzip.compress(bad.primary(bad.SMALL)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    frames = [one(path) for _ in range(50)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(frames) == 50


def test_generic_takes_pixel_size_and_direction(tmp_path: Path) -> None:
    path = bad.write(tmp_path, bad.primary(bad.SMALL, XPIXSZ=3.76))
    assert one(path).meta.pixel_size_um == 3.76
    meta = one(path, pixel_size_um=9.0, readout="-x").meta
    assert (meta.pixel_size_um, meta.readout) == (9.0, "-x")
    with pytest.raises(MetadataError, match=r"M07.*readout is 'down'"):
        read(path, readout="down")


def test_an_extension_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    path = bad.write(
        tmp_path,
        bad.primary() + bad.image("A", 1, bad.SMALL) + bad.image("B", 7, bad.SMALL + 5),
    )
    assert [f.meta.extension for f in read(path)] == ["A,1", "B,7"]
    assert one(path, extension="b").data[0, 0] == 5
    assert one(path, extension="B,7").data[0, 0] == 5
    assert one(path, extension=2).data[0, 0] == 5
    assert one(path, extension="1").data[0, 0] == 0
    for absent in ("B,1", "C", 3, -1):
        with pytest.raises(InputFileError, match=r"I11.*found PRIMARY, A,1, B,7"):
            read(path, extension=absent)


def test_a_frame_outlives_its_file(tmp_path: Path) -> None:
    path = bad.write(tmp_path, bad.primary(bad.PIXELS))
    frame = one(path)
    path.unlink()
    assert int(frame.data[99, 199]) == 19_999


def test_flags_of_one_byte_can_be_masked(tmp_path: Path) -> None:
    flags = np.zeros((3, 4), np.uint8)
    flags[1, 2] = 128
    frame = one(bad.write(tmp_path, bad.acs(bad.sci(), bad.image("DQ", 1, flags))))
    assert frame.mask.nonzero() == ([1], [2])


def test_importing_the_reader_does_not_import_astropy() -> None:
    code = "import sys, fleckcore.io; sys.exit('astropy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Real frames


def test_real_hrc_raw() -> None:
    from astropy.io import fits

    path = real_frames.file("hst/j8bt05njq_raw.fits.gz")
    frame = one(path)
    meta = frame.meta
    with fits.open(path) as parts:
        wanted = np.array(parts["SCI"].data)
    assert frame.data.dtype == np.uint16
    assert np.array_equal(frame.data, wanted[:1024, 19:1043])
    assert frame.error is None
    assert frame.quality is not None
    assert not frame.quality.any()
    assert (meta.profile, meta.chip, meta.unit, meta.kind) == ("acs_hrc", 1, "DN", "unknown")
    assert (meta.filters, meta.exposure_s, meta.flash_s) == (("F555W",), 60.0, 0.0)
    assert (meta.readout, meta.pixel_size_um, meta.rootname) == ("-y", 21.0, "j8bt05njq")
    assert meta.mjd == pytest.approx(52377.76152356)
    assert meta.warnings == ()


def test_real_wfc_headers() -> None:
    upper, lower = read(real_frames.file("hst/acs_test.fits.gz"))
    assert (upper.meta.chip, upper.meta.extension) == (1, "SCI,2")
    assert (lower.meta.chip, lower.meta.extension) == (2, "SCI,1")
    for frame in (upper, lower):
        assert frame.shape == (2048, 4096)
        assert (frame.meta.unit, frame.meta.gain_e) == ("electron", 1.0)
        assert frame.meta.flash_s is None  # 2005: no flash keywords yet
        assert {w[:3] for w in frame.meta.warnings} == {"I11", "M05"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hst_acs_biasfile_0001", r"I05.*\[SCI,2\].*NAXIS is 0"),
        ("sample_flc_header", r"I05.*\[SCI,2\].*NAXIS1 is 0"),
        ("j4d1435jj_bpx", r"I11.*wanted SCI, found PRIMARY, BPX,1"),
    ],
)
def test_real_files_without_pixels_say_so(name: str, words: str) -> None:
    with pytest.raises(InputFileError, match=words):
        read(real_frames.file(f"hst/{name}.fits.gz"))


def test_real_wfc3_cut_outs() -> None:
    from astropy.io import fits

    path = real_frames.file("hst/sample_ipppssoot_flc.fits.gz")
    upper, lower = read(path)
    with fits.open(path) as parts:
        for frame, version in ((upper, 2), (lower, 1)):
            assert np.array_equal(frame.data, parts["SCI", version].data, equal_nan=True)
            assert np.array_equal(frame.error, parts["ERR", version].data)
            assert np.array_equal(frame.quality, parts["DQ", version].data)
            assert frame.meta.profile == "wfc3_uvis"
            assert frame.meta.warnings == ()
    assert (upper.meta.chip, lower.meta.chip) == (1, 2)
    assert lower.meta.read_noise_e == pytest.approx(3.13)


def test_real_stis_raw_is_generic() -> None:
    first, second = read(real_frames.file("hst/o4sp040b0_raw.fits.gz"))
    assert first.shape == second.shape == (44, 62)
    assert first.data.dtype == np.uint16
    assert first.meta.exposure_s == 30.0
    assert first.meta.filters == ()  # 'Clear'
    assert first.meta.mjd is not None
    assert second.meta.mjd is not None
    assert first.meta.mjd < second.meta.mjd


FLECKS = [(1189, 789, 0.21), (1564, 750, 0.38), (294, 466, 0.44), (1596, 161, 0.47)]


def test_real_esis_flat() -> None:
    frame = one(real_frames.file("msfc_esis1/ESIS1_04803.fit.gz"))
    meta = frame.meta
    assert frame.shape == (1024, 2052)
    assert (meta.profile, meta.exposure_s, meta.gain_e) == ("esis", 1.999, 2.53)
    assert meta.seams == (("row", 512), ("col", 1026))
    assert meta.readout is None
    assert meta.mjd == pytest.approx(57946.772592, abs=1e-6)
    assert meta.warnings == ()
    mask = frame.mask
    assert mask[:, 1024:1028].all()
    assert mask[1023].all()
    assert mask.sum() == 4 * 1024 + 2052 - 4
    lit = frame.data.astype(float) - 3600
    assert lit[~mask].min() > 1000  # the trim leaves no blank column and no masked row
    assert np.median(lit[mask]) < np.median(lit[~mask]) / 4
    for x, y, depth in FLECKS:  # raw positions
        x, y = x - 50, y - 8
        around = lit[y - 7 : y + 8, x - 7 : x + 8]
        assert around[5:10, 5:10].min() / np.median(around) == pytest.approx(depth, abs=0.05)


def test_real_st7_dialect() -> None:
    frame = one(real_frames.file("ccdchar_st7_L/slitview.00000357.FLAT.FIT.gz"))
    meta = frame.meta
    assert frame.shape == (495, 657)
    assert frame.data.dtype == np.uint16
    assert (meta.exposure_s, meta.gain_e, meta.pixel_size_um) == (6.0, 0.46, 7.4)
    assert meta.mjd == pytest.approx(58602.97311342593)
    assert meta.instrument == "SBIG ST-7/7E/7XE"
    assert meta.kind == "unknown"
    assert int(frame.data[253, 600]) < 0.7 * int(np.median(frame.data[243:264, 590:611]))


def test_real_orion_dialect() -> None:
    frame = one(real_frames.file("orion_g3/Flats_9_17_21_1F.fit.gz"))
    assert frame.shape == (582, 752)
    assert frame.data.dtype == np.dtype(">f4")
    assert (frame.meta.kind, frame.meta.exposure_s) == ("flat", 0.03)
    assert frame.meta.pixel_size_um == pytest.approx(8.6)
    dark = one(real_frames.file("orion_g3/Darks_9_17_21_2deg1D20.fit.gz")).meta
    assert dark.kind == "unflashed_dark"
    assert dark.mjd == pytest.approx(59474.42626157407)  # '2021-09-17 T10:13:49'


def test_real_arcsat() -> None:
    flat = one(real_frames.file("arcsat_20190503/domeflat_sdss_g_001.fits.gz"))
    assert flat.shape == (1024, 1024)
    assert (flat.meta.kind, flat.meta.filters) == ("flat", ("sdss_g",))
    assert flat.meta.pixel_size_um == 13.0
    assert (
        one(real_frames.file("arcsat_20190503/Bias_BIN1_20190503_073730.fits.gz")).meta.kind
        == "bias"
    )


def test_real_decam_planes() -> None:
    frame = one(real_frames.file("decam_bok/c4d_170522_005829_ooi_r_ls9.N2.fits"))
    assert frame.shape == (250, 251)
    assert (frame.meta.chip, frame.meta.x_offset, frame.meta.y_offset) == (33, 1, 1)
    assert frame.meta.exposure_s == 125.0


def test_real_tiled_mask_with_stale_sums() -> None:
    frame = one(real_frames.file("decam_bok/ksb_staticmask_ood_v1.fits.fz"), chip=1)
    assert frame.shape == (4096, 4032)
    assert 0.001 < np.mean(frame.data != 0) < 0.02
    assert frame.meta.warnings == (
        "I03 the sums of CCD1,1 do not fit, but IRAF does not maintain them",
    )


def test_real_wfc3_bad_pixel_maps() -> None:
    wide = one(real_frames.file("wfc3/wfc3ir_badpix_spars200_22.03.31.fits.gz"))
    narrow = one(real_frames.file("wfc3/wfc3ir_badpix_spars200_Nov9.fits.gz"))
    assert wide.data.dtype == np.dtype(">i8")
    assert narrow.data.dtype == np.uint8
    assert wide.shape == narrow.shape == (1014, 1014)
    assert wide.meta.mjd is None
