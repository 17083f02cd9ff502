"""Kinds: each follows from numbers and their errors, and its probability is what it says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import fleckcore
from features import feature
from fleckcore.detection.classes import Surroundings, classify
from fleckcore.detection.feature import KINDS
from fleckcore.frame import FrameMeta, as_frame
from fleckcore.simulate import Obstruction, obscure
from fleckcore.simulate.edges import disc_profile

NOISE = 0.01
SHAPE = (600, 900)
SEAM = 450


def values(catalog, name):
    return np.asarray(getattr(catalog[name], "value", catalog[name]))


def grid(count, random, *, first=60, step=80, shape=SHAPE):
    """Places apart from each other, from the seam and from the edges."""
    rows, cols = shape
    places = [
        (x, y)
        for y in range(first, rows - first, step)
        for x in range(first, cols - first, step)
        if abs(x - SEAM) > 40
    ]
    chosen = random.permutation(len(places))[:count]
    return [np.array(places[i]) + random.uniform(-0.5, 0.5, 2) for i in chosen]


def shadows(kind, random):
    items = []
    for x, y in grid(3 if kind == "streak" else 15, random):
        radius = random.uniform(1.5, 5) if kind == "fleck" else random.uniform(10, 14)
        size = {"width": 2 * radius, "height": 2 * radius, "loss": random.uniform(0.1, 0.5)}
        if kind == "streak":
            size["width"], size["height"] = random.uniform(30, 55), random.uniform(2, 4)
        items.append(
            Obstruction(
                x=x,
                y=y,
                kind="disc" if kind == "fleck" else kind,
                softness=0.7,
                angle=random.uniform(0, 180),
                **size,
            )
        )
    return obscure(np.ones(SHAPE), items).data, [(item.x, item.y) for item in items]


def columns(random):
    """Dark parts of columns, from an amplifier's border or from a dead pixel on."""
    light, places = np.ones(SHAPE), []
    for i in range(3):
        x = 100 + 120 * i
        length, width = random.integers(14, 28), random.integers(1, 4)
        first = (0, SHAPE[0] - length, 200)[i]
        light[first : first + length, x : x + width] *= random.uniform(0.5, 0.8)
        if i == 2:
            light[first - 1, x : x + width] = np.nan
        places.append((x + (width - 1) / 2, first + (length - 1) / 2))
    return light, places


def seam_residue(random):
    """A piece along the seam, on either side of it or on both."""
    light = np.ones(SHAPE)
    cols = ((SEAM - 2, SEAM), (SEAM, SEAM + 2), (SEAM - 2, SEAM + 2))[random.integers(3)]
    y, length = random.integers(100, 400), random.integers(30, 45)
    light[y : y + length, slice(*cols)] *= random.uniform(0.7, 0.9)
    return light, [(np.mean(cols) - 0.5, y + length / 2)]


def borders(random):
    """A band along the frame's edge, and one along a corner that gets no light."""
    light = np.ones(SHAPE)
    length, depth, first = random.integers((30, 2, 60), (50, 6, 300))
    light[:depth, first : first + length] *= random.uniform(0.6, 0.8)
    y, x = np.indices(SHAPE)
    beyond = (x - SHAPE[1]) + (y - SHAPE[0]) + 240
    light[beyond > 0] = 0.02
    band = (beyond <= 0) & (beyond > -5) & (abs(x - random.uniform(720, 840)) < 20)
    light[band] *= 0.7
    return light, [(first + length / 2, depth / 2), (x[band].mean(), y[band].mean())]


def hot_clusters(random):
    light, places = np.ones(SHAPE), grid(15, random)
    y, x = np.indices(SHAPE)
    for cx, cy in places:
        light[np.hypot(x - cx, y - cy) < random.uniform(0.8, 4)] *= random.uniform(1.3, 2)
    return light, places


MAKERS = {"column": columns, "seam": seam_residue, "edge": borders, "bright": hot_clusters}


def scene(kind, seed):
    random = np.random.default_rng(seed)
    light, places = MAKERS[kind](random) if kind in MAKERS else shadows(kind, random)
    data = 1000 * (light + NOISE * random.standard_normal(SHAPE))
    mask = np.isnan(data)
    frame = as_frame(np.where(mask, 0, data), mask=mask, seams=(("col", SEAM),), readout="-y")
    return frame, places


