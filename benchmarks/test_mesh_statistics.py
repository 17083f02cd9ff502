"""Mesh statistics of a whole chip; sep and photutils for comparison where they are installed."""

import numpy as np
import pytest

from fleckcore.kernels import mesh_statistics


@pytest.fixture(scope="module")
def chip():
    return np.random.default_rng(0).normal(100, 5, (4096, 2048)).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<u2", "<f8"])
def test_mesh_statistics(benchmark, chip, dtype, threads):
    data = (np.rint(chip) if "u" in dtype else chip).astype(dtype)
    mesh = benchmark(mesh_statistics, data, 64, threads=threads)
    assert np.median(mesh.noise) == pytest.approx(5, rel=0.01)


@pytest.mark.parametrize("threads", [1, 2])
def test_interpolate(benchmark, chip, threads):
    plane = benchmark(mesh_statistics(chip, 64).interpolate, threads=threads)
    assert plane.mean() == pytest.approx(5, rel=0.01)


def test_copy(benchmark, chip):
    """How fast memory is: one copy of the frame."""
    out = np.empty_like(chip)
    benchmark(np.copyto, out, chip)
    assert (out == chip).all()


def test_sep(benchmark, chip):
    sep = pytest.importorskip("sep", reason="sep is only a yardstick")
    background = benchmark(sep.Background, chip, bw=64, bh=64)
    assert background.globalrms == pytest.approx(5, rel=0.03)


def test_sep_back(benchmark, chip):
    sep = pytest.importorskip("sep", reason="sep is only a yardstick")
    plane = benchmark(sep.Background(chip, bw=64, bh=64).back)
    assert plane.mean() == pytest.approx(100, rel=0.01)


def test_photutils(benchmark, chip):
    background = pytest.importorskip("photutils.background", reason="only a yardstick")
    found = benchmark.pedantic(background.Background2D, (chip, 64), rounds=3)
    assert found.background_rms_median == pytest.approx(5, rel=0.03)
