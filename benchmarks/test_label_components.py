"""Threshold, label and measure a whole frame; others, which label a finished mask, beside it."""

from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from fleckcore.bench import frames, tasks
from fleckcore.kernels import label_components

PERCENT = pytest.mark.parametrize("percent", [0.05, 10, 50], ids="above-{}".format)


@lru_cache(maxsize=1)
def noise(dtype):
    """Sigma is 200 in types of two bytes, 20 in those of one."""
    smooth = frames.smooth_noise()
    scaled = smooth / smooth.std() * (20 if dtype == "uint8" else 200) + (
        128 if dtype == "uint8" else 1000
    )
    return scaled.clip(0, 255 if dtype == "uint8" else None).astype(dtype)


@lru_cache(maxsize=1)
def scattered(percent):
    return frames.scattered(percent / 100)


def case(dtype, percent, labels, masked=0):
    what = "statistics and labels" if labels else "statistics"
    name = f"{what} {dtype}, {percent:g} % above, {masked} % masked"
    mask = scattered(masked) if masked else None
    return tasks.label(name, noise(dtype), percent / 100, labels=labels, mask=mask)


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
@pytest.mark.parametrize("masked", [0, 10], ids="masked-{}".format)
@pytest.mark.parametrize("labels", [False, True], ids=["statistics", "labels"])
@PERCENT
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_label_components(ours, dtype, percent, labels, masked, threads):
    found = ours(case(dtype, percent, labels, masked), threads)
    above = noise(dtype) > np.quantile(noise(dtype)[::4, ::4], 1 - percent / 100)
    if masked:
        above &= ~scattered(masked)
    assert found.area.sum() == np.count_nonzero(above)
    assert len(found.area) == ndimage.label(above, np.ones((3, 3)))[1]


@PERCENT
def test_min_area(timed, percent):
    """Objects of less than 25 pixels are dropped."""
    task = case("float32", percent, labels=False)
    threshold = float(np.quantile(task.frame[::4, ::4], 1 - percent / 100))

    def run(least=25):
        return label_components(task.frame, threshold, labels=False, min_area=least, threads=1)

    found = timed(task, run, program="fleckcore, min_area=25", threads=1)
    assert np.array_equal(found.area, [area for area in run(1).area if area >= 25])


@PERCENT
@pytest.mark.parametrize("program", ["OpenCV", "cc3d", "scipy"])
def test_rival(theirs, program, percent):
    theirs(case("float32", percent, labels=True), program)
