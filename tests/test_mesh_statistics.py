"""The mesh of background level and noise, against plain numpy and against known noise."""

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
from fleckcore.kernels import Mesh, build_config, mesh_statistics

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "?"]


def assert_matches(data, box, **options):
    mesh = mesh_statistics(data, box, **options)
    level, noise, count = reference.mesh_statistics(data, mesh.box, **options)
    np.testing.assert_array_equal(mesh.count, count)
    np.testing.assert_array_equal(mesh.level, level)
    np.testing.assert_allclose(mesh.noise, noise, rtol=1e-8)  # the reference's correction is a sum
    return mesh


def frame(shape, dtype, seed=1):
    rng = np.random.default_rng(seed)
    if dtype == "?":
        return rng.random(shape) < 0.3
    values = rng.normal(60, 8, shape)
    values[rng.random(shape) < 0.03] = 120
    return values.astype(dtype)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_and_byte_order(dtype, order):
    data = frame((70, 83), dtype)
    assert_matches(data.astype(data.dtype.newbyteorder(order)), (32, 24))


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1, ::-1],
        lambda a: a[::2, 1::3],
        lambda a: a.T,
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[:1], (40, a.shape[1])),
    ],
    ids=["reversed", "sliced", "transposed", "fortran", "broadcast"],
)
def test_every_layout_in_place(view):
    data = view(frame((90, 77), "f4"))
    before = data.copy()
    data.flags.writeable = False
    assert_matches(data, 16)
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((1, 1), 64), ((1, 50), 7), ((50, 1), (7, 3)), ((33, 65), 32), ((20, 20), 64),
        ((64, 64), (1, 64)), ((5, 5), 1), ((90, 100), (90, 10**12)),
    ],
)  # fmt: skip
def test_shapes_and_boxes(shape, box):
    mesh = assert_matches(frame(shape, "f4"), box if isinstance(box, tuple) else (box, box))
    assert mesh.interpolate().shape == shape


@pytest.mark.parametrize("box", [(40, 40), (20, 20), (8, 8), (5, 13), (1, 1)])
def test_boxes_of_many_and_of_few_pixels(box):
    data = frame((40, 40), "f8")
    data[:5] *= -1e9
    data[5] = -0.0
    assert_matches(data, box)
    assert_matches(data.astype("f4"), box)


NOISE = np.random.default_rng(11).normal(size=(128, 192))
HARD_BOXES = {
    "constant": np.full(NOISE.shape, 3.0),
    "two values": np.where(NOISE < 0, 1.0, 2.0),
    "two values, one rare": np.where(NOISE < 2, 1.0, 2.0),
    "whole numbers": np.rint(100 + 0.8 * NOISE),
    "many ties": np.round(100 + NOISE, 1),
    "ramp": np.arange(NOISE.size, dtype=float).reshape(NOISE.shape),
    "columns": np.broadcast_to(100.0 * (np.arange(NOISE.shape[1]) % 64 == 0), NOISE.shape) + NOISE,
    "about zero": NOISE,
    "heavy tails": NOISE / NOISE[::-1],
    "two heaps": np.where(NOISE < 0, NOISE - 30, NOISE + 30),
    "outliers on one side": np.where(NOISE < -0.2, 60 + 3 * NOISE, NOISE),
    "every magnitude": NOISE * 10 ** np.linspace(-30, 30, NOISE.size).reshape(NOISE.shape),
    "subnormal": NOISE * 1e-42,
    "steps of one ulp": np.where(
        NOISE < 0, 1000.0, np.nextafter(np.float32(1000), np.float32(2000))
    ),
    "a hot pixel": np.where(np.arange(NOISE.size).reshape(NOISE.shape) % 4099 == 7, 1e30, NOISE),
    "hardly any valid": np.where(
        np.arange(NOISE.size).reshape(NOISE.shape) % 97 == 5, NOISE, np.inf
    ),
    "both infinities": np.where(NOISE < -1, -np.inf, np.where(NOISE > 1, np.inf, NOISE)),
}


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8"])
@pytest.mark.parametrize("name", HARD_BOXES)
def test_hard_boxes(name, dtype):
    data = HARD_BOXES[name].astype(dtype)
    assert_matches(data, (64, 64), min_valid=0.0)
    assert_matches(data.T, (50, 128), min_valid=0.0, clip=1.5)


