"""Median filter: ours, scipy on a crop, and OpenCV where it can.

Run with ``pytest benchmarks --benchmark-enable --benchmark-only``. Each asserts its answer.
"""

import numpy as np
import pytest
from scipy import ndimage

from fleckcore.kernels import median_filter

SHAPE = (2048, 4096)
CROP = np.s_[:256, :256]


@pytest.fixture(scope="module")
def flat():
    rng = np.random.default_rng(1)
    return (1000 * (1 + 0.02 * rng.standard_normal(SHAPE, dtype="f4"))).astype("f4")


@pytest.fixture(scope="module")
def mask():
    return np.random.default_rng(2).random(SHAPE) < 0.01


def assert_pixels(found, data, size, mask=None):
    half = size // 2
    for y, x in np.random.default_rng(3).integers(half, np.array(SHAPE) - half, (50, 2)):
        window = np.s_[y - half : y + half + 1, x - half : x + half + 1]
        left = data[window] if mask is None else data[window][~mask[window]]
        assert found[y, x] == np.median(left)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [3, 5, 15, 41, 101])
def test_frame(benchmark, flat, size, threads):
    found = benchmark(median_filter, flat, size, threads=threads)
    assert_pixels(found, flat, size)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [15, 41, 101])
def test_frame_masked(benchmark, flat, mask, size, threads):
    found = benchmark(median_filter, flat, size, mask=mask, threads=threads)
    assert_pixels(found, flat, size, mask)


@pytest.mark.parametrize("dtype", ["u2", "f8"])
def test_frame_of_another_type(benchmark, flat, dtype):
    data = np.round(flat).astype(dtype)
    found = benchmark(median_filter, data, 15, threads=1)
    assert_pixels(found, data, 15)


@pytest.mark.parametrize("size", [3, 5, 15])
def test_scipy_on_a_crop_of_256_x_256(benchmark, flat, size):
    found = benchmark(ndimage.median_filter, flat[CROP], size)
    np.testing.assert_array_equal(found, median_filter(flat[CROP], size))


@pytest.mark.parametrize("size", [3, 5, 15])
def test_ours_on_a_crop_of_256_x_256(benchmark, flat, size):
    found = benchmark(median_filter, flat[CROP], size, threads=1)
    np.testing.assert_array_equal(found[7:-7, 7:-7], median_filter(flat, size)[CROP][7:-7, 7:-7])


@pytest.mark.parametrize("size", [3, 5])
def test_opencv(benchmark, flat, size):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    cv2.setNumThreads(1)
    found = benchmark(cv2.medianBlur, flat, size)
    np.testing.assert_array_equal(found, median_filter(flat, size, mode="nearest"))
