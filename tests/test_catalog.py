from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from features import feature
from fleckcore.detection.catalog import Catalog
from fleckcore.detection.feature import COLUMNS, KINDS, Feature
from fleckcore.errors import InputFileError, OutputError
from fleckcore.io.catalogs import write_catalog

META = {
    "version": "1.2",
    "unit": "electron",
    "origin": "0-based pixel centres, x = column, y = row of the trimmed frame",
    "status": "OK",
    "parameters": {"threshold": 5.0, "radii": (1.5, 3), "kernel": None, "flat": True},
    "input": "déjà_vu <b>.fits",
    "frame_shape": np.array([2048, 4096]),
    "n_masked": np.int64(7),
    "long": "abc" * 60,
}


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.from_features(
        [
            feature(),
            feature(label=2, kind="ring", radius_inner=2.5, x_centroid=1 / 3, area=2**40),
            feature(label=3, kind="streak", area_mm2=math.nan, orientation=-0.0, edge=True),
        ],
        meta=META,
    )


def assert_same(one: Table, other: Table) -> None:
    assert one.colnames == other.colnames
    assert one.meta == other.meta
    for name in one.colnames:
        a, b = one[name], other[name]
        assert (a.info.unit, a.info.description) == (b.info.unit, b.info.description)
        values, wanted = (np.asarray(getattr(c, "value", c)) for c in (a, b))
        if wanted.dtype.kind != "U":  # the width of text is that of the longest
            assert values.dtype == wanted.dtype, name
        np.testing.assert_array_equal(values, wanted)


def test_the_columns_are_the_fields_of_a_feature(catalog):
    assert catalog.colnames == [column.name for column in COLUMNS] == list(Feature.__slots__)
    assert catalog["area"].unit == u.pix**2
    assert catalog["area"].dtype == np.int64
    assert catalog["area"][1].value == 2**40
    assert catalog["area_mm2"].unit == u.mm**2
    assert catalog["orientation"].unit == u.deg
    assert catalog["lost_flux"].unit == u.electron
    assert catalog["edge"].tolist() == [False, False, True]
    assert catalog["y_peak"].info.description == "row of the pixel that loses most"
    assert catalog["kind"].tolist() == ["fleck", "ring", "streak"]
    assert catalog["radius_fit"].unit == catalog["radius_err"].unit == u.pix
    assert catalog["orientation_err"].unit == u.deg


def test_every_kind_has_a_probability_and_every_error_a_value():
    names = [column.name for column in COLUMNS]
    assert [name for name in names if name.startswith("p_")] == [f"p_{kind}" for kind in KINDS]
    for name in names:
        if name.endswith("_err") and name not in ("x_err", "y_err", "radius_err"):
            stem = name.removesuffix("_err")
            assert stem in names or f"{stem}_fit" in names, name


def test_descriptions_fit_a_fits_card():
    assert [c.name for c in COLUMNS if not 0 < len(c.description) <= 67] == []


@pytest.mark.parametrize(
    ("meta", "unit"),
    [({}, u.adu), ({"unit": "DN"}, u.adu), ({"unit": "electron/s"}, u.electron / u.s)],
)
def test_lost_flux_has_the_unit_of_the_frame(meta, unit):
    assert Catalog.from_features([feature()], meta=meta)["lost_flux_err"].unit == unit


def test_meta_becomes_plain(catalog):
    assert catalog.meta["parameters"]["radii"] == [1.5, 3]
    assert catalog.meta["frame_shape"] == [2048, 4096]
    assert json.loads(json.dumps(catalog.meta)) == catalog.meta


@pytest.mark.parametrize("ending", [".ecsv", ".fits"])
@pytest.mark.parametrize("rows", [3, 1, 0])
def test_round_trip_keeps_everything(catalog, tmp_path, ending, rows):
    path = tmp_path / f"catalog{ending}"
    catalog[:rows].write(path)
    again = Catalog.read(path)
    assert type(again) is Catalog
    assert_same(again, catalog[:rows])
    assert len(again) == rows
    assert math.copysign(1, again["orientation"][-1].value) == -1 if rows == 3 else True


@pytest.mark.parametrize("rows", [3, 0])
def test_fitsverify_finds_nothing(catalog, tmp_path, rows, fitsverify):
    path = tmp_path / "catalog.fits"
    catalog[:rows].write(path)
    assert fitsverify(path) == ""


def test_csv_runs_no_formula(tmp_path):
    nasty = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "plain", 'it\'s, "quoted"']
    table = Table({"=name": nasty, "value": [-1.5, math.nan, 0.1 + 0.2, 1e300, 0, 1, 2]})
    write_catalog(table, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["'=name", "value"]
    assert [row[0] for row in rows] == [*(f"'{text}" for text in nasty[:5]), *nasty[5:]]
    assert [row[1] for row in rows[:3]] == ["-1.5", "", "0.30000000000000004"]


def test_json_has_null_for_nan(catalog):
    rows = catalog.to_json()
    assert [row["area_mm2"] for row in rows] == [113 * 2.25e-4, 113 * 2.25e-4, None]
    assert rows[1]["area"] == 2**40
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_other_endings_are_refused(catalog, tmp_path):
    with pytest.raises(OutputError, match=r"\[R08\].*'\.txt'") as caught:
        catalog.write(tmp_path / "catalog.txt")
    assert caught.value.code == "R08"
    with pytest.raises(InputFileError, match="neither units nor meta"):
        Catalog.read(tmp_path / "catalog.csv")


@pytest.mark.parametrize("ending", [".ecsv", ".fits"])
@pytest.mark.parametrize("content", [None, b"", b"<html>404</html>", b"SIMPLE  ="])
def test_what_is_no_catalogue_is_named(tmp_path, ending, content):
    path = tmp_path / f"other{ending}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputFileError) as caught:
        Catalog.read(path)
    assert (caught.value.code, caught.value.path) == ("I04", path)


def test_an_existing_file_is_kept_unless_told(catalog, tmp_path):
    path = tmp_path / "catalog.fits"
    path.write_text("precious")
    with pytest.raises(OutputError, match="already"):
        catalog.write(path)
    assert path.read_text() == "precious"
    catalog.write(path, overwrite=True)
    assert len(Catalog.read(path)) == 3


def test_a_failed_write_leaves_nothing(tmp_path):
    path = tmp_path / "catalog.fits"
    path.write_text("precious")
    table = Table({"a": [1]}, meta={"unwritable": object()})
    with pytest.raises(TypeError):
        write_catalog(table, path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["catalog.fits"]
    assert path.read_text() == "precious"