def test_a_mask_and_a_byte_order_are_those_of_a_turned_frame():
    data = frame((130, 150), ">f4")
    mask = np.random.default_rng(12).random(data.shape) < 0.2
    turned = mesh_statistics(data.T, (64, 32), mask=mask.T)
    plain = mesh_statistics(np.ascontiguousarray(data.T, "f4"), (64, 32), mask=mask.T.copy())
    for name in ("level", "noise", "count"):
        assert getattr(turned, name).tobytes() == getattr(plain, name).tobytes()


@settings(max_examples=150, deadline=None)
@given(
    values=hnp.arrays(
        float,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, 3.5, -7.0, 32767.0, 100.0]),
    ),
    dtype=st.sampled_from(["f4", "f8", ">f4", "i2"]),
    holes=st.floats(0, 1),
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
    box=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 9),
)
def test_ties_zeros_and_bad_values(values, dtype, holes, bad, box, seed):
    data = values.astype(dtype)
    where = np.random.default_rng(seed).random(data.shape) < holes
    if data.dtype.kind == "f":
        data[where] = bad
        mesh = assert_matches(data, box)
    else:
        mesh = assert_matches(data, box, mask=where)
    filled = mesh.filled()
    np.testing.assert_allclose(filled.level, reference.fill_mesh(mesh.level), rtol=1e-13)
    plane = reference.interpolate_mesh(filled.noise, mesh.box, mesh.shape)
    np.testing.assert_allclose(filled.interpolate(), plane, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("clip", [1.5, 2.0, 3.0, 4.0, 8.0])
def test_gaussian_noise_is_unbiased(clip):
    data = np.random.default_rng(2).normal(1000, 5, (512, 512)).astype("f4")
    mesh = mesh_statistics(data, 64, clip=clip)
    # A plain standard deviation of all these pixels is uncertain by 0.14 %.
    assert mesh.noise.mean() == pytest.approx(5, rel=0.015 if clip < 2 else 0.005)
    assert mesh.level.mean() == pytest.approx(1000, abs=4 * 1.2533 * 5 / 512)


@pytest.mark.parametrize("sigma", [0.6, 1, 2, 5])
def test_noise_of_integers_is_unbiased(sigma):
    data = np.rint(np.random.default_rng(8).normal(100.3, sigma, (512, 512))).astype("u2")
    # Rounding adds 1/12 of a step squared.
    expected = np.sqrt(sigma**2 + 1 / 12)
    assert mesh_statistics(data, 64).noise.mean() == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize("offset", [8, 20, 1000])
@pytest.mark.parametrize("one_sided", [True, False])
def test_a_fifth_of_outliers(offset, one_sided):
    rng = np.random.default_rng(3)
    data = rng.normal(100, 2, (256, 256))
    hit = rng.random(data.shape) < 0.2
    sign = 1 if one_sided else rng.choice([-1, 1], hit.sum())
    data[hit] += sign * offset * 2
    mesh = mesh_statistics(data, 64)
    assert mesh.noise.mean() == pytest.approx(2, rel=0.03)
    assert mesh.level.mean() == pytest.approx(100, abs=0.02)
    assert mesh.count.sum() == pytest.approx(0.8 * data.size, rel=0.01)


def test_error_of_the_noise_is_that_of_a_standard_deviation():
    data = np.random.default_rng(4).normal(0, 1, (1024, 1024)).astype("f4")
    scatter = mesh_statistics(data, 32).noise.std()
    assert scatter < 1.25 / np.sqrt(2 * 1024)  # 1.65 for 1.4826 MAD


def test_constant_box_has_no_noise():
    data = np.full((10, 10), 7, "u2")
    mesh = mesh_statistics(data, 5)
    assert (mesh.noise == 0).all()
    assert (mesh.level == 7).all()
    assert (mesh.count == 25).all()
    assert (mesh.interpolate() == 0).all()


def test_nearly_constant_box():
    data = np.zeros((64, 64), "u2")
    data[::8, ::8] = 500  # 1.6 %
    mesh = mesh_statistics(data, 64)
    assert (mesh.level[0, 0], mesh.noise[0, 0], mesh.count[0, 0]) == (0, 0, 64 * 64 - 64)


def test_tiny_and_huge_values_do_not_break_it():
    data = np.array([[0, 5e-324], [5e-324, 0]])
    assert mesh_statistics(data, 2).noise[0, 0] == 0
    data = np.array([[1e-200, 3e-200], [2e-200, 4e-200]])  # squares underflow
    mesh = mesh_statistics(data, 2)
    assert (mesh.level[0, 0], mesh.noise[0, 0], mesh.count[0, 0]) == (2.5e-200, 0, 4)
    huge = np.array([[1.7e308, -1.7e308], [1.7e308, 1.7e308]])
    assert mesh_statistics(huge, 2).level[0, 0] == 1.7e308


def test_bad_boxes_and_filling():
    data = np.tile(np.repeat([1.0, 2, 4, 8], 4), (8, 1))
    mask = np.zeros(data.shape, bool)
    mask[:4, 4:8] = True
    mask[0, :4] = True
    mask[:2, 8:12] = True
    mesh = mesh_statistics(data, 4, mask=mask, min_valid=0.5)
    np.testing.assert_array_equal(mesh.level, [[1, np.nan, 4, 8], [1, 2, 4, 8]])
    np.testing.assert_array_equal(mesh.count, [[12, 0, 8, 16], [16, 16, 16, 16]])
    assert np.isnan(mesh.noise[0, 1])
    filled = mesh.filled()
    assert filled.level[0, 1] == pytest.approx((1 + 4 + 2) / 3)
    assert filled.count[0, 1] == 0
    assert np.isnan(mesh.level[0, 1])
    assert np.isnan(mesh.interpolate("level")).any()
    assert not np.isnan(filled.interpolate("level")).any()


def test_nothing_valid_stays_nan():
    mesh = mesh_statistics(np.full((9, 9), np.nan), 4, min_valid=0)
    assert np.isnan(mesh.filled().median_filtered().interpolate()).all()
    assert (mesh.count == 0).all()


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(float, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
                  elements=st.sampled_from([np.nan, np.nan, np.nan, 1.0, 2.0, 5.0])))  # fmt: skip
