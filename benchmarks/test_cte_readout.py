"""Charge transfer over a whole chip: forward, back, and the smoothing before; arctic beside it."""

from dataclasses import replace

import numpy as np
import pytest

from fleckcore.bench import frames, tasks

THREADS = pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)


def of_type(dtype):
    return frames.flashed() if dtype == "float32" else frames.flashed().clip(0).astype(dtype)


@THREADS
@pytest.mark.parametrize("edge", ["-y", "+y", "-x", "+x"])
@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_forward(ours, dtype, edge, threads):
    task = tasks.readout(f"forward {edge} {dtype}", of_type(dtype), readout=edge)
    moved = np.abs(ours(task, threads) - task.frame).mean()
    assert 1 < moved < 100


@THREADS
@pytest.mark.parametrize("substeps", [1, 4])
@pytest.mark.parametrize("levels", [50, 200, 1000])
def test_levels(ours, levels, substeps, threads):
    task = tasks.readout(f"{levels} levels, {substeps} steps", frames.flashed(), levels, substeps)
    assert np.isfinite(ours(task, threads)).all()


@THREADS
def test_back(ours, threads):
    task = tasks.readout("back", frames.flashed(), inverse=True, read_noise_e=4.0)
    assert ours(task, threads).max() > frames.flashed().max()


@pytest.mark.parametrize("substeps", [1, 4])
def test_rival(theirs, substeps):
    task = tasks.readout(f"{substeps} steps", frames.flashed(), substeps=substeps)
    theirs(task if substeps > 1 else _not_compared(task), "arctic")


def _not_compared(task):
    """One step takes all at once from the faint; the sums differ by more than a tenth."""
    return replace(task, rivals=tuple(replace(rival, agrees=None) for rival in task.rivals))


@THREADS
@pytest.mark.parametrize("edge", ["-y", "-x"])
def test_smooth_noise(ours, edge, threads):
    smooth, steps = ours(tasks.smooth(f"smooth {edge}", frames.flashed(), 4.0, edge), threads)
    assert 1 < steps <= 100
    assert np.abs(smooth - frames.flashed()).mean() < 4
