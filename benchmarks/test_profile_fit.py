"""Models of compact features: a hundred small ones, and some large rings, with one and two threads."""

import numpy as np
import pytest

from fleckcore.detection.profile import Patch, Start, fit_profiles, window_of

NOISE = 0.01


def patch(start, seed):
    shape = 512, 512
    cut = window_of([start], shape)
    random = np.random.default_rng(seed)
    y, x = np.ogrid[cut]
    distance = np.hypot(y - start.y, x - start.x)
    lost = start.depth * (distance < start.radius) * (distance >= start.radius_inner)
    data = (1 - lost + NOISE * random.standard_normal(distance.shape)).astype(np.float32)
    noise = np.full(data.shape, NOISE, np.float32)
    return Patch.of(cut, np.ones(data.shape, bool), data, noise, [start])


SCENES = {
    "100 of radius 1.5": [Start(200.3, 200.1, 1.5, 1.2, 30.0, 0.2)] * 100,
    "100 of radius 4": [Start(200.3, 200.1, 4.0, 1.2, 30.0, 0.2)] * 100,
    "4 rings of radius 20": [Start(200.3, 200.1, 20.0, 1.2, 30.0, 0.1, 10.0)] * 4,
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("scene", SCENES)
def test_scene(benchmark, scene, threads):
    starts = SCENES[scene]
    patches = [patch(start, seed) for seed, start in enumerate(starts)]
    fitted = benchmark.pedantic(fit_profiles, (patches, threads), rounds=7, warmup_rounds=1)
    off = [profile.x_fit - start.x for (profile,), start in zip(fitted, starts, strict=True)]
    errors = [profile.x_err for (profile,) in fitted]
    assert np.std(np.divide(off, errors)) < 2
    if benchmark.enabled:
        each = benchmark.stats.stats.min / len(patches)
        print(f"{scene}, {threads} threads: {1e6 * each:.0f} us each")
