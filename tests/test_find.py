"""The search on frames whose truth is known."""

import numpy as np
import pytest

import fleckcore
from fleckcore import simulate
from fleckcore.detection.options import Options
from fleckcore.detection.scales import significance_limit
from fleckcore.detection.search import search
from fleckcore.errors import MetadataError
from fleckcore.frame import as_frame

FLECKS = simulate.FLECKS[2] + simulate.FLECKS[1]


def flat(shape=(400, 500), level=1000.0, noise=0.02, seed=5):
    random = np.random.default_rng(seed)
    return (level * (1 + noise * random.standard_normal(shape))).astype(np.float32)


def put_disc(data, x, y, radius, loss):
    dy, dx = np.ogrid[: data.shape[0], : data.shape[1]]
    data[np.hypot(dx - x, dy - y) <= radius] *= 1 - loss


@pytest.fixture(scope="module")
def dark():
    return simulate.short_dark(chip=2, flecks=FLECKS, seed=3)


@pytest.fixture(scope="module")
def dark_search(dark):
    return search(dark.frame)


def matches(scene, catalog):
    return simulate.match_truth(scene.truth, catalog["x_centroid"], catalog["y_centroid"])


def test_the_flecks_have_the_areas_of_the_report(dark):
    areas = [fleck.area for fleck in dark.truth[:3]]
    assert areas == pytest.approx([144, 52, 25], abs=3)


def test_finds_flecks_and_freckles_of_a_short_dark(dark, dark_search):
    found = matches(dark, dark_search.catalog)
    assert all(match is not None for match in found[:3])
    deep = [m for item, m in zip(dark.truth, found, strict=True) if item.loss >= 0.10]
    assert sum(match is not None for match in deep) >= 0.95 * len(deep)
    assert len(dark_search.catalog) - sum(match is not None for match in found) <= 1


def test_measures_flecks_on_the_unfiltered_image(dark, dark_search):
    found = matches(dark, dark_search.catalog)
    for fleck, match in zip(dark.truth[:3], found, strict=False):
        row = dark_search.catalog[match]
        assert row["x_centroid"].value == pytest.approx(fleck.x, abs=0.3)
        assert row["y_centroid"].value == pytest.approx(fleck.y, abs=0.3)
        assert row["area"].value == pytest.approx(fleck.area, rel=0.25)
        assert row["area_mm2"].value == pytest.approx(row["area"].value * 2.25e-4)
        assert row["transmission_min"] == pytest.approx(0, abs=4 * row["transmission_min_err"])


def test_the_published_recipe_loses_small_flecks(dark):
    """A 15 x 15 median follows only what covers half of it: 144 pixels, not 52 or 25, nor a freckle."""
    catalog = fleckcore.find(dark.frame, normalise="literal")
    found = matches(dark, catalog)
    names = [item.name for item, m in zip(dark.truth, found, strict=True) if m is not None]
    assert "larger" in names
    assert "tiny" not in names
    freckles = [m for item, m in zip(dark.truth, found, strict=True) if item.kind == "freckle"]
    assert sum(m is not None for m in freckles) <= 0.05 * len(freckles)


def test_the_published_recipe_knows_shadows_only():
    with pytest.raises(MetadataError, match="M07"):
        fleckcore.find(flat(), normalise="literal", bright=True)


@pytest.mark.parametrize("kind", simulate.BLANK_KINDS)
def test_blank_frames_keep_the_stated_rate(kind):
    """0.1 are expected in a frame; 10 frames may hold 5 with a chance below 0.4 %, more by mistake only."""
    found = sum(
        len(fleckcore.find(simulate.blank_frame(kind, shape=(500, 600), seed=seed)))
        for seed in range(10)
    )
    assert found <= 5


def test_the_limit_follows_from_the_rate():
    alone = significance_limit(1_000_000, (0.0,), 0.1)
    assert alone == pytest.approx(5.1993, abs=1e-3)  # the upper 1e-7 quantile of a normal
    assert significance_limit(1_000_000, (0.0, 1.0), 0.1) > alone
    assert significance_limit(1_000_000, (0.0,), 10.0) < alone


