"""Level and noise on a mesh: types, boxes and masks; sep and photutils beside it."""

from functools import lru_cache

import numpy as np
import pytest

from fleckcore.bench import frames, tasks

THREADS = pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)

scattered = lru_cache(maxsize=1)(frames.scattered)


@lru_cache(maxsize=1)
def sky(dtype):
    """Of the level and noise of a flat, without its shadows."""
    noise = np.random.default_rng(0).normal(frames.LEVEL, SIGMA, frames.SHAPE)
    return noise.astype(dtype)


SIGMA = frames.NOISE * frames.LEVEL


@THREADS
@pytest.mark.parametrize("percent", [0, 1, 50], ids="masked-{}".format)
@pytest.mark.parametrize("box", [16, 64, 256])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32", ">f4", "float64"])
def test_mesh_statistics(ours, dtype, box, percent, threads):
    mask = scattered(percent / 100) if percent else None
    name = f"{box}x{box} {dtype}, {percent} % masked"
    mesh = ours(tasks.mesh(name, sky(dtype), box, mask), threads)
    assert np.median(mesh.noise) == pytest.approx(SIGMA, rel=0.02)
    assert np.median(mesh.level) == pytest.approx(frames.LEVEL, rel=0.001)


@THREADS
def test_interpolate(ours, threads):
    plane = ours(tasks.interpolation("interpolated", sky("float32"), 64), threads)
    assert plane.mean() == pytest.approx(frames.LEVEL, rel=0.001)


@pytest.mark.parametrize("box", [16, 64, 256])
@pytest.mark.parametrize("program", ["sep", "photutils"])
def test_rival(theirs, program, box):
    theirs(tasks.mesh(f"{box}x{box} float32, 0 % masked", sky("float32"), box), program)


def test_rival_interpolates(theirs):
    theirs(tasks.interpolation("interpolated", sky("float32"), 64), "sep")