def test_filling_takes_the_nearest(plane):
    mesh = Mesh(plane, plane, np.zeros(plane.shape, np.int64), (1, 1), plane.shape)
    np.testing.assert_allclose(mesh.filled().level, reference.fill_mesh(plane), rtol=1e-13)


def test_median_filter_of_the_mesh():
    plane = np.arange(20.0).reshape(4, 5)
    plane[0, 0] = 1000
    plane[2, 2] = np.nan
    mesh = Mesh(plane, plane, np.zeros(plane.shape, np.int64), (1, 1), plane.shape)
    smooth = mesh.median_filtered(3).level
    assert smooth[0, 0] == np.median([1000, 1, 5, 6])
    assert smooth[1, 3] == np.median([2, 3, 4, 7, 8, 9, 13, 14])
    assert np.isnan(smooth[2, 2])
    np.testing.assert_array_equal(mesh.median_filtered(1).level, plane)
    for size in (2, 0, -1, 1.5, True):
        with pytest.raises(ArrayError, match="A13"):
            mesh.median_filtered(size)


@pytest.mark.parametrize(
    ("shape", "box"), [((50, 70), (16, 9)), ((64, 64), (32, 32)), ((7, 9), (9, 9))]
)
def test_interpolation(shape, box):
    data = np.random.default_rng(6).normal(100, 9, shape)
    mesh = mesh_statistics(data, box)
    for which in ("noise", "level"):
        plane = mesh.interpolate(which)
        nodes = getattr(mesh, which)
        assert plane.dtype == np.float32
        expected = reference.interpolate_mesh(nodes, mesh.box, shape)
        np.testing.assert_allclose(plane, expected, rtol=3e-7)
        assert plane.min() >= np.float32(nodes.min())
        assert plane.max() <= np.float32(nodes.max())


