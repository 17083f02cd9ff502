"""Large discs and rings: known ones found once, at their place and size; nothing else listed."""

import numpy as np
import pytest

import fleckcore
from fleckcore import simulate
from fleckcore.detection.search import search
from fleckcore.errors import MetadataError
from fleckcore.frame import as_frame
from fleckcore.simulate import Obstruction, obscure

SHAPE = (600, 700)
NOISE = 0.01


def frame(*shadows, seed=1, noise=NOISE, vignetting=0.15):
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    far = ((y / SHAPE[0] - 0.5) ** 2 + (x / SHAPE[1] - 0.5) ** 2) * 2
    light = 10000 * (1 - vignetting * far)
    data = light * (1 + noise * np.random.Generator(np.random.PCG64(seed)).standard_normal(SHAPE))
    return obscure(as_frame(data.astype(np.float32)), shadows)


def ring(x, y, radius, loss, hole=0.45, softness=1.5):
    return Obstruction(
        x=x,
        y=y,
        width=2 * radius,
        height=2 * radius,
        loss=loss,
        kind="ring",
        hole=hole,
        softness=softness,
    )


def disc(x, y, radius, loss, softness=1.5):
    return Obstruction(
        x=x, y=y, width=2 * radius, height=2 * radius, loss=loss, kind="disc", softness=softness
    )


def rows(catalog):
    return sorted(
        (row["kind"], row["x_centroid"].value, row["y_centroid"].value, row["radius"].value)
        for row in catalog
    )


@pytest.mark.parametrize(("radius", "loss"), [(20, 0.02), (33, 0.01), (54, 0.005)])
def test_a_ring_is_one_row_at_its_place_and_size(radius, loss):
    (row,) = fleckcore.find(frame(ring(340.3, 290.7, radius, loss)))
    assert row["kind"] == "ring"
    assert (
        np.hypot(row["x_centroid"].value - 340.3, row["y_centroid"].value - 290.7) < 0.03 * radius
    )
    assert row["radius"].value == pytest.approx(radius, rel=0.025)
    assert row["radius_inner"].value == pytest.approx(0.45 * radius, rel=0.1)
    assert row["depth"] == pytest.approx(loss, rel=0.15)
    assert row["transmission_mean"] == pytest.approx(1 - loss, abs=0.3 * loss)


@pytest.mark.parametrize("shape", [ring, disc])
@pytest.mark.parametrize(("radius", "loss"), [(100, 0.003), (150, 0.003), (150, 0.1)])
def test_half_of_the_frame_shadowed_is_found_as_deep_as_it_is(shape, radius, loss):
    """Its own depth must not pull the level that it is measured against."""
    (row,) = fleckcore.find(frame(shape(340.3, 290.7, radius, loss)))
    assert row["kind"] == shape.__name__
    assert row["radius"].value == pytest.approx(radius, rel=0.02)
    assert row["depth"] == pytest.approx(loss, rel=0.12)


def test_rows_that_shadows_cover_for_the_most_part_stay_right_between_them():
    columns, lines = np.arange(100, 700, 125), np.arange(100, 600, 135)
    grid = [disc(x, y, 55, 0.1) for y in lines for x in columns]
    found = fleckcore.find(frame(*grid))
    assert len(found) == len(grid)
    assert np.allclose(found["depth"], 0.1, rtol=0.03)
    assert set(found["kind"]) == {"disc"}


def test_a_disc_is_no_ring():
    (row,) = fleckcore.find(frame(disc(200, 400, 40, 0.02)))
    assert row["kind"] == "disc"
    assert row["radius_inner"].value == 0
    assert row["radius"].value == pytest.approx(40, rel=0.015)


def test_errors_are_of_the_size_of_the_deviations():
    x, y = 340.3, 290.7
    pulls = []
    for seed in range(8):
        (row,) = fleckcore.find(frame(ring(x, y, 30, 0.02), seed=seed))
        pulls.append((row["x_centroid"].value - x) / row["x_err"].value)
        pulls.append((row["radius"].value - 30) / row["radius_err"].value)
    assert 0.3 < np.sqrt(np.mean(np.square(pulls))) < 3


