"""Measures of features against a slow reference, on shapes, rings, blends, edges and masks of all sorts."""

import numpy as np
import pytest

import reference_measure as reference
from fleckcore.detection.measure import grow
from fleckcore.errors import ArrayError
from fleckcore.kernels import measure_feature

WHOLE = ("x_peak", "y_peak", "area", "area_50")


def cut(seed):
    """Some feature: a disc, a ring or an ellipse, at any place, with neighbours and masked pixels."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(12, 90, 2))
    y, x = np.ogrid[: shape[0], : shape[1]]
    cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
    radius, flat = rng.uniform(0.7, 15), rng.uniform(0.2, 1)
    turn = rng.uniform(0, np.pi)
    along = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
    across = ((y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)) / flat
    distance = np.hypot(along, across)
    shaded = distance <= radius
    if rng.random() < 0.3:
        shaded &= distance > 0.5 * radius
    shaded[min(int(cy), shape[0] - 1), min(int(cx), shape[1] - 1)] = True
    noise = rng.uniform(0.005, 0.02, shape).astype(np.float32)
    loss = (rng.uniform(0.02, 0.9) * shaded + noise * rng.standard_normal(shape)).astype(np.float32)
    usable = rng.random(shape) > rng.choice([0, 0.05, 0.6])
    free = usable & (rng.random(shape) > 0.1)
    footprint = shaded & (usable if (shaded & usable).any() else True)
    loss[~usable] = 0.0
    level = rng.uniform(500, 600, shape).astype(np.float32)
    return (loss, noise, level), {"usable": usable, "free": free, "footprint": footprint}


@pytest.mark.parametrize("block", range(8))
def test_equals_the_reference(block):
    for seed in range(50 * block, 50 * block + 50):
        planes, masks = cut(seed)
        found, expected = (
            measure_feature(*planes, **masks),
            reference.measure_feature(*planes, **masks),
        )
        assert found.keys() == expected.keys()
        for name, value in found.items():
            if name in WHOLE:
                assert value == expected[name], (seed, name)
            else:
                assert value == pytest.approx(expected[name], rel=1e-9, abs=1e-12), (seed, name)


def test_strides_and_types_are_of_no_matter():
    planes, masks = cut(3)
    expected = measure_feature(*planes, **masks)
    wide = [np.repeat(plane, 2, axis=1)[:, ::2] for plane in planes]
    assert measure_feature(*wide, **masks) == expected
    swapped = [plane.astype(">f4") for plane in planes]
    assert measure_feature(*swapped, **masks) == expected


def test_nothing_beside_is_no_level():
    planes, masks = cut(5)
    masks["free"] = masks["footprint"] & masks["usable"]
    found, expected = measure_feature(*planes, **masks), reference.measure_feature(*planes, **masks)
    assert found["loss_mean"] == pytest.approx(expected["loss_mean"], rel=1e-12)
    assert found["loss_max"] == float(planes[0][masks["footprint"]].max())


def test_noise_that_nothing_tells_is_an_infinite_error():
    (loss, noise, level), masks = cut(7)
    found = measure_feature(loss, np.full_like(noise, np.inf), level, **masks)
    assert found["loss_max_err"] == np.inf
    assert np.isfinite(found["loss_mean"])


def test_nothing_left_beside_is_not_finite():
    (loss, noise, level), masks = cut(3)
    inside = masks["footprint"]
    dark = np.where(inside, loss, np.float32(1))
    found = measure_feature(dark, noise, level, **masks)
    assert not np.isfinite([found["loss_mean"], found["loss_max"], found["lost_flux"]]).any()
    assert found["radius"] > 0


def test_grow_is_that_of_the_reference():
    mask = np.zeros((40, 50), bool)
    mask[0, 3] = mask[20, 20] = mask[39, 49] = True
    for steps in (1, 2, 3, 6):
        np.testing.assert_array_equal(grow(mask, steps), reference.grow(mask, steps))


def test_wrong_arguments():
    planes, masks = cut(1)
    with pytest.raises(ArrayError) as error:
        measure_feature(planes[0][1:], *planes[1:], **masks)
    assert error.value.code == "A12"
    for name in masks:
        with pytest.raises(ArrayError) as error:
            measure_feature(*planes, **masks | {name: masks[name][:, 1:]})
        assert error.value.code == "A12"
    with pytest.raises(ArrayError) as error:
        measure_feature(*planes, **masks | {"footprint": np.zeros_like(masks["free"])})
    assert error.value.code == "A09"
