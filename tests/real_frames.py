"""Real frames that may not be given away: read where they lie, absent elsewhere."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from fleckcore import read

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("FLECKCORE_DATA", ROOT.parent / "shared" / "data"))
FINDING = DATA.parent / "finding"


def file(name):
    """One file of the real data; skips where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {path}: it may not be redistributed; FLECKCORE_DATA names its folder")
    return path


def files(pattern):
    found = sorted(DATA.glob(pattern))
    if not found:
        pytest.skip(f"no {pattern} below {DATA}: these frames may not be redistributed")
    return found


def plane(path):
    (frame,) = read(path)
    return frame.data.astype(np.float32)


def combined_flat(flats, biases):
    """Mean of the flats, each less the mean bias and over its own median."""
    bias = np.mean([plane(path) for path in files(biases)], axis=0)
    lit = [plane(path) - bias for path in files(flats)]
    return np.mean([flat / np.median(flat) for flat in lit], axis=0)


def score(catalog, name, dx=0, dy=0):
    """Recall, strict recall, false alarms and duplicates against the labels made by eye."""
    program = FINDING / "score.py"
    if not program.exists():
        pytest.skip(f"no {program}")
    spec = importlib.util.spec_from_file_location("score", program)
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    position = [np.asarray(catalog[c].value) for c in ("x_centroid", "y_centroid", "radius")]
    truth = scorer.read(str(FINDING / "truth" / f"{name}.ecsv"))
    return scorer.score((position[0] + dx, position[1] + dy, position[2]), truth)
