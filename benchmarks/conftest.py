"""What the grid of benchmarks shares: how long each one is measured, and what its record says."""

import time
from functools import partial
from math import prod

import pytest

from fleckcore.bench.frames import SHAPE
from fleckcore.bench.limits import Limits, measure_limits
from fleckcore.bench.measure import agreement
from fleckcore.bench.results import conditions

LONGEST_S = 0.35
MOST_ROUNDS, LEAST_ROUNDS = 20, 3

LIMITS = pytest.StashKey[Limits]()
"""Of this machine: the best of all that were measured between the benchmarks."""


def pytest_benchmark_update_json(config, output_json):
    """Say what ran where, and how many copies of as many pixels of float32 take as long."""
    if LIMITS not in config.stash:
        return
    output_json["fleckcore"] = conditions(config.stash[LIMITS])
    copy_s = 1e-3 * config.stash[LIMITS].copy_ms / prod(SHAPE)
    for benchmark in output_json["benchmarks"]:
        if pixels := benchmark["extra_info"].get("pixels"):
            benchmark["extra_info"]["copies"] = benchmark["stats"]["min"] / (copy_s * pixels)


@pytest.fixture
def timed(benchmark, request):
    """Time a function that works on a case's frame, or on a share of it, and record what it did; return its result.

    Its first run warms up, and tells how often it can be repeated.
    """

    def time_it(case, run, share=1.0, **record):
        start = time.perf_counter()
        result = run()
        took = time.perf_counter() - start
        rounds = min(max(int(LONGEST_S / took), LEAST_ROUNDS), MOST_ROUNDS)
        benchmark.group = f"{case.kernel}: {case.name}"
        benchmark.pedantic(run, rounds=rounds)
        if benchmark.enabled:
            now, stash = measure_limits(repeats=10), request.config.stash
            stash[LIMITS] = now.better(stash.get(LIMITS, now))
            pixels = round(case.frame.size * share)
            benchmark.extra_info |= {
                "kernel": case.kernel,
                "case": case.name,
                "dtype": case.frame.dtype.name,
                "shape": case.frame.shape,
                "share": share,
                "pixels": pixels,
                "bytes": pixels * case.frame.itemsize,
                **record,
            }
        return result

    return time_it


@pytest.fixture
def ours(timed):
    """Time a case with a number of threads, and return the result."""

    def time_it(case, threads):
        return timed(case, partial(case.run, threads), program="fleckcore", threads=threads)

    return time_it


@pytest.fixture
def theirs(timed):
    """Time another program at the same case, once the results have been compared."""

    def time_it(case, name):
        rival = next((rival for rival in case.rivals if rival.name.startswith(name)), None)
        if rival is None:
            pytest.skip(f"{name} is not installed")
        agrees = agreement(rival, case.run(1))
        assert agrees is not False
        record = {"program": rival.name, "version": rival.version, "agrees": agrees, "threads": 1}
        timed(case, rival.run, rival.share, **record)

    return time_it
