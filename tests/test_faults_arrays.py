"""Arrays with faults, one test or more for every row of the list, and every layout of a good one.

Warnings are errors here, so each of these also says that no division by zero is hidden.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.nddata import CCDData, NDData, StdDevUncertainty
from numpy.typing import NDArray

from dusty_flats import FLECKS, LEVEL, Fleck, assert_finds, digest, dusty_flat
from fleckcore import find, label_components, median_filter, mesh_statistics, search
from fleckcore.detection.search import Options
from fleckcore.errors import ArrayError, ArrayTypeError, FleckError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.kernels import gaussian_filter, shadow_search, streak_search

Array = NDArray[Any]
ONE = (Fleck(48, 60, 3, 0.7),)
METHODS = ("ratio", "literal", "difference", "none")
SEARCHES = [
    (m, bright) for m in METHODS for bright in (False, True) if (m, bright) != ("literal", True)
]
"""Method and polarity; the published recipe knows shadows only."""


def searched(data: Array, method: str, **options: Any) -> Any:
    """Search by a method, with what that method needs."""
    reference = dusty_flat(data.shape, flecks=(), seed=9) if method == "difference" else None
    return find(data, normalise=method, reference=reference, **options)


def code_of(error: pytest.ExceptionInfo[FleckError]) -> str:
    return error.value.code


# A01: nothing to search


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_a01_nothing_finite(value: float, dtype: type, method: str) -> None:
    catalog = searched(np.full((40, 50), value, dtype), method)
    assert len(catalog) == 0
    assert catalog.meta["status"] == "NO_VALID_PIXELS"


def test_a01_everything_masked() -> None:
    data = dusty_flat()
    bits = Frame(data, quality=np.full(data.shape, 4, np.int16), meta=FrameMeta(masked_bits=4))
    for catalog in (
        find(data, mask=np.ones(data.shape, bool)),
        find(np.ma.masked_all(data.shape, np.float32)),
        find(bits),
    ):
        assert len(catalog) == 0
        assert catalog.meta["status"] == "NO_VALID_PIXELS"
    assert len(find(bits.replace(meta=FrameMeta(masked_bits=2)))) == len(FLECKS)


def test_a01_has_the_columns_of_any_catalogue() -> None:
    empty, full = find(np.full((40, 50), np.nan)), find(dusty_flat())
    assert empty.colnames == full.colnames
    assert [c.dtype.kind for c in empty.itercols()] == [c.dtype.kind for c in full.itercols()]


def test_a01_kernels() -> None:
    nothing = np.full((9, 11), np.nan, np.float32)
    assert np.isnan(median_filter(nothing, 3)).all()
    assert np.isnan(gaussian_filter(nothing, 1.0)).all()
    assert np.isnan(shadow_search(nothing, 3.0, margin=2)).all()
    assert np.isnan(streak_search(nothing, 8.0, 30.0)).all()
    assert label_components(nothing, 0.0).count == 0
    mesh = mesh_statistics(nothing, 4)
    assert not mesh.count.any()
    assert np.isnan(mesh.filled().median_filtered().interpolate()).all()


# A03: some pixels are not finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a03_not_finite_is_masked_and_counted(value: float) -> None:
    data = dusty_flat()
    data[10:14, 100:150] = value
    data[61, 71] = value
    catalog = find(data)
    assert_finds(catalog)
    assert catalog.meta["masked_pixels"] == 4 * 50 + 1


@pytest.mark.parametrize("value", [3e38, -3e38, 1e300, -1e300, 1e-300])
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": 1.0}, {"normalise": "none"}, {"error": 20.0}, {"bright": True}],
    ids=str,
)
def test_a03_absurd_value_spoils_no_more_than_its_pixel(
    value: float, options: dict[str, Any]
) -> None:
    data = dusty_flat().astype(float)
    if "normalise" in options:
        data /= LEVEL
    data[20, 220] = value
    catalog = find(data, **options)
    beside = np.hypot(catalog["y_peak"].value - 20, catalog["x_peak"].value - 220) > 1
    assert beside.sum() == (0 if "bright" in options else len(FLECKS))


def test_a03_infinite_pixels_of_frame_and_bias() -> None:
    data = dusty_flat()
    bias = np.zeros(data.shape, np.float32)
    data[10, 10:20] = bias[10, 10:20] = np.inf
    bias[11, 10:20] = np.nan
    catalog = find(data, bias=bias)
    assert_finds(catalog)
    assert catalog.meta["masked_pixels"] == 20


# A05: a constant image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, ">f4", np.float64])
@pytest.mark.parametrize(("method", "bright"), SEARCHES)
def test_a05_constant_image_has_no_features(dtype: Any, method: str, bright: bool) -> None:
    value = 1 if method == "none" else 200
    catalog = searched(np.full((100, 120), value, dtype), method, bright=bright)
    assert (len(catalog), catalog.meta["status"]) == (0, "OK")


@pytest.mark.parametrize("method", ["ratio", "none"])
def test_a05_noiseless_image_with_one_fleck_has_one_feature(method: str) -> None:
    data = dusty_flat((100, 120), flecks=ONE, noise=0.0)
    catalog = find(data / LEVEL if method == "none" else data, normalise=method)
    assert_finds(catalog, ONE)
    assert catalog["transmission_min"][0] == pytest.approx(0.3, abs=1e-6)
    assert catalog["area"][0].value == 29  # pixels within 3 of a pixel's centre


@pytest.mark.parametrize("error", [0.0, -1.0, np.nan])
def test_a05_error_plane_that_says_nothing(error: float) -> None:
    assert_finds(find(dusty_flat(), error=error))


def test_a05_error_that_hides_everything() -> None:
    assert len(find(dusty_flat(), error=1e300)) == 0


# A06: no level to divide by


@pytest.mark.parametrize("value", [0, -5, -1e300])
@pytest.mark.parametrize("method", ["ratio", "literal", "difference"])
def test_a06_level_too_low(value: float, method: str) -> None:
    with pytest.raises(ArrayError, match="LEVEL_TOO_LOW") as error:
        searched(np.full((40, 50), float(value)), method)
    assert code_of(error) == "A06"
    if value > -1e38:
        assert f"is {value:g}," in str(error.value)


def test_a06_bias_above_the_light() -> None:
    with pytest.raises(ArrayError, match=r"is -\d+") as error:
        find(dusty_flat(), bias=2 * LEVEL)
    assert code_of(error) == "A06"


def test_a06_level_beyond_float32() -> None:
    with pytest.raises(ArrayError, match="finite") as error:
        find(np.full((40, 50), 1e300))
    assert code_of(error) == "A06"


@pytest.mark.parametrize("place", [np.s_[100, :], np.s_[:, 100], np.s_[100, 30:200]], ids=str)
@pytest.mark.parametrize("light", [0.0, -5.0, "noise"])
def test_a06_dead_row_or_column_is_left_out(place: Any, light: Any) -> None:
    data = dusty_flat()
    noise = np.random.default_rng(3).normal(0, 3, data[place].shape)
    data[place] = noise if light == "noise" else light
    catalog = find(data)
    assert_finds(catalog)
    assert 0 <= catalog.meta["unlit_pixels"] - data[place].size < Options().stripe_window / 2


def test_a06_dark_side_of_a_frame_is_left_out() -> None:
    data = dusty_flat()
    data[:, 200:] = 0
    catalog = find(data)
    assert_finds(catalog)
    assert 0.9 < catalog.meta["unlit_pixels"] / data[:, 200:].size < 1.1


# A09: not an image


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (np.zeros((0, 5)), ArrayError, r"shape \(0, 5\)"),
        (np.zeros(5), ArrayError, r"shape \(5,\)"),
        (np.zeros((2, 3, 4)), ArrayError, r"shape \(2, 3, 4\).*Choose one plane"),
        (np.float64(3), (ArrayError, ArrayTypeError), "0 dimensions|float64"),
        (np.zeros((3, 3), complex), ArrayTypeError, "complex128"),
        (np.zeros((3, 3), object), ArrayTypeError, "object"),
        (np.zeros((3, 3), np.longdouble), ArrayTypeError, "float128|longdouble"),
        (np.zeros((3, 3), "M8[s]"), ArrayTypeError, "datetime64"),
        (np.zeros((3, 3), "f4,f4"), ArrayTypeError, "f0"),
        (np.full((3, 3), "a"), ArrayTypeError, "<U1"),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if hasattr(value, "dtype") else "",
)
def test_a09_not_an_image(data: Any, kind: Any, words: str) -> None:
    calls: tuple[Callable[[Any], Any], ...] = (
        find,
        lambda image: median_filter(image, 3),
        lambda image: gaussian_filter(image, 1.0),
        lambda image: shadow_search(image, 3.0),
        lambda image: streak_search(image, 8.0, 30.0),
        lambda image: label_components(image, 0.5),
        mesh_statistics,
    )
    for call in calls:
        with pytest.raises(kind, match=words) as error:
            call(data)
        assert code_of(error) in ("A09", "A19")
        assert isinstance(error.value, ValueError | TypeError)


@pytest.mark.parametrize("dtype", [complex, object, "U3"])
def test_a09_error_plane_of_another_type(dtype: Any) -> None:
    data = dusty_flat((20, 30))
    with pytest.raises(ArrayTypeError, match="error has dtype") as error:
        find(data, error=np.ones(data.shape).astype(dtype))
    assert code_of(error) == "A09"


def test_a09_quality_of_floats() -> None:
    with pytest.raises(ArrayTypeError, match="quality has dtype float64") as error:
        Frame(dusty_flat((20, 30)), quality=np.zeros((20, 30)))
    assert code_of(error) == "A09"


@pytest.mark.parametrize(
    "option",
    [
        {"false_alarms": 0},
        {"false_alarms": np.nan},
        {"false_alarms": np.inf},
        {"min_depth": -0.1},
        {"min_depth": 5},
        {"min_area": 0},
        {"threads": 0},
        {"threads": 1.5},
        {"bias": np.nan},
    ],
    ids=str,
)
def test_a09_option_out_of_range(option: dict[str, Any]) -> None:
    ((name, value),) = option.items()
    with pytest.raises(ArrayError, match=f"{name}={value!r}") as error:
        find(dusty_flat((20, 30)), **option)
    assert code_of(error) == "A09"


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2), (3, 3), (2, 100), (100, 2)])
@pytest.mark.parametrize(("method", "bright"), SEARCHES)
def test_a09_tiny_frame_is_searched(shape: tuple[int, int], method: str, bright: bool) -> None:
    data = dusty_flat(shape, flecks=())
    reference = dusty_flat(shape, flecks=(), seed=9) if method == "difference" else None
    result = search(
        data / np.float32(LEVEL) if method == "none" else data,
        reference=reference,
        options=Options(normalise=method, bright=bright),
    )
    assert result.labels.shape == shape
    assert result.labels.max() == len(result.catalog)
    assert np.isfinite(result.catalog["x_centroid"].value).all()


# A11: every type of number

SMALL_INTEGERS = "bBhHiIlLqQ"


@pytest.mark.parametrize("code", SMALL_INTEGERS)
@pytest.mark.parametrize("bias", [None, 7, 7.5])
def test_a11_integers_are_exact(code: str, bias: float | None) -> None:
    counts = np.rint(dusty_flat() / 10)
    wanted = find(counts.astype(np.float64), bias=bias)
    assert len(wanted) == len(FLECKS)
    assert digest(find(counts.astype(code), bias=bias)) == digest(wanted)


def test_a11_float16_is_exact() -> None:
    halves = dusty_flat().astype(np.float16)
    assert digest(find(halves)) == digest(find(halves.astype(np.float32)))


def test_a11_bool() -> None:
    data = np.ones((100, 120), bool)
    data[46:51, 58:63] = False
    catalog = find(data)
    assert_finds(catalog, ONE)
    assert (catalog["transmission_min"][0], catalog["area"][0].value) == (0, 25)


def test_a11_wide_integers_lose_nothing_to_the_bias() -> None:
    """Small differences on a pedestal that float32 would round to 128 steps."""
    counts = np.rint(dusty_flat()).astype(np.int64)
    pedestal = 2**30 + 1
    assert digest(find(counts + pedestal, bias=pedestal)) == digest(find(counts, bias=0))


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, -(2**63)])
@pytest.mark.parametrize("method", METHODS)
def test_a11_integer_beyond_float64_is_refused(value: int, method: str) -> None:
    data = np.rint(dusty_flat()).astype(np.int64)
    data[3, 3] = value
    with pytest.raises(ArrayError, match=str(value)) as error:
        searched(data, method)
    assert code_of(error) == "A11"
    for planes in ({"bias": data}, {"reference": data, "normalise": "difference"}):
        with pytest.raises(ArrayError, match=str(value)):
            find(dusty_flat(), **planes)


def test_a11_unsigned_beyond_float64_is_refused() -> None:
    data = np.full((20, 30), 1000, ">u8")
    data[3, 3] = 2**64 - 1
    with pytest.raises(ArrayError, match=str(2**64 - 1)):
        find(data)


def test_a11_masked_sentinel_is_no_reason_to_refuse() -> None:
    data = np.rint(dusty_flat()).astype(np.int64)
    data[3, 3], data[4, 4] = -(2**63), 2**53
    data[4, 4] = 1000
    assert_finds(find(data, mask=data < 0))


def test_a11_two_to_the_53_itself_is_exact() -> None:
    assert len(find(np.full((20, 30), 2**53))) == 0


# A12: planes of different shapes


@pytest.mark.parametrize("shape", [(5, 256), (256, 192), (192,), (1, 192, 256)])
@pytest.mark.parametrize("plane", ["mask", "error", "bias", "reference"])
def test_a12_both_shapes_are_named(shape: tuple[int, ...], plane: str) -> None:
    planes: dict[str, Any] = {plane: np.ones(shape, bool if plane == "mask" else np.float32)}
    with pytest.raises(ArrayError) as error:
        find(dusty_flat(), normalise="difference" if plane == "reference" else "ratio", **planes)
    is_image = len(shape) == 2 or plane in ("mask", "error")
    assert code_of(error) == ("A12" if is_image else "A09")
    assert str(shape) in str(error.value)
    assert "(192, 256)" in str(error.value) or not is_image


@pytest.mark.parametrize(
    "kernel",
    [
        lambda data, mask: median_filter(data, 3, mask=mask),
        lambda data, mask: gaussian_filter(data, 1.0, mask=mask),
        lambda data, mask: shadow_search(data, 3.0, mask=mask),
        lambda data, mask: streak_search(data, 8.0, 30.0, mask=mask),
        lambda data, mask: label_components(data, 0.5, mask=mask),
        lambda data, mask: mesh_statistics(data, mask=mask),
    ],
)
def test_a12_mask_of_a_kernel(kernel: Callable[[Array, Array], Any]) -> None:
    with pytest.raises(ArrayError, match=r"\(4, 3\).*\(3, 4\)") as error:
        kernel(np.ones((3, 4)), np.zeros((4, 3), bool))
    assert code_of(error) == "A12"


# A13: windows


@pytest.mark.parametrize("window", [64, 2, 0, -3, 2.5, np.nan, np.inf, True, "63"])
@pytest.mark.parametrize("method", METHODS)
def test_a13_window_that_is_not_odd(window: Any, method: str) -> None:
    with pytest.raises(ArrayError, match=f"window={window!r}") as error:
        searched(dusty_flat((40, 50)), method, window=window)
    assert code_of(error) == "A13"
    with pytest.raises(ArrayError, match=f"stripe_window={window!r}"):
        Options(stripe_window=window)


@pytest.mark.parametrize("size", [4, 41, (3, 51), (4, 3), (0, 3)])
def test_a13_median_window(size: Any) -> None:
    with pytest.raises(ArrayError, match="window of") as error:
        median_filter(np.ones((40, 50)), size)
    assert code_of(error) == "A13"


@pytest.mark.parametrize("side", [40, 41])
def test_a13_search_shrinks_its_window_to_the_frame_without_a_shift(side: int) -> None:
    data = np.full((side, side), LEVEL, np.float32)
    data[18:21, 17:20] = 300
    here, there = find(data, window=63), find(data[::-1, ::-1], window=63)
    place = np.array([here["y_centroid"][0].value, here["x_centroid"][0].value])
    mirrored = np.array([there["y_centroid"][0].value, there["x_centroid"][0].value])
    np.testing.assert_allclose(place, [19, 18], atol=1e-6)
    np.testing.assert_allclose(mirrored, side - 1 - place, atol=1e-6)


# A14: more than 2**31 pixels, as one row seen again and again


def test_a14_more_pixels_than_32_bits_count() -> None:
    row = np.zeros(2**15 + 1, np.uint8)
    row[-1] = row[7:9] = 1
    data = np.broadcast_to(row, (2**16, row.size))
    assert data.size > 2**31
    objects = label_components(data, 0.5, labels=False)
    assert objects.area.tolist() == [2 * 2**16, 2**16]
    assert objects.sum.tolist() == [2 * 2**16, 2**16]
    assert objects.bbox.tolist() == [[0, 2**16 - 1, 7, 8], [0, 2**16 - 1, 2**15, 2**15]]


# A15: a label image that holds one huge label

BOUNDED = """
import resource
import numpy as np
from fleckcore import find, label_components, median_filter, mesh_statistics
data = np.full((64, 80), 1000, np.int32)
data[30:33, 40:43] = 2_000_000_000
find(data, bright=True, threads=1)  # everything is imported
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20,) * 2)
(row,) = find(data, bright=True, threads=1)
median = median_filter(data, 5, threads=1)
mesh = mesh_statistics(data, threads=1)
objects = label_components(data, 1_999_999_999, levels=[1e9], threads=1)
print(row["y_peak"].value, median[31, 41], mesh.level[0, 0], objects.count, int(objects.peak[0]))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit is set on Linux only")
def test_a15_huge_value_costs_no_memory() -> None:
    program = [sys.executable, "-c", BOUNDED]
    words = subprocess.run(program, check=True, capture_output=True, text=True).stdout.split()
    assert words[1:] == ["1000", "1000.0", "1", "2000000000"]
    assert 30 <= int(words[0]) <= 32


