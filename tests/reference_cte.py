"""Charge transfer as it is defined, packet by packet: slow and obvious."""

import numpy as np


def trap_scale(model, shape, scale, first_row=0):
    """Factor on the traps of each pixel, row 0 next to the register."""
    rows, cols = shape
    nodes = np.ones((cols, 4)) if model.row_scale is None else model.row_scale
    row = np.arange(rows) + first_row
    place = np.minimum(row / (model.rows / 4), 2.999)
    n = place.astype(int)
    here = nodes[:, n] + (nodes[:, n + 1] - nodes[:, n]) * (place - n)
    return (here * ((row + 1) / model.rows) * scale).T.astype(np.float32).astype(float)


def read_column(column, scale, model):
    column = [float(value) for value in column]
    length = model.release.shape[1]
    for _ in range(model.substeps):
        for w in reversed(range(len(model.levels))):
            age, trapped = length, 0.0
            for j in range(len(column)):
                if j > 0 and scale[j] < scale[j - 1]:
                    trapped *= scale[j] / scale[j - 1]
                given = flushed = taken = 0.0
                reaches = column[j] >= model.levels[w]
                if age < length:
                    given = model.release[w, age] * trapped
                    if reaches:
                        flushed = model.remaining[w, age] * trapped
                    age += 1
                if reaches:
                    taken = trapped = model.traps[w] / model.substeps * scale[j]
                    age = 0
                column[j] += given + flushed - taken
    return np.array(column)


def restore_column(observed, scale, model, read_noise=0.0):
    scale = scale.copy()
    for _ in range(5):
        column = observed.copy()
        for iteration in range(model.iterations):
            difference = read_column(column, scale, model) - observed
            if iteration + 1 < model.iterations and read_noise > 0:
                squared = difference * difference
                difference = difference * (squared / (squared + read_noise * read_noise))
            column = column - difference
        if not (model.repair_rays and weaken_rays(column, observed, scale, model.ray_threshold)):
            break
    return column


def weaken_rays(column, observed, scale, threshold):
    found, gain = False, column - observed
    for i in range(10, len(column) - 2):
        m, o = column[i : i + 3], observed[i : i + 3]
        if (
            (m[0] < threshold and m[0] - o[0] < threshold)
            or (m[0] + m[1] < -12 and m[0] + m[1] - o[0] - o[1] < -12)
            or (m[0] + m[1] + m[2] < -15 and m[0] + m[1] + m[2] - o[0] - o[1] - o[2] < -15)
        ):
            found, ray = True, i
            for k in range(i - 10, i + 1):
                if gain[k] > gain[ray]:
                    ray = k
            scale[ray : i + 1] = (scale[ray : i + 1] * 0.75).astype(np.float32)
    return found


def cte_readout(image, model, *, scale=1.0, first_row=0, inverse=False, read_noise_e=0.0):
    """Row 0 is read first; float64."""
    image = np.asarray(image, float)
    factors = trap_scale(model, image.shape, scale, first_row)
    work = (lambda *c: restore_column(*c, read_noise_e)) if inverse else read_column
    columns = [work(image[:, x], factors[:, x], model) for x in range(image.shape[1])]
    return np.stack(columns, axis=1)


def smooth_noise(image, s):
    """Row 0 is read first."""
    observed = np.asarray(image, np.float32)
    now, steps = observed.copy(), 0
    rows, cols = observed.shape
    while s >= 0.1 and steps < 100:
        old, seen = now.astype(float), observed.astype(float)
        d = seen - old
        mean = np.zeros_like(d)
        if rows > 2 and cols > 2:
            tall = d[:-2] + d[1:-1] + d[2:]
            mean[1:-1, 1:-1] = (tall[:, :-2] + tall[:, 1:-1] + tall[:, 2:]) / 9
        before, behind = np.zeros_like(d), np.zeros_like(d)
        before[1:], behind[:-1] = old[:-1] - old[1:], old[1:] - old[:-1]
        change = (
            np.clip(d, -1, 1) * (d * d / (d * d + 4 * s**2)) * 0.25
            + np.clip(mean, -0.33 * s, 0.33 * s) * (mean * mean / (mean * mean + 18 * s**2)) * 0.25
            + np.clip(before, -0.33 * s, 0.33 * s) * (4 * s**2 / (before**2 + 4 * s**2)) * 0.25
            + np.clip(behind, -0.33 * s, 0.33 * s) * (4 * s**2 / (behind**2 + 4 * s**2)) * 0.25
        ).astype(np.float32)
        now = (old + change.astype(float) * 0.75).astype(np.float32)
        rest = (observed - now).astype(float)
        counts = (np.abs(observed.astype(float)) > 0.1) | (np.abs(now.astype(float)) > 0.1)
        steps += 1
        if counts.any() and s - np.sqrt((rest**2)[counts].mean()) < 1e-5:
            break
    return now, steps
