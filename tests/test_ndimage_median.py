"""fleckcore.ndimage.median_filter against scipy's own tests of median_filter, and value for value.

The first part runs test functions of the installed `scipy.ndimage.tests.test_filters` with our
function in the place of scipy's. Most of them use what we do not cover; those must say so.
"""

import types

import numpy as np
import pytest
from scipy import ndimage as scipy_ndimage

from fleckcore import ndimage

# Test function, its arguments, and None or why ours raises NotImplementedError.
ONE_DIMENSION = "1-D input"
THREE_DIMENSIONS = "3-D input"
EVEN = "even window"
FOOTPRINT = "footprint with holes"
filters, threads = "TestNdimageFilters", "TestThreading"
SCIPY_TESTS = [
    (None, "test_byte_order_median", {}, None),
    (threads, "test_median_filter", {"xp": np}, None),
    (filters, "test_rank01", {"xp": np}, ONE_DIMENSION),
    (filters, "test_rank02", {"xp": np}, ONE_DIMENSION),
    (filters, "test_rank04", {"xp": np}, ONE_DIMENSION),
    (filters, "test_rank08", {"xp": np}, EVEN),
    (filters, "test_rank12", {"dtype": "float32", "xp": np}, FOOTPRINT),
    (None, "test_gh_22250", {"filter_size": 1, "exp": None}, ONE_DIMENSION),
    (None, "test_gh_22333", {}, ONE_DIMENSION),
    (
        None,
        "test_gh_23075",
        {"samples": [2], "mode": "reflect", "size": 5, "expected": [2]},
        ONE_DIMENSION,
    ),
    (
        None,
        "test_gh_23075_constant",
        {"samples": [2], "size": 5, "cval": 17.7, "expected": [17.7]},
        ONE_DIMENSION,
    ),
    (None, "test_median_filter_lim2", {}, ONE_DIMENSION),
    (
        filters,
        "test_filter_axes",
        {
            "filter_func": ndimage.median_filter,
            "extra_args": (),
            "size0": 1,
            "size": 3,
            "axes": (0, 1),
            "xp": np,
        },
        THREE_DIMENSIONS,
    ),
    (
        filters,
        "test_filter_axes_kwargs",
        {
            "filter_func": ndimage.median_filter,
            "size0": 1,
            "size": 3,
            "kwargs": {"origin": (-1, 0, 1)},
            "axes": (0, 1),
            "xp": np,
        },
        THREE_DIMENSIONS,
    ),
    (
        filters,
        "test_filter_weights_subset_axes_origins",
        {"filter_func": ndimage.median_filter, "kwargs": {}, "xp": np},
        THREE_DIMENSIONS,
    ),
    (
        filters,
        "test_minmax_nonseparable_axes",
        {"filter_func": ndimage.median_filter, "axes": (0, 1), "kwargs": {}, "xp": np},
        THREE_DIMENSIONS,
    ),
]


@pytest.fixture(scope="module")
def scipy_tests(request):
    for marker in ("skip_xp_backends", "xfail_xp_backends", "uses_xp_capabilities"):
        request.config.addinivalue_line(
            "markers", f"{marker}: used by scipy's tests, no matter here"
        )
    return pytest.importorskip(
        "scipy.ndimage.tests.test_filters", reason="this scipy was installed without its tests"
    )


@pytest.mark.parametrize(
    ("group", "name", "arguments", "not_covered"),
    SCIPY_TESTS,
    ids=[name for _, name, _, _ in SCIPY_TESTS],
)
def test_scipys_own_tests(scipy_tests, group, name, arguments, not_covered, monkeypatch):
    holder = scipy_tests if group is None else getattr(scipy_tests, group, None)
    if not hasattr(holder, name):
        pytest.skip(f"this scipy has no test {name}")
    ours = types.SimpleNamespace(**vars(scipy_ndimage) | {"median_filter": ndimage.median_filter})
    monkeypatch.setattr(scipy_tests, "ndimage", ours)
    test = getattr(holder if group is None else holder(), name)
    if not_covered is None:
        test(**arguments)
    else:
        with pytest.raises(NotImplementedError, match=r"scipy\.ndimage\.median_filter"):
            test(**arguments)


