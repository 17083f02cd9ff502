"""The kernel ``profile_fit``: against a slow reference, whose derivatives are differences."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reference
from fleckcore.detection.profile import Start, _table
from fleckcore.errors import ArrayError, ArrayTypeError
from fleckcore.kernels import PROFILE_START, ProfilePatch, build_config, profile_fit

NOISE = 0.01


def table(*starts):
    return _table(starts)


def patch_of(
    starts, *, row=100, col=200, shape=(40, 44), seed=1, noise=NOISE, moved=0.2, dtype="f4"
):
    """Features a little beside their starts, on a slope, with noise."""
    random = np.random.default_rng(seed)
    rows, cols = np.nonzero(np.ones(shape, bool))
    fit = reference._ProfileFit(
        rows + row, cols + col, np.ones(rows.size), np.ones(rows.size), table(*starts)
    )
    values = fit.begin.copy()
    values[:-3] += (
        moved
        * random.uniform(-1, 1, values.size - 3)
        * np.tile([1, 1, 0.5, 1, 1, 0.5, 0.1, 0.3, 1], len(starts))
    )
    values = np.clip(values, fit.low, fit.high)
    values[-3:] = 0.01, 0.005, -0.01
    light = fit._light(values).reshape(shape)
    data = light + noise * random.standard_normal(shape)
    return ProfilePatch(
        row, col, data.astype(dtype), np.full(shape, noise or NOISE, dtype), None, len(starts)
    )


def assert_equals_reference(patch, starts, *, sigmas=1e-3, threads=None):
    """Values by their errors, errors relatively; the differences' own error is less."""
    found, misfit = profile_fit([patch], starts, threads=threads)
    value, covariance, rms, left = reference.profile_fit(patch, starts)
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    np.testing.assert_array_less(
        np.abs(found["value"] - value)[~np.isnan(error)], sigmas * error[~np.isnan(error)]
    )
    np.testing.assert_array_equal(np.isnan(found["covariance"]), np.isnan(covariance))
    scale = np.einsum("fi,fj->fij", error, error)
    np.testing.assert_allclose(found["covariance"] / scale, covariance / scale, atol=sigmas)
    np.testing.assert_allclose(found["rms"], rms, rtol=sigmas)
    np.testing.assert_allclose(misfit, [left], rtol=sigmas)
    return found


SMALL = Start(220.3, 118.8, 1.2, 1.1, 20.0, 0.2)
MIDDLE = Start(221.6, 119.2, 2.9, 1.5, -30.0, 0.15)
LARGE = Start(221.1, 120.4, 8.5, 1.2, 70.0, 0.1, 4.0)
ELLIPSE = Start(222.0, 120.0, 5.0, 2.5, 10.0, 0.3)
GAIN = Start(222.0, 120.0, 4.0, 1.2, 10.0, -0.3)
TWO = [Start(216.0, 118.0, 3.0, 1.0, 0.0, 0.2), Start(223.0, 121.0, 4.0, 1.3, 40.0, 0.1)]
FIVE = [
    Start(210.0, 112.0, 3.0, 1.0, 0.0, 0.2),
    Start(217.0, 114.0, 4.0, 1.3, 40.0, 0.1),
    Start(225.0, 113.0, 2.0, 1.0, 40.0, 0.3),
    Start(219.0, 123.0, 4.5, 1.3, -40.0, 0.25),
    Start(230.0, 124.0, 1.0, 1.0, 0.0, 0.4),
]
SCENES = {
    "small": [SMALL],
    "middle": [MIDDLE],
    "large": [LARGE],
    "ellipse": [ELLIPSE],
    "gain": [GAIN],
    "two": TWO,
    "five": FIVE,
}


@pytest.mark.parametrize("name", SCENES)
def test_equals_reference(name):
    starts = SCENES[name]
    found = assert_equals_reference(patch_of(starts), table(*starts))
    assert np.isfinite(found["value"]).all()
    assert (found["rms"] < 1.6).all()


@pytest.mark.parametrize("name", ["small", "middle", "large", "two"])
def test_leaves_out_masked_and_unusable_pixels(name):
    starts = SCENES[name]
    patch = patch_of(starts)
    bad = np.random.default_rng(5).random(patch.transmission.shape)
    mask = bad < 0.2
    clean = patch._replace(mask=mask)
    assert_equals_reference(clean, table(*starts))
    patch.transmission[bad < 0.05] = np.nan
    patch.transmission[(bad >= 0.05) & (bad < 0.1)] = -np.inf
    patch.noise[(bad >= 0.1) & (bad < 0.13)] = 0
    patch.noise[(bad >= 0.13) & (bad < 0.16)] = -1
    patch.noise[(bad >= 0.16) & (bad < 0.2)] = np.inf
    one, other = (profile_fit([p], table(*starts)) for p in (patch, clean))
    assert one[0].tobytes() == other[0].tobytes()
    assert one[1].tobytes() == other[1].tobytes()


