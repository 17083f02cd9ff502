"""The whole search on a simulated ACS/WFC chip, and the smoothing that it uses."""

import numpy as np
import pytest
from scipy import ndimage

from fleckcore import find, simulate
from fleckcore.kernels import gaussian_filter


@pytest.fixture(scope="module")
def scene():
    return simulate.short_dark(chip=2, seed=3)


def test_find(benchmark, scene):
    catalog = benchmark.pedantic(find, (scene.frame,), rounds=5, warmup_rounds=1)
    matches = simulate.match_truth(scene.truth, catalog["x_centroid"], catalog["y_centroid"])
    assert sum(match is not None for match in matches) >= 0.95 * len(scene.truth)


@pytest.mark.parametrize("peer", ["fleckcore", "scipy"])
@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_gaussian_filter(benchmark, scene, sigma, peer):
    data = scene.frame.data
    run = {
        "fleckcore": lambda: gaussian_filter(data, sigma),
        "scipy": lambda: ndimage.gaussian_filter(data, sigma, truncate=3.5),
    }[peer]
    result = benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    inside = np.s_[60:-60, 60:-60]
    expected = ndimage.gaussian_filter(data[:300].astype(float), sigma, truncate=3.5)[inside]
    np.testing.assert_allclose(result[:300][inside], expected, rtol=2e-5)
