"""Matching of a million detections in ten thousand frames of two chips: time, memory, and whether it is right."""

import subprocess
import sys

import numpy as np

from fleckcore.track import Detections, Look, match_detections

LOOKS, FEATURES, SEEN, NOISE = 10_000, 130, 95, 5


def archive(looks=LOOKS, seed=1):
    """Detections of features that scatter by 0.2 pixels, 5 % of them noise; and which feature each is of."""
    random = np.random.default_rng(seed)
    chips = random.integers(1, 3, looks)
    x, y = random.uniform(0, 4096, (3, FEATURES)), random.uniform(0, 2048, (3, FEATURES))
    radius = random.choice([1.5, 2, 3, 5, 20], FEATURES)
    depth = random.uniform(0.1, 0.8, FEATURES)
    parts, truth = [], []
    for chip in chips:
        seen = random.choice(FEATURES, SEEN, replace=False)
        noise = random.uniform(0, (4096, 2048), (NOISE, 2))
        parts.append(
            np.column_stack(
                [
                    np.concatenate([x[chip, seen] + random.normal(0, 0.2, SEEN), noise[:, 0]]),
                    np.concatenate([y[chip, seen] + random.normal(0, 0.2, SEEN), noise[:, 1]]),
                    np.concatenate([radius[seen], np.full(NOISE, 1.5)]),
                    np.concatenate([depth[seen], np.full(NOISE, 0.1)]),
                ]
            )
        )
        truth.append(np.concatenate([seen + FEATURES * (chip - 1), np.full(NOISE, -1)]))
    rows = np.concatenate(parts)
    found = Detections(
        looks=tuple(Look(name=str(n), chip=int(c), mjd=5e4 + n) for n, c in enumerate(chips)),
        look=np.repeat(np.arange(looks, dtype=np.int32), SEEN + NOISE),
        **dict(zip(("x", "y", "radius", "depth"), rows.T.copy(), strict=True)),
    )
    return found, np.concatenate(truth)


def test_a_million(benchmark):
    detections, truth = archive()
    found = benchmark.pedantic(match_detections, (detections,), rounds=1)
    own = [np.bincount(found.feature[truth == one]) for one in range(2 * FEATURES)]
    whole = [counts.max() / counts.sum() for counts in own]
    benchmark.extra_info["detections"] = len(detections)
    benchmark.extra_info["least_share_under_one_name"] = float(min(whole))
    benchmark.extra_info["median_share_under_one_name"] = float(np.median(whole))
    benchmark.extra_info["peak_MB"] = _peak()


def _peak():
    """Largest memory of a new process that makes and matches the same, MB."""
    code = (
        "import resource, test_match as t\n"
        "t.match_detections(t.archive()[0])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=__file__.rpartition("/")[0],
    )
    return round(float(run.stdout))


def test_the_share_of_one_name_is_whole():
    """A small archive, so that it is right is seen without a benchmark too."""
    detections, truth = archive(looks=200)
    found = match_detections(detections)
    shares = []
    for one in range(2 * FEATURES):
        counts = np.bincount(found.feature[truth == one], minlength=1)
        shares.append(counts.max() / max(1, counts.sum()))
    assert np.median(shares) == 1.0
