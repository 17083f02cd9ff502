import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import reference
from fleckcore.errors import ArrayError, ArrayTypeError
from fleckcore.kernels import build_config, streak_search
from fleckcore.simulate import Obstruction, obscure

DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
LENGTHS = [8, 13.5, 24, 40]
ANGLES = [0, 17.3, 45, 90, -62.1, 135]


def frame(shape, seed=1):
    return np.random.default_rng(seed).normal(0.0, 1.0, shape).astype(np.float32)


def assert_equals_reference(data, length, angle, **options):
    found = streak_search(data, length, angle, **options)
    expected = reference.streak_search(data, length, angle, **options)
    assert found.dtype == np.float32
    scale = np.abs(data[np.isfinite(data)]).max(initial=1e-30)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=4e-6 * float(scale))
    return expected


def streak(shape, centre, length, width, angle, depth=0.04):
    item = Obstruction(
        x=centre[1],
        y=centre[0],
        width=length,
        height=width,
        loss=depth,
        kind="streak",
        softness=0.5,
        angle=angle,
    )
    return (1 - obscure(np.ones(shape), [item]).data).astype(np.float32)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("length", LENGTHS)
def test_equals_reference(length, angle):
    expected = assert_equals_reference(frame((36, 41)), length, angle)
    assert np.isfinite(expected).any()
    assert (expected != 0).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (3, 70), (70, 3), (9, 9), (5, 130)])
@pytest.mark.parametrize("length", [8, 24])
def test_frames_smaller_than_the_reach(shape, length):
    assert_equals_reference(frame(shape), length, 30.0)


def test_wide_enough_for_blocks_that_are_complete_and_not():
    data = frame((30, 200))
    data[12, 150] = np.nan
    assert_equals_reference(data, 12, 30.0)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.6, 0.95])
@pytest.mark.parametrize("length", LENGTHS)
def test_leaves_out_mask_nan_and_infinities(length, fraction):
    random = np.random.default_rng(7)
    data = frame((34, 40))
    mask = random.random(data.shape) < fraction
    data[mask] = 1e30
    for value in (np.nan, np.inf, -np.inf):
        data[random.random(data.shape) < 0.02] = value
    mask |= np.isinf(data) & (random.random(data.shape) < 0.5)
    masked = np.where(mask, np.float32(0), data)
    assert_equals_reference(masked, length, 63.0, mask=mask)
    np.testing.assert_array_equal(
        streak_search(data, length, 63.0, mask=mask),
        streak_search(masked, length, 63.0, mask=mask),
    )


@settings(max_examples=60, deadline=None)
@given(
    data=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
        elements=st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.25, 3.0, np.nan, np.inf, -np.inf]),
    ),
    length=st.sampled_from([8.0, 10.5]),
    angle=st.sampled_from([0.0, 30.0, 90.0, 200.0]),
)
def test_equals_reference_on_any_frame(data, length, angle):
    assert_equals_reference(data, length, angle)


@pytest.mark.parametrize("how", ["mask", "nan", "inf"])
def test_nothing_counts(how):
    data = frame((40, 90))
    if how != "mask":
        data[:] = float(how)
    mask = np.ones(data.shape, bool) if how == "mask" else None
    found = streak_search(data, 12, 20.0, mask=mask)
    assert found.shape == data.shape
    assert np.isnan(found).all()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", DTYPES)
def test_type_order_and_strides(dtype, order):
    values = np.random.default_rng(2).integers(0, 2 if dtype == "?" else 100, (60, 80))
    data = values.astype(np.dtype(dtype).newbyteorder(order))
    expected = streak_search(values.astype(np.float32), 12, 40.0)
    mask = values % 7 == 0
    masked = streak_search(values.astype(np.float32), 12, 40.0, mask=mask)
    doubled = np.repeat(np.repeat(data, 2, axis=0), 3, axis=1)[::2, ::3]
    for view in (data, np.asfortranarray(data), data[::-1, ::-1].copy()[::-1, ::-1], doubled):
        view.flags.writeable = False
        np.testing.assert_array_equal(streak_search(view, 12, 40.0), expected)
        np.testing.assert_array_equal(
            streak_search(view, 12, 40.0, mask=np.asfortranarray(mask)), masked
        )


def gapped(shape, seed=3):
    data = frame(shape, seed)
    data[frame(shape, seed + 1) > 2] = np.nan
    data[:, 120:128] = np.nan
    return data


