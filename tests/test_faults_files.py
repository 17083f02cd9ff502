"""Every fault of a file that a reader can meet, and what the user sees."""

from __future__ import annotations

import gzip
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bad_fits as bad
from fleckcore.errors import FleckError, InputFileError, MetadataError
from fleckcore.frame import Frame
from fleckcore.io import clean_text, is_verified, read, require_alike, safe_name


def one(path: Path, **options: object) -> Frame:
    (frame,) = read(path, **options)
    return frame


@pytest.mark.parametrize("fault", bad.REFUSED, ids=lambda f: f"{f.code}-{f.make.__name__}")
def test_refused_in_one_class_with_code_and_place(tmp_path: Path, fault: bad.Fault) -> None:
    path = bad.write(tmp_path, fault.make())
    with pytest.raises(InputFileError) as caught:
        read(path)
    assert caught.value.code == fault.code
    assert caught.value.path == path
    for words in (*fault.words, str(path), f"[{fault.code}]"):
        assert words in str(caught.value)


def test_the_table_covers_the_rows_that_a_reader_refuses() -> None:
    rows = {f"I{n:02}" for n in (1, 3, 4, 5, 6, 7, 8, 11, 13, 14, 15, 16)}
    assert rows <= {fault.code for fault in bad.REFUSED}


def test_i01_a_missing_file_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"I04.*No such file"):
        read(tmp_path / "absent.fits")
    with pytest.raises(InputFileError, match=r"I04.*not a regular file"):
        read(tmp_path)


def test_i02_missing_padding_is_used_with_a_warning(tmp_path: Path) -> None:
    whole = bad.primary(bad.PIXELS)
    frame = one(bad.write(tmp_path, whole[: bad.BLOCK + 40_000]))
    assert np.array_equal(frame.data, bad.PIXELS)
    assert "I02 last block is short by 320 bytes" in frame.meta.warnings
    with pytest.raises(InputFileError, match=r"I01.*42 879 of 43 200 bytes"):
        read(bad.write(tmp_path, whole[: bad.BLOCK + 39_999]))


def test_i03_sums_that_fit_are_verified_and_none_is_no_noise(tmp_path: Path) -> None:
    summed = bad.write(tmp_path, bad.with_sums(), "summed.fits")
    plain = bad.write(tmp_path, bad.primary(bad.PIXELS), "plain.fits")
    assert is_verified(summed)
    assert not is_verified(plain)
    assert not any(w.startswith("I03") for w in one(plain).meta.warnings)


def test_i03_astropy_agrees_and_an_edited_header_is_a_warning(tmp_path: Path) -> None:
    from astropy.io import fits

    path = tmp_path / "astropy.fits"
    fits.PrimaryHDU(bad.PIXELS).writeto(path, checksum=True)
    assert is_verified(path)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"NAXIS") + 79] = ord("x")  # a comment of the header
    frame = one(bad.write(tmp_path, bytes(whole)))
    assert "I03 the header of 0 was changed after its CHECKSUM was written" in frame.meta.warnings


def test_i06_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = bad.write(tmp_path, bad.i06_huge())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputFileError, match="I06"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes


def test_i06_max_pixels_is_the_callers(tmp_path: Path) -> None:
    path = bad.write(tmp_path, bad.primary(bad.PIXELS))
    assert one(path, max_pixels=20_000).shape == (100, 200)
    with pytest.raises(InputFileError, match=r"20 000 pixels, the limit is 19 999"):
        read(path, max_pixels=19_999)