def test_one_feature_is_one_row():
    data = flat()
    for i, (radius, loss) in enumerate([(1, 0.4), (3, 0.3), (6, 0.2), (12, 0.1), (18, 0.06)]):
        put_disc(data, 60 + 90 * i, 200, radius, loss)
    catalog = fleckcore.find(data)
    assert len(catalog) == 5
    order = np.argsort(catalog["x_centroid"])
    np.testing.assert_allclose(catalog["x_centroid"].value[order], 60 + 90 * np.arange(5), atol=0.6)
    np.testing.assert_allclose(
        catalog["radius"].value[order], [1, 3, 6, 12, 18], rtol=0.2, atol=0.8
    )
    assert set(catalog["kind"][order][3:]) == {"disc"}


def test_a_ring_has_an_inner_radius():
    data = flat(noise=0.005)
    put_disc(data, 250, 200, 14, 0.10)
    dy, dx = np.ogrid[: data.shape[0], : data.shape[1]]
    data[np.hypot(dx - 250, dy - 200) <= 7] /= 0.90
    (row,) = fleckcore.find(data)
    assert row["kind"] == "ring"
    assert row["radius"].value == pytest.approx(14, abs=1)
    assert row["radius_inner"].value == pytest.approx(7, abs=1)


def test_neighbours_are_two_rows_and_blended():
    data = flat(noise=0.005)
    put_disc(data, 200, 200, 4, 0.3)
    put_disc(data, 210, 203, 4, 0.2)
    catalog = fleckcore.find(data)
    assert len(catalog) == 2
    assert all(catalog["blend"])


def test_bright_features_by_option():
    data = flat()
    put_disc(data, 100, 100, 4, 0.3)
    put_disc(data, 300, 250, 4, -0.3)
    (dark_row,) = fleckcore.find(data)
    bright_row = fleckcore.find(data, bright=True)[0]
    assert dark_row["x_centroid"].value == pytest.approx(100, abs=0.3)
    assert dark_row["lost_flux"].value == pytest.approx(0.3 * 1000 * 49, rel=0.1)
    assert bright_row["x_centroid"].value == pytest.approx(300, abs=0.3)
    assert bright_row["transmission_mean"] == pytest.approx(1.3, abs=0.02)
    assert bright_row["kind"] == "bright"


def test_errors_are_right():
    """Pulls of the mean transmission over 60 equal flecks have mean 0 and width 1."""
    data = flat((700, 900), noise=0.01, seed=8)
    places = [(60 + 80 * i, 60 + 100 * j) for i in range(10) for j in range(6)]
    for x, y in places:
        put_disc(data, x, y, 4, 0.25)
    catalog = fleckcore.find(data)
    assert len(catalog) == len(places)
    pull = (catalog["transmission_mean"] - 0.75) / catalog["transmission_mean_err"]
    assert abs(np.mean(pull)) < 0.5
    assert 0.7 < np.std(pull) < 1.4


@pytest.mark.parametrize("masked", [0.5, 0.8, 0.9])
def test_few_valid_pixels_are_noise_still(masked):
    """No box of the mesh is a quarter valid: noise that is not known was taken for none, and each pixel listed."""
    random = np.random.Generator(np.random.PCG64(3))
    light = 1000 * (1 + 0.005 * random.standard_normal((400, 400), dtype=np.float32))
    assert len(fleckcore.find(light, mask=random.random(light.shape) < masked)) <= 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [1, 6, 12, 30])
def test_an_island_of_valid_pixels_is_searched(side):
    random = np.random.Generator(np.random.PCG64(3))
    light = 1000 * (1 + 0.005 * random.standard_normal((400, 400), dtype=np.float32))
    mask = np.ones(light.shape, bool)
    mask[200 : 200 + side, 150 : 150 + side] = False
    catalog = fleckcore.find(light, mask=mask)
    assert len(catalog) == 0
    assert catalog.meta["status"] == "OK"