def test_those_tests_do_reach_our_function(scipy_tests, monkeypatch):
    def wrong(input, size):  # noqa: A002  # scipy's name
        return np.where(input.dtype.isnative, input, -input)

    ours = types.SimpleNamespace(**vars(scipy_ndimage) | {"median_filter": wrong})
    monkeypatch.setattr(scipy_tests, "ndimage", ours)
    with pytest.raises(AssertionError, match="Mismatched elements: 8 / 9"):
        scipy_tests.test_byte_order_median()


# Value for value

DTYPES = ["?", "u1", "i1", "u2", ">i2", "u4", "i4", "u8", "i8", "f4", ">f4", "f8"]
MODES = [
    "reflect",
    "grid-mirror",
    "constant",
    "grid-constant",
    "nearest",
    "mirror",
    "wrap",
    "grid-wrap",
]


def image(dtype="f4"):
    return np.random.default_rng(1).integers(0, 2 if dtype == "?" else 100, (40, 71)).astype(dtype)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_scipy(dtype, mode):
    data = image(dtype)
    for size in (1, 3, (5, 11), (21, 9)):
        found = ndimage.median_filter(data, size, mode=mode, cval=1)
        expected = scipy_ndimage.median_filter(data, size, mode=mode, cval=1)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("output", [np.float64, "float32", np.dtype("i4"), "uint8", ">f8"])
def test_output_dtype(output):
    data = image() + np.float32(0.75)
    found = ndimage.median_filter(data, 5, output=output)
    expected = scipy_ndimage.median_filter(data, 5, output=output)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_output_array_and_in_place():
    data = image()
    expected = scipy_ndimage.median_filter(data, 5)
    output = np.zeros((80, 71), "f8")[::2]
    assert ndimage.median_filter(data, size=5, output=output) is output
    np.testing.assert_array_equal(output, expected)
    assert ndimage.median_filter(data, 5, None, data) is data
    np.testing.assert_array_equal(data, expected)


def test_full_footprint_origin_and_axes():
    data = image()
    expected = scipy_ndimage.median_filter(data, (3, 7))
    np.testing.assert_array_equal(ndimage.median_filter(data, footprint=np.ones((3, 7))), expected)
    np.testing.assert_array_equal(ndimage.median_filter(data, (3, 7), origin=(0, 0)), expected)
    np.testing.assert_array_equal(ndimage.median_filter(data, (3, 7), axes=(-2, 1)), expected)
    with pytest.warns(UserWarning, match="ignoring size"):
        np.testing.assert_array_equal(ndimage.median_filter(data, 9, np.ones((3, 7))), expected)


def test_nan_is_left_out():
    data = np.array([[1.0, np.nan, 3.0, 8.0, 5.0]])
    np.testing.assert_array_equal(ndimage.median_filter(data, (1, 3)), [[1, 2, 5.5, 5, 5]])


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ({"size": 4}, "4 rows is not odd"),
        ({"size": 41}, "41 rows, the frame has 40"),
        ({"size": 3, "origin": 1}, "origin=1"),
        ({"size": 3, "origin": (0, -1)}, "origin"),
        ({"size": 3, "axes": (1, 0)}, r"axes=\(1, 0\)"),
        ({"size": 3, "axes": 0}, "axes=0"),
        ({"size": 3, "mode": ["reflect", "wrap"]}, "mode"),
        ({"footprint": [[1, 0, 1], [0, 1, 0]]}, "footprint"),
        ({"size": 3, "mode": "constant", "cval": 1e300}, "cval"),
    ],
)
def test_the_rest_is_refused_by_name(arguments, seen):
    with pytest.raises(NotImplementedError, match=seen + r".*call scipy\.ndimage\.median_filter"):
        ndimage.median_filter(image(), **arguments)


def test_errors_as_in_scipy():
    for module in (ndimage, scipy_ndimage):
        with pytest.raises(RuntimeError, match="no footprint or filter size provided"):
            module.median_filter(image())
        with pytest.raises(RuntimeError, match="output shape not correct"):
            module.median_filter(image(), 3, output=np.zeros((3, 3)))
