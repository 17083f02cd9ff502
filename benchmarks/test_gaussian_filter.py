"""Gaussian smoothing: widths, types and masks; scipy and OpenCV, which know no mask, beside it."""

from functools import lru_cache

import numpy as np
import pytest

from fleckcore.bench import frames, tasks

SIGMAS = [1.0, 4.0, 16.0]
PATCH = 3  # rows and columns

flat = lru_cache(maxsize=1)(frames.flat)
scattered = lru_cache(maxsize=1)(frames.scattered)


def case(dtype, sigma, percent=0):
    mask = scattered(percent / 100) if percent else None
    return tasks.gaussian(f"sigma {sigma:g} {dtype}, {percent} % masked", flat(dtype), sigma, mask)


def assert_patch(found, data, sigma, mask):
    half = int(np.ceil(3.5 * sigma))
    at = np.s_[700 : 700 + PATCH, 1500 : 1500 + PATCH]
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    weights = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    for row, col in np.ndindex(PATCH, PATCH):
        window = np.s_[700 + row - half : 701 + row + half, 1500 + col - half : 1501 + col + half]
        counts = weights if mask is None else weights * ~mask[window]
        expected = (counts * data[window]).sum() / counts.sum()
        assert found[at][row, col] == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
@pytest.mark.parametrize("percent", [0, 1, 50], ids="masked-{}".format)
@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_gaussian_filter(ours, dtype, sigma, percent, threads):
    task = case(dtype, sigma, percent)
    mask = scattered(percent / 100) if percent else None
    assert_patch(ours(task, threads), task.frame, sigma, mask)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("program", ["scipy", "OpenCV"])
def test_rival(theirs, program, sigma):
    theirs(case("float32", sigma), program)
