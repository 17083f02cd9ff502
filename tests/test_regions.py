from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from regions import CircleAnnulusPixelRegion, CirclePixelRegion, EllipsePixelRegion, Regions

from features import feature
from fleckcore.detection.catalog import Catalog
from fleckcore.errors import OutputError
from fleckcore.io.catalogs import write_regions


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.from_features(
        [
            feature(),
            feature(label=2, kind="ring", x_centroid=0.0, y_centroid=2047.0, radius_inner=2.5),
            feature(label=3, kind="disc", x_centroid=4095.125, y_centroid=0.5, radius=7.0),
            feature(label=4, kind="streak", semimajor_axis=20.0, semiminor_axis=0.3),
            feature(label=5, kind="fleck", semimajor_axis=np.nan, radius=np.nan),
        ],
        meta={},
    )


def test_astropy_reads_back_the_same_centres(catalog, tmp_path):
    path = tmp_path / "catalog.reg"
    catalog.write_regions(path)
    regions = Regions.read(path, format="ds9")
    assert [region.center.x for region in regions] == catalog["x_centroid"].value.tolist()
    assert [region.center.y for region in regions] == catalog["y_centroid"].value.tolist()
    assert [int(region.meta["text"]) for region in regions] == [1, 2, 3, 4, 5]


def test_a_shape_is_drawn_as_itself(catalog, tmp_path):
    catalog.write_regions(tmp_path / "catalog.reg")
    fleck, ring, disc, streak, unknown = Regions.read(tmp_path / "catalog.reg", format="ds9")
    assert isinstance(fleck, EllipsePixelRegion)
    assert (fleck.width, fleck.height, fleck.angle.to_value("deg")) == (14.0, 10.0, 30.0)
    assert isinstance(ring, CircleAnnulusPixelRegion)
    assert (ring.inner_radius, ring.outer_radius) == (2.5, 6.0)
    assert isinstance(disc, CirclePixelRegion)
    assert disc.radius == 7.0
    assert (streak.width, streak.height) == (80.0, 3.0)
    assert (type(unknown), unknown.radius) == (CirclePixelRegion, 1.5)
    colours = [region.visual["edgecolor"] for region in (fleck, ring, disc, streak)]
    assert len(set(colours)) == 4


def test_the_file_states_its_origin(catalog, tmp_path):
    catalog.write_regions(tmp_path / "catalog.reg")
    text = (tmp_path / "catalog.reg").read_text()
    assert text.startswith("# Region file format: DS9")
    assert "1-based" in text
    assert "\nimage\n" in text
    assert "ellipse(41.2500,31.5000," in text


def test_text_cannot_break_out(catalog, tmp_path):
    table = Table(catalog, copy=True)
    table["label"] = ["evil}\ncircle(1,1,9)\x1b[2J", "b", "c", "d", "e"]
    write_regions(table, tmp_path / "catalog.reg")
    text = (tmp_path / "catalog.reg").read_text()
    assert "\x1b" not in text
    assert "text={evilcircle(1,1,9)[2J}" in text
    assert len(text.splitlines()) == 4 + 5


def test_no_features_make_an_empty_file(catalog, tmp_path):
    catalog[:0].write_regions(tmp_path / "empty.reg")
    assert len(Regions.read(tmp_path / "empty.reg", format="ds9")) == 0
    with pytest.raises(OutputError, match="already"):
        catalog.write_regions(tmp_path / "empty.reg")


def test_regions_of_a_trimmed_frame_lie_on_the_raw_file(tmp_path, catalog):
    catalog.meta["file_offset"] = [24, 20]
    catalog.write_regions(tmp_path / "raw.reg")
    found = Regions.read(tmp_path / "raw.reg", format="ds9")
    assert [r.center.x for r in found] == pytest.approx(catalog["x_centroid"].value + 24, abs=1e-3)
    assert [r.center.y for r in found] == pytest.approx(catalog["y_centroid"].value + 20, abs=1e-3)


def test_what_is_no_shadow_is_named(tmp_path):
    kinds = ["column", "seam", "edge", "bright", "fleck"]
    rows = [feature(label=i, kind=kind) for i, kind in enumerate(kinds, start=1)]
    Catalog.from_features(rows, meta={}).write_regions(tmp_path / "c.reg")
    regions = Regions.read(tmp_path / "c.reg", format="ds9")
    texts = [str(region.meta["text"]) for region in regions]
    assert texts == ["1 column", "2 seam", "3 edge", "4 bright", "5"]
