"""Models of compact features: errors that are right, neighbours apart, and nothing made up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import fleckcore
from fleckcore.detection.profile import Patch, Start, fit_profiles
from fleckcore.simulate import Obstruction, obscure

NOISE = 0.01
STEP = 120


def shadow(x, y, radius, loss, *, kind="disc", softness=None, ratio=1.0):
    return Obstruction(
        x=x,
        y=y,
        width=2 * radius / math.sqrt(ratio),
        height=2 * radius * math.sqrt(ratio),
        loss=loss,
        kind=kind,
        softness=max(0.5, 0.08 * radius) if softness is None else softness,
    )


def flat(items, shape, *, noise=NOISE, seed=1):
    random = np.random.default_rng(seed)
    data = obscure(np.ones(shape), items).data
    return (data + noise * random.standard_normal(shape)).astype(np.float32)


def scene(radius, loss, *, count=7, seed=1, **options):
    """A square field of equal shadows, apart from each other, at any place within their pixel."""
    random = np.random.default_rng(seed)
    places = STEP * (1 + np.indices((count, count)).reshape(2, -1).T)
    items = [
        shadow(x, y, radius, loss, **options)
        for x, y in places + random.uniform(-0.5, 0.5, places.shape)
    ]
    return items, flat(items, (STEP * (count + 1),) * 2, seed=seed)


def values(catalog, name):
    return np.asarray(getattr(catalog[name], "value", catalog[name]))


def matched(items, catalog):
    """The row nearest to each, by its model."""
    x, y = values(catalog, "x_fit"), values(catalog, "y_fit")
    rows = [int(np.nanargmin(np.hypot(x - item.x, y - item.y))) for item in items]
    assert len(set(rows)) == len(items)
    return catalog[rows]


def half_loss_radius(radius, softness):
    """Blurring moves the contour of half the loss inwards."""
    return radius - softness**2 / (2 * radius)


def least_error(item, noise):
    """Cramér-Rao limit of x when nothing else is unknown: from the derivative of the shadow's image."""
    step = 0.05
    plus, minus = (replace(item, x=dx, y=0.0).stamp() for dx in (step, -step))
    return noise / math.sqrt(np.sum(((plus - minus) / (2 * step)) ** 2))


@pytest.mark.parametrize("normalise", ["none", "ratio"])
@pytest.mark.parametrize(
    ("kind", "radius", "loss"),
    [("disc", 2, 0.1), ("disc", 2, 0.5), ("disc", 4, 0.1), ("disc", 8, 0.1), ("ring", 6, 0.1)],
)
def test_errors_of_the_model_are_right(kind, radius, loss, normalise):
    """Pulls have mean 0 and width 1; centres are as good as the noise allows."""
    items, data = scene(radius, loss, kind=kind)
    found = fleckcore.find(data, normalise=normalise, shapes="compact")
    assert len(found) == len(items)
    rows = matched(items, found)
    true_radius = half_loss_radius(radius, items[0].softness)
    off = np.array([[item.x, item.y] for item in items]).T - [
        values(rows, "x_fit"),
        values(rows, "y_fit"),
    ]
    pulls = {
        "centre": off / [values(rows, "x_err"), values(rows, "y_err")],
        "radius": (values(rows, "radius_fit") - true_radius) / values(rows, "radius_err"),
        "depth": (values(rows, "depth") - loss) / values(rows, "depth_err"),
    }
    for name, pull in pulls.items():
        assert abs(np.mean(pull)) < (0.3 if name == "centre" else 0.8), name
        assert 0.6 < np.std(pull) < 1.4, name
    assert np.std(off) < 1.3 * least_error(items[0], NOISE)
    assert np.median(values(rows, "residual")) == pytest.approx(1, abs=0.1)


def test_an_ellipse_has_axes_and_an_orientation():
    items, data = scene(6, 0.2, count=4, ratio=0.5)
    rows = matched(items, fleckcore.find(data, shapes="compact"))
    pull = (values(rows, "axis_ratio") - 0.5) / values(rows, "axis_ratio_err")
    assert abs(np.mean(pull)) < 0.8
    assert 0.5 < np.std(pull) < 1.6
    turn = values(rows, "orientation_fit") / values(rows, "orientation_err")
    assert abs(np.mean(turn)) < 0.8
    assert 0.5 < np.std(turn) < 1.6
    assert np.median(values(rows, "orientation_err")) < 2


def test_any_direction_of_something_round():
    items, data = scene(4, 0.1, count=3)
    rows = matched(items, fleckcore.find(data, shapes="compact"))
    assert (values(rows, "axis_ratio") > 0.8).all()
    assert np.median(values(rows, "orientation_err")) > 12
    assert (values(rows, "orientation_err") <= 52).all()