# A16: sums over more than 2**24 pixels


def test_a16_sums_are_those_of_float64() -> None:
    value = np.float32(0.1)
    data = np.broadcast_to(value, (4100, 4100))
    objects = label_components(data, 0.0, labels=False)
    assert objects.area[0] == 4100**2 > 2**24
    assert objects.sum[0] == pytest.approx(float(value) * 4100**2, rel=1e-12)
    assert objects.centroid_x[0] == pytest.approx(4099 / 2, rel=1e-9)


def test_a16_mesh_box_of_a_whole_frame() -> None:
    data = np.broadcast_to(np.array([1.0, 2.0, 4.0], np.float32)[:, None], (3, 2**23))
    mesh = mesh_statistics(data, 2**23, clip=10)
    assert mesh.count[0, 0] == 3 * 2**23
    assert mesh.level[0, 0] == 2
    assert mesh.noise[0, 0] == pytest.approx(np.std([1, 2, 4]), rel=1e-6)


# A19: objects that hold an array


def test_a19_masked_array() -> None:
    data = dusty_flat()
    data[10:20, 10:20] = 0
    catalog = find(np.ma.MaskedArray(data, mask=data == 0))
    assert_finds(catalog)
    assert catalog.meta["masked_pixels"] == 100


def test_a19_quantity() -> None:
    catalog = find(dusty_flat() * units.electron)
    assert_finds(catalog)
    assert catalog["lost_flux"].unit == units.electron


