"""Passbands from files, and the wavelength of a lamp's light through them."""

from __future__ import annotations

import gzip
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

import real_frames
from fleckcore.errors import ArrayError, InputFileError, MetadataError, MissingExtraError
from fleckcore.frame import FrameMeta
from fleckcore.instruments import load_profile
from fleckcore.io.passbands import Passband, read_passband
from fleckcore.measure import (
    effective_wavelength,
    filter_wavelength,
    pivot_wavelength,
    synphot_passband,
    tungsten_lamp,
)

GRID = np.arange(4000.0, 6001.0)
ACS = FrameMeta(profile="acs_wfc", filters=("F435W",))


def box(low=4000.0, high=6000.0):
    return Passband(np.array([low, high]), np.array([1.0, 1.0]), "box")


def test_of_an_even_lamp():
    """Of a box from a to b: photons as l dl, so 2/3 (b^3 - a^3) / (b^2 - a^2)."""
    wanted = 2 / 3 * (6000**3 - 4000**3) / (6000**2 - 4000**2)
    found = effective_wavelength(GRID, np.ones_like(GRID), np.ones_like)
    assert found == pytest.approx(wanted, rel=1e-6)
    table = (np.array([6500.0, 3000.0]), np.array([2.0, 2.0]))
    assert effective_wavelength(GRID, np.ones_like(GRID), table) == pytest.approx(wanted, rel=1e-6)


def test_pivot_of_a_box():
    wanted = np.sqrt((6000**2 - 4000**2) / 2 / np.log(6000 / 4000))
    assert pivot_wavelength(GRID, 0.3 * np.ones_like(GRID)) == pytest.approx(wanted, rel=1e-6)


def test_tungsten_shines_in_the_red():
    ones = np.ones_like(GRID)
    found = [effective_wavelength(GRID, ones, tungsten_lamp(t)) for t in (2600, 2900, 3200)]
    assert pivot_wavelength(GRID, ones) < found[2] < found[1] < found[0]
    assert effective_wavelength(GRID, ones) == found[1]


def test_emissivity_of_tungsten():
    """Larrabee's at 6500 angstrom and 2400 K is 0.424; it has no steps between his formulas."""

    def emissivity(at, kelvin):
        at = np.asarray(at, float)
        black = at**-5 / np.expm1(1.438777e8 / (at * kelvin))
        return tungsten_lamp(kelvin)(at) / black

    assert emissivity(6500.0, 2400.0) == pytest.approx(0.4258, abs=0.001)
    for kelvin in (2400, 2900):
        for seam in (4500.0, 6800.0):
            low, high = emissivity([seam - 1, seam + 1], kelvin)
            assert high == pytest.approx(low, rel=0.01)
        assert emissivity(4000.0, kelvin) / emissivity(9000.0, kelvin) == pytest.approx(
            7 / 6, rel=0.02
        )


def test_of_the_published_passbands():
    """As synphot 1.8 computes them for a black body of 2900 K, and the pivots in the headers of the time."""
    pivots = load_profile("acs_wfc").filters.pivot_angstrom
    for path in real_frames.files("filters/hst_acs_wfc_*.csv.gz"):
        band = read_passband(path)
        name = band.name.rpartition("_")[2].upper()
        pivot = pivot_wavelength(band.wavelength, band.throughput)
        assert pivot == pytest.approx(pivots[name], rel=0.004)
        found = effective_wavelength(
            band.wavelength, band.throughput, lambda at: at**-5 / np.expm1(1.438777e8 / at / 2900)
        )
        known = {"F435W": 4457.848, "F606W": 6257.855, "F850LP": 9120.418}
        assert found == pytest.approx(known.get(name, found), abs=0.01)
        assert pivot < effective_wavelength(band.wavelength, band.throughput) < found


def test_text_of_two_columns(tmp_path):
    text = "# a filter\nwavelength, throughput\n4000, 0.1\n\n5000\t0.5 9\n4500;0.3\nend\n"
    (tmp_path / "v.dat").write_text(text)
    with gzip.open(tmp_path / "w.csv.gz", "wt") as file:
        file.write(text)
    for name in ("v.dat", "w.csv.gz"):
        band = read_passband(tmp_path / name)
        assert_array_equal(band.wavelength, [4000, 4500, 5000])
        assert_array_equal(band.throughput, [0.1, 0.3, 0.5])
        assert band.name == name[0]
    assert_array_equal(read_passband(tmp_path / "v.dat", unit="nm").wavelength[0], 40_000)
    assert read_passband(tmp_path / "v.dat", name="V").name == "V"