def test_a_ring_has_a_hole():
    items, data = scene(8, 0.1, count=4, kind="ring")
    rows = matched(items, fleckcore.find(data, shapes="compact"))
    assert values(rows, "fill") == pytest.approx(np.zeros(len(rows)), abs=0.3)
    pull = values(rows, "fill") / values(rows, "fill_err")
    assert abs(np.mean(pull)) < 1.5
    inner = values(rows, "radius_inner_fit")
    assert np.mean(inner) == pytest.approx(4, abs=0.2)


def test_a_single_pixel_has_no_size():
    """Its loss is its own; radius and depth of what stands within it cannot be told apart."""
    data = flat([], (200, 200))
    data[80, 120] -= 0.3
    (row,) = fleckcore.find(data)
    assert row["x_fit"].value == pytest.approx(120, abs=0.3)
    assert 0.02 < row["x_err"].value < 0.4
    known = np.isfinite(row["radius_fit"].value)
    assert not known or row["radius_err"].value > 0.1 * row["radius_fit"].value
    assert np.isnan(row["depth"]) or row["depth_err"] > 0.03
    assert np.isnan(row["fill"])
    assert np.isnan(row["radius_inner_fit"].value)


@pytest.mark.parametrize("apart", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("radius", [3, 6])
def test_blends_are_two_with_centres_of_their_own(radius, apart):
    random = np.random.default_rng(5)
    items = []
    for place in STEP * (1 + np.indices((4, 4)).reshape(2, -1).T):
        x, y = place + random.uniform(-0.5, 0.5, 2)
        turn = random.uniform(0, 2 * np.pi)
        dx, dy = 0.5 * apart * radius * np.array([np.cos(turn), np.sin(turn)])
        items.append(shadow(x - dx, y - dy, radius, 0.3, softness=0.5))
        items.append(shadow(x + dx, y + dy, radius, 0.2, softness=0.5))
    catalog = fleckcore.find(flat(items, (5 * STEP, 5 * STEP)))
    assert len(catalog) == len(items)
    rows = matched(items, catalog)
    for name, error, true in (
        ("x_fit", "x_err", [item.x for item in items]),
        ("y_fit", "y_err", [item.y for item in items]),
        ("depth", "depth_err", [item.loss for item in items]),
    ):
        pull = (values(rows, name) - true) / values(rows, error)
        assert abs(np.mean(pull)) < 1, name
        assert 0.6 < np.std(pull) < 1.5, name


def test_one_irregular_fleck_stays_one_row():
    """An opaque ellipse with a soft rim is no blend, though no model here fits it to the noise."""
    items = [
        Obstruction(x=60 + 90 * i, y=60 + 90 * j, width=5.0 + 2 * i, height=14.0)
        for i in range(4)
        for j in range(3)
    ]
    catalog = fleckcore.find(flat(items, (300, 400)))
    assert len(catalog) == len(items)
    assert np.max(values(catalog, "residual")) > 1.3


def test_what_does_not_fit_has_a_residual_and_larger_errors():
    square = flat([], (200, 200))
    square[95:106, 95:106] -= 0.3
    (rough,) = fleckcore.find(square)
    (smooth,) = fleckcore.find(flat([shadow(100, 100, 6.2, 0.3)], (200, 200)))
    assert rough["residual"] > 2
    assert smooth["residual"] == pytest.approx(1, abs=0.2)
    assert rough["x_err"].value > 1.5 * smooth["x_err"].value


def test_a_bright_feature_has_a_positive_depth():
    data = 2 - flat([shadow(100, 90, 5, 0.2)], (200, 200))
    (row,) = fleckcore.find(data, bright=True)
    assert row["x_fit"].value == pytest.approx(100, abs=4 * row["x_err"].value)
    assert row["depth"] == pytest.approx(0.2, abs=4 * row["depth_err"])


def test_masked_pixels_and_outliers_do_not_move_the_centre():
    data = flat([shadow(100.2, 90.4, 6, 0.2)], (200, 200))
    mask = np.zeros(data.shape, bool)
    mask[88:93, 95:98] = True
    data[mask] = 50.0
    data[94, 112] += 0.3
    (row,) = fleckcore.find(data, mask=mask)
    assert row["x_fit"].value == pytest.approx(100.2, abs=4 * row["x_err"].value)
    assert row["y_fit"].value == pytest.approx(90.4, abs=4 * row["y_err"].value)
    assert row["x_err"].value < 0.05


def test_too_few_pixels_give_no_model():
    patch = Patch(
        np.s_[0:3, 0:3],
        np.ones((3, 3), np.float32),
        np.full((3, 3), NOISE, np.float32),
        np.zeros((3, 3), bool),
        [Start(1.0, 1.0, 1.0, 1.0, 0.0, 0.3)],
    )
    ((profile,),) = fit_profiles([patch])
    assert math.isnan(profile.x_fit)
    assert math.isnan(profile.residual)
