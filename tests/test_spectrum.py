"""A line through transmissions: its errors, and which point does not belong."""

from __future__ import annotations

import numpy as np
import pytest

import shadows
from fleckcore.errors import ArrayError
from fleckcore.measure import cut_out, fit_spectrum, measure_rise, measure_transmission

WAVELENGTHS = np.array([4330, 4747, 5361, 5922, 6312, 7694, 8046, 9032], float)
ERRORS = np.array([0.002, 0.001, 0.004, 0.001, 0.001, 0.002, 0.001, 0.002])


def drawn(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, ERRORS)
    return 0.45 + 2e-6 * (WAVELENGTHS - 6000) + noise


def test_pulls():
    slopes, levels, chi_squares, deviations = [], [], [], []
    for seed in range(1000):
        fit = fit_spectrum(WAVELENGTHS, drawn(seed), ERRORS)
        slopes.append((fit.slope, 2e-6, fit.slope_error))
        levels.append((fit.level, 0.45 + 2e-6 * (fit.middle - 6000), fit.level_error))
        chi_squares.append(fit.chi_square)
        deviations.append(fit.deviations)
    for mean, width in map(shadows.pulls, (slopes, levels)):
        assert abs(mean) < 0.1
        assert width == pytest.approx(1, abs=0.1)
    assert np.mean(chi_squares) == pytest.approx(6, abs=0.4)
    np.testing.assert_allclose(np.std(deviations, axis=0), 1, atol=0.1)


def test_an_outlier_and_a_noisy_point():
    transmissions = drawn(3)
    transmissions[2] -= 0.04
    fit = fit_spectrum(WAVELENGTHS, transmissions, ERRORS)
    assert np.argmax(np.abs(fit.deviations)) == 2
    assert fit.deviations[2] < -7
    assert np.flatnonzero(fit.noisy).tolist() == [2]


def test_refusals():
    with pytest.raises(ArrayError, match="A12"):
        fit_spectrum([1, 2, 3], [1, 2], [1, 1, 1])
    for arguments in (
        ([1, 2], [1, 2], [1, 1]),
        ([1, 1, 1], [1, 2, 3], [1, 1, 1]),
        ([1, 2, 3], [1, 2, 3], [1, 0, 1]),
    ):
        with pytest.raises(ArrayError, match="A09"):
            fit_spectrum(*arguments)
    assert np.isnan(fit_spectrum([1, 2, 3], [1, 2, 3], [1, 1, 1]).deviations).all()


def test_pulls_of_the_rise():
    found = []
    blue = shadows.transmission(shadows.fleck(loss=0.9))
    red = shadows.transmission(shadows.fleck(loss=0.8))
    mask = 1 - blue[10:50, 10:50] > 0.05
    truth = float((red - blue)[10:50, 10:50][mask].mean())
    for seed in range(1000):
        seen = [
            measure_transmission(cut_out(shadows.exposed(part, 40_000.0, seed + n), 30, 30), mask)
            for part, n in ((red, 0), (blue, 5000))
        ]
        rise = measure_rise(*seen)
        found.append((rise.value, truth, rise.error))
    mean, width = shadows.pulls(found)
    assert abs(mean) < 0.1
    assert width == pytest.approx(1, abs=0.1)
