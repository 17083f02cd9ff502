"""The median filter against scipy, numpy.nanmedian and a window by window sort."""

import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import reference
from fleckcore import _core
from fleckcore.errors import ArrayError, ArrayTypeError
from fleckcore.kernels import MEDIAN_MODES, build_config, median_filter

INTEGERS = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]
DTYPES = [*INTEGERS, "f2", "f4", "f8"]
SCIPY_MODES = [mode for mode in MEDIAN_MODES if mode != "shrink"]
SIZES = [1, 3, (1, 9), (9, 1), (15, 7), 31, (1, 63), (31, 1)]


def frame(shape=(60, 80), dtype="f4", seed=1):
    rng = np.random.default_rng(seed)
    if dtype == "?":
        return rng.random(shape) < 0.4
    if dtype[-2] == "f":
        return rng.normal(1000, 20, shape).astype(dtype)
    info = np.iinfo(dtype)
    low, high = (max(info.min, -(2**40)), min(info.max, 2**40))  # scipy computes in float64
    return rng.integers(low, high, shape, dtype=np.int64, endpoint=True).astype(dtype)


def windows(data, size):
    rows, cols = (size, size) if np.ndim(size) == 0 else size
    padded = np.pad(data, ((rows // 2,) * 2, (cols // 2,) * 2), constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, (rows, cols))


# Values


@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_scipy(dtype, mode):
    data = frame(dtype=dtype)
    as_scipy_reads = data.astype("f4") if dtype == "f2" else data
    for size in SIZES:
        found = median_filter(data, size, mode=mode, cval=1)
        expected = ndimage.median_filter(as_scipy_reads, size, mode=mode, cval=1)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, err_msg=str(size))


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 200), (200, 1), (7, 64), (64, 65), (33, 63), (32, 128), (129, 130)]
)
def test_every_shape_of_frame(shape):
    data = frame(shape)
    for size in (1, 3, 17):
        window = tuple(min(size, n if n % 2 else n - 1) for n in shape)
        for mode in SCIPY_MODES:
            np.testing.assert_array_equal(
                median_filter(data, window, mode=mode),
                ndimage.median_filter(data, window, mode=mode),
            )


def test_large_window():
    data = frame((300, 280))
    found = median_filter(data, 255, mode="shrink")
    for at in [(0, 0), (0, 279), (299, 3), (150, 140), (64, 63), (127, 128)]:
        (y0, y1), (x0, x1) = ((max(0, i - 127), i + 128) for i in at)
        assert found[at] == np.median(data[y0:y1, x0:x1])


def test_whole_frame_two_routes():
    data = frame((2048, 4096))
    found = median_filter(data, 15, threads=1)
    np.testing.assert_array_equal(found, median_filter(data, 15, threads=2))
    corner = np.s_[1536:, 3584:]
    np.testing.assert_array_equal(
        found[corner][7:, 7:], ndimage.median_filter(data[corner], 15)[7:, 7:]
    )
    rolled = np.roll(median_filter(data, 15, mode="wrap"), (13, 29), (0, 1))
    np.testing.assert_array_equal(
        rolled, median_filter(np.roll(data, (13, 29), (0, 1)), 15, mode="wrap")
    )