def test_a_table_of_fits(tmp_path):
    columns = [
        fits.Column("ERROR", "E", array=[9, 9]),
        fits.Column("THROUGHPUT", "E", array=[0.5, 0.25]),
        fits.Column("WAVELENGTH", "E", unit="nm", array=[400, 500]),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(
        tmp_path / "one.fits"
    )
    band = read_passband(tmp_path / "one.fits")
    assert_allclose(band.wavelength, [4000, 5000])
    assert_allclose(band.throughput, [0.5, 0.25])
    other = [fits.Column("L", "D", array=[1.0, 2]), fits.Column("T", "D", array=[3.0, 4])]
    fits.BinTableHDU.from_columns(other).writeto(tmp_path / "two.fits")
    assert_allclose(read_passband(tmp_path / "two.fits", unit="um").wavelength, [1e4, 2e4])


def test_files_that_are_no_passbands(tmp_path):
    (tmp_path / "a.txt").write_text("nothing here\n")
    (tmp_path / "b.fits").write_text("SIMPLE")
    (tmp_path / "c.gz").write_text("not gzip")
    (tmp_path / "d.txt").write_text("4000 0\n5000 0\n")
    fits.PrimaryHDU(np.ones((3, 3))).writeto(tmp_path / "e.fits")
    for name, code in (
        ("a.txt", "I05"),
        ("b.fits", "I04"),
        ("c.gz", "I04"),
        ("d.txt", "I05"),
        ("e.fits", "I04"),
        ("none.txt", "I04"),
    ):
        with pytest.raises(InputFileError, match=code):
            read_passband(tmp_path / name)
    (tmp_path / "f.txt").write_text("4000 1\n5000 1\n")
    with pytest.raises(ArrayError, match=r"A09.*furlong"):
        read_passband(tmp_path / "f.txt", unit="furlong")


def test_passbands_that_are_none():
    for wavelength, throughput, code in (
        ([4000.0], [1.0], "A09"),
        ([4000.0, -1.0], [1.0, 1.0], "A09"),
        ([4000.0, 5000.0], [0.0, 0.0], "A09"),
        ([4000.0, 5000.0], [1.0, np.nan], "A09"),
        ([4000.0, 5000.0], [1.0], "A12"),
    ):
        with pytest.raises(ArrayError, match=code):
            Passband(np.array(wavelength), np.array(throughput))
    with pytest.raises(ArrayError, match=r"A09.*no light"):
        effective_wavelength(GRID, np.ones_like(GRID), np.zeros_like)
    with pytest.raises(ArrayError, match=r"A09.*temperature"):
        tungsten_lamp(0)


def test_the_wavelength_of_a_frame():
    known = filter_wavelength(ACS)
    assert (known.name, known.wavelength, known.kind) == ("F435W", 4329.9, "pivot")
    found = filter_wavelength(ACS, passbands={"F435W": box()}, lamp=np.ones_like)
    assert found.kind == "effective"
    assert found.wavelength == pytest.approx(
        effective_wavelength(box().wavelength, box().throughput, np.ones_like)
    )
    for meta in (FrameMeta(filters=("V",)), FrameMeta()):
        with pytest.raises(MetadataError, match=r"M01.*no wavelength"):
            filter_wavelength(meta)
    assert filter_wavelength(FrameMeta(filters=("V",)), passbands={"V": box()}).name == "V"


def test_pivots_of_a_profile_must_be_lengths(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ntitle = "t"\n[filters.pivot_angstrom]\nV = 5500\n')
    assert load_profile(path).filters.pivot_angstrom == {"V": 5500}
    path.write_text('name = "mine"\ntitle = "t"\n[filters.pivot_angstrom]\nV = -1\n')
    with pytest.raises(MetadataError, match=r"M08.*filters\.pivot_angstrom\.V"):
        load_profile(path)


def test_every_broad_filter_of_acs_has_a_pivot():
    filters = load_profile("acs_wfc").filters
    assert set(filters.pivot_angstrom) <= set(filters.known)
    broad = {name for name in filters.known if name.endswith(("W", "M", "N", "LP"))}
    assert broad == set(filters.pivot_angstrom)


def test_passbands_of_synphot(monkeypatch):
    class Element:
        waveset = np.array([400.0, 500.0]) * units.nm

        def __call__(self, at):
            return np.array([0.2, 0.4]) * units.dimensionless_unscaled

    def give(name):
        if name != "acs,wfc1,f435w":
            raise KeyError(name)
        return Element()

    monkeypatch.setitem(sys.modules, "stsynphot", SimpleNamespace(band=give))
    band = synphot_passband("acs,wfc1,f435w")
    assert_allclose(band.wavelength, [4000, 5000])
    assert_allclose(band.throughput, [0.2, 0.4])
    with pytest.raises(InputFileError, match=r"I11.*PYSYN_CDBS"):
        synphot_passband("acs,wfc1,f000w")
    monkeypatch.setitem(sys.modules, "stsynphot", None)
    with pytest.raises(MissingExtraError, match=r"R17.*fleckcore\[spectra\]"):
        synphot_passband("acs,wfc1,f435w")
