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


def mesh_statistics(data, box, *, mask=None, clip=3.0, max_iterations=20, min_valid=0.25):
    """Level, noise, count of each box: deviation median, then clipped standard deviation."""
    data = np.asarray(data).astype(float)
    valid = np.isfinite(data) & ~(np.zeros(data.shape, bool) if mask is None else np.asarray(mask))
    rows, cols = min(box[0], data.shape[0]), min(box[1], data.shape[1])
    shape = -(-data.shape[0] // rows), -(-data.shape[1] // cols)
    level, noise, count = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.int64)
    for r, c in np.ndindex(shape):
        tile = np.s_[r * rows : (r + 1) * rows, c * cols : (c + 1) * cols]
        sample = data[tile][valid[tile]]
        if 0 < sample.size >= min_valid * data[tile].size:
            level[r, c], noise[r, c], count[r, c] = _clip(sample, clip, max_iterations)
    return level, noise, count


def _clip(sample, clip, max_iterations):
    correction = truncated_deviation(clip)

    def deviation(x):
        return x.std(ddof=1) / correction if x.min() != x.max() else 0.0

    level = np.median(sample)
    noise = np.median(np.abs(sample - level)) / 0.6744897501960817 or deviation(sample)
    kept, before = sample, None
    for _ in range(max_iterations):
        if noise == 0:
            break
        inside = np.abs(sample - level) <= clip * noise
        if before is not None and (inside == before).all():
            break
        kept, before = sample[inside], inside
        level, noise = np.median(kept), deviation(kept)
    return level, noise, kept.size


def truncated_deviation(clip):
    """Standard deviation of a unit normal cut at +-clip, by summing it up."""
    x = (np.arange(200_000) + 0.5) / 200_000 * clip
    density = np.exp(-x * x / 2)
    return np.sqrt((x * x * density).sum() / density.sum())


def interpolate_mesh(mesh, box, shape):
    """Bilinear through the box centres by numpy.interp, one axis after the other."""
    across, down = (
        [(start + min(start + side, size) - 1) / 2 for start in range(0, size, side)]
        for side, size in ((box[1], shape[1]), (box[0], shape[0]))
    )
    wide = np.array([np.interp(np.arange(shape[1]), across, line) for line in mesh])
    return np.array([np.interp(np.arange(shape[0]), down, line) for line in wide.T]).T


def fill_mesh(mesh):
    """Each NaN becomes the mean of the numbers that are nearest."""
    out = mesh.copy()
    good = np.argwhere(~np.isnan(mesh))
    for r, c in np.argwhere(np.isnan(mesh)):
        if len(good):
            distance = ((good - (r, c)) ** 2).sum(axis=1)
            out[r, c] = mesh[tuple(good[distance == distance.min()].T)].mean()
    return out


def local_excess(data, mask, noise, row, col, width, gap):
    """Value minus the median beside it, and the variance of that."""
    reach = gap + width
    columns = [
        c
        for c in range(max(0, col - reach), min(data.shape[1], col + reach + 1))
        if abs(c - col) > gap
        and not mask[row, c]
        and np.isfinite(data[row, c])
        and np.isfinite(noise[row, c])
    ]
    if not columns or not np.isfinite(data[row, col]):
        return np.nan, np.nan
    n = len(columns)
    median_variance = np.pi / (2 * n + (1 if n % 2 else 2.6))
    variance = noise[row, col] ** 2 + np.mean(noise[row, columns] ** 2) * median_variance
    return data[row, col] - np.median(data[row, columns]), variance


def find_seeds(data, mask, threshold, width, gap):
    """Every pixel that passes the threshold, by (row, col)."""
    data = np.asarray(data).astype(float)
    nothing = np.zeros(data.shape)
    excess = np.array(
        [[local_excess(data, mask, nothing, r, c, width, gap)[0] for c in range(data.shape[1])]
         for r in range(data.shape[0])]
    )  # fmt: skip
    passes = excess < threshold if threshold < 0 else excess > threshold
    return np.argwhere(passes & ~mask)


def follow_trail(data, mask, noise, seed, width, gap, max_length, n_sigma):
    """Walk one trail towards growing rows: seed value, length, excess, variance, profile."""
    data, (row, col) = np.asarray(data).astype(float), seed
    value = local_excess(data, mask, noise, row, col, width, gap)[0]
    steps = []
    for r in range(row + 1, min(row + max_length + 1, data.shape[0])):
        bad = mask[r, col]
        excess = (np.nan, np.nan) if bad else local_excess(data, mask, noise, r, col, width, gap)
        steps.append(excess)
    profile = np.full(min(12, max_length), np.nan)
    first = [excess for excess, _ in steps[: profile.size]]
    profile[: len(first)] = first
    length = misses = 0
    for k, (excess, variance) in enumerate(steps, start=1):
        if not np.isfinite(excess + variance) or value == 0 or np.isnan(value) or misses == 2:
            break
        least = n_sigma * np.sqrt(variance) if n_sigma > -np.inf else -np.inf
        counts = np.sign(value) * excess >= least
        length, misses = (k, 0) if counts else (length, misses + 1)
    total = np.sum(steps[:length], axis=0) if length else (0.0, 0.0)
    return value, length, total[0], total[1], profile