def test_i07_a_bomb_behind_a_sound_image_costs_what_the_header_promises(tmp_path: Path) -> None:
    member = gzip.compress(bytes(1 << 26), 9)
    path = bad.write(tmp_path, gzip.compress(bad.primary(bad.PIXELS)) + member * 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    frame = one(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes
    assert np.array_equal(frame.data, bad.PIXELS)
    assert any(w.startswith("I04 what follows byte 43 200") for w in frame.meta.warnings)


def test_i08_honest_tiles_are_read(tmp_path: Path) -> None:
    frame = one(bad.write(tmp_path, bad.tiles()))
    assert frame.data.tolist() == [list(range(8))] * 2


def test_i08_a_tile_that_promises_more_than_its_room(tmp_path: Path) -> None:
    from astropy.io import fits

    path = tmp_path / "a.fits.fz"
    values = np.arange(1024, dtype=np.int16).reshape(32, 32)
    fits.CompImageHDU(values, compression_type="HCOMPRESS_1").writeto(path)
    whole = bytearray(path.read_bytes())
    stream = whole.index(b"\xdd\x99")  # then rows, columns, scale, sum, bit planes
    assert np.array_equal(one(path).data, values)
    for place, value in ((stream + 4, 1), (stream + 5, 33), (stream + 22, 200)):
        lying = bytearray(whole)
        lying[place] = value
        with pytest.raises(InputFileError, match=r"I08.*a tile says \d+ x 32"):
            read(bad.write(tmp_path, bytes(lying)))


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_i10_unsigned_integers_are_exact(tmp_path: Path, bits: int) -> None:
    top = 2**bits - 1
    values = np.array([[0, 1, top // 2], [top // 2 + 1, top - 1, top]], dtype=f"u{bits // 8}")
    offset = 1 << (bits - 1)
    stored = (
        (values ^ np.array(offset, values.dtype)).view(f"i{bits // 8}").astype(f">i{bits // 8}")
    )
    frame = one(bad.write(tmp_path, bad.primary(stored, BZERO=offset)))
    assert frame.data.dtype.kind == "u"
    assert frame.data.tolist() == values.tolist()


def test_i10_scale_is_applied_once_and_blank_is_masked(tmp_path: Path) -> None:
    stored = np.array([[0, 10, -32768], [4, 5, 6]], dtype=">i2")
    scaled = one(bad.write(tmp_path, bad.primary(stored, BSCALE=0.5, BZERO=3.0, BLANK=-32768)))
    assert scaled.data[0, :2].tolist() == [3.0, 8.0]
    assert np.isnan(scaled.data[0, 2])
    assert scaled.mask.tolist() == [[False, False, True], [False, False, False]]
    unsigned = one(bad.write(tmp_path, bad.primary(stored, BZERO=32768, BLANK=-32768)))
    assert unsigned.data[0, 1] == 32778
    assert np.isnan(unsigned.data[0, 2])
    absent = one(bad.write(tmp_path, bad.primary(stored, BLANK=77)))
    assert absent.data.dtype == np.dtype(">i2")


def test_i11_what_the_profile_allows_is_used_and_listed(tmp_path: Path) -> None:
    frame = one(bad.write(tmp_path, bad.acs(bad.sci())))
    assert frame.error is None
    assert frame.quality is None
    assert {"I11 no ERR plane", "I11 no DQ plane"} <= set(frame.meta.warnings)


def test_i11_a_profile_may_insist(tmp_path: Path) -> None:
    from fleckcore.instruments import load_profile

    strict = load_profile("acs_wfc").model_copy(
        update={"planes": load_profile("acs_wfc").planes.model_copy(update={"may_lack": ()})}
    )
    with pytest.raises(InputFileError, match=r"I11.*wanted ERR, found PRIMARY, SCI,1"):
        read(bad.write(tmp_path, bad.acs(bad.sci())), profile=strict)


def test_i12_null_planes_are_constant(tmp_path: Path) -> None:
    null = {"NPIX1": 4, "NPIX2": 3}
    err = bad.image("ERR", 1, None, **null, PIXVALUE=2.5)
    dq = bad.image("DQ", 1, None, **null, PIXVALUE=16)
    frame = one(bad.write(tmp_path, bad.acs(bad.sci(), err, dq)))
    assert frame.error is not None
    assert frame.quality is not None
    assert (frame.error == 2.5).all()
    assert (frame.quality == 16).all()
    assert frame.quality.dtype.kind == "i"
    zero = bad.image("ERR", 1, None, **null, PIXVALUE=0.0)
    assert one(bad.write(tmp_path, bad.acs(bad.sci(), zero, dq))).error is None


def test_i14_goes_by_chip_not_by_position(tmp_path: Path) -> None:
    lower, upper = bad.SMALL, bad.SMALL + 100
    usual = bad.acs(bad.sci(1, lower, CCDCHIP=2), bad.sci(2, upper, CCDCHIP=1))
    swapped = bad.acs(bad.sci(1, upper, CCDCHIP=1), bad.sci(2, lower, CCDCHIP=2))
    for content in (usual, swapped):
        first, second = read(bad.write(tmp_path, content))
        assert (first.meta.chip, second.meta.chip) == (1, 2)
        assert (first.meta.readout, second.meta.readout) == ("+y", "-y")
        assert first.data[0, 0] == 100
        assert second.data[0, 0] == 0
        assert one(tmp_path / "frame.fits", chip=2).data[0, 0] == 0
    with pytest.raises(InputFileError, match=r"I14.*no chip 3, found \[1, 2\]"):
        read(tmp_path / "frame.fits", chip=3)


def test_i15_a_subarray_is_placed(tmp_path: Path) -> None:
    meta = one(bad.write(tmp_path, bad.acs(bad.sci(LTV1=-2046.0, LTV2=-50.0)))).meta
    assert (meta.x_offset, meta.y_offset) == (2046, 50)
    assert meta.seams == (("col", 2),)


def test_i15_a_subarray_loses_its_prescan(tmp_path: Path) -> None:
    frame = one(bad.write(tmp_path, bad.acs(bad.sci(LTV1=1.0, LTV2=0.0))))
    assert frame.shape == (3, 3)
    assert (frame.meta.x_offset, frame.meta.y_offset) == (0, 0)
    assert frame.data[0].tolist() == [1, 2, 3]


def test_i16_odd_bytes_and_cards_are_tolerated(tmp_path: Path) -> None:
    odd = (
        b"HIERARCH ESO DET CHIP1 NAME = 'CCD-44' / long keyword".ljust(80)
        + b"OBSERVER= 'Ren\xe9 \x00\x07 K'".ljust(80)
        + b"\xff\xfe\x00 not a card at all".ljust(80, b"\0")
        + bad.card("EXPTIME", 2.0)
        + bad.card("EXPTIME", 3.0)
        + b"OBJECT  = 'never closed".ljust(80)
        + b"GAIN    = +1.000000000000E+000".ljust(80)
        + b"FILTER  = ".ljust(80)
        + b"COMMENT = not a value".ljust(80)
        + b"CONTINUE  'lost'".ljust(80)
    )
    frame = one(bad.write(tmp_path, bad.primary(bad.SMALL, raw=odd)))
    assert frame.meta.exposure_s == 2.0
    assert np.array_equal(frame.data, bad.SMALL)


@pytest.mark.parametrize(
    "text",
    ["../../etc/passwd", "/etc/passwd", "..", "a/b\\c:d", "\x1b[31m../x", "-rf", "é" * 9, ""],
)
def test_i17_no_name_leaves_its_folder(tmp_path: Path, text: str) -> None:
    name = safe_name(text)
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert name
    assert not name.startswith((".", "-"))
    frame = one(bad.write(tmp_path, bad.acs(bad.sci(), ROOTNAME=text.encode("ascii", "ignore"))))
    assert safe_name(frame.meta.rootname) == frame.meta.rootname


def test_i17_good_names_stay() -> None:
    assert safe_name("jdcf01xyq_flt") == "jdcf01xyq_flt"
    assert safe_name("F606W/CLEAR2L") == "F606W_CLEAR2L"
    assert safe_name("../../etc/passwd") == "etc_passwd"


@given(st.text(max_size=300))
def test_i17_for_any_text(text: str) -> None:
    name = safe_name(text)
    assert Path(name).name == name
    assert 1 <= len(name) <= 100
    assert safe_name(name) == name


def test_i20_escapes_never_reach_a_terminal(tmp_path: Path) -> None:
    evil = b"'\x1b[2J\x1b]0;owned\x07F606W\x9b31m'"
    frame = one(bad.write(tmp_path, bad.acs(bad.sci(), FILTER1=evil, DETECTOR="WFC")))
    assert frame.meta.filters == ("F606W31m",)
    kept = (*frame.meta.filters, *frame.meta.warnings, frame.meta.rootname, frame.meta.instrument)
    assert all(32 <= ord(c) < 127 for text in kept for c in text)
    with pytest.raises(MetadataError) as caught:
        read(
            bad.write(tmp_path, bad.acs(bad.sci(), INSTRUME=b"'A\x1b[31mCS'")), profile="wfc3_uvis"
        )
    assert "\x1b" not in str(caught.value)
    assert clean_text("a\x1b[1;31mb\x1b[0m\r\n\x00c") == "abc"


def test_m01_filters(tmp_path: Path) -> None:
    def seen(first: str, second: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        path = bad.write(tmp_path, bad.acs(bad.sci(), FILTER1=first, FILTER2=second))
        meta = one(path).meta
        return meta.filters, tuple(w for w in meta.warnings if w.startswith("M01"))

    assert seen("F606W", "CLEAR2L") == (("F606W",), ())
    assert seen("CLEAR1L", "CLEAR2L") == ((), ())
    assert seen("F999X", "CLEAR2L") == (("F999X",), ("M01 unknown filter 'F999X'",))
    assert seen("F502N", "F660N") == (
        ("F502N", "F660N"),
        ("M01 2 filters in the beam: F502N and F660N",),
    )


@pytest.mark.parametrize(
    ("cards", "mjd"),
    [
        ({"DATE-OBS": "2017-05-05T06:00:00"}, 57878.25),
        ({"DATE-OBS": "2017-05-05 T06:00:00"}, 57878.25),
        ({"DATE-OBS": "2017-05-05T06:00:00.000Z"}, 57878.25),
        ({"DATE-OBS": "2017-05-05", "TIME-OBS": "12:00:00.5"}, 57878.5 + 0.5 / 86400),
        ({"DATE-OBS": "2017-05-05"}, 57878.0),
        ({"MJD-OBS": 57878.75, "DATE-OBS": "2001-01-01"}, 57878.75),
        ({}, None),
        ({"DATE-OBS": "2017-13-45"}, None),
        ({"DATE-OBS": "yesterday"}, None),
        ({"DATE-OBS": "2017-05-05", "TIME-OBS": "25:61:00"}, None),
        ({"DATE-OBS": "1858-11-17"}, None),
        ({"DATE-OBS": "9999-12-31"}, None),
        ({"MJD-OBS": -3.0}, None),
        ({"MJD-OBS": 1e30}, None),
        ({"MJD-OBS": 0.0}, None),
    ],
)
def test_m03_dates(tmp_path: Path, cards: dict[str, object], mjd: float | None) -> None:
    meta = one(bad.write(tmp_path, bad.primary(bad.SMALL, **cards))).meta
    assert meta.mjd == pytest.approx(mjd, abs=1e-9) if mjd else meta.mjd is None
    assert any(w.startswith("M03") for w in meta.warnings) == (mjd is None)


@pytest.mark.parametrize(
    ("duration", "status", "flash_s", "kind"),
    [
        (4.6, "SUCCESSFUL", 4.6, "short_dark"),
        (0.0, "NOT PERFORMED", 0.0, "unflashed_dark"),
        (4.6, "ABORTED", None, "unknown"),
        (4.6, "", None, "unknown"),
        (0.0, "SUCCESSFUL", None, "unknown"),
    ],
)
def test_m05_flash(
    tmp_path: Path, duration: float, status: str, flash_s: float | None, kind: str
) -> None:
    content = bad.acs(bad.sci(), FLASHDUR=duration, FLASHSTA=status)
    meta = one(bad.write(tmp_path, content)).meta
    assert (meta.flash_s, meta.kind) == (flash_s, kind)
    assert any(w.startswith("M05") for w in meta.warnings) == (flash_s is None)


@pytest.mark.parametrize(
    ("text", "unit", "gain", "warned"),
    [
        ("ELECTRONS", "electron", 1.0, False),
        ("electrons/s", "electron/s", 1.0, False),
        ("COUNTS", "DN", (2.017 + 2.011) / 2, False),
        ("", "DN", (2.017 + 2.011) / 2, False),
        ("DN/S", "DN", None, True),
        ("furlongs", "DN", None, True),
    ],
)
def test_m06_units(tmp_path: Path, text: str, unit: str, gain: float | None, warned: bool) -> None:
    meta = one(bad.write(tmp_path, bad.acs(bad.sci(BUNIT=text)))).meta
    assert meta.unit == unit
    assert meta.gain_e == (None if gain is None else pytest.approx(gain))
    assert (meta.read_noise_e is None) == warned
    assert any(w.startswith("M06 unknown unit") for w in meta.warnings) == warned


def test_m07_instruments_and_sizes_do_not_mix(tmp_path: Path) -> None:
    small = one(bad.write(tmp_path, bad.acs(bad.sci())))
    other = one(bad.write(tmp_path, bad.acs(bad.sci(data=np.zeros((3, 5), ">f4")))))
    require_alike([small, small])
    with pytest.raises(
        MetadataError, match=r"M07.*shape is \(3, 5\), the first frame has \(3, 4\)"
    ):
        require_alike([small, small, other])
    path = bad.write(tmp_path, bad.acs(bad.sci()))
    with pytest.raises(
        MetadataError, match=r"M07.*INSTRUME is 'ACS', profile wfc3_uvis wants WFC3"
    ):
        read(path, profile="wfc3_uvis")
    with pytest.raises(MetadataError, match=r"M07.*\[SCI,1\]: chip 7, but acs_wfc has"):
        read(bad.write(tmp_path, bad.acs(bad.sci(CCDCHIP=7))))


_SEEDS = (
    bad.acs(bad.sci()),
    bad.tiles(),
    bad.primary(bad.SMALL),
    gzip.compress(bad.acs(bad.sci())),
)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(_SEEDS),
    flips=st.lists(
        st.tuples(st.integers(0, 40_000), st.binary(min_size=1, max_size=12)), max_size=6
    ),
    length=st.integers(0, 40_000),
)
def test_any_damage_is_a_frame_or_one_class_of_error(
    tmp_path_factory: pytest.TempPathFactory,
    seed: bytes,
    flips: list[tuple[int, bytes]],
    length: int,
) -> None:
    content = bytearray(seed)
    for place, junk in flips:
        start = place % len(content)
        content[start : start + len(junk)] = junk
    path = tmp_path_factory.getbasetemp() / "fuzz.fits"
    path.write_bytes(bytes(content[: max(1, length)]))
    try:
        frames = read(path, max_pixels=100_000)
    except FleckError:
        return
    assert all(frame.data.ndim == 2 for frame in frames)