@pytest.mark.parametrize("length", [12, 48])
def test_threads_change_no_byte(length):
    data = gapped((90, 261))
    one = streak_search(data, length, 33.0, threads=1).tobytes()
    for threads in (2, 3, 7, None):
        assert streak_search(data, length, 33.0, threads=threads).tobytes() == one


SCRIPT = """
import hashlib, numpy as np
from fleckcore.kernels import streak_search
data = np.random.default_rng(3).normal(1.0, 0.1, (150, 201)).astype(np.float32)
data[40:60, 70] = np.nan
mask = np.random.default_rng(4).random(data.shape) < 0.3
for length, angle in ((8.0, 0.0), (24.0, 33.0), (48.0, 100.0)):
    for options in ({}, {"mask": mask}):
        found = streak_search(data, length, angle, **options)
        print(hashlib.sha256(found.tobytes()).hexdigest())
"""


def test_instruction_sets_change_no_byte():
    answers = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"FLECKCORE_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for isa in build_config()["isas"]
    }
    assert len(answers) == 1
    assert len(set(answers.pop().split())) == 6


# What the score means


@pytest.mark.parametrize("angle", ANGLES)
def test_a_streak_scores_its_depth_at_its_middle_along_it(angle):
    data = streak((121, 121), (60, 60), 60, 3.6, angle)
    scores = [streak_search(data, 48, angle + turn)[60, 60] for turn in (-10, 0, 10)]
    assert scores[1] == pytest.approx(0.036, rel=0.15)
    assert scores[1] > 1.2 * max(scores[0], scores[2])


def test_the_other_sign_scores_the_same_with_the_other_sign():
    data = gapped((60, 150))
    found, other = streak_search(data, 24, 70.0), streak_search(-data, 24, 70.0)
    np.testing.assert_allclose(other, -found, atol=1e-6)


def test_neither_an_edge_nor_a_slope_scores():
    y, x = np.mgrid[:80, :90]
    inside = np.s_[20:-20, 20:-20]
    for data in ((x > 45) * 1.0, (x + y > 85) * 1.0, 0.3 * x - 0.2 * y):
        for angle in (0, 45, 90, 135, 20):
            assert np.abs(streak_search(data, 24, angle)[inside]).max() < 1e-5


def test_neither_a_fleck_nor_a_gap_decides():
    data = streak((91, 91), (45, 45), 80, 3.6, 0)
    flecked, cut = data.copy(), data.copy()
    flecked[40:50, 50:56] += 1.0
    cut[:, 50:56] = 0.0
    for disturbed in (flecked, cut):
        assert streak_search(disturbed, 36, 0)[45, 45] == pytest.approx(0.036, rel=0.15)
    alone = np.zeros((91, 91), np.float32)
    alone[43:48, 43:48] = 1.0  # on no more than three of the twelve parts
    assert np.nanmax(np.abs(streak_search(alone, 36, 0))) < 0.03


def test_noise_is_the_same_at_the_frames_edge():
    found = streak_search(frame((300, 300)), 24, 0)
    assert np.nanstd(found[20:-20, :12]) == pytest.approx(np.std(found[20:-20, 20:-20]), rel=0.35)


# What is refused


@pytest.mark.parametrize("length", [0.0, 7.99, -3.0, float("nan"), float("inf"), 1001])
def test_bad_length(length):
    with pytest.raises(ArrayError, match="length") as error:
        streak_search(frame((4, 4)), length, 0.0)
    assert error.value.code == "A09"


@pytest.mark.parametrize("angle", [float("nan"), float("inf")])
def test_bad_angle(angle):
    with pytest.raises(ArrayError, match="angle") as error:
        streak_search(frame((4, 4)), 10, angle)
    assert error.value.code == "A09"


@pytest.mark.parametrize("dtype", [complex, object, "U3"])
def test_bad_type(dtype):
    with pytest.raises(ArrayTypeError) as error:
        streak_search(np.ones((4, 5)).astype(dtype), 10, 0.0)
    assert error.value.code == "A09"


def test_mask_of_another_shape():
    with pytest.raises(ArrayError, match=r"\(4, 3\).*\(3, 4\)") as error:
        streak_search(np.ones((3, 4)), 10, 0.0, mask=np.zeros((4, 3), bool))
    assert error.value.code == "A12"
