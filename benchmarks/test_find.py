"""The whole search: time and peak memory."""

import subprocess
import sys

import numpy as np
import pytest

from fleckcore import find, simulate


@pytest.fixture(scope="module")
def scene():
    return simulate.short_dark(chip=2, seed=3)


def test_find(benchmark, scene):
    catalog = benchmark.pedantic(find, (scene.frame,), rounds=3)
    matches = simulate.match_truth(scene.truth, catalog["x_centroid"], catalog["y_centroid"])
    assert sum(match is not None for match in matches) >= 0.95 * len(scene.truth)


SHAPES = [(1024, 1024), (4096, 2048)]
RINGS = 20


def dusty(shape):
    """A flat with 1 % of noise and some rings that hide each other."""
    random = np.random.default_rng(5)
    flat = 1000 * (1 + 0.01 * random.standard_normal(shape))
    rings = [
        simulate.Obstruction(kind="ring", x=x, y=y, width=2 * r, height=2 * r, loss=loss)
        for x, y, r, loss in zip(
            random.uniform(0, shape[1], RINGS),
            random.uniform(0, shape[0], RINGS),
            random.uniform(5, 60, RINGS),
            random.uniform(0.02, 0.2, RINGS),
            strict=True,
        )
    ]
    return simulate.obscure(flat.astype("f4"), rings).data


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_find_rings(benchmark, shape, threads):
    flat = dusty(shape)
    rounds = 3 if flat.size < 2**21 else 1
    catalog = benchmark.pedantic(find, (flat,), {"threads": threads}, rounds=rounds)
    assert 1 <= len(catalog) <= 3 * RINGS


MEASURE = """
import sys
from pathlib import Path
import numpy as np
import fleckcore

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])  # KiB

fleckcore.find(np.load(sys.argv[1], mmap_mode="r")[:128, :128])  # imports everything
flat = np.load(sys.argv[1])
before = peak()
fleckcore.find(flat, threads=int(sys.argv[2]))
print(1024 * (peak() - before) / flat.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_peak_memory(benchmark, tmp_path, shape, threads):
    """In frames of float32 beyond the one given; in a process of its own, as a peak never falls.

    Not ru_maxrss: a child takes that over from its parent.
    """
    np.save(tmp_path / "flat.npy", dusty(shape))
    command = [sys.executable, "-c", MEASURE, tmp_path / "flat.npy", str(threads)]
    run = benchmark.pedantic(
        subprocess.run, (command,), {"check": True, "capture_output": True, "text": True}, rounds=1
    )
    benchmark.extra_info["frames"] = float(run.stdout)
    print(f"{shape}, {threads} threads: {float(run.stdout):.1f} frames beyond the one given")
    assert 1 < float(run.stdout) < 60
