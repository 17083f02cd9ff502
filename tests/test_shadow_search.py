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
from fleckcore.kernels import build_config, gaussian_filter, shadow_search

DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
RADII = [2, 2.5, 5.3, 11]


def frame(shape, seed=1):
    return np.random.default_rng(seed).normal(0.0, 1.0, shape).astype(np.float32)


def assert_equals_reference(data, radius, **options):
    found = shadow_search(data, radius, **options)
    expected = reference.shadow_search(data, radius, **options)
    assert found.dtype == np.float32
    scale = np.abs(data[np.isfinite(data)]).max(initial=1e-30)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * float(scale))
    return expected


def shadow(shape, centre, radius, inner=0.0, fine=8):
    """1 between the two radii, 0 elsewhere, pixels on an edge in between."""
    y, x = ((np.arange(n * fine) + 0.5) / fine - 0.5 for n in shape)
    distance = np.hypot(*np.meshgrid(y - centre[0], x - centre[1], indexing="ij"))
    inside = (distance <= radius) & (distance >= inner)
    return inside.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3)).astype(np.float32)


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("margin", [0, 3, 16])
@pytest.mark.parametrize("radius", RADII)
def test_equals_reference(radius, margin, edge):
    expected = assert_equals_reference(frame((36, 31)), radius, margin=margin, edge=edge)
    assert np.isfinite(expected).any() or (edge and radius < 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (3, 70), (70, 3), (9, 9), (5, 130)])
@pytest.mark.parametrize("radius", RADII)
def test_frames_smaller_than_the_reach(shape, radius):
    assert_equals_reference(frame(shape), radius, margin=2)


def test_wide_enough_for_blocks_that_are_complete_and_not():
    data = frame((30, 200))
    data[12, 150] = np.nan
    assert_equals_reference(data, 5.3, margin=1)


@pytest.mark.parametrize("margin", [0, 4])
@pytest.mark.parametrize("radius", [2.5, 7])
def test_a_part_is_that_part_of_the_whole(radius, margin):
    data = frame((50, 170))
    data[20:23, 90] = np.nan
    whole = shadow_search(data, radius, margin=margin)
    for part in (
        np.s_[:, :],
        np.s_[3:7, 60:130],
        np.s_[::7, :],
        np.s_[5:40:3, 10:75],
        np.s_[-4:, -70:],
        np.s_[9:9, :],
        np.s_[30:20, 5:2],
    ):
        found = shadow_search(data, radius, margin=margin, part=part)
        np.testing.assert_array_equal(found, whole[part])


@pytest.mark.parametrize("part", [np.s_[::-1, :], np.s_[:, ::2]])
def test_parts_that_are_refused(part):
    with pytest.raises(ArrayError, match="A09"):
        shadow_search(frame((9, 9)), 3, part=part)


@pytest.mark.parametrize("radius", [2.2, 2.4, 3.5, 4.9, 5.8, 5.0, 16.6])
def test_radii_whose_sectors_are_not_alike(radius):
    data = frame((45, 50))
    data[frame(data.shape, 2) > 0.4] = np.nan
    assert_equals_reference(data, radius)
    found = shadow_search(frame((20, 80)), radius)
    assert not np.isinf(found).any()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.6, 0.65, 0.95])
@pytest.mark.parametrize("radius", RADII)
def test_leaves_out_mask_nan_and_infinities(radius, fraction):
    random = np.random.default_rng(7)
    data = frame((34, 40))
    mask = random.random(data.shape) < fraction
    data[mask] = 1e30
    for value in (np.nan, np.inf, -np.inf):
        data[random.random(data.shape) < 0.02] = value
    mask |= np.isinf(data) & (random.random(data.shape) < 0.5)
    masked = np.where(mask, np.float32(0), data)
    assert_equals_reference(masked, radius, mask=mask, margin=2)
    assert_equals_reference(masked, radius, mask=mask, margin=2, edge=True)
    np.testing.assert_array_equal(
        shadow_search(data, radius, mask=mask), shadow_search(masked, radius, mask=mask)
    )


def test_a_core_that_has_just_enough_counts():
    """Exactly three tenths of 100 pixels; the product in float32 is larger than 30."""
    assert np.float32(0.3) * np.float32(100) > 30
    radii = (14 + k / 20 for k in range(20))
    radius = next(r for r in radii if reference.shadow_zones(r, 30)[0].sum() == 100)
    core = np.argwhere(reference.shadow_zones(radius, 30)[0])
    data = np.zeros((61, 61), np.float32)
    data[tuple(core.T)] = 1.0
    left_out = core[:70]
    mask = np.zeros(data.shape, bool)
    mask[tuple(left_out.T)] = True
    assert shadow_search(data, radius, mask=mask)[30, 30] == pytest.approx(-0.3, rel=1e-5)
    mask[tuple(core[70])] = True
    assert shadow_search(data, radius, mask=mask)[30, 30] == 0


