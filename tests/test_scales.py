"""Scales are looked at band by band; the answer is that of the whole frame at once."""

from statistics import NormalDist

import numpy as np
import pytest

from fleckcore.detection.scales import candidates, deviating, make_scales, mesh_noise
from fleckcore.kernels import gaussian_filter


def frame():
    rng = np.random.default_rng(1)
    loss = rng.standard_t(6, (200, 150)).astype(np.float32) * np.float32(0.01)
    loss[60:66, 40:46] += 0.2
    loss[62:66, 90] = loss[127:130, 20:22] = loss[0, 0] = loss[199, 149] = 0.5  # equal neighbours
    mask = rng.random(loss.shape) < 0.02
    mask[100:112] = True
    loss[mask] = 0.0
    error = rng.uniform(0.005, 0.02, loss.shape).astype(np.float32)
    doubt = np.zeros(loss.shape, np.float32)
    doubt[80:140, 30:90] = 0.05
    return loss, mask, error, doubt


def whole(scale, loss, mask, error, doubt):
    """Significance of a whole frame, from its parts' definitions."""
    sigma = scale.sigma
    smooth = gaussian_filter(loss, sigma, mask=mask) if sigma else loss.copy()
    noise = mesh_noise(smooth, mask, int(32 * max(1.0, sigma / 2)), 1)
    if error is not None:
        np.fmax(noise, error / np.float32(max(1.0, 2 * np.sqrt(np.pi) * sigma)), out=noise)
    if doubt is not None:
        np.hypot(noise, gaussian_filter(doubt, sigma) if sigma else doubt, out=noise)
    smooth[~np.isfinite(smooth) | mask] = 0.0
    significance = smooth / noise
    quantile = np.quantile(-significance[::3, ::3][~mask[::3, ::3]].astype(float), 0.999)
    tail = max(1.0, quantile / NormalDist().inv_cdf(0.999))
    return (significance * np.float32(1 / tail) if tail > 1 else significance), tail


def maxima(significance, limit):
    """Places above the limit that exceed what comes before them and are no less than what comes after."""
    padded = np.pad(significance, 1, constant_values=-np.inf)
    for y, x in np.argwhere(significance > limit):
        around = padded[y : y + 3, x : x + 3].ravel()
        if (around[4] > around[:4]).all() and (around[4] >= around[5:]).all():
            yield float(around[4]), int(y), int(x)


@pytest.mark.parametrize("errors", [False, True])
@pytest.mark.parametrize("doubts", [False, True])
def test_candidates_are_those_of_the_whole_frame(errors, doubts):
    loss, mask, error, doubt = frame()
    error, doubt = error if errors else None, doubt if doubts else None
    sigmas, limit = (0.0, 1.0, 4.0), 3.0
    scales = make_scales(loss, error, mask, sigmas=sigmas, mesh=32, threads=2, doubt=doubt)
    expected, tails = [], []
    for index, scale in enumerate(scales):
        significance, tail = whole(scale, loss, mask, error, doubt)
        expected += [(-z, index, y, x) for z, y, x in maxima(significance, limit)]
        tails.append(tail)
    assert max(tails) > 1
    assert len(expected) > 5
    for threads in (1, 3):
        found = candidates(scales, limit, threads)
        places = [(c.minus_significance, c.scale, c.y, c.x) for c in found]
        assert places == sorted(expected)


def test_noise_of_a_part_is_that_of_the_whole():
    loss, mask, error, doubt = frame()
    scales = make_scales(loss, error, mask, sigmas=(0.0, 2.0), mesh=32, threads=1, doubt=doubt)
    for scale in scales:
        noise = scale.noise(np.s_[:, :])
        for part in (np.s_[64:65, 31:32], np.s_[3:190, 20:149]):
            np.testing.assert_array_equal(scale.noise(part), noise[part])


def test_what_deviates_to_the_opposite_side_is_masked():
    loss, mask, _, _ = frame()
    loss[63:65, 10] = loss[199, 3] = -0.3
    found = deviating(loss, mask, 32, 2)
    expected = mask | (loss < -6 * mesh_noise(loss, mask, 32, 1))
    np.testing.assert_array_equal(found, expected)
    assert found[63:65, 10].all()
    assert found[199, 3]
