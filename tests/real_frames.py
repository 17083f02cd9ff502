"""Real frames that may not be given away: tests skip where they are absent."""

import functools

import numpy as np
import pytest

import real_flats
from real_flats import plane

__all__ = ["combined_flat", "file", "files", "plane", "score"]


def _or_skip(function):
    @functools.wraps(function)
    def call(*args, **options):
        try:
            return function(*args, **options)
        except FileNotFoundError as missing:
            pytest.skip(str(missing))

    return call


file = _or_skip(real_flats.file)
files = _or_skip(real_flats.files)
combined_flat = _or_skip(real_flats.combined_flat)


@_or_skip
def score(catalog, name, dx=0, dy=0):
    """Recall, strict recall, false alarms and duplicates against the labels made by eye."""
    x, y, radius = (np.asarray(catalog[c].value) for c in ("x_centroid", "y_centroid", "radius"))
    return real_flats.score(x, y, radius, name, (dx, dy))