@settings(max_examples=60, deadline=None)
@given(
    data=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
        elements=st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.25, 3.0, np.nan, np.inf, -np.inf]),
    ),
    radius=st.sampled_from([2.0, 3.0, 4.3]),
    margin=st.integers(0, 3),
    edge=st.booleans(),
)
def test_equals_reference_on_any_frame(data, radius, margin, edge):
    assert_equals_reference(data, radius, margin=margin, edge=edge)


@pytest.mark.parametrize("how", ["mask", "nan", "inf"])
def test_nothing_counts(how):
    data = frame((40, 90))
    if how != "mask":
        data[:] = float(how)
    mask = np.ones(data.shape, bool) if how == "mask" else None
    found = shadow_search(data, 5.3, mask=mask, margin=4)
    assert found.shape == (48, 98)
    assert np.isnan(found).all()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", DTYPES)
def test_type_order_and_strides(dtype, order):
    values = np.random.default_rng(2).integers(0, 2 if dtype == "?" else 100, (60, 80))
    data = values.astype(np.dtype(dtype).newbyteorder(order))
    expected = shadow_search(values.astype(np.float32), 4.5, margin=1)
    mask = values % 7 == 0
    masked = shadow_search(values.astype(np.float32), 4.5, mask=mask)
    doubled = np.repeat(np.repeat(data, 2, axis=0), 3, axis=1)[::2, ::3]
    for view in (data, np.asfortranarray(data), data[::-1, ::-1].copy()[::-1, ::-1], doubled):
        view.flags.writeable = False
        np.testing.assert_array_equal(shadow_search(view, 4.5, margin=1), expected)
        np.testing.assert_array_equal(
            shadow_search(view, 4.5, mask=np.asfortranarray(mask)), masked
        )


def test_a_row_repeated_by_a_stride_of_zero():
    row = frame((1, 90))
    repeated = np.broadcast_to(row, (40, 90))
    np.testing.assert_array_equal(shadow_search(repeated, 6), shadow_search(repeated.copy(), 6))


def gapped(shape, seed=3):
    data = frame(shape, seed)
    data[frame(shape, seed + 1) > 2] = np.nan
    data[:, 120:128] = np.nan
    return data


@pytest.mark.parametrize("radius", [2.5, 7])
def test_threads_change_no_byte(radius):
    data = gapped((90, 261))
    one = shadow_search(data, radius, margin=2, threads=1).tobytes()
    for threads in (2, 3, 7, None):
        assert shadow_search(data, radius, margin=2, threads=threads).tobytes() == one