@pytest.mark.parametrize("kind", [CCDData, NDData])
def test_a19_nddata(kind: type) -> None:
    data = dusty_flat()
    data[10:20, 10:20] = 0
    noise = StdDevUncertainty(np.full(data.shape, 500.0))
    assert_finds(find(kind(data, unit="electron", mask=data == 0)))
    assert find(kind(data, unit="electron", mask=data == 0))["lost_flux"].unit == units.electron
    assert len(find(kind(data, unit="adu", mask=data == 0, uncertainty=noise))) < len(FLECKS)


@pytest.mark.parametrize(
    "bias",
    [
        NDData(np.full((192, 256), 3.0)),
        CCDData(np.full((192, 256), 3.0), unit="adu"),
        np.full((192, 256), 3.0) * units.adu,
        3 * units.adu,
        np.float32(3),
        np.array(3),
    ],
    ids=lambda bias: f"{type(bias).__name__}{getattr(bias, 'shape', '')}",
)
def test_a19_bias(bias: Any) -> None:
    assert digest(find(dusty_flat(), bias=bias)) == digest(find(dusty_flat(), bias=3))


class _Dask:
    """Stands for a Dask array, which this test does not need installed."""

    __module__ = "dask.array.core"
    shape, ndim, dtype = (20, 30), 2, np.dtype(np.float32)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (_Dask(), r"\.compute\(\)"),
        (None, "NoneType"),
        ("flat.fits", r"fleckcore\.read"),
        ({}, "dict"),
    ],
)
def test_a19_not_an_array(source: Any, words: str) -> None:
    with pytest.raises(ArrayTypeError, match=words) as error:
        find(source)
    assert code_of(error) == "A19"


# A20: the whole frame is one defect


@pytest.mark.parametrize("transmission", [0.0, 0.5])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a20_whole_frame_is_one_defect(transmission: float, noise: float) -> None:
    data = transmission * dusty_flat(flecks=(), noise=noise) / np.float32(LEVEL)
    catalog = find(data, normalise="none")
    assert len(catalog) == 0
    assert catalog.meta["status"] == "FRAME_REJECTED"
    assert catalog.meta["not_listed"] == {"large": 1}


def test_a20_defect_of_less_than_a_fifth_is_no_reason_to_reject() -> None:
    data = dusty_flat(flecks=()) / np.float32(LEVEL)
    data[40:120, 60:140] *= 0.5
    catalog = find(data, normalise="none")
    assert catalog.meta["status"] == "OK"
    assert catalog.meta["not_listed"] == {"large": 1}


def test_a20_dead_pixels_all_over_the_frame() -> None:
    data = dusty_flat(flecks=())
    data[np.random.default_rng(5).random(data.shape) < 0.4] = 0
    assert find(data).meta["status"] == "FRAME_REJECTED"
