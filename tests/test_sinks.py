"""Sink pixels: found, written, read, and flagged as calacs does."""

import numpy as np
import pytest
from astropy.io import fits

from fleckcore.errors import ArrayError, InputFileError, MetadataError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.instruments import load_profile
from fleckcore.io.sinks import read_sink_codes, write_sink_codes
from fleckcore.measure import Sinks, find_sinks, flag_sinks

LEVEL, ERROR = 60.0, 1.8
BIT = 1024


def dark(depths=(), *, seed=1, readout="-y", shape=(120, 150)):
    """A mean short dark; ``depths`` are (row, column, electrons that are missing)."""
    data = np.random.default_rng(seed).normal(LEVEL, ERROR, shape)
    for row, col, depth in depths:
        data[row, col] -= depth
    meta = FrameMeta(profile="acs_wfc", unit="electron", chip=2, readout=readout)
    return Frame(data.astype(np.float32), np.full(shape, ERROR, np.float32), meta=meta)


def literally(codes, light, readout):
    """The rule, column by column and pixel by pixel."""
    flagged = np.zeros(codes.shape, bool)
    rows = range(codes.shape[0]) if readout == "-y" else range(codes.shape[0] - 1, -1, -1)
    for col in range(codes.shape[1]):
        following, held = False, 0.0
        for row in rows:
            code = codes[row, col]
            if code < 0:
                following = True
                if code < -1:
                    held = light[row, col]
                flagged[row, col] = True
            elif code > 0 and following and code > held:
                flagged[row, col] = True
            else:
                following = False
    return flagged


def test_a_sink_and_its_trail():
    planted = [(40, 30, 40), (41, 30, 20), (42, 30, 12), (43, 30, 8), (44, 30, 0)]
    found = find_sinks(dark(planted))
    assert found.places.tolist() == [[40, 30]]
    assert found.depths[0] == pytest.approx(40, abs=4 * ERROR)
    column = found.codes[:, 30]
    assert column[41] == 999
    assert column[42:44] == pytest.approx(LEVEL, abs=3)
    assert not column[46:].any()
    assert not np.delete(found.codes, 30, axis=1).any()


def test_readout_the_other_way():
    planted = [(40, 30, 40), (39, 30, 20), (38, 30, 12)]
    found = find_sinks(dark(planted, readout="+y"))
    assert found.places.tolist() == [[40, 30]]
    assert found.codes[39, 30] == 999
    assert found.codes[38, 30] > 0


def test_two_sinks_in_one_column():
    found = find_sinks(dark([(40, 30, 20), (41, 30, 45), (42, 30, 20)]))
    assert found.places.tolist() == [[40, 30], [41, 30]]
    assert found.codes[42, 30] == 999


def test_the_pixel_before_a_sink():
    found = find_sinks(dark([(40, 30, 40), (39, 30, -30)]))
    assert found.codes[39, 30] == -1


def test_noise_makes_no_sinks_and_sinks_are_found():
    """Ten errors deep are all found; in three frames of half a million pixels noise alone makes none."""
    random = np.random.default_rng(3)
    for seed in range(3):
        assert find_sinks(dark(seed=seed, shape=(700, 700))).places.size == 0
    places = [
        (int(r), int(c), 18.0)
        for r, c in zip(range(10, 690, 20), random.permutation(690)[:34], strict=False)
    ]
    found = find_sinks(dark(places, seed=9, shape=(700, 700)))
    assert [tuple(place) for place in found.places.tolist()] == [place[:2] for place in places]


def test_what_is_left_out():
    leave_out = np.zeros((120, 150), bool)
    leave_out[40, 30] = True
    assert find_sinks(dark([(40, 30, 40)]), leave_out=leave_out).places.size == 0


@pytest.mark.parametrize("readout", ["-y", "+y"])
def test_flags_are_those_of_the_rule(readout):
    random = np.random.default_rng(5)
    codes = random.choice(
        np.array([0, 0, 0, -1, -20, -50, 999, 10, 40, 80], np.float32), size=(200, 60)
    )
    light = random.uniform(0, 100, codes.shape).astype(np.float32)
    meta = FrameMeta(profile="acs_wfc", unit="electron", chip=2, readout=readout)
    quality = random.choice(np.array([0, 4, 64], np.int16), codes.shape)
    frame = Frame(light, None, quality, meta)
    flagged = flag_sinks(frame, Sinks(codes, readout))
    wanted = np.where(literally(codes, light, readout), quality | BIT, quality)
    np.testing.assert_array_equal(flagged.quality, wanted)
    assert not (frame.quality & BIT).any()


def test_trails_are_shorter_in_more_light():
    sinks = find_sinks(dark([(40, 30, 40), (41, 30, 20), (42, 30, 12)]))
    faint, bright = dark([(40, 30, 40)]), dark([(40, 30, 40)])
    bright = bright.replace(data=bright.data + 500)
    flags = [flag_sinks(frame, sinks).quality[40:43, 30].tolist() for frame in (faint, bright)]
    assert flags == [[BIT, BIT, BIT], [BIT, BIT, 0]]


def test_a_part_of_the_chip():
    sinks = find_sinks(dark([(40, 30, 40)]))
    whole = dark([(40, 30, 40)])
    part = Frame(
        whole.data[30:60, 20:50],
        None,
        None,
        FrameMeta(profile="acs_wfc", unit="electron", x_offset=20, y_offset=30),
    )
    assert np.argwhere(flag_sinks(part, sinks).quality & BIT).tolist() == [[10, 10], [11, 10]]


def test_written_and_read(tmp_path):
    profile = load_profile("acs_wfc")
    random = np.random.default_rng(7)
    codes = {
        chip.id: random.choice(np.array([0, -1, -12.5, 999, 30], np.float32), chip.shape)
        for chip in profile.chips
    }
    path = tmp_path / "sim_snk.fits"
    write_sink_codes(path, codes, profile, cards={"USEAFTER": "Jan 15 2017 00:00:00"})
    found = read_sink_codes(path, profile)
    for chip, values in codes.items():
        np.testing.assert_array_equal(found[chip], values)
    with fits.open(path) as hdus:
        assert [hdu.header["CCDCHIP"] for hdu in hdus[1:]] == [2, 1]
        assert hdus[1].shape == (2068, 4144)
        hdus[0].header["FILETYPE"] = "DARK"
        hdus.writeto(tmp_path / "other.fits")
        hdus[0].header["FILETYPE"] = "SINK PIXELS"
        hdus[:2].writeto(tmp_path / "half.fits")
    for name, code in (("other.fits", "I05"), ("half.fits", "I11"), ("none.fits", "I04")):
        with pytest.raises(InputFileError) as raised:
            read_sink_codes(tmp_path / name, profile)
        assert raised.value.code == code


def test_refusals():
    counts = dark().replace(meta=FrameMeta(unit="DN", readout="-y"))
    for call, error, code in (
        (lambda: find_sinks(counts), MetadataError, "M07"),
        (lambda: find_sinks(dark().replace(error=None)), MetadataError, "M07"),
        (lambda: find_sinks(dark(), leave_out=np.zeros((3, 3), bool)), ArrayError, "A12"),
        (lambda: find_sinks(dark(), least_depth=0), ArrayError, "A09"),
        (
            lambda: flag_sinks(dark(shape=(90, 90)), find_sinks(dark(shape=(80, 80)))),
            MetadataError,
            "M07",
        ),
        (lambda: flag_sinks(Frame(np.ones((9, 9))), find_sinks(dark())), MetadataError, "M06"),
    ):
        with pytest.raises(error) as raised:
            call()
        assert raised.value.code == code