def test_masked_fleck_is_not_found():
    data = flat()
    put_disc(data, 100, 100, 4, 0.5)
    put_disc(data, 300, 200, 4, 0.5)
    mask = np.zeros(data.shape, bool)
    mask[90:110, 90:110] = True
    (row,) = fleckcore.find(data, mask=mask)
    assert row["x_centroid"].value == pytest.approx(300, abs=0.3)


def test_step_between_amplifiers_is_no_feature():
    data = flat()
    data[:, 250:] *= 1.06
    data[200:] *= 0.95
    frame = as_frame(data, seams=(("col", 250), ("row", 200)))
    assert len(fleckcore.find(frame)) == 0


def test_dead_column_is_at_most_one_row():
    data = flat()
    data[:, 250] *= 0.3
    assert len(fleckcore.find(data)) <= 1


def test_difference_sees_only_what_is_new():
    before, after = flat(seed=1), flat(seed=2)
    for data in (before, after):
        put_disc(data, 100, 100, 4, 0.4)
    put_disc(after, 300, 200, 4, 0.4)
    (row,) = fleckcore.find(after, normalise="difference", reference=before)
    assert row["x_centroid"].value == pytest.approx(300, abs=0.3)
    assert len(fleckcore.find(after)) == 2


def test_bias_matters():
    data = flat() + 1000
    put = flat()
    put_disc(put, 100, 100, 4, 0.4)
    data = put + 1000
    (with_pedestal,) = fleckcore.find(data)
    (without,) = fleckcore.find(data, bias=1000.0)
    assert with_pedestal["transmission_mean"] == pytest.approx(0.8, abs=0.01)
    assert without["transmission_mean"] == pytest.approx(0.6, abs=0.01)


def test_error_plane_raises_the_noise_where_it_says_so():
    data = flat()
    put_disc(data, 100, 100, 2, 0.2)
    put_disc(data, 300, 200, 2, 0.2)
    error = np.full(data.shape, 20.0)
    error[80:120, 80:120] = 400.0
    (row,) = fleckcore.find(data, error=error)
    assert row["x_centroid"].value == pytest.approx(300, abs=0.3)


def test_labels_are_the_rows():
    data = flat()
    put_disc(data, 100, 100, 4, 0.4)
    put_disc(data, 300, 200, 6, 0.3)
    result = search(data)
    for row in result.catalog:
        assert np.count_nonzero(result.labels == row["label"]) == row["area_detected"].value
        assert result.labels[row["y_peak"].value, row["x_peak"].value] == row["label"]
    assert result.labels.max() == len(result.catalog)


def test_offset_and_chip_reach_the_table(dark):
    catalog = fleckcore.find(as_frame(dark.frame.data[:300, :300], chip=2, x_offset=10))
    assert catalog.meta["offset"] == [10, 0]
    assert catalog.meta["parameters"]["window"] == Options().window


@pytest.mark.parametrize("radius", [6, 9, 12, 18, 24])
def test_a_disc_half_cut_by_the_edge_is_one_row(radius):
    data = flat(noise=0.005)
    put_disc(data, 250, 0, radius, 0.3)
    catalog = fleckcore.find(data)
    assert len(catalog) == 1
    assert catalog["x_centroid"][0].value == pytest.approx(250, abs=0.5)
    assert catalog["edge"][0]


@pytest.mark.parametrize("dead", [0, 1])
def test_light_that_ends_in_a_corner_is_no_feature(dead):
    data = flat(noise=0.005)
    y, x = np.indices(data.shape)
    data[x + y < 24] *= 0.4
    data[:dead] = np.nan
    catalog = fleckcore.find(data)
    assert len(catalog) == 0
    assert catalog.meta["not_listed"] == {"edge": 1}
