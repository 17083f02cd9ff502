"""Local maxima over the noise: types and masks."""

from functools import lru_cache

import pytest

from fleckcore.bench import frames, tasks

flat = lru_cache(maxsize=1)(frames.flat)
scattered = lru_cache(maxsize=1)(frames.scattered)


@pytest.mark.parametrize("threads", [1, 2], ids="{}-thread".format)
@pytest.mark.parametrize("percent", [0, 1, 50], ids="masked-{}".format)
@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_peak_search(ours, dtype, percent, threads):
    mask = scattered(percent / 100) if percent else None
    frame = flat(dtype)
    limit = frame.max() / (frames.NOISE * frames.LEVEL)
    found = ours(tasks.peaks(f"{dtype}, {percent} % masked", frame, limit / 2, mask), threads)
    assert (found.significance > limit / 2).all()
    assert found.significance.max() > 0.9 * limit