def names_of(kind, frames):
    """What the features of one kind are called, and how many are not found."""
    names = Counter()
    for seed in range(frames):
        frame, places = scene(kind, seed)
        catalog = fleckcore.find(frame, bright=kind == "bright", shapes="compact")
        x, y = values(catalog, "x_centroid"), values(catalog, "y_centroid")
        for px, py in places:
            distance = np.hypot(x - px, y - py)
            near = int(np.argmin(distance)) if distance.size else None
            names["" if near is None or distance[near] > 8 else catalog["kind"][near]] += 1
    return names


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_told_apart(kind):
    """Most are found, and nine of ten of those are called by their name."""
    names = names_of(kind, 2 if kind in ("fleck", "disc", "ring", "bright") else 8)
    assert names.total() >= 8
    assert names[""] <= 0.2 * names.total(), names
    assert names[kind] >= 0.9 * (names.total() - names[""]), names


def test_probabilities_are_what_they_say():
    """Of fleck, disc or ring said with 0.9 about nine in ten are right.

    Radii on both sides of 8 pixels and holes from empty to full, with errors that matter.
    """
    said, right = [], []
    for seed in range(4):
        data, truth = _round_shadows(seed)
        catalog = fleckcore.find(data, normalise="none", shapes="compact")
        x, y = values(catalog, "x_centroid"), values(catalog, "y_centroid")
        for cx, cy, kind in truth:
            distance = np.hypot(x - cx, y - cy)
            row = catalog[int(np.argmin(distance))]
            assert distance.min() < 4
            said.append(row["kind_probability"])
            right.append(row["kind"] == kind)
    said, right = np.array(said), np.array(right)
    unsure = (said > 0.5) & (said < 0.97)
    assert unsure.sum() > 60
    assert right[unsure].mean() == pytest.approx(said[unsure].mean(), abs=0.1)
    assert right[said > 0.99].mean() > 0.98


def _round_shadows(seed, count=9, step=60):
    random = np.random.default_rng(seed)
    size = step * (count + 1)
    y, x = np.ogrid[:size, :size]
    data, truth = np.ones((size, size)), []
    for cx, cy in step * (1 + np.indices((count, count)).reshape(2, -1).T):
        radius, fill = random.uniform(5, 11), random.choice([1.0, random.uniform(0, 1)])
        distance = np.hypot(x - cx, y - cy)
        hole = (1 - fill) * disc_profile(distance, 0.5 * radius, 1.0)
        loss = np.exp(random.uniform(np.log(0.02), np.log(0.06)))
        data *= 1 - loss * (disc_profile(distance, radius, 1.0) - hole)
        half_loss = radius - 1 / (2 * radius)
        truth.append((cx, cy, "ring" if fill < 0.5 else "disc" if half_loss > 8 else "fleck"))
    return (data + NOISE * random.standard_normal(data.shape)).astype(np.float32), truth


def test_probabilities_sum_to_one_and_name_the_likeliest():
    frame, _ = scene("disc", 1)
    catalog = fleckcore.find(frame, shapes="compact")
    chances = np.array([values(catalog, f"p_{kind}") for kind in KINDS])
    np.testing.assert_allclose(chances.sum(axis=0), 1, rtol=1e-12)
    assert (chances >= 0).all()
    np.testing.assert_array_equal(chances.max(axis=0), catalog["kind_probability"])
    assert [KINDS[i] for i in chances.argmax(axis=0)] == catalog["kind"].tolist()


def one(**changes):
    """The kind of a single feature in the middle of an empty frame."""
    item = feature(
        x_centroid=150.0,
        y_centroid=150.0,
        bbox_xmin=145,
        bbox_xmax=155,
        bbox_ymin=145,
        bbox_ymax=155,
        axis_ratio=0.9,
        axis_ratio_err=0.02,
        orientation_fit=90.0,
        orientation_err=0.05,
        transmission_mean=0.8,
        **changes,
    )
    labels = np.zeros((300, 300), np.int32)
    labels[145:156, 145:156] = 1
    (named,) = classify([item], Surroundings(labels, labels < 0, FrameMeta()))
    return named