@pytest.mark.parametrize("name", ["middle", "large", "two"])
def test_cut_by_the_edge(name):
    starts = SCENES[name]
    patch = patch_of(starts, col=218, shape=(40, 20))
    assert_equals_reference(patch, table(*starts))


def test_a_blend_fitted_as_one_does_not_fit():
    patch = patch_of(TWO, moved=0)._replace(features=1)
    start = Start(219.5, 119.5, 5.0, 1.8, 20.0, 0.15)
    found = assert_equals_reference(patch, table(start))
    assert found["rms"][0] > 2


def test_nearly_degenerate():
    """Two on nearly one place: what the pixels do not tell keeps its expected deviation."""
    starts = [MIDDLE, Start(221.7, 119.2, 2.9, 1.5, -30.0, 0.15)]
    patch = patch_of([MIDDLE], moved=0)._replace(features=2)
    found = assert_equals_reference(patch, table(*starts))
    alone, _ = profile_fit([patch._replace(features=1)], table(MIDDLE))
    error, least = (
        np.sqrt(np.diagonal(f["covariance"], axis1=1, axis2=2))[:, :7] for f in (found, alone)
    )
    assert (error[:, 6] > 5 * least[:, 6]).all()
    assert (error <= table(*starts)["expected"][:, :7]).all()


def test_nothing_there_keeps_the_start():
    patch = patch_of([MIDDLE])
    flat = patch._replace(transmission=np.ones_like(patch.transmission))
    found = assert_equals_reference(flat, table(MIDDLE))
    assert found["value"][0, 6] == pytest.approx(0, abs=1e-3)


def test_without_noise_it_finds_the_truth():
    starts = table(MIDDLE)
    patch = patch_of([MIDDLE], noise=0, moved=0, dtype="f8")
    found, misfit = profile_fit([patch], starts)
    np.testing.assert_allclose(found["value"][0], starts["value"][0], atol=1e-3)
    assert misfit[0] < 1e-4


@pytest.mark.parametrize(("row", "kept"), [(0, 11), (0, 12)])
def test_too_few_pixels(row, kept):
    patch = patch_of([SMALL])
    mask = np.ones(patch.transmission.shape, bool)
    mask.ravel()[20 * 44 + 15 : 20 * 44 + 15 + kept] = False
    found, misfit = profile_fit([patch._replace(mask=mask)], table(SMALL))
    assert np.isnan(found["value"]).all() == (kept < 12)
    assert np.isnan(found["rms"][0]) == np.isnan(misfit[0]) == (kept < 12)


def test_all_pixels_masked():
    patch = patch_of(FIVE)
    mask = np.ones(patch.transmission.shape, bool)
    found, misfit = profile_fit([patch._replace(mask=mask)], table(*FIVE))
    for name in ("value", "covariance", "rms"):
        assert np.isnan(found[name]).all()
    assert np.isnan(misfit).all()


def test_own_pixels_masked():
    """There is nothing to tell how well it fits."""
    patch = patch_of([SMALL])
    y, x = np.indices(patch.transmission.shape)
    mask = np.hypot(x + 200 - SMALL.x, y + 100 - SMALL.y) < SMALL.own
    starts = table(SMALL)
    found, misfit = profile_fit([patch._replace(mask=mask)], starts)
    assert found["rms"][0] == 0
    assert np.isnan(misfit[0])
    np.testing.assert_allclose(found["value"][0, :2], starts["value"][0, :2], atol=1)


@pytest.mark.parametrize("value", [3e38, -3e38, 1e-30])
def test_extreme_pixels_end(value):
    patch = patch_of([MIDDLE])
    patch.transmission[20, 20] = value
    patch.noise[21, 21] = np.float32(1e-45)
    found, _ = profile_fit([patch], table(MIDDLE))
    low, high = table(MIDDLE)["low"], table(MIDDLE)["high"]
    assert ((found["value"] >= low) & (found["value"] <= high)).all()


def scenes():
    patches = [patch_of(starts, seed=seed) for starts in SCENES.values() for seed in (1, 2, 3)]
    return patches, table(
        *(start for starts in SCENES.values() for _ in range(3) for start in starts)
    )