y, x = np.mgrid[:90, :150].astype("f4")
noise = frame((90, 150))
HARD = {
    "constant": np.full_like(noise, 7),
    "ramp": 10 * x + 7 * y,
    "steep along rows": x**5,
    "sorted": np.sort(noise.ravel()).reshape(noise.shape),
    "two values": (noise > 1000).astype("f4"),
    "bimodal": np.where(noise > 1000, noise, noise + 1e6),
    "checkerboard": np.where((x // 20 + y // 20) % 2, noise, 1e6 * noise),
    "ties": np.round(noise / 20),
    "all powers": np.exp(10 * (noise - 1000) / 20).astype("f4"),
    "both infinities": np.where(noise > 1000, np.inf, -np.inf).astype("f4"),
    "saturated": np.minimum(noise, 995).astype("u2"),
    "largest integers": np.where(noise > 1000, 2**32 - 1, 2**32 - 2).astype("u4"),
    "full u64": np.random.default_rng(2).integers(
        0, 2**64, noise.shape, dtype="u8", endpoint=False
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_frames(name):
    data = HARD[name]
    for size in (3, 15, 41):
        np.testing.assert_array_equal(
            median_filter(data, size),
            rank_by_sorting(np.pad(data, size // 2, mode="symmetric"), size),
        )


def rank_by_sorting(padded, size):
    flat = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return np.stack(
        [np.partition(row.reshape(row.shape[0], -1), size**2 // 2)[:, size**2 // 2] for row in flat]
    )


# Pixels left out


@pytest.mark.parametrize("fraction", [0.001, 0.01, 0.3, 0.5, 0.97, 1])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_nan_equals_nanmedian(dtype, fraction):
    data = frame(dtype=dtype)
    data[np.random.default_rng(3).random(data.shape) < fraction] = np.nan
    wide = data.astype("f4") if dtype == "f2" else data
    for size in (3, 9, (21, 5)):
        found = median_filter(data, size, mode="shrink")
        assert found.dtype == wide.dtype
        seen = windows(wide, size)
        empty = np.isnan(seen).all(axis=(2, 3))
        expected = np.full(data.shape, np.nan, wide.dtype)
        if not empty.all():
            expected[~empty] = np.nanmedian(seen[~empty], axis=(1, 2))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", MEDIAN_MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_mask_equals_sorting(dtype, mode):
    data = frame((19, 70), dtype)
    mask = np.random.default_rng(4).random(data.shape) < 0.2
    mask[:6, :9] = True
    mask[:, 40] = True
    for size in (3, (5, 11)):
        found = median_filter(data, size, mask=mask, mode=mode, cval=1)
        expected = reference.median_filter(data, size, mask=mask, mode=mode, cval=1)
        narrow = np.dtype(dtype).itemsize <= 2 or dtype == "f4"
        assert found.dtype == (np.float32 if narrow else np.float64)
        np.testing.assert_array_equal(found, expected.astype(found.dtype))


def test_largest_integers_masked():
    data = np.full((9, 9), 2**32 - 1, "u4")
    mask = np.eye(9, dtype=bool)
    data[mask] = 0
    np.testing.assert_array_equal(median_filter(data, 3, mask=mask), np.full((9, 9), 2.0**32 - 1))


def test_shrink_equals_masked_surroundings():
    data = frame((40, 50))
    wide = np.pad(data, 12, constant_values=-5)
    mask = np.pad(np.zeros(data.shape, bool), 12, constant_values=True)
    np.testing.assert_array_equal(
        median_filter(data, 13, mode="shrink"), median_filter(wide, 13, mask=mask)[12:-12, 12:-12]
    )


def test_constant_nan_is_left_out():
    data = frame((40, 50))
    np.testing.assert_array_equal(
        median_filter(data, 13, mode="constant", cval=np.nan),
        median_filter(data, 13, mode="shrink"),
    )


def test_mean_of_two_infinities():
    data = np.array([[-np.inf, np.inf, 1.0]])
    np.testing.assert_array_equal(median_filter(data, (1, 3), mode="shrink"), [[np.nan, 1, np.inf]])


def test_negative_zero_counts_as_just_below_zero():
    data = np.array([[0.0, -0.0, -0.0, 0.0, 0.0]])
    found = median_filter(data, (1, 3))
    np.testing.assert_array_equal(np.signbit(found), [[False, True, True, False, False]])


FLOATS = st.one_of(
    st.floats(width=32), st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 65535.0])
)


@settings(max_examples=80, deadline=None)
@given(
    data=hnp.arrays("f4", hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=FLOATS),
    half=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    mode=st.sampled_from(MEDIAN_MODES),
    seed=st.none() | st.integers(0, 99),
)
@example(np.full((3, 3), np.float32(3.4e38)), (1, 1), "shrink", None)  # the mean of two overflows
@pytest.mark.filterwarnings(
    "ignore:overflow encountered:RuntimeWarning"
)  # in the reference, as here
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_any_floats(data, half, mode, seed):
    size = tuple(2 * min(h, (n - 1) // 2) + 1 for h, n in zip(half, data.shape, strict=True))
    mask = None if seed is None else np.random.default_rng(seed).random(data.shape) < 0.3
    np.testing.assert_array_equal(
        median_filter(data, size, mask=mask, mode=mode),
        reference.median_filter(data, size, mask=mask, mode=mode),
    )


@settings(max_examples=40, deadline=None)
@given(
    data=hnp.arrays(
        st.sampled_from(["u1", "i2", "u4", "i8", "u8"]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=12),
    )
)
def test_any_integers(data):
    np.testing.assert_array_equal(
        median_filter(data, 3), rank_by_sorting(np.pad(data, 1, mode="symmetric"), 3)
    )


# Layout


LAYOUTS = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "Fortran order": np.asfortranarray,
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "every second": lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
    "unaligned": lambda a: np.frombuffer(b"?" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layout_does_not_matter(dtype, layout):
    data = frame((40, 70), dtype)
    mask = frame(data.shape, "?", seed=5)
    other, other_mask = LAYOUTS[layout](data), LAYOUTS[layout](mask)
    other.flags.writeable = False
    before = other.tobytes()
    found = median_filter(other, (9, 5), mask=other_mask)
    np.testing.assert_array_equal(found, median_filter(data, (9, 5), mask=mask))
    np.testing.assert_array_equal(median_filter(other, 5), median_filter(data, 5))
    assert found.dtype.isnative
    assert other.tobytes() == before


@pytest.mark.parametrize("dtype", ["?", "u2", "f8"])
def test_out_of_any_strides(dtype):
    data = frame((40, 70), dtype)
    expected = median_filter(data, 5)
    room = np.full((140, 80), 99).astype(dtype)
    before = room.copy()
    out = room[::-2, ::2].T
    assert median_filter(data, 5, out=out) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(room[::2], before[::2])
    np.testing.assert_array_equal(room[:, 1::2], before[:, 1::2])


# Threads and instruction sets


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_matter(threads):
    data = frame((150, 300))
    data[::7, ::3] = np.nan
    np.testing.assert_array_equal(median_filter(data, 21, threads=threads), median_filter(data, 21))


def test_callers_in_parallel():
    data = [frame((100, 150), seed=seed) for seed in range(4)]
    found = [np.empty_like(one) for one in data]
    calls = [
        threading.Thread(target=median_filter, args=(one, 9), kwargs={"out": out})
        for one, out in zip(data, found, strict=True)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    np.testing.assert_array_equal(found, [median_filter(one, 9) for one in data])


def digest_of_many():
    """Hash of medians of hard and ordinary frames; the same for every instruction set."""
    digest = hashlib.sha256()
    for data in [*HARD.values(), frame((90, 150), "f8"), frame((90, 150), "i4")]:
        mask = frame(data.shape, "?", seed=6)
        for size in (3, 15, (9, 41)):
            digest.update(median_filter(data, size).tobytes())
            if data.dtype != "u8":
                digest.update(median_filter(data, size, mask=mask, mode="shrink").tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("isa", build_config()["isas"])
def test_instruction_sets_do_not_matter(isa):
    code = "import test_median_filter as t; print(t.build_config()['isa'], t.digest_of_many())"
    here = os.path.dirname(__file__)  # noqa: PTH120
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"FLECKCORE_ISA": isa, "PYTHONPATH": here},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [isa, digest_of_many()]


# Errors


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        (4, "4 rows is not odd"),
        (0, "0 rows is not odd"),
        (-3, "-3 rows is not odd"),
        ((3, 6), "6 cols is not odd"),
        (61, "61 rows, the frame has 60"),
        ((3, 81), "81 cols, the frame has 80"),
        (3.0, "size=3.0"),
        ((3, 3, 3), r"size=\(3, 3, 3\)"),
        ("3", "size='3'"),
    ],
)
def test_windows_refused(size, seen):
    with pytest.raises(ArrayError, match=seen) as caught:
        median_filter(frame(), size)
    assert caught.value.code == "A13"


def test_window_of_more_than_4095():
    with pytest.raises(ArrayError, match="at most 4095") as caught:
        median_filter(np.zeros((1, 5000), "u1"), (1, 4097))
    assert caught.value.code == "A13"


@pytest.mark.parametrize(
    ("arguments", "code", "seen"),
    [
        ({"mode": "grid"}, "A09", "mode='grid', wanted one of reflect"),
        ({"threads": 0}, "A09", "threads=0"),
        (
            {"mask": np.zeros((60, 81), bool)},
            "A12",
            r"mask has shape \(60, 81\), data has \(60, 80\)",
        ),
        ({"out": np.empty((60, 81), "f4")}, "A12", r"shape \(60, 81\)"),
        ({"out": np.empty((60, 80), "f8")}, "A12", "dtype <f8, wanted .* dtype <f4"),
        ({"out": np.empty((60, 80), ">f4")}, "A12", "dtype >f4"),
        ({"out": [[0.0]]}, "A12", "type list"),
        ({"out": np.broadcast_to(np.float32(0), (60, 80))}, "A12", "read-only"),
        ({"mode": "constant", "cval": 1e39}, "A11", "cval=1e"),
    ],
)
def test_arguments_refused(arguments, code, seen):
    with pytest.raises(ArrayError, match=seen) as caught:
        median_filter(frame(), 3, **arguments)
    assert caught.value.code == code


@pytest.mark.parametrize("cval", [0.5, -1, 256, np.nan])
def test_cval_must_be_a_value_of_the_dtype(cval):
    data = frame(dtype="u1")
    with pytest.raises(ArrayError, match="is not a value of dtype uint8") as caught:
        median_filter(data, 3, mode="constant", cval=cval)
    assert caught.value.code == "A11"
    assert median_filter(data, 3, cval=cval).dtype == np.uint8  # not used


def test_out_must_not_overlap():
    room = frame((61, 80))
    with pytest.raises(ArrayError, match="out overlaps") as caught:
        median_filter(room[1:], 3, out=room[:-1])
    assert caught.value.code == "A12"


def test_integers_beyond_float64():
    data = np.full((5, 5), 2**53, "i8")
    assert (median_filter(data, 3, mode="shrink") == 2.0**53).all()
    data[2, 2] = -(2**53) - 1
    assert (median_filter(data, 3) == 2**53).all()
    mask = data < 0
    assert (median_filter(data, 3, mask=mask) == 2.0**53).all()
    with pytest.raises(ArrayError, match="holds -9007199254740993") as caught:
        median_filter(data, 3, mask=~mask)
    assert caught.value.code == "A11"


@pytest.mark.parametrize("data", [np.zeros((3, 3), "c8"), np.zeros((3, 3), object)])
def test_types_refused(data):
    with pytest.raises(ArrayTypeError) as caught:
        median_filter(data, 3)
    assert caught.value.code == "A09"


def test_the_compiled_module_guards_itself():
    data, zero = frame(), np.float32(0)
    for rows, out in [(4, np.empty_like(data)), (61, np.empty_like(data)), (3, np.empty((60, 80)))]:
        with pytest.raises(ValueError, match=r"window sides|wrong dtype"):
            _core.median_filter(data, None, out, rows, 3, "reflect", np.asarray(zero), 1)
