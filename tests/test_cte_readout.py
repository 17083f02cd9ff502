"""The forward model of charge transfer and its inverse, against their slow definition."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import reference_cte
from fleckcore.errors import ArrayError
from fleckcore.kernels import build_config, cte_readout, smooth_noise
from fleckcore.traps import TrapModel, parametric_traps

EDGES = ("-y", "+y", "-x", "+x")


def traps(**changes):
    common = {"densities": [0.5, 1.3, 1.1], "release_transfers": [0.74, 7.7, 37.0]}
    numbers = {"full_well_e": 84700, "fill_power": 0.478, "levels": 24, "trail": 20, "rows": 300}
    return parametric_traps(**(common | numbers | changes))


def flashed(shape=(150, 21), seed=1, noise=4.0):
    """A flashed dark: a level, hot pixels, cosmic rays, and a dark patch."""
    rng = np.random.default_rng(seed)
    image = rng.normal(64.0, 8.0, shape)
    rays = rng.random(shape) < 0.03
    image[rays] += np.minimum(100 * rng.pareto(1.0, rays.sum()), 50_000)
    image[shape[0] // 2 : shape[0] // 2 + 12, 3:9] = 2.0
    return image + rng.normal(0, noise, shape)


def wavy(cols, seed=4):
    """Factors that fall so fast between rows that the traps of a column do, too."""
    return np.random.default_rng(seed).uniform(0.05, 2.0, (cols, 4))


def turned(plane, readout):
    plane = plane.T if readout[1] == "x" else plane
    return plane[::-1] if readout[0] == "+" else plane


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (7, 3), (64, 17), (65, 16), (130, 33), (300, 4)])
@pytest.mark.parametrize("by_column", [False, True])
def test_equals_reference(shape, by_column):
    model = replace(traps(), row_scale=wavy(shape[1]) if by_column else None, repair_rays=True)
    image = flashed(shape)
    expected = reference_cte.cte_readout(image, model, scale=1.7, first_row=3)
    found = cte_readout(image, model, readout="-y", scale=1.7, first_row=3)
    np.testing.assert_array_equal(found, expected)
    how = {"inverse": True, "read_noise_e": 4.0, "scale": 1.7}
    np.testing.assert_array_equal(
        cte_readout(found, model, readout="-y", **how),
        reference_cte.cte_readout(found, model, **how),
    )


values = st.floats(-50, 9e4) | st.sampled_from([0.0, -0.0, 64.0, 64.5, np.inf, np.nan, -np.inf])


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 80), st.integers(1, 4)), elements=values))
def test_any_image_equals_reference(image):
    model = traps(levels=7, trail=5)
    with np.errstate(invalid="ignore"):
        expected = reference_cte.cte_readout(image, model) + 0.0
    np.testing.assert_array_equal(cte_readout(image, model, readout="-y"), expected)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_table_equals_reference(data):
    levels = data.draw(st.integers(1, 9))
    charge = np.sort(data.draw(arrays(float, levels, elements=st.floats(0, 300))))
    share = arrays(float, (levels, 4), elements=st.floats(0, 1))
    model = TrapModel(
        levels=charge,
        traps=data.draw(arrays(float, levels, elements=st.floats(0, 50))),
        release=data.draw(share),
        remaining=data.draw(share),
        substeps=data.draw(st.integers(1, 3)),
        rows=100,
        row_scale=data.draw(st.none() | st.just(wavy(2))),
    )
    image = np.random.default_rng(data.draw(st.integers(0, 99))).normal(100, 60, (100, 2))
    np.testing.assert_array_equal(
        cte_readout(image, model, readout="-y"), reference_cte.cte_readout(image, model)
    )


@pytest.mark.parametrize("readout", EDGES)
def test_directions(readout):
    image = flashed((70, 90))
    expected = reference_cte.cte_readout(turned(image, readout), traps())
    found = cte_readout(image, traps(), readout=readout)
    np.testing.assert_array_equal(turned(found, readout), expected)


@pytest.mark.parametrize("dtype", ["u1", ">i2", "<u2", ">f4", "f8", "f2", ">i4", "i8"])
def test_type_order_and_strides(dtype):
    data = flashed((70, 40)).clip(0, 200).astype(dtype)
    expected = cte_readout(data.astype(np.float64), traps(), readout="-y")
    for view in (data, np.asfortranarray(data), data[::-1, ::-1].copy()[::-1, ::-1]):
        view.flags.writeable = False
        found = cte_readout(view, traps(), readout="-y")
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
    exact = np.dtype(dtype).itemsize <= 2 or dtype == ">f4"
    assert found.dtype == (np.float32 if exact else np.float64)


def test_threads_change_no_byte():
    image, model = flashed((200, 97)), replace(traps(), repair_rays=True)
    for inverse in (False, True):
        how = {"readout": "-y", "inverse": inverse, "read_noise_e": 4.0}
        one = cte_readout(image, model, threads=1, **how).tobytes()
        assert all(cte_readout(image, model, threads=n, **how).tobytes() == one for n in (2, 3, 7))
    smooth = smooth_noise(image, 4.0, readout="-y", threads=1)[0].tobytes()
    assert all(
        smooth_noise(image, 4.0, readout="-y", threads=n)[0].tobytes() == smooth for n in (2, 7)
    )


SCRIPT = """
import hashlib
from dataclasses import replace
from test_cte_readout import flashed, traps, wavy
from fleckcore.kernels import cte_readout, smooth_noise
image = flashed((333, 61))
for model in (traps(), replace(traps(substeps=1), row_scale=wavy(61), repair_rays=True)):
    for inverse in (False, True):
        out = cte_readout(image, model, readout="-y", inverse=inverse, read_noise_e=4.0)
        print(hashlib.sha256(out.tobytes()).hexdigest())
