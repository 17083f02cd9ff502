"""Reference files: what they say, what is refused, and that standard tools like them."""

from __future__ import annotations

import locale
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from astropy.io import fits

import fleckcore
import real_frames
from fleckcore.errors import MetadataError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.io.products import combined_cards, write_frames
from fleckcore.io.references import Reference, check_reference, useafter_text, write_reference

ABOUT = Reference(
    kind="dark",
    useafter=datetime(2017, 5, 5),
    first=datetime(2017, 5, 5),
    last=datetime(2017, 5, 29),
    description="superdark of a test",
)
SELECTION = [("CCDAMP", "ABCD", "amplifiers"), ("CCDGAIN", 2.0, "gain")]


def chip(number: int, **changes) -> Frame:
    shape = (2048, 4096)
    meta = FrameMeta(
        profile="acs_wfc",
        extension=f"SCI,{3 - number}",
        chip=number,
        unit="electron/s",
        kind="superdark",
        instrument="ACS",
        detector="WFC",
    )
    data = np.full(shape, 0.01 * number, np.float32)
    quality = np.zeros(shape, np.int32)
    quality[3, 4] = 16
    return Frame(data, data / 10, quality, replace(meta, **changes))


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    path = tmp_path_factory.mktemp("references") / "20170505j_drk.fits"
    history = ["made of", "these darks"]
    write_reference(path, [chip(1), chip(2)], ABOUT, selection=SELECTION, history=history)
    return path


def test_a_superdark_passes_what_delivery_checks(delivered, fitsverify):
    assert check_reference(delivered) == ()
    assert fitsverify(delivered) == ""
    with fits.open(delivered) as hdus:
        header = hdus[0].header
        assert header["USEAFTER"] == "May 05 2017 00:00:00"
        assert header["PEDIGREE"] == "INFLIGHT 05/05/2017 29/05/2017"
        assert header["FILETYPE"] == "DARK"
        assert header["DESCRIP"].startswith("superdark of a test--")
        assert len(header["DESCRIP"]) == 67
        assert list(header["HISTORY"]) == ["made of", "these darks"]
        assert [hdu.name for hdu in hdus[1:]] == ["SCI", "ERR", "DQ"] * 2
        assert [hdus["SCI", version].header["CCDCHIP"] for version in (1, 2)] == [2, 1]
        assert hdus["DQ", 1].data.dtype.newbyteorder("=") == np.int16
        assert hdus["SCI", 1].header["BUNIT"] == "ELECTRONS/S"


def test_it_is_read_as_what_it_is(delivered):
    one, two = fleckcore.read(delivered)
    assert (one.meta.chip, two.meta.chip) == (1, 2)
    assert one.meta.kind == "superdark"
    assert one.meta.unit == "electron/s"
    assert one.data[0, 0] == np.float32(0.01)
    assert two.quality[3, 4] == 16


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("USEAFTER", "2017-05-05", "USEAFTER is '2017-05-05'"),
        ("USEAFTER", "Mai 05 2017 00:00:00", "USEAFTER"),
        ("PEDIGREE", "INFLIGHT", "PEDIGREE"),
        ("PEDIGREE", "INFLIGHT 31/02/2017 01/05/2017", "PEDIGREE"),
        ("PEDIGREE", "INFLIGHT 05/06/2017 29/05/2017", "ends before it begins"),
        ("PEDIGREE", "MADE UP", "PEDIGREE"),
        ("FILETYPE", "SUPERDARK", "FILETYPE"),
        ("CCDAMP", None, "CCDAMP is missing"),
        ("DESCRIP", "", "DESCRIP is missing"),
    ],
)
def test_what_is_wrong_is_said(delivered, tmp_path, keyword, value, message):
    path = tmp_path / delivered.name
    with fits.open(delivered) as hdus:
        if value is None:
            del hdus[0].header[keyword]
        else:
            hdus[0].header[keyword] = value
        hdus.writeto(path)
    found = check_reference(path)
    assert len(found) == 1
    assert message in found[0]


def test_names_and_order_are_checked(delivered, tmp_path):
    with fits.open(delivered) as hdus:
        turned = fits.HDUList([hdus[0], *hdus[4:7], *hdus[1:4]])
        for version, part in ((1, turned[1:4]), (2, turned[4:7])):
            for hdu in part:
                hdu.ver = version
        turned.writeto(tmp_path / "superdark.fits")
    found = check_reference(tmp_path / "superdark.fits")
    assert any("the name is superdark.fits" in text for text in found)
    assert any("CCDCHIP" in text for text in found)


def test_months_are_english_everywhere(monkeypatch):
    monkeypatch.setattr(locale, "setlocale", lambda *_: "")
    assert useafter_text(datetime(2020, 10, 1, 2, 3, 4)) == "Oct 01 2020 02:03:04"


def test_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "20170505j_drk.fits"
    with pytest.raises(MetadataError, match="CCDGAIN missing"):
        write_reference(path, [chip(1)], ABOUT, selection=SELECTION[:1])
    with pytest.raises(MetadataError, match="unknown kind"):
        Reference(**{**vars(ABOUT), "kind": "super"})
    with pytest.raises(MetadataError, match="is after the last") as caught:
        Reference(**{**vars(ABOUT), "first": datetime(2018, 1, 1)})
    assert caught.value.code == "M03"
    assert not path.exists()


def test_a_simulated_one_says_model(tmp_path):
    path = tmp_path / "20170505j_drk.fits"
    write_reference(path, [chip(2), chip(1)], replace(ABOUT, simulated=True), selection=SELECTION)
    assert fits.getheader(path)["PEDIGREE"] == "MODEL"
    assert check_reference(path) == ()


def test_cards_of_an_exposure_are_kept_and_its_layout_is_not(tmp_path, fitsverify):
    """Of a genuine Hubble frame; and of one that breaks the standard in several ways."""
    for name in ("hst/j8bt05njq_raw.fits.gz", "ccdchar_st7_L/slitview.00000357.FLAT.FIT.gz"):
        (frame,) = fleckcore.read(real_frames.file(name))
        path = tmp_path / "kept.fits"
        write_frames(path, [frame], overwrite=True)
        assert fitsverify(path) == ""
        (again,) = fleckcore.read(path)
        np.testing.assert_array_equal(again.data, frame.data)
        assert again.meta.exposure_s == frame.meta.exposure_s
        assert again.meta.mjd == frame.meta.mjd
    header = fits.getheader(path)
    assert header["NEXTEND"] == 2


def test_times_of_a_sum(tmp_path):
    paths = []
    for n in range(3):
        paths.append(tmp_path / f"{n}.fits")
        header = fits.Header({"EXPSTART": 57900.5 + n, "EXPEND": 57900.6 + n, "DARKTIME": 1005.0})
        fits.PrimaryHDU(np.zeros((4, 4), np.float32), header).writeto(paths[-1])
    cards = {keyword: value for keyword, value, _ in combined_cards(paths)}
    assert cards == {"EXPSTART": 57900.5, "EXPEND": 57902.6, "DARKTIME": 3015.0}
    fits.PrimaryHDU(np.zeros((4, 4), np.float32)).writeto(paths[1], overwrite=True)
    assert combined_cards(paths) == []