def test_a_radius_at_the_limit_is_an_even_chance():
    """Half disc, half fleck where the radius is 8; one standard deviation more is 84 %."""
    soft = {"softness": 0.5, "softness_err": 0.1}
    even = one(radius_fit=8.0, radius_err=0.3, **soft)
    assert even.p_disc == pytest.approx(0.5, abs=1e-6)
    assert even.p_fleck == pytest.approx(0.5, abs=1e-6)
    assert one(radius_fit=8.3, radius_err=0.3, **soft).p_disc == pytest.approx(0.8413, abs=1e-3)
    assert one(radius_fit=12.0, radius_err=0.3, softness=6.0, softness_err=0.3).kind == "fleck"


def test_what_was_not_fitted_is_judged_by_its_measures():
    assert one(radius=20.0).kind == "disc"
    assert one(radius=8.0).p_disc == pytest.approx(0.5)
    assert one(radius=2.0).kind == "fleck"
    streak = feature(
        semimajor_axis=15.0, semiminor_axis=1.0, transmission_mean_err=0.01, edge=False
    )
    labels = np.zeros((60, 60), np.int32)
    (named,) = classify([streak], Surroundings(labels, labels < 0, FrameMeta()))
    assert named.kind == "streak"
    assert named.p_column == 0


def test_a_hole_must_be_deep_and_resolved():
    hole = {"radius_fit": 9.0, "radius_err": 0.1, "softness": 0.5, "softness_err": 0.1}
    clear = {"radius_inner_fit": 4.0, "radius_inner_err": 0.2}
    assert one(fill=0.1, fill_err=0.1, **clear, **hole).kind == "ring"
    assert one(fill=0.5, fill_err=0.1, **clear, **hole).p_ring == pytest.approx(0.5, abs=1e-3)
    assert one(fill=0.9, fill_err=0.1, **clear, **hole).kind == "disc"
    unknown = one(fill=0.1, fill_err=0.1, **hole)
    assert 0.9 < unknown.p_ring < 0.97  # 0.45 +- 0.2 of 9 pixels is more than 1
    assert one(**hole).kind == "disc"


def test_light_gained_is_bright():
    assert one(transmission_mean_err=0.01).p_bright < 1e-9
    glow = feature(transmission_mean=1.2, transmission_mean_err=0.01)
    labels = np.zeros((60, 60), np.int32)
    (named,) = classify([glow], Surroundings(labels, labels < 0, FrameMeta()))
    assert named.kind == "bright"
    assert named.kind_probability == pytest.approx(1)


def test_a_column_must_follow_the_columns_and_end_where_they_do():
    """A dark line one pixel wide: along a column from the edge, across the columns, and in the open."""
    found = {}
    for name, place in {
        "column": np.s_[0:24, 100],
        "row": np.s_[100, 0:24],
        "open": np.s_[150:174, 200],
    }.items():
        data = np.ones((300, 300)) + NOISE * np.random.default_rng(2).standard_normal((300, 300))
        data[place] *= 0.7
        for readout in ("-y", "+x"):
            (row,) = fleckcore.find(as_frame(data, readout=readout), shapes="compact")
            found[name, readout] = str(row["kind"])
    assert found == {
        ("column", "-y"): "column",
        ("column", "+x"): "streak",
        ("row", "-y"): "streak",
        ("row", "+x"): "column",
        ("open", "-y"): "streak",
        ("open", "+x"): "streak",
    }


def test_a_slanted_scratch_from_the_edge_is_a_streak():
    scratch = Obstruction(x=150, y=14, width=40, height=2, loss=0.3, kind="streak", angle=80)
    data = obscure(np.ones((300, 300)), [scratch]).data
    data = data + NOISE * np.random.default_rng(4).standard_normal(data.shape)
    (row,) = fleckcore.find(as_frame(data, readout="-y"), shapes="compact")
    assert row["kind"] == "streak"


def test_a_fleck_cut_by_the_edge_is_still_a_fleck():
    fleck = Obstruction(x=150, y=32, width=11, height=11, loss=0.5, kind="disc")
    data = obscure(np.ones((300, 300)), [fleck]).data
    data = data + NOISE * np.random.default_rng(4).standard_normal(data.shape)
    for cut in (29, 32, 34):
        (row,) = fleckcore.find(data[cut:], shapes="compact")
        assert row["edge"]
        assert row["kind"] == "fleck"
        assert row["x_fit"].value == pytest.approx(150, abs=4 * row["x_err"].value)