for edge in ("-y", "+x"):
    print(hashlib.sha256(smooth_noise(image, 4.0, readout=edge)[0].tobytes()).hexdigest())
"""


def test_instruction_sets_change_no_byte():
    answers = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"FLECKCORE_ISA": isa},
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for isa in build_config()["isas"]
    }
    assert len(answers) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("substeps", [1, 5])
def test_charge_is_conserved(dtype, substeps):
    image = np.vstack([flashed((300, 40), noise=0), np.zeros((600, 40))]).astype(dtype)
    trailed = cte_readout(image, traps(substeps=substeps), readout="-y")
    assert np.abs(trailed - image).sum() > 0.01 * image.sum()
    before, after = (plane.sum(axis=0, dtype=np.float64) for plane in (image, trailed))
    np.testing.assert_allclose(after, before, rtol=1e-6)
    restored = cte_readout(trailed, traps(substeps=substeps), readout="-y", inverse=True)
    np.testing.assert_allclose(restored.sum(axis=0, dtype=np.float64), before, rtol=1e-4)


def test_what_trails_is_put_back():
    truth = np.full((2048, 60), 64.0)
    truth *= 1 - 0.3 * (np.arange(-1024, 1024)[:, None] / 2048) ** 2
    truth[1500:1512, 20:31] *= 0.3
    rng = np.random.default_rng(3)
    hot = rng.random(truth.shape) < 0.01
    truth[hot] += rng.exponential(300.0, hot.sum())
    model = traps(levels=80, trail=100, rows=2048, substeps=4)
    trailed = cte_readout(truth, model, readout="-y")
    restored = cte_readout(trailed, model, readout="-y", inverse=True)
    assert np.abs(trailed - truth).mean() > 1.0
    assert np.abs(restored - truth).sum() < 0.1 * np.abs(trailed - truth).sum()


def test_columns_are_independent():
    image = flashed((200, 40))
    model = replace(traps(), row_scale=wavy(40))
    for inverse in (False, True):
        together = cte_readout(image, model, readout="-y", inverse=inverse)
        for col in (0, 7, 16, 39):
            alone = replace(model, row_scale=model.row_scale[col : col + 1])
            found = cte_readout(image[:, col : col + 1], alone, readout="-y", inverse=inverse)
            np.testing.assert_array_equal(found[:, 0], together[:, col])


def test_a_pixel_that_is_not_finite_takes_no_part():
    image = flashed((120, 6))
    image[30, 2], image[40, 3] = np.nan, np.inf
    found = cte_readout(image, traps(), readout="-y")
    assert np.isnan(found[30, 2])
    assert np.isinf(found[40, 3])
    assert np.isfinite(found).sum() == found.size - 2


def test_more_transfers_lose_more():
    image = np.zeros((200, 2))
    image[20, 0] = image[150, 1] = 5000.0
    lost = image.max(axis=0) - cte_readout(image, traps(), readout="-y").max(axis=0)
    assert 0 < lost[0] < lost[1]
    further = cte_readout(image, traps(), readout="-y", first_row=130)
    assert 5000.0 - further[20, 0] == pytest.approx(lost[1], rel=1e-12)
    assert cte_readout(image, traps(), readout="-y", scale=0.0).tobytes() == image.tobytes()


def test_a_ray_during_readout_is_not_overdone():
    model = replace(traps(rows=2048, levels=80, trail=100), repair_rays=True)
    image = cte_readout(np.full((2048, 1), 20.0), model, readout="-y")
    image[1500:1503] += 20_000.0  # after most of the transfers: without a trail
    overdone = cte_readout(image, replace(model, repair_rays=False), readout="-y", inverse=True)
    repaired = cte_readout(image, model, readout="-y", inverse=True)
    assert overdone[1503:].min() < -15
    assert repaired[1503:].min() > overdone[1503:].min() / 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 2), (40, 33), (70, 18), (33, 64)])
@pytest.mark.parametrize("noise", [0.05, 1.0, 4.3])
def test_smoothing_equals_reference(shape, noise):
    image = flashed(shape).astype(np.float32)
    expected, steps = reference_cte.smooth_noise(image, noise)
    found, taken = smooth_noise(image, noise, readout="-y")
    np.testing.assert_array_equal(found, expected)
    assert taken == steps


def test_smoothing_takes_out_the_noise_and_no_more():
    rng = np.random.default_rng(6)
    truth = np.full((200, 120), 64.0)
    truth[60, 50] = 3000.0
    image = truth + rng.normal(0, 4.0, truth.shape)
    for readout in EDGES:
        smooth, steps = smooth_noise(image, 4.0, readout=readout)
        assert 1 < steps <= 100
        assert np.std(smooth[100:] - 64.0) < 3.0
        assert smooth[60, 50] == pytest.approx(image[60, 50], abs=8.0)
        assert np.sqrt(np.mean((smooth - image) ** 2)) < 4.2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"readout": "up"}, "A09"),
        ({"scale": -1.0}, "A09"),
        ({"scale": float("nan")}, "A09"),
        ({"read_noise_e": -1.0}, "A09"),
        ({"first_row": -1}, "A09"),
        ({"threads": 0}, "A09"),
        ({"model": replace(traps(), row_scale=wavy(3))}, "A12"),
    ],
)
def test_faults(changes, code):
    arguments = {"model": traps(), "readout": "-y"} | changes
    with pytest.raises(ArrayError) as caught:
        cte_readout(np.zeros((5, 4)), arguments.pop("model"), **arguments)
    assert caught.value.code == code
    with pytest.raises(ArrayError, match="read_noise_e"):
        smooth_noise(np.zeros((5, 4)), -1.0, readout="-y")
