"""One mask in many formats, there and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from fleckcore.errors import FleckError, InputFileError, MetadataError
from fleckcore.flag import FORMATS, read_masks, write_masks
from fleckcore.instruments import load_profile
from fleckcore.io.references import Reference

WFC = load_profile("acs_wfc")
GENERIC = load_profile("generic")
ABOUT = Reference(
    kind="bad_pixels",
    useafter=datetime(2017, 5, 5),
    first=datetime(2017, 5, 5),
    last=datetime(2017, 5, 5),
    description="a test",
)
LISTS = ("lsst", "pixinsight", "siril", "ds9")
MAPS = ("eso", "boolean")


def blob(shape=(2048, 4096)):
    """A shape without symmetry, pixels in three corners, a whole row and a column."""
    mask = np.zeros(shape, bool)
    mask[30:37, 20:24] = True
    mask[33, 24] = mask[0, 0] = mask[-1, 0] = mask[0, -1] = True
    mask[11] = True
    mask[:, 44] = True
    return mask


@pytest.mark.parametrize("form", FORMATS)
def test_there_and_back_on_a_chip_of_hubble(form, tmp_path, fitsverify):
    masks = {2: blob(), 1: np.roll(blob(), 5)}
    if form in LISTS:
        masks = {2: masks[2]}
    path = tmp_path / ("20170505j_bpx.fits" if form == "bpixtab" else "mask.fits")
    write_masks(path, masks, form, profile=WFC, about=ABOUT)
    again = read_masks(path, form, profile=WFC, chip=2)
    assert again.keys() == masks.keys()
    for chip, mask in masks.items():
        np.testing.assert_array_equal(again[chip], mask)
    if form not in LISTS:
        assert fitsverify(path) == ""


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    share=st.sampled_from([0.0, 0.1, 0.45]),
    form=st.sampled_from(LISTS + MAPS),
)
def test_any_mask_of_any_camera(seed, shape, share, form, tmp_path_factory):
    mask = np.random.default_rng(seed).random(shape) < share
    if form in MAPS and mask.mean() > 0.5:
        mask = ~mask
    path = tmp_path_factory.mktemp("any") / "mask"
    write_masks(path, {1: mask}, form, profile=GENERIC)
    (again,) = read_masks(path, form, profile=GENERIC, shape=shape).values()
    np.testing.assert_array_equal(again, mask)


class TestWhatOthersRead:
    """Each format by its own rules, without our reader."""

    mask = np.zeros((10, 20), bool)
    mask[2:5, 7] = True
    mask[9, 0] = True

    def text(self, form, tmp_path):
        path = tmp_path / "mask"
        write_masks(path, {1: self.mask}, form, profile=GENERIC)
        return path, path.read_text() if form in LISTS else ""

    def test_eso_is_0_where_bad(self, tmp_path):
        path, _ = self.text("eso", tmp_path)
        np.testing.assert_array_equal(fits.getdata(path), np.where(self.mask, 0, 1))

    def test_boolean_is_1_where_bad(self, tmp_path):
        path, _ = self.text("boolean", tmp_path)
        np.testing.assert_array_equal(fits.getdata(path), self.mask)

    def test_lsst_counts_from_0(self, tmp_path):
        path, _ = self.text("lsst", tmp_path)
        table = Table.read(path, format="ascii.ecsv")
        assert table.meta["OBSTYPE"] == "defects"
        assert [tuple(row) for row in table["x0", "y0", "width", "height"]] == [
            (0, 9, 1, 1),
            (7, 2, 1, 3),
        ]

    def test_pixinsight_has_parts_of_columns(self, tmp_path):
        assert self.text("pixinsight", tmp_path)[1] == "Col 0 9 9\nCol 7 2 4\n"

    def test_siril_counts_rows_from_the_top(self, tmp_path):
        assert self.text("siril", tmp_path)[1] == "P 0 0 C\nP 7 7 C\nP 7 6 C\nP 7 5 C\n"

    def test_ds9_as_another_program_reads_it(self, tmp_path):
        regions = pytest.importorskip("regions")
        path, _ = self.text("ds9", tmp_path)
        found = np.zeros(self.mask.shape, bool)
        for region in regions.Regions.read(path, format="ds9"):
            found |= region.to_mask(mode="center").to_image(self.mask.shape) > 0
        np.testing.assert_array_equal(found, self.mask)

    def test_a_sink_map_has_the_size_of_a_raw_frame(self, tmp_path):
        path = tmp_path / "x_snk.fits"
        write_masks(path, {1: blob()}, "snkcfile", profile=WFC, about=ABOUT)
        with fits.open(path) as hdus:
            assert hdus[0].header["FILETYPE"] == "SINK PIXELS"
            assert hdus[0].header["USEAFTER"] == "May 05 2017 00:00:00"
            (codes,) = (hdu.data for hdu in hdus[1:] if hdu.header["CCDCHIP"] == 1)
        assert codes.shape == (2068, 4144)
        np.testing.assert_array_equal(codes[20:, 24:-24] == -10, blob())
        assert np.count_nonzero(codes) == np.count_nonzero(blob())


class TestListsOfOthers:
    shape = (6, 8)

    def read(self, form, text, tmp_path):
        path = tmp_path / "list.txt"
        path.write_text(text)
        (mask,) = read_masks(path, form, profile=GENERIC, shape=self.shape).values()
        return mask

    def test_whole_columns_and_rows(self, tmp_path):
        wanted = np.zeros(self.shape, bool)
        wanted[:, 3] = wanted[1, :] = True
        wanted[5, 4:6] = True
        assert (self.read("pixinsight", "Col 3\nRow 1\nRow 5 4 5\n", tmp_path) == wanted).all()
        siril = "# mine\nC 3 0 H\nL 4 0 H\nP 4 0\nP 5 0 H\n"
        assert (self.read("siril", siril, tmp_path) == wanted).all()
        ds9 = "global color=green\nimage;box(4,3.5,1,6,0)\nimage\nbox(4.5,2,8,1) # text\nbox(5.5,6,2,1)\n"
        assert (self.read("ds9", ds9, tmp_path) == wanted).all()

    @pytest.mark.parametrize(
        ("form", "text", "code"),
        [
            ("pixinsight", "Col 8\n", "I15"),
            ("pixinsight", "Col 1 4 2\n", "I15"),
            ("pixinsight", "Column 1\n", "I05"),
            ("siril", "P 1 6 C\n", "I15"),
            ("siril", "P 1\n", "I05"),
            ("ds9", "image\nbox(4,3,2,1,0)\n", "I05"),
            ("ds9", "image\nbox(4,3,1,1,45)\n", "I05"),
            ("ds9", "image\ncircle(4,3,1)\n", "I05"),
            ("ds9", "fk5\n", "I05"),
            ("ds9", "image\nbox(9,3,1,1,0)\n", "I15"),
            ("lsst", "x0 y0\n1 2\n", "I04"),
        ],
    )
    def test_what_cannot_be_placed_is_refused(self, form, text, code, tmp_path):
        with pytest.raises(FleckError) as caught:
            self.read(form, text, tmp_path)
        assert caught.value.code == code
        assert "list.txt" in str(caught.value)


class TestRefused:
    def test_a_map_that_means_the_opposite(self, tmp_path):
        path = tmp_path / "map.fits"
        write_masks(path, {2: blob()}, "eso", profile=WFC)
        with pytest.raises(InputFileError, match="BADVALUE is 0"):
            read_masks(path, "boolean", profile=WFC)
        fits.delval(path, "BADVALUE")
        with pytest.raises(InputFileError, match="does 1 mean good here"):
            read_masks(path, "boolean", profile=WFC)

    def test_maps_of_other_sizes_chips_and_values(self, tmp_path):
        path = tmp_path / "map.fits"
        for name, image, match in (
            ("CCDCHIP", np.zeros((5, 6), np.uint8), "wanted \\(2048, 4096\\)"),
            ("CHIP", np.zeros((2048, 4096), np.uint8), "no CCDCHIP"),
            ("CCDCHIP", np.full((2048, 4096), 4, np.uint8), "only 0 and 1"),
        ):
            fits.PrimaryHDU(image, fits.Header([(name, 1)])).writeto(path, overwrite=True)
            with pytest.raises(InputFileError, match=match):
                read_masks(path, "boolean", profile=WFC)

    def test_formats_that_do_not_fit(self, tmp_path):
        path = tmp_path / "x"
        two = {1: blob(), 2: blob()}
        for form, masks, profile, about, match in (
            ("iraf", two, WFC, ABOUT, "unknown format"),
            ("siril", two, WFC, None, "holds one chip"),
            ("bpixtab", two, WFC, None, "dates"),
            ("bpixtab", two, GENERIC, ABOUT, "no tables of bad pixels"),
        ):
            with pytest.raises(MetadataError, match=match):
                write_masks(path, masks, form, profile=profile, about=about)
            assert not path.exists()

    def test_a_list_for_nobody_knows_which_image(self, tmp_path):
        path = tmp_path / "x"
        write_masks(path, {2: blob()}, "siril", profile=WFC)
        for profile in (GENERIC, WFC):
            with pytest.raises(MetadataError, match="which chip"):
                read_masks(path, "siril", profile=profile)

    def test_a_description_beyond_ascii(self, tmp_path):
        path = tmp_path / "x_snk.fits"
        about = replace(ABOUT, description="flécks\n" * 20, simulated=True)
        write_masks(path, {1: blob()}, "snkcfile", profile=WFC, about=about)
        assert fits.getheader(path)["PEDIGREE"] == "MODEL"
