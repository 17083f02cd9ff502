"""What the machine can do at the most, to compare every kernel with."""

import numpy as np
import pytest

from fleckcore.bench.frames import SHAPE
from fleckcore.kernels import compare_in_registers


@pytest.fixture
def frame():
    return np.ones(SHAPE, np.float32)


def test_copy(benchmark, frame):
    out = np.empty_like(frame)
    benchmark.pedantic(np.copyto, (out, frame), rounds=20, warmup_rounds=1)
    assert (out == frame).all()


def test_read(benchmark, frame):
    assert benchmark.pedantic(frame.max, rounds=20, warmup_rounds=1) == 1


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_minima_and_maxima(benchmark, dtype):
    numbers = benchmark.pedantic(compare_in_registers, (dtype, 100_000), rounds=20, warmup_rounds=1)
    assert numbers > 100_000
    if benchmark.enabled:
        benchmark.extra_info["10^9 a second"] = numbers / benchmark.stats.stats.min / 1e9
