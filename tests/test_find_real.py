"""The search on real flats, with one default for all."""

import numpy as np

import fleckcore
from fleckcore.detection.search import search
from real_flats import esis_bias
from real_frames import combined_flat, files, score


def test_finds_the_small_flecks_of_a_space_camera():
    frames = [fleckcore.read(path)[0] for path in files("msfc_esis1/ESIS1_0480[34].fit.gz")]
    bias = esis_bias()
    mean = np.mean([frame.data.astype(np.float32) for frame in frames], axis=0)
    catalog = fleckcore.find(frames[0].replace(data=mean), bias=bias)
    result = score(catalog, "msfc_esis1", dx=50, dy=8)
    assert result["matched_sure"] == 15
    assert result["false"] + result["duplicates"] <= 5


def test_finds_flecks_and_donuts_beside_a_slit():
    flat = combined_flat("ccdchar_st7_L/slitview*FLAT*", "ccdchar_st7_L/*BIAS*")
    result = search(flat)
    found = score(result.catalog, "ccdchar_st7_L")
    assert round(found["strict"] * 12) >= 11
    assert found["false"] + found["duplicates"] <= 5
    assert result.catalog.meta["unlit_pixels"] > 10_000  # the strip that the stop keeps dark


def test_finds_overlapping_rings_out_of_focus():
    flat = combined_flat("arcsat_20190503/domeflat_sdss_r*", "arcsat_20190503/Bias*")
    found = score(fleckcore.find(flat), "arcsat_20190503_r")
    assert found["strict"] >= 0.8
    assert found["false"] + found["duplicates"] <= 16
    assert found["loc_median_px"] < 3
    assert found["radius_scatter"] < 0.1


def test_the_slit_is_one_row():
    path = files("ccdchar_st7_L/slitview.00000357.FLAT.FIT.gz")[0]
    catalog = fleckcore.find(fleckcore.read(path)[0])
    streaks = catalog[catalog["kind"] == "streak"]
    assert len(streaks) == 1
    length = np.hypot(
        streaks["bbox_xmax"] - streaks["bbox_xmin"], streaks["bbox_ymax"] - streaks["bbox_ymin"]
    )
    assert length.value[0] > 400


def test_the_demo_flat_is_the_distributed_one():
    from importlib.resources import files as resources

    path = resources("fleckcore") / "demo_data" / "ESIS1_04803.fit.gz"
    catalog = fleckcore.find(fleckcore.read(path)[0], bias=3675.0)
    deepest = catalog[np.argmin(catalog["transmission_min"])]
    # Raw pixel (1189, 789) loses most: 79 % over the median of its surroundings.
    assert abs(deepest["x_centroid"].value + 50 - 1189.2) < 0.5
    assert abs(deepest["y_centroid"].value + 8 - 789.4) < 0.5
    assert 0.2 < deepest["transmission_min"] < 0.3