def test_overlapping_rings_are_told_apart():
    shadows = ring(250, 300, 50, 0.03), ring(310, 330, 50, 0.02), ring(280, 250, 30, 0.03)
    found = fleckcore.find(frame(*shadows))
    assert len(found) == 3
    for shadow in shadows:
        distance = np.hypot(
            found["x_centroid"].value - shadow.x, found["y_centroid"].value - shadow.y
        )
        nearest = int(np.argmin(distance))
        assert distance[nearest] < 0.5
        assert found["radius"][nearest].value == pytest.approx(shadow.width / 2, rel=0.015)
        assert found["blend"][nearest]


def test_a_ring_cut_by_the_edge_is_found_and_marked():
    (row,) = fleckcore.find(frame(ring(8.0, 300.0, 50, 0.03)))
    assert row["edge"]
    assert row["radius"].value == pytest.approx(50, rel=0.015)
    assert row["bbox_xmin"] == 0


def test_a_fleck_on_a_ring_is_found_beside_it():
    found = fleckcore.find(frame(ring(300, 300, 50, 0.03), disc(335, 300, 4, 0.4)))
    assert [row[0] for row in rows(found)] == ["fleck", "ring"]


def test_compact_leaves_large_shadows_out():
    assert len(fleckcore.find(frame(ring(340, 290, 54, 0.03)), shapes="compact")) == 0


def test_bright_rings_are_found_when_asked_for():
    light = frame(ring(340, 290, 40, 0.02))
    mirrored = light.replace(data=(2e8 / light.data).astype(np.float32))
    (row,) = fleckcore.find(mirrored, bright=True)
    assert row["kind"] == "bright"
    assert row["transmission_mean"] == pytest.approx(1.02, abs=0.002)
    assert row["radius"].value == pytest.approx(40, rel=0.025)


def test_the_label_image_shows_every_feature():
    result = search(
        frame(ring(300, 300, 50, 0.03), ring(500, 120, 30, 0.03), disc(335, 300, 4, 0.4))
    )
    for row in result.catalog:
        own = result.labels == row["label"]
        y, x = np.nonzero(own)
        assert y.mean() == pytest.approx(row["y_centroid"].value, abs=1)
        assert x.mean() == pytest.approx(row["x_centroid"].value, abs=1)
    assert result.labels.max() == len(result.catalog) == 3
    inside = result.labels == result.catalog["label"][result.catalog["radius"].argmax()]
    assert np.nanmean(result.normalised.transmission[inside]) == pytest.approx(0.97, abs=0.005)


def test_where_there_is_less_noise_fainter_shadows_are_found():
    """Noise grows fourfold from left to right; one noise for all of the frame would hide them."""
    grows = np.linspace(1, 4, 768, dtype=np.float32)
    random = np.random.Generator(np.random.PCG64(5))
    light = 1000 * (1 + 0.005 * grows * random.standard_normal((768, 768), dtype=np.float32))
    assert len(fleckcore.find(light)) == 0
    at = [100, 300, 500, 660]
    seen = fleckcore.find(obscure(as_frame(light), [disc(120, y, 30, 0.005) for y in at]))
    assert sorted(seen["y_centroid"].value) == pytest.approx(at, abs=3)
    assert seen["x_centroid"].value == pytest.approx([120] * 4, abs=3)


def test_threads_change_nothing():
    light = frame(ring(300, 300, 50, 0.03), ring(500, 120, 30, 0.01))
    one, three = (fleckcore.find(light, threads=n) for n in (1, 3))
    for name in one.colnames:
        assert np.asarray(one[name]).tobytes() == np.asarray(three[name]).tobytes(), name


def test_an_unknown_shape_is_refused():
    with pytest.raises(MetadataError, match="compact") as caught:
        fleckcore.find(frame(), shapes="round")
    assert caught.value.code == "M07"


@pytest.mark.parametrize("kind", sorted(simulate.BLANK_KINDS))
def test_blank_frames_hold_about_as_many_as_stated(kind):
    """0.1 per frame are stated; 6 frames would show more than 4 less than once in a thousand times."""
    listed = sum(
        len(fleckcore.find(simulate.blank_frame(kind, shape=SHAPE, seed=100 + seed)))
        for seed in range(6)
    )
    assert listed <= 4
