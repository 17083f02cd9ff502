"""Slow, obvious numpy references: what each kernel must equal."""

import numpy as np

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
