"""The kernel ``combine_stack`` against a slow reference, and what it promises besides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import reference_combine
from fleckcore.kernels import CosmicRays, Stack, combine_stack, reject_cosmic_rays


def make_planes(
    seed: int, *, frames: int, shape: tuple[int, int], odd: bool = True
) -> dict[str, Any]:
    """A stack with tracks, sinks and bad pixels, and where ``odd`` with values that are no numbers."""
    random = np.random.default_rng(seed)
    size = (frames, *shape)
    data = random.normal(50, 8, size)
    data[random.random(size) < 0.06] += random.uniform(20, 5000)
    data[random.random(size) < 0.01] -= 300
    error = np.sqrt(np.maximum(data, 0) + 16)
    quality = np.zeros(size, np.int16)
    for bit in (1, 2, 4, 8, 16, 256, 8192):
        quality[random.random(size) < 0.03] |= bit
    quality[:, :, shape[1] // 2] |= 4
    if odd:
        data[random.random(size) < 0.005] = np.nan
        data[random.random(size) < 0.005] = -np.inf
        error[random.random(size) < 0.005] = np.inf
    time = random.choice([0.5, 300.0, 1000.5], frames).astype(np.float32)
    sky = random.normal(3, 2, frames).astype(np.float32)
    return {
        "data": data.astype(np.float32),
        "error": error.astype(np.float32),
        "quality": quality,
        "time": time,
        "sky": sky,
    }


def as_stack(planes: dict[str, Any]) -> Stack:
    return Stack(
        data=list(planes["data"]),
        error=list(planes["error"]),
        quality=list(planes["quality"]),
        zero=planes["sky"],
        scale=planes["time"],
    )


def as_reference(planes: dict[str, Any]) -> reference_combine.Stack:
    return reference_combine.Stack(
        planes["data"],
        planes["error"],
        planes["quality"].astype(np.int32),
        list(planes["time"]),
        list(planes["sky"]),
    )


SHAPES = [(1, 1), (1, 40), (23, 7), (21, 37)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("frames", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("method", ["mean", "median", "clipped_mean"])
def test_equals_the_reference(method: Any, frames: int, shape: tuple[int, int]) -> None:
    planes = make_planes(1, frames=frames, shape=shape)
    found = combine_stack(
        as_stack(planes), method=method, bad_bits=5, low=1.2, high=1.5, rounds=3, threads=1
    )
    wanted = reference_combine.combine(
        as_reference(planes), method.split("_")[0], bad=5, low=1.2, high=1.5, rounds=3
    )
    for seen, true in zip(found, wanted, strict=False):
        assert_array_equal(seen, true)


@pytest.mark.parametrize("accidents", [True, False])
def test_bands_of_rows_equal_the_reference(accidents: bool) -> None:
    planes = make_planes(4, frames=3, shape=(800, 9))
    rules = CosmicRays(accidents=accidents)
    found = reject_cosmic_rays(as_stack(planes), rules, threads=3)
    *wanted, _ = reference_combine.reject_cosmic_rays(
        as_reference(planes), reference_combine.Rules(rules.sigmas, bad=39, accidents=accidents)
    )
    for seen, true in zip(found, wanted, strict=False):
        assert_array_equal(seen, true)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("accidents", [True, False])
@pytest.mark.parametrize("exempt", [True, False])
@pytest.mark.parametrize("initial", ["minimum", "median"])
@pytest.mark.parametrize(("radius", "spill"), [(0.0, 0.5), (1.0, 0.9), (2.1, 0.5555), (3.4, 0.0)])
def test_rejection_equals_the_reference(
    shape: tuple[int, int], accidents: bool, exempt: bool, initial: Any, radius: float, spill: float
) -> None:
    planes = make_planes(2, frames=5, shape=shape)
    rejected = np.zeros((5, *shape), bool)
    rules = CosmicRays(
        sigmas=(6.5, 5.5, 4.5),
        radius=radius,
        spill=spill,
        initial=initial,
        bad_bits=39,
        exempt=exempt,
        accidents=accidents,
    )
    found = reject_cosmic_rays(as_stack(planes), rules, rejected=rejected, threads=1)
    *wanted, marks = reference_combine.reject_cosmic_rays(
        as_reference(planes),
        reference_combine.Rules(
            sigmas=rules.sigmas,
            radius=radius,
            spill=spill,
            median=initial == "median",
            bad=39,
            exempt=exempt,
            accidents=accidents,
        ),
    )
    for seen, true in zip(found, wanted, strict=False):
        assert_array_equal(seen, true)
    assert_array_equal(rejected, marks)
    assert_array_equal(found.rejected, marks.sum(axis=(1, 2)))