def test_many_patches_are_each_as_alone_for_any_number_of_threads():
    patches, starts = scenes()
    whole, misfit = profile_fit(patches, starts, threads=1)
    for threads in (2, 3, 7, None):
        found, left = profile_fit(patches, starts, threads=threads)
        assert found.tobytes() == whole.tobytes()
        assert left.tobytes() == misfit.tobytes()
    first = 0
    for i, patch in enumerate(patches):
        part = slice(first, first + patch.features)
        alone, left = profile_fit([patch], starts[part])
        assert alone.tobytes() == whole[part].tobytes()
        assert left.tobytes() == misfit[i : i + 1].tobytes()
        first += patch.features


def test_no_patches():
    found, misfit = profile_fit([], np.zeros(0, PROFILE_START))
    assert found.shape == misfit.shape == (0,)


@pytest.mark.parametrize("dtype", ["u1", ">i2", "i4", ">f4", "f8"])
def test_type_order_and_strides(dtype):
    patch = patch_of([ELLIPSE], dtype="f8")
    data = np.round(100 * patch.transmission)
    noise = np.full(data.shape, 2.0)
    starts = table(ELLIPSE)
    expected, _ = profile_fit([patch._replace(transmission=data, noise=noise)], starts)
    for view in (
        data.astype(dtype),
        np.asfortranarray(data.astype(dtype)),
        np.repeat(data.astype(dtype), 2, 1)[:, ::2],
    ):
        view.flags.writeable = False
        found, _ = profile_fit(
            [patch._replace(transmission=view, noise=noise.astype(dtype))], starts
        )
        assert found.tobytes() == expected.tobytes()


SCRIPT = """
import hashlib
import test_profile_fit as tests
from fleckcore.kernels import profile_fit
for found in profile_fit(*tests.scenes()):
    print(hashlib.sha256(found.tobytes()).hexdigest())
"""


def test_instruction_sets_change_no_byte():
    answers = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"FLECKCORE_ISA": isa, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for isa in build_config()["isas"]
    }
    assert len(answers) == 1
    assert len(answers.pop().split()) == 2


# What is refused


@pytest.mark.parametrize(
    ("name", "index", "value"),
    [
        ("value", 0, np.nan),
        ("value", 6, np.inf),
        ("value", 2, 60.0),
        ("value", 3, 4.3),
        ("expected", 4, 0.0),
        ("expected", 4, np.nan),
        ("low", 5, -60.0),
        ("high", 4, 3.1),
        ("high", 0, -1.0),
        ("low", 1, np.nan),
    ],
)
def test_bad_start(name, index, value):
    starts = table(*TWO)
    starts[name][1, index] = value
    with pytest.raises(ArrayError, match=r"starts\[1\]") as error:
        profile_fit([patch_of(TWO)], starts)
    assert error.value.code == "A09"


@pytest.mark.parametrize(("name", "value"), [("nodes", 0), ("nodes", 4), ("reach", np.inf)])
def test_bad_start_of_another_kind(name, value):
    starts = table(*TWO)
    starts[name][0] = value
    with pytest.raises(ArrayError, match=r"starts\[0\]"):
        profile_fit([patch_of(TWO)], starts)


def test_another_number_of_starts():
    with pytest.raises(ArrayError, match="wanted") as error:
        profile_fit([patch_of(TWO)], table(SMALL))
    assert error.value.code == "A09"


@pytest.mark.parametrize("features", [0, 65])
def test_bad_number_of_features(features):
    with pytest.raises(ArrayError, match="features") as error:
        profile_fit([patch_of(TWO)._replace(features=features)], np.zeros(features, PROFILE_START))
    assert error.value.code == "A09"


def test_starts_of_another_type():
    with pytest.raises(ArrayError, match="PROFILE_START"):
        profile_fit([patch_of([SMALL])], np.zeros((1, 41)))


@pytest.mark.parametrize("name", ["noise", "mask"])
def test_arrays_of_another_shape(name):
    patch = patch_of([SMALL])._replace(**{name: np.ones((3, 4), bool)})
    with pytest.raises(ArrayError) as error:
        profile_fit([patch], table(SMALL))
    assert error.value.code == "A12"


def test_bad_type():
    patch = patch_of([SMALL])
    with pytest.raises(ArrayTypeError):
        profile_fit([patch._replace(transmission=patch.transmission.astype(complex))], table(SMALL))


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_bad_threads(threads):
    with pytest.raises(ArrayError, match="threads"):
        profile_fit([patch_of([SMALL])], table(SMALL), threads=threads)
