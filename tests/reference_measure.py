"""What `measure_feature` must equal: slow, obvious, over whole planes."""

from __future__ import annotations

import numpy as np


def measure_feature(loss, noise, level, *, usable, free, footprint):
    """A feature against the level beside it, step by step over whole planes."""
    inner = grow(footprint, 3)
    ring = grow(inner, 6) & ~inner & free
    beside = beside_err = 0.0
    if ring.sum() >= 8:
        beside = float(np.median(loss[ring]))
        beside_err = 1.2533 * float(np.median(noise[ring])) / np.sqrt(ring.sum())
    loss = (loss - beside) / (1 - beside)
    zone = grow(footprint, 1) & free | footprint & usable
    deep = zone & (loss > 0.05)
    aperture = deep if deep.any() else footprint
    ys, xs = np.nonzero(footprint)
    weight = np.maximum(loss[ys, xs].astype(float), 1e-9)
    weight /= weight.sum()
    y, x = weight @ ys, weight @ xs
    yy, xx = weight @ (ys - y) ** 2 + 1 / 12, weight @ (xs - x) ** 2 + 1 / 12
    xy = weight @ ((ys - y) * (xs - x))
    mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    major, minor = np.sqrt(mean + half), np.sqrt(max(mean - half, 1 / 12))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    deepest = np.argmax(np.where(footprint, loss, -np.inf))
    y_peak, x_peak = np.unravel_index(deepest, loss.shape)
    radius, radius_inner = _radii(
        loss, noise, free | footprint & usable, footprint, (y, x), major / minor, angle
    )
    n = aperture.sum()
    flux_noise = (noise * level)[aperture].astype(float)
    return {
        "x_centroid": x,
        "y_centroid": y,
        "x_peak": x_peak,
        "y_peak": y_peak,
        "radius": radius,
        "radius_inner": radius_inner,
        "area": deep.sum(),
        "area_50": (zone & (loss > 0.5)).sum(),
        "semimajor_axis": major,
        "semiminor_axis": minor,
        "orientation": np.degrees(angle),
        "loss_mean": loss[aperture].mean(dtype=float),
        "loss_mean_err": np.hypot(
            np.sqrt(np.square(noise[aperture], dtype=float).sum()) / n, beside_err
        ),
        "loss_max": loss[y_peak, x_peak],
        "loss_max_err": np.hypot(noise[y_peak, x_peak], beside_err),
        "lost_flux": (loss * level)[aperture].sum(dtype=float),
        "lost_flux_err": np.hypot(
            np.sqrt(np.square(flux_noise).sum()), beside_err * level[aperture].sum(dtype=float)
        ),
    }


def _radii(loss, noise, own, footprint, centre, ratio, angle):
    """Outer and inner radius from the mean loss in elliptical rings of one pixel."""
    dy = np.arange(loss.shape[0])[:, None] - centre[0]
    dx = np.arange(loss.shape[1]) - centre[1]
    stretch = np.sqrt(ratio)
    along = (dx * np.cos(angle) + dy * np.sin(angle)) / stretch
    across = (dy * np.cos(angle) - dx * np.sin(angle)) * stretch
    ring = np.round(np.hypot(along, across))
    size = np.sqrt(footprint.sum() / np.pi)
    n_rings = int(1.6 * size) + 4
    profile, error = np.full(n_rings, np.nan), np.zeros(n_rings)
    for k in range(n_rings):
        here = own & (ring == k)
        if here.any():
            profile[k] = loss[here].mean(dtype=float)
        error[k] = np.median(noise[footprint]) / np.sqrt(max(here.sum(), 1))
    if np.isnan(profile).all():
        return size, 0.0
    top = int(np.nanargmax(profile))
    outer, inner = n_rings - 1.0, 0.0
    for k in range(top + 1, n_rings):
        limit = max(0.05 * profile[top], 2 * error[k])
        if not profile[k] >= limit:
            step = profile[k - 1] - profile[k]
            part = (profile[k - 1] - limit) / step if step > 0 else 0.5
            outer = k - 1 + np.clip(part, 0, 1)
            break
    for k in range(top - 1, -1, -1):
        fallen = profile[top] - profile[k]
        if profile[k] < 0.5 * profile[top] and fallen > 3 * np.hypot(error[k], error[top]):
            inner = k + 0.5
            break
    return outer, inner


def grow(mask, steps):
    """Dilate, by diamonds and squares in turn."""
    for step in range(steps):
        padded = np.pad(mask, 1)
        grown = np.zeros_like(mask)
        for dy, dx in np.ndindex(3, 3):
            if step % 2 or dy == 1 or dx == 1:
                grown |= padded[dy : dy + mask.shape[0], dx : dx + mask.shape[1]]
        mask = grown
    return mask