SCRIPT = """
import hashlib, numpy as np
from fleckcore.kernels import build_config, shadow_search
data = np.random.default_rng(3).normal(1.0, 0.1, (150, 201)).astype(np.float32)
data[40:60, 70] = np.nan
mask = np.random.default_rng(4).random(data.shape) < 0.3
for radius in (2.5, 8.0, 11.3):
    for options in ({}, {"mask": mask}, {"edge": True}):
        found = shadow_search(data, radius, margin=3, **options)
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
    assert len(set(answers.pop().split())) == 9


# What the score means


@pytest.mark.parametrize("radius", [2.5, 5.3, 11])
def test_a_constant_changes_nothing(radius):
    data = gapped((40, 150))
    found, lifted = (shadow_search(one, radius, margin=3) for one in (data, data + 500))
    np.testing.assert_allclose(lifted, found, atol=500 * 3e-6)


@pytest.mark.parametrize("radius", [2.5, 5.3, 11])
def test_a_slope_scores_nothing_where_all_pixels_count(radius):
    """Opposite sectors are mirrored in the place, so that their excess is opposite."""
    y, x = np.mgrid[:60, :150]
    slope = 0.7 * x - 0.3 * y + 5
    inside = np.s_[14:-14, 14:-14]
    found = shadow_search(slope, radius)[inside]
    np.testing.assert_allclose(found, 0, atol=3e-6 * slope.max())
    assert np.nanmax(np.abs(shadow_search(slope, radius))) > 0.03 * radius  # not at the border


def test_a_slope_leaves_the_score_of_an_even_ring():
    y, x = np.mgrid[:61, :61]
    ring = shadow((61, 61), (30, 30), 10, 5, fine=1)
    found = shadow_search(ring + 0.02 * x - 0.03 * y, 10)
    assert found[30, 30] == pytest.approx(shadow_search(ring, 10)[30, 30], rel=1e-4)


def test_a_slope_may_change_the_score_of_what_is_uneven():
    """A trimmed mean is not linear: the slope chooses other sectors to leave out."""
    data = frame((61, 61))
    slope = np.mgrid[:61, :61][1].astype(np.float32)
    changed = shadow_search(data + slope, 10) - shadow_search(data, 10)
    assert np.abs(changed[15:-15, 15:-15]).max() > 0.01


@pytest.mark.parametrize("radius", [8, 11, 16])
def test_ring_scores_its_depth_and_disc_seven_tenths(radius):
    shape = 61, 70
    centre = 30, 33
    for inner, factor in ((radius / 2, 1.0), (0.0, 0.7)):
        found = shadow_search(0.04 * shadow(shape, centre, radius, inner), radius)
        assert found[centre] == pytest.approx(0.04 * factor, rel=0.03)
        assert np.unravel_index(np.nanargmax(found), shape) == centre


@pytest.mark.parametrize(("inner", "gain"), [(0, 1.5), (10, 1.1)])
def test_by_the_edge_a_ground_as_uneven_as_a_shadow_is_deep_hides_less(inner, gain):
    """Uneven over a quarter of the radius."""
    shape, centre = (300, 300), (150, 150)
    lost = shadow(shape, centre, 24, inner)
    ground = gaussian_filter(frame(shape), 6)
    seen = {
        edge: shadow_search(lost, 24, edge=edge)[centre]
        / np.nanstd(shadow_search(ground, 24, edge=edge))
        for edge in (True, False)
    }
    assert shadow_search(lost, 24, edge=True)[centre] == pytest.approx(1, rel=0.03)
    assert seen[True] > gain * seen[False]


def test_neither_a_neighbour_nor_a_gap_decides():
    shape, centre = (81, 90), (40, 45)
    ring = 0.04 * shadow(shape, centre, 11, 5.5)
    bright, cut = ring.copy(), ring.copy()
    bright[32:49, 53:60] += 1.0  # on two sectors
    cut[38:43, 45:60] = 0.0  # a gap in one
    for disturbed in (bright, cut):
        assert shadow_search(disturbed, 11)[centre] == pytest.approx(0.04, rel=0.25)


def test_centre_outside_the_frame():
    ring = 0.04 * shadow((80, 80), (40, 40), 12, 6)
    found = shadow_search(ring[:, 43:], 12, margin=5)
    whole = shadow_search(ring, 12)[40, 40]
    assert np.unravel_index(np.nanargmax(found[:, :5]), (90, 5)) == (45, 2)
    assert 0.5 * whole < found[45, 2] < whole  # by the root of the part of the sectors that count


def test_noise_is_the_same_with_fewer_sectors():
    data = frame((400, 400))
    inside = shadow_search(data, 8)
    beside = np.std(inside[20:-20, :2])
    assert beside == pytest.approx(np.std(inside[20:-20, 20:-20]), rel=0.35)


# What is refused


@pytest.mark.parametrize("radius", [0.0, 1.99, -3.0, float("nan"), float("inf"), 1001])
def test_bad_radius(radius):
    with pytest.raises(ArrayError, match="radius") as error:
        shadow_search(frame((4, 4)), radius)
    assert error.value.code == "A09"


@pytest.mark.parametrize("margin", [-1, 1.5, 2001, float("nan"), float("inf")])
def test_bad_margin(margin):
    with pytest.raises(ArrayError, match="margin") as error:
        shadow_search(frame((4, 4)), 3, margin=margin)
    assert error.value.code == "A09"


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_bad_threads(threads):
    with pytest.raises(ArrayError, match="threads") as error:
        shadow_search(frame((4, 4)), 3, threads=threads)
    assert error.value.code == "A09"


@pytest.mark.parametrize("data", [np.ones(5), np.ones((2, 3, 4))])
def test_bad_shape(data):
    with pytest.raises(ArrayError) as error:
        shadow_search(data, 3)
    assert error.value.code == "A09"


@pytest.mark.parametrize("dtype", [complex, object, "U3"])
def test_bad_type(dtype):
    with pytest.raises(ArrayTypeError) as error:
        shadow_search(np.ones((4, 5)).astype(dtype), 3)
    assert error.value.code == "A09"


def test_mask_of_another_shape():
    with pytest.raises(ArrayError, match=r"\(4, 3\).*\(3, 4\)") as error:
        shadow_search(np.ones((3, 4)), 3, mask=np.zeros((4, 3), bool))
    assert error.value.code == "A12"
