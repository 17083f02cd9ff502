"""Slow, obvious numpy references: what each kernel must equal."""

from __future__ import annotations

import numpy as np


def gaussian_filter(data, sigma, mask=None):
    """Sum over the window, pixel by pixel, in float64."""
    data = np.asarray(data, dtype=float)
    counts = np.isfinite(data) if mask is None else np.isfinite(data) & ~mask
    radius = int(np.ceil(3.5 * sigma))
    axis = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * axis**2 / sigma**2)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    out = np.full(data.shape, np.nan)
    for y in range(data.shape[0]):
        for x in range(data.shape[1]):
            value = weight = 0.0
            for j, dy in enumerate(axis):
                for i, dx in enumerate(axis):
                    inside = 0 <= y + dy < data.shape[0] and 0 <= x + dx < data.shape[1]
                    if inside and counts[y + dy, x + dx]:
                        value += weights[j, i] * data[y + dy, x + dx]
                        weight += weights[j, i]
            if weight >= 0.05:
                out[y, x] = value / weight
    return out
