"""Slow, obvious numpy references: what each kernel must equal."""

from __future__ import annotations

import math

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


# --- median_filter

PAD_MODES = {"reflect": "symmetric", "nearest": "edge", "mirror": "reflect", "wrap": "wrap"}


def median_filter(data, size, *, mask=None, mode="reflect", cval=0.0):
    """Median of what is left of every window, by sorting it in float64 or the data's own float."""
    rows, cols = (size, size) if np.ndim(size) == 0 else size
    halo = ((rows // 2, rows // 2), (cols // 2, cols // 2))
    dtype = np.promote_types(data.dtype, np.float32) if data.dtype.kind == "f" else np.float64
    values = data.astype(dtype)
    if mask is not None:
        values[mask] = np.nan
    if mode == "shrink":
        values = np.pad(values, halo, constant_values=np.nan)
    elif mode == "constant":
        values = np.pad(values, halo, constant_values=cval)
    else:
        values = np.pad(values, halo, mode=PAD_MODES[mode])
    windows = np.lib.stride_tricks.sliding_window_view(values, (rows, cols))
    result = np.full(data.shape, np.nan, dtype)
    for at in np.ndindex(data.shape):
        left = np.sort(windows[at][~np.isnan(windows[at])])
        if left.size:
            result[at] = (left[(left.size - 1) // 2] + left[left.size // 2]) / 2
            if left.size % 2:
                result[at] = left[left.size // 2]
    return result


# --- label_components


def _objects(data, threshold, mask, connectivity):
    """Pixels of every object, in raster order, by flood fill in raster order."""
    above = (data > np.float64(threshold)) & (True if mask is None else ~mask)
    steps = _steps(connectivity)
    seen = np.zeros(data.shape, dtype=bool)
    objects = []
    for start in zip(*np.nonzero(above), strict=True):
        if seen[start]:
            continue
        seen[start] = True
        pixels, stack = [], [start]
        while stack:
            y, x = stack.pop()
            pixels.append((int(y), int(x)))
            for dy, dx in steps:
                q = y + dy, x + dx
                if (
                    0 <= q[0] < data.shape[0]
                    and 0 <= q[1] < data.shape[1]
                    and above[q]
                    and not seen[q]
                ):
                    seen[q] = True
                    stack.append(q)
        objects.append(sorted(pixels))
    return objects


def _steps(connectivity):
    square = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    return square if connectivity == 8 else [s for s in square if 0 in s]


def deblend(data, pixels, threshold, contrast, min_area, connectivity):
    """Parts of one object by the rule of fleck/label_components.hpp, with plain sets."""
    value = {p: float(data[p]) for p in pixels}
    needed = contrast * sum(v - threshold for v in value.values())
    order = sorted(pixels, key=lambda p: (-value[p], p))
    rank = {p: i for i, p in enumerate(order)}
    branch, part = {}, {}  # pixel -> the set that it is in
    for p in order:
        around = [(p[0] + dy, p[1] + dx) for dy, dx in _steps(connectivity)]
        around = sorted((q for q in around if q in branch), key=rank.get)
        strong = [
            q
            for q in around
            if len(branch[q]) >= min_area and sum(value[r] - value[p] for r in branch[q]) > needed
        ]
        branch[p], part[p] = {p}, {p}
        if around:
            heir = (strong or around)[0]
            for q in [p] + [q for q in around if q not in strong]:
                _merge(part, heir, q)
            for q in around:
                _merge(branch, p, q)
    unique = {id(s): sorted(s) for s in part.values()}
    return list(unique.values())


def _merge(sets, a, b):
    if sets[a] is not sets[b]:
        sets[a] |= sets[b]
        for p in sets[b]:
            sets[p] = sets[a]


def label_components(
    data, threshold, *, mask=None, connectivity=8, min_area=1, levels=(), deblend_contrast=None
):
    """Label image, and a dict of the statistics of every object."""
    objects = [o for o in _objects(data, threshold, mask, connectivity) if len(o) >= min_area]
    if deblend_contrast is not None:
        rule = (threshold, deblend_contrast, min_area, connectivity)
        objects = sorted(part for o in objects for part in deblend(data, o, *rule))
    labels = np.zeros(data.shape, dtype=np.int32)
    rows = []
    for number, pixels in enumerate(objects, start=1):
        y, x = np.array(pixels).T
        labels[y, x] = number
        v = data[y, x].astype(np.float64)
        w = v - threshold
        cy, cx = np.average(y, weights=w), np.average(x, weights=w)
        rows.append(
            {
                "area": len(pixels),
                "bbox": (y.min(), y.max(), x.min(), x.max()),
                "sum": v.sum(),
                "peak": v.max(),
                "peak_y": y[v.argmax()],
                "peak_x": x[v.argmax()],
                "centroid_y": cy,
                "centroid_x": cx,
                "moment_yy": np.average((y - cy) ** 2, weights=w),
                "moment_xx": np.average((x - cx) ** 2, weights=w),
                "moment_xy": np.average((y - cy) * (x - cx), weights=w),
                "level_counts": [int((v > level).sum()) for level in levels],
            }
        )
    return labels, rows


# --- shadow_search


def shadow_search(data, radius, *, edge=False, mask=None, margin=0):
    """Score of a round shadow about every place, zone by zone, in float64."""
    data = np.asarray(data, dtype=float)
    counts = np.isfinite(data) if mask is None else np.isfinite(data) & ~mask
    reach = int(1.2 * radius) + 1
    image = np.pad(np.where(counts, data, np.nan), margin + reach, constant_values=np.nan)
    core, rims, besides = shadow_zones(radius, reach, edge)
    out = np.full((data.shape[0] + 2 * margin, data.shape[1] + 2 * margin), np.nan)
    for y, x in np.ndindex(out.shape):
        around = image[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
        excess = []
        for rim, beside in zip(rims, besides, strict=True):
            shadow, ground = _mean_of(around[rim], 0.4), _mean_of(around[beside], 0.4)
            hole = _mean_of(around[core], 0.3)
            if shadow is not None and ground is not None:
                excess.append(shadow - 0.7 * ground - 0.3 * (ground if hole is None else hole))
        n = len(excess)
        if n >= 4:
            kept = np.sort(excess)[n // 6 : n - n // 6]
            out[y, x] = np.sqrt(n / 12) * kept.mean()
    return out


def shadow_zones(radius, reach, edge=False):
    """What belongs to the core, and to each of the 12 sectors of the rim and of what is beside."""
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(dy, dx) / radius
    sector = np.floor((np.degrees(np.arctan2(dy, dx)) + 15) / 30) % 12
    core = (distance >= 0.20) & (distance <= 0.45) & (not edge)
    rim = (distance >= (0.80 if edge else 0.55)) & (distance <= (0.97 if edge else 0.95))
    beside = (distance >= (1.03 if edge else 1.05)) & (distance <= (1.15 if edge else 1.20))
    return (
        core,
        [rim & (sector == k) for k in range(12)],
        [beside & (sector == k) for k in range(12)],
    )


def streak_search(data, length, angle, *, mask=None):
    """Score of a streak about every place, part by part, in float64."""
    data = np.asarray(data, dtype=float)
    counts = np.isfinite(data) if mask is None else np.isfinite(data) & ~mask
    reach = int(np.hypot(length / 2, 4)) + 1
    image = np.pad(np.where(counts, data, np.nan), reach, constant_values=np.nan)
    parts = streak_parts(length, angle, reach)
    out = np.full(data.shape, np.nan)
    for y, x in np.ndindex(out.shape):
        around = image[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
        excess = []
        for zones in parts:
            line, left, right = (_mean_of(around[zone], 0.4) for zone in zones)
            if None not in (line, left, right):
                excess.append((line - left, line - right))
        n = len(excess)
        if n >= 6:
            kept = np.sort(excess, axis=0)[n // 4 : n - n // 4]
            out[y, x] = np.sqrt(n / 12) * limited_mean(*kept.mean(axis=0))
    return out


def streak_parts(length, angle, reach):
    """Line, left and right side of each of the 12 parts."""
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    s, t = dx * along[0] + dy * along[1], dy * along[0] - dx * along[1]
    part = np.floor((s / length + 0.5) * 12 + 1e-9)
    line = np.abs(t) <= 1.25 + 1e-9
    side = (np.abs(t) >= 2 - 1e-9) & (np.abs(t) <= 4 + 1e-9)
    zones = line, side & (t < 0), side & (t > 0)
    return [[zone & (part == k) for zone in zones] for k in range(12)]


def limited_mean(a, b):
    """Mean of two numbers, no more than twice the lesser; 0 where they differ in sign."""
    if a * b <= 0:
        return 0.0
    return np.sign(a) * min(abs(a + b) / 2, 2 * abs(a), 2 * abs(b))


def _mean_of(pixels, least):
    """Mean of what is not NaN; None where that is too little."""
    known = pixels[~np.isnan(pixels)]
    return (
        known.mean()
        if known.size and 100 * known.size >= round(100 * least) * pixels.size
        else None
    )


PROFILE_HELD = np.array([False] * 7 + [True] * 2)


def peak_search(image, noise, limit, mask=None):
    """Peaks over their noise in raster order, and what is opposite in every third row and column, sorted."""
    with np.errstate(over="ignore"):
        significance = np.divide(image, noise, dtype=np.float32)
    significance[np.isinf(significance)] = 0
    padded = np.pad(significance, 1, constant_values=-np.inf)
    peaks = []
    for y, x in np.argwhere(significance > np.float32(limit)):
        around = padded[y : y + 3, x : x + 3].ravel()
        if (around[4] > around[:4]).all() and (around[4] >= around[5:]).all():
            peaks.append((int(y), int(x), float(around[4])))
    counts = np.ones(image.shape, bool) if mask is None else ~mask
    return peaks, np.sort(-significance[::3, ::3][counts[::3, ::3]])


def profile_fit(patch, starts):
    """All features of one patch: value, covariance and rms of each, and the mean square residual."""
    transmission, noise = (np.asarray(a, float) for a in (patch.transmission, patch.noise))
    mask = np.zeros(noise.shape, bool) if patch.mask is None else patch.mask
    rows, cols = np.nonzero(np.isfinite(transmission) & np.isfinite(noise) & (noise > 0) & ~mask)
    return _ProfileFit(
        rows + float(patch.row),
        cols + float(patch.col),
        transmission[rows, cols],
        noise[rows, cols],
        starts,
    ).result()


class _ProfileFit:
    def __init__(self, y, x, data, noise, starts):
        self.y, self.x, self.data, self.noise, self.starts = y, x, data, noise, starts
        self.free = np.append(
            np.ravel([~PROFILE_HELD | bool(s["holed"]) for s in starts]), [True] * 3
        )
        self.begin = np.append(starts["value"], np.zeros(3))
        self.stiff = 1 / np.append(starts["expected"], np.full(3, 0.5))[self.free] ** 2
        self.low = np.append(starts["low"], np.full(3, -0.5))
        self.high = np.append(starts["high"], np.full(3, 0.5))
        distance = [np.hypot(x - s["value"][0], y - s["value"][1]) for s in starts]
        self.own = [d < s["own"] for d, s in zip(distance, starts, strict=True)]
        self.near = [d < s["reach"] - 3 for d, s in zip(distance, starts, strict=True)]
        size, (cx, cy) = starts["reach"].max(), starts["value"][:, :2].mean(axis=0)
        self.plane = np.stack([np.ones_like(x), (x - cx) / size, (y - cy) / size])

    def result(self):
        n = len(self.starts)
        nothing = np.full((n, 9), np.nan), np.full((n, 9, 9), np.nan), np.full(n, np.nan), np.nan
        if self.x.size < 5 + 7 * n:
            return nothing
        values, normal = self._run()
        residual = self._residual(values)
        rms = [self._rms(residual, i) for i in range(n)]
        scale = np.concatenate(
            [np.full((n, 9), np.maximum(rms, 1)[:, None]).ravel(), np.full(3, max(1, *rms))]
        )
        scale = scale[self.free]
        data = normal / np.outer(scale, scale)
        whole = np.full((self.free.size,) * 2, np.nan)
        whole[np.ix_(self.free, self.free)] = np.linalg.inv(data + np.diag(self.stiff))
        parts = [slice(9 * i, 9 * i + 9) for i in range(n)]
        own = np.any(self.own, axis=0)
        misfit = np.mean(residual[own] ** 2) if own.any() else np.nan
        return (
            values[:-3].reshape(n, 9),
            np.array([whole[p, p] for p in parts]),
            np.array(rms),
            misfit,
        )

    def _run(self):
        values, damping = self.begin.copy(), 1e-3
        for _ in range(25):
            residual, jacobian = self._residual(values), self._jacobian(values)
            own = np.abs(residual[np.any(self.own, axis=0)])
            deviation = max(1.0, 1.4826 * np.median(own)) if own.size else 1.0
            spread = 3 * deviation
            weighted = jacobian / np.sqrt(1 + (residual / spread) ** 2)
            normal = weighted @ jacobian.T
            gradient = weighted @ residual + self.stiff * (self.begin - values)[self.free]
            cost = self._cost(values, spread)
            for _ in range(6):
                matrix = normal + np.diag(self.stiff)
                matrix += damping * np.diag(np.diag(matrix))
                moved = values.copy()
                moved[self.free] += np.linalg.solve(matrix, gradient)
                moved = np.clip(moved, self.low, self.high)
                gained = cost - self._cost(moved, spread)
                if gained > 0:
                    break
                damping *= 10
            if not gained > 0:
                break
            values, damping = moved, max(damping / 10, 1e-7)
            if gained < 3e-3 * deviation**2:
                break
        return values, normal

    def _light(self, values):
        light = 1 + values[-3:] @ self.plane
        for i, start in enumerate(self.starts):
            light = light * (1 - self._loss(values[9 * i : 9 * i + 9], start, self.near[i]))
        return light

    def _residual(self, values):
        return (self.data - self._light(values)) / self.noise

    def _jacobian(self, values):
        """By differences of fourth order, whose error is far below what changes a fit."""
        rows = []
        for k in np.flatnonzero(self.free):
            step = np.zeros_like(values)
            step[k] = 1e-3
            near, far = (
                self._light(values + m * step) - self._light(values - m * step) for m in (1, 2)
            )
            rows.append((8 * near - far) / (12 * 1e-3) / self.noise)
        return np.array(rows)

    def _cost(self, values, spread):
        away = (self.begin - values)[self.free]
        robust = np.sqrt(1 + (self._residual(values) / spread) ** 2) - 1
        return spread**2 * robust.sum() + 0.5 * (self.stiff @ away**2)

    def _rms(self, residual, i):
        own = residual[self.own[i]]
        freedom = 9 if self.starts[i]["holed"] else 7
        return math.sqrt(own @ own / max(1, own.size - freedom))

    def _loss(self, p, start, near):
        at, weight = np.polynomial.legendre.leggauss(int(start["nodes"]))
        blur = 1 / (4 * math.pi**2) if start["nodes"] == 1 else 0.0
        softness = math.sqrt(math.exp(2 * p[5]) + blur)
        loss = np.zeros(self.x.shape)
        for dy, wy in zip(at / 2, weight / 2, strict=True):
            for dx, wx in zip(at / 2, weight / 2, strict=True):
                r = _elliptical_distance(self.y - p[1] + dy, self.x - p[0] + dx, p[3], p[4])
                shape = _logistic((math.exp(p[2]) - r) / softness)
                if start["holed"]:
                    shape -= (1 - p[8]) * _logistic((p[7] * math.exp(p[2]) - r) / softness)
                loss += wy * wx * p[6] * shape
        return np.where(near, loss, 0)


def _elliptical_distance(dy, dx, cos, sin):
    """Squeezed along its longer axis and stretched across it."""
    stretch, turn = math.hypot(cos, sin), math.atan2(sin, cos) / 2
    along = dx * math.cos(turn) + dy * math.sin(turn)
    across = dy * math.cos(turn) - dx * math.sin(turn)
    return np.maximum(
        np.hypot(along * math.exp(-stretch / 2), across * math.exp(stretch / 2)), 10**-4.5
    )


def _logistic(t):
    return 0.5 + 0.5 * np.tanh(0.5 * t)
