"""Median filter: every type, windows of all sizes, masks, hard frames; scipy and OpenCV beside it."""

from functools import lru_cache

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from fleckcore.bench import frames, tasks

THREADS = pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
MASKED = pytest.mark.parametrize("percent", [0, 1, 50], ids="masked-{}".format)
PATCH = np.s_[700:712, 1480:1520]  # at the border of the masked disc

flat = lru_cache(maxsize=1)(frames.flat)
masked = lru_cache(maxsize=1)(frames.masked)


def case(dtype, size, percent=0):
    name = f"{size}x{size} {dtype}, {percent} % masked"
    return tasks.median(name, flat(dtype), size, masked(percent / 100) if percent else None)


def assert_patch(found, data, size, mask=None):
    """The windows of a patch, sorted one by one."""
    half = size // 2
    around = tuple(slice(part.start - half, part.stop + half) for part in PATCH)
    cut = data[around].astype(float)
    if mask is not None:
        cut[mask[around]] = np.nan
    windows = sliding_window_view(cut, (size, size)).reshape(*found[PATCH].shape, -1)
    ordered = np.sort(windows, axis=-1)  # NaN last
    counts = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    middle = [
        np.take_along_axis(ordered, np.maximum(n, 0), -1) for n in ((counts - 1) // 2, counts // 2)
    ]
    expected = ((middle[0] + middle[1]) / 2).astype(found.dtype)[..., 0]
    np.testing.assert_array_equal(found[PATCH], expected)


@THREADS
@MASKED
@pytest.mark.parametrize("size", [3, 5, 9, 15, 21, 31, 63, 101])
@pytest.mark.parametrize("dtype", frames.DTYPES)
def test_median_filter(ours, dtype, size, percent, threads):
    task = case(dtype, size, percent)
    mask = masked(percent / 100) if percent else None
    assert_patch(ours(task, threads), task.frame, size, mask)


@pytest.mark.parametrize("size", [15, 31, 101])
@pytest.mark.parametrize("kind", frames.HARD)
def test_hard(ours, kind, size):
    frame = frames.hard(kind)
    found = ours(tasks.median(f"{size}x{size} float32, {kind}", frame, size), 1)
    assert_patch(found, frame, size)


@pytest.mark.parametrize("size", [3, 5, 9, 15, 31])
def test_scipy(theirs, size):
    theirs(case("float32", size), "scipy")


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float32", 3), ("float32", 5), ("uint16", 3), ("uint16", 5), ("uint16", 15)]
    + [("uint8", size) for size in (3, 5, 9, 15, 31, 101)],
)
def test_opencv(theirs, dtype, size):
    theirs(case(dtype, size), "OpenCV")