def test_a_plane_is_followed_between_the_centres():
    rows, cols = np.mgrid[:96, :96]
    data = 10 + 0.5 * rows + 0.25 * cols
    level = mesh_statistics(data, (31, 31)).interpolate("level")
    np.testing.assert_allclose(level[15:77, 15:77], data[15:77, 15:77], rtol=1e-6)
    assert level[0, 0] == level[15, 15]  # constant beyond the outermost centre


def test_threads_do_not_change_a_byte():
    data = frame((300, 200), "f4")
    one, three = (mesh_statistics(data, 17, threads=n) for n in (1, 3))
    for name in ("level", "noise", "count"):
        assert getattr(one, name).tobytes() == getattr(three, name).tobytes()
    assert one.interpolate(threads=1).tobytes() == three.interpolate(threads=3).tobytes()


@pytest.mark.parametrize(
    "part", [np.s_[:, :], np.s_[5:6, 7:8], np.s_[20:70, :], np.s_[-3:, 3:90], np.s_[4:4, :]]
)
def test_a_part_of_the_plane_is_the_same_bytes(part):
    mesh = mesh_statistics(np.random.default_rng(4).normal(100, 5, (75, 101)), (16, 24))
    whole = mesh.interpolate()
    np.testing.assert_array_equal(mesh.interpolate(part=part), whole[part])


@pytest.mark.parametrize("part", [np.s_[::2, :], np.s_[9:4, :], np.s_[:, ::-1]])
def test_bad_parts_are_refused(part):
    with pytest.raises(ArrayError, match="part="):
        mesh_statistics(np.ones((20, 30)), 8).interpolate(part=part)


def test_instruction_sets_do_not_change_a_byte():
    program = (
        "import hashlib, numpy as np; from fleckcore.kernels import mesh_statistics;"
        "data = np.random.default_rng(0).normal(9, 3, (200, 300)).astype('f4');"
        "m = mesh_statistics(data, 40);"
        "planes = b''.join(map(bytes, (m.level, m.noise, m.interpolate())));"
        "print(hashlib.sha256(planes).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"FLECKCORE_ISA": isa},
            check=True, capture_output=True, text=True,
        ).stdout
        for isa in build_config()["isas"]
    }  # fmt: skip
    assert len(digests) == 1


def test_whole_frame():
    data = frame((4096, 2048), "f4")
    mesh = mesh_statistics(data, 64)
    assert mesh.level.shape == (64, 32)
    level, noise, count = reference.mesh_statistics(data[-64:, -128:], (64, 64))
    np.testing.assert_array_equal(mesh.level[-1:, -2:], level)
    np.testing.assert_array_equal(mesh.count[-1:, -2:], count)
    np.testing.assert_allclose(mesh.noise[-1:, -2:], noise, rtol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"box": 0}, "A09"),
        ({"box": (3, 4, 5)}, "A09"),
        ({"box": 2.5}, "A09"),
        ({"clip": 1.0}, "A09"),
        ({"clip": float("nan")}, "A09"),
        ({"max_iterations": 0}, "A09"),
        ({"min_valid": 1.5}, "A09"),
        ({"threads": 0}, "A09"),
        ({"mask": np.zeros((3, 4), bool)}, "A12"),
    ],
)
def test_wrong_arguments(arguments, code):
    with pytest.raises(ArrayError) as caught:
        mesh_statistics(np.zeros((4, 4)), **arguments)
    assert caught.value.code == code


def test_wrong_data():
    for data in (np.zeros(3), np.zeros((0, 3)), np.zeros((2, 2, 2))):
        with pytest.raises(ArrayError, match=r"A09.*shape"):
            mesh_statistics(data)
    with pytest.raises(ArrayTypeError, match="complex"):
        mesh_statistics(np.zeros((2, 2), complex))
    with pytest.raises(ArrayError, match="which"):
        mesh_statistics(np.zeros((2, 2))).interpolate("median")
