"""Threshold, label and measure a whole frame; scipy only labels a finished mask."""

import numpy as np
import pytest
from scipy import ndimage

from fleckcore.kernels import label_components

SHAPE = (2048, 4096)
COUNT = {0.0005: 4292, 0.1: 537493, 0.5: 27674}  # objects, 8-connected


@pytest.fixture(scope="module", params=COUNT, ids=["sparse", "tenth", "half"])
def density(request):
    return request.param


@pytest.fixture(scope="module")
def data(density):
    return (np.random.default_rng(1).random(SHAPE) < density).astype("f4")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("labels", [False, True], ids=["statistics", "labels"])
def test_label_components(benchmark, data, density, labels, threads):
    found = benchmark(label_components, data, 0.5, labels=labels, threads=threads)
    assert found.count == COUNT[density]
    assert found.area.sum() == np.count_nonzero(data)


def test_min_area_drops_noise(benchmark, data, density):
    found = benchmark(label_components, data, 0.5, labels=False, min_area=25, threads=1)
    assert found.count == {0.0005: 0, 0.1: 0, 0.5: 75}[density]
    assert (found.area >= 25).all()


def test_scipy_label(benchmark, data, density):
    above = data > 0.5
    _, count = benchmark(ndimage.label, above, np.ones((3, 3)))
    assert count == COUNT[density]
