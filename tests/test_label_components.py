"""Objects above a threshold, against scipy's labels and plain Python statistics."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import reference
from fleckcore import _core
from fleckcore.errors import ArrayError, ArrayTypeError
from fleckcore.kernels import build_config, label_components

DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
STRUCTURE = {4: None, 8: np.ones((3, 3))}
EXACT = ("area", "peak", "peak_y", "peak_x", "bbox", "level_counts")
ROUNDED = ("sum", "centroid_y", "centroid_x", "moment_yy", "moment_xx", "moment_xy")


def frame(shape, dtype="f4", density=0.4, seed=1):
    rng = np.random.default_rng(seed)
    if dtype == "?":
        return rng.random(shape) < density
    values = rng.uniform(11, 100, shape) * (rng.random(shape) < density)
    return values.astype(dtype)


def assert_matches(data, threshold, *, deblend=None, **options):
    found = label_components(data, threshold, deblend=deblend, **options)
    labels, rows = reference.label_components(data, threshold, deblend_contrast=deblend, **options)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.count == len(rows)
    for name in EXACT:
        expected = np.array([row[name] for row in rows]).reshape(getattr(found, name).shape)
        np.testing.assert_array_equal(getattr(found, name), expected, err_msg=name)
    for name in ROUNDED:
        expected = np.array([row[name] for row in rows], dtype=float)
        np.testing.assert_allclose(
            getattr(found, name), expected, rtol=1e-12, atol=1e-11, err_msg=name
        )
    return found


# Labels


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize(
    "shape",
    [(1, 300), (300, 1), (1, 1), (70, 63), (64, 64), (65, 65), (200, 127), (129, 128), (193, 129)],
)  # fmt: skip
@pytest.mark.parametrize("density", [0, 0.002, 0.1, 0.35, 0.5, 0.6, 0.75, 0.98, 1])
def test_labels_equal_scipys(shape, density, connectivity):
    data = frame(shape, density=density)
    labels, count = ndimage.label(data > 10, STRUCTURE[connectivity])
    found = label_components(data, 10, connectivity=connectivity)
    assert found.count == count
    assert found.labels.dtype == np.int32
    np.testing.assert_array_equal(found.labels, labels)


def spiral(n):
    """One arm, one pixel wide, from the corner to the middle."""
    arm = np.zeros((n, n))
    arm[0, 0] = 1
    y = x = 0
    for turn in range(n):
        dy, dx = ((0, 1), (1, 0), (0, -1), (-1, 0))[turn % 4]
        for _ in range(n - 1 - 2 * max(0, (turn - 1) // 2)):
            y, x = y + dy, x + dx
            arm[y, x] = 1
    return arm


def comb(rows, cols, *, upwards):
    """Teeth that meet only in the last row, or only in the first."""
    teeth = np.zeros((rows, cols))
    teeth[:, ::2] = 1
    teeth[0 if upwards else -1] = 1
    return teeth


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize(
    ("data", "count"),
    [
        (spiral(150), {4: 1, 8: 1}),
        (spiral(150)[:, ::-1], {4: 1, 8: 1}),
        (comb(200, 131, upwards=False), {4: 1, 8: 1}),
        (comb(200, 131, upwards=True), {4: 1, 8: 1}),
        (np.indices((130, 131)).sum(axis=0) % 2, {4: 130 * 131 // 2, 8: 1}),
        (np.eye(150), {4: 150, 8: 1}),
        (np.eye(150)[::-1], {4: 150, 8: 1}),
        (np.ones((130, 70)), {4: 1, 8: 1}),
        (np.zeros((130, 70)), {4: 0, 8: 0}),
    ],
    ids=["spiral", "mirrored", "comb", "comb-up", "checks", "diagonal", "anti", "all", "none"],
)  # fmt: skip
def test_shapes_that_join_late(data, count, connectivity):
    found = label_components(data, 0, connectivity=connectivity)
    assert found.count == count[connectivity]
    np.testing.assert_array_equal(found.labels, ndimage.label(data, STRUCTURE[connectivity])[0])
    assert found.area.sum() == np.count_nonzero(data)


@settings(max_examples=150, deadline=None)
@given(
    data=hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 2.0, 2.0, -1.0]),
    ),
    threshold=st.sampled_from([0.0, -0.0, -1.0, 1.0, 1.5, -1e300, 1e300, 1e39]),
    connectivity=st.sampled_from([4, 8]),
)
def test_only_what_is_above_belongs(data, threshold, connectivity):
    above = data > np.float64(threshold)
    found = label_components(data, threshold, connectivity=connectivity)
    np.testing.assert_array_equal(found.labels, ndimage.label(above, STRUCTURE[connectivity])[0])
    peaks = [data[found.labels == i + 1].max() for i in range(found.count)]
    np.testing.assert_array_equal(found.peak, peaks)


# Comparison


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_threshold_between_two_neighbouring_floats(dtype):
    value = np.dtype(dtype).type(0.1)
    below, above = (
        np.nextafter(value, value.dtype.type(0)),
        np.nextafter(value, value.dtype.type(1)),
    )
    data = np.array([[below, value, above]])
    for threshold in (float(below), float(value), float(above), 0.1, np.nextafter(0.1, 1)):
        found = label_components(data, threshold)
        expected = data.astype(np.float64) > threshold
        np.testing.assert_array_equal(found.labels > 0, expected)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("i8", 2**53 - 2), ("u8", 2**53 - 2), ("i8", 2 - 2**53), ("u4", 2**32 - 2), ("i4", 1 - 2**31)],
)  # fmt: skip
def test_integers_are_compared_exactly(dtype, value):
    data = np.array([[value - 1, value, value + 1]], dtype=dtype)
    for threshold in map(float, (value - 1, value - 0.5, value, value + 1)):
        expected = [int(v > threshold) for v in data[0].tolist()]  # Python compares exactly
        np.testing.assert_array_equal(label_components(data, threshold).labels, [expected])
    largest = np.array([[np.iinfo(dtype).max, np.iinfo(dtype).max - 1]], dtype=dtype)
    assert label_components(largest, 2**31 - 2).area.tolist() == ([2] if dtype != "i4" else [1])


# Statistics


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_and_byte_order(dtype, order):
    data = frame((70, 67), dtype)
    data = data.astype(data.dtype.newbyteorder(order))
    threshold = 0.5 if dtype == "?" else 10
    assert_matches(data, threshold, levels=(30, 60), min_area=2)


@pytest.mark.parametrize("dtype", [">i2", "<f4", ">f8"])
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1, ::-1],
        lambda a: a[::2, 1::3],
        lambda a: a.T,
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[:1], (70, a.shape[1])),
    ],
    ids=["reversed", "sliced", "transposed", "fortran", "broadcast"],
)
def test_every_layout_in_place(view, dtype):
    data = view(frame((90, 80), dtype))
    before = data.copy()
    data.flags.writeable = False
    assert_matches(data, 10, connectivity=4, levels=(50.0,))
    np.testing.assert_array_equal(data, before)


def test_unaligned_rows():
    raw = np.zeros(20 * 30 * 4 + 1, dtype=np.uint8)
    data = raw[1:].view("f4").reshape(20, 30)
    data[...] = frame((20, 30))
    assert not data.flags.aligned
    assert_matches(data, 10)


@settings(max_examples=100, deadline=None)
@given(
    data=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.int32, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
        elements=st.integers(0, 9),
    ),
    threshold=st.sampled_from([0, 2, 3.5, 8]),
    connectivity=st.sampled_from([4, 8]),
    min_area=st.integers(1, 4),
    deblend=st.sampled_from([None, 0.001, 0.05, 0.2, 1.0]),
    masked=st.floats(0, 0.5),
)
def test_statistics_and_parts_equal_the_reference(
    data, threshold, connectivity, min_area, deblend, masked
):
    mask = np.random.default_rng(7).random(data.shape) < masked
    assert_matches(
        data, threshold, mask=mask, connectivity=connectivity, min_area=min_area, deblend=deblend,
        levels=(1, 5),
    )  # fmt: skip


@pytest.mark.parametrize("mask_view", [lambda m: m, lambda m: m[:, ::-1], lambda m: m.T.copy().T])
def test_masked_pixels_never_belong(mask_view):
    data = frame((140, 90), density=0.7)
    mask = mask_view(np.random.default_rng(3).random(data.shape) < 0.2)
    found = assert_matches(data, 10, mask=mask)
    assert (found.labels[mask] == 0).all()
    assert label_components(data, 10, mask=np.ones(data.shape, bool)).count == 0


@pytest.mark.parametrize("min_area", [1, 2, 5, 40, 10**30])
def test_small_objects_are_dropped_wherever_they_lie(min_area):
    data = frame((200, 90), density=0.3)  # objects on, across and between the bands
    assert_matches(data, 10, min_area=min_area)


def test_statistics_without_labels_are_the_same():
    data = frame((150, 100))
    with_labels = label_components(data, 10, min_area=3, deblend=0.1, levels=(20,))
    without = label_components(data, 10, min_area=3, deblend=0.1, levels=(20,), labels=False)
    assert without.labels is None
    assert digest(without) == digest(with_labels, labels=False)


def test_moments_keep_their_digits_far_from_the_origin():
    data = np.zeros((3, 100_000), dtype="f4")
    data[0, -3:] = data[2, -3:] = 2
    data[1, -3:] = 3
    found = label_components(data, 1)
    assert (found.centroid_y[0], found.centroid_x[0]) == (1, 99_998)
    np.testing.assert_allclose(found.moment_yy, 6 / 12, rtol=1e-15)
    np.testing.assert_allclose(found.moment_xx, 8 / 12, rtol=1e-15)
    assert found.moment_xy[0] == 0


def test_sum_over_more_pixels_than_float32_counts():
    data = np.broadcast_to(np.float32(0.1), (4100, 4100))  # 16.8 million
    found = label_components(data, 0, labels=False, levels=(0.05, 0.2))
    assert found.area[0] == 4100**2
    assert found.level_counts.tolist() == [[4100**2, 0]]
    np.testing.assert_allclose(found.sum, float(np.float32(0.1)) * 4100**2, rtol=1e-12)
    np.testing.assert_allclose(found.moment_yy, (4100**2 - 1) / 12, rtol=1e-10)


def test_peak_is_the_first_of_equals():
    data = np.ones((200, 5))
    data[3, 2] = data[70, 0] = data[199, 4] = 7
    found = label_components(data, 0)
    assert (found.peak[0], found.peak_y[0], found.peak_x[0]) == (7, 3, 2)


# Deblending


def two_stars(separation, second):
    y, x = np.indices((90, 90), dtype=float)
    first = 100 * np.exp(-((y - 40) ** 2 + (x - 30) ** 2) / 50)
    return first + second * np.exp(-((y - 40) ** 2 + (x - 30 - separation) ** 2) / 50)


def test_two_stars_come_apart_by_contrast():
    data = two_stars(22, 50)
    assert label_components(data, 0.1).count == 1
    found = assert_matches(data, 0.1, deblend=0.05)
    assert list(zip(found.peak_y, found.peak_x, strict=True)) == [(40, 30), (40, 52)]
    assert found.area.sum() == label_components(data, 0.1).area[0]
    # The fainter branch holds close to 1/3 of the light, less what lies below the saddle.
    assert label_components(data, 0.1, deblend=0.4).count == 1


def test_parts_are_ordered_among_all_objects():
    data = two_stars(22, 50)
    data[85, 2] = data[38, 89] = data[0, 0] = 5
    found = assert_matches(data, 1, deblend=0.05)
    first = [np.flatnonzero(found.labels.ravel() == i + 1)[0] for i in range(found.count)]
    assert found.count == 5
    assert first == sorted(first)


def test_small_branches_are_not_kept_apart():
    data = np.array([[9, 1, 9, 9, 1, 9, 9]])
    assert label_components(data, 0, deblend=0.01).area.tolist() == [2, 3, 2]
    assert label_components(data, 0, deblend=0.01, min_area=2).area.tolist() == [5, 2]


@pytest.mark.parametrize("connectivity", [4, 8])
def test_deblending_crosses_bands(connectivity):
    rng = np.random.default_rng(5)
    data = ndimage.gaussian_filter(rng.normal(size=(150, 60)), 2).round(2)
    found = assert_matches(data, 0.0, deblend=0.02, connectivity=connectivity, min_area=4)
    assert found.count > label_components(data, 0, min_area=4, connectivity=connectivity).count


# Bytes


def digest(found, *, labels=True):
    parts = [getattr(found, name) for name in (*EXACT, *ROUNDED)]
    if labels and found.labels is not None:
        parts.append(found.labels)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def digests(threads=1):
    noise = np.random.default_rng(11).normal(size=(700, 190)).astype("f4")
    return [
        digest(label_components(data, 0.5, deblend=deblend, levels=(1, 2), threads=threads))
        for data in (noise, noise.astype("f8"), ndimage.gaussian_filter(noise, 1) * 5)
        for deblend in (None, 0.02)
    ]


@pytest.mark.parametrize("threads", [2, 3, 4, 5])
def test_same_bytes_for_any_thread_count(threads):
    assert digests(threads) == digests()


@pytest.mark.parametrize("isa", build_config()["isas"])
def test_same_bytes_for_any_instruction_set(isa):
    code = "import test_label_components as t; print(t.digests())"
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "FLECKCORE_ISA": isa, "PYTHONPATH": path}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(digests())


def test_whole_frame():
    data = np.random.default_rng(2).normal(size=(2048, 4096)).astype("f4")
    labels, count = ndimage.label(data > 1.5, STRUCTURE[8])
    found = label_components(data, 1.5)
    assert found.count == count
    np.testing.assert_array_equal(found.labels, labels)
    index = np.arange(1, count + 1)
    np.testing.assert_array_equal(found.area, np.bincount(labels.ravel())[1:])
    np.testing.assert_allclose(found.sum, ndimage.sum(data.astype("f8"), labels, index), rtol=1e-12)
    np.testing.assert_array_equal(found.peak, ndimage.maximum(data, labels, index))


# Faults


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"threshold": np.nan}, "A09"),
        ({"threshold": np.inf}, "A09"),
        ({"levels": [1, -np.inf]}, "A09"),
        ({"connectivity": 6}, "A09"),
        ({"min_area": 0}, "A09"),
        ({"min_area": 1.5}, "A09"),
        ({"deblend": 0}, "A09"),
        ({"deblend": 1.01}, "A09"),
        ({"deblend": np.nan}, "A09"),
        ({"threads": 0}, "A09"),
        ({"mask": np.zeros((3, 4), bool)}, "A12"),
        ({"data": np.zeros((2, 3, 4))}, "A09"),
        ({"data": np.zeros((0, 4))}, "A09"),
        ({"data": np.zeros((3, 4), "i8"), "threshold": 2.0**53}, "A11"),
        ({"data": np.zeros((3, 4), "u8"), "levels": [2.0**60]}, "A11"),
    ],
)
def test_options_out_of_range(options, code):
    with pytest.raises(ArrayError) as error:
        label_components(**{"data": np.zeros((4, 4)), "threshold": 0, **options})
    assert error.value.code == code


def test_complex_data_are_refused():
    with pytest.raises(ArrayTypeError, match="complex128"):
        label_components(np.zeros((4, 4), complex), 0)


def test_more_labels_than_int32_numbers(monkeypatch):
    def overflow(*arguments):
        raise OverflowError

    monkeypatch.setattr(_core, "label_components", overflow)  # 2**31 objects do not fit a test
    with pytest.raises(ArrayError, match="labels=False") as error:
        label_components(np.zeros((4, 4)), 0)
    assert error.value.code == "A14"
