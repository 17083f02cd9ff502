"""How much of what a search lists is real, as far as frames alone can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.options import Options
from fleckcore.detection.search import SearchResult, search
from fleckcore.frame import Frame
from fleckcore.io import require_alike
from fleckcore.simulate import pair_nearest

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog

__all__ = ["Found", "mean_frame", "purity_by_halves", "purity_by_mirror", "wilson"]

RADII = (0.0, 2.0, 8.0, 32.0, np.inf)
"""Limits of the size classes, pixels."""
HALVES_EASIER = 1000.0
"""How many times more false alarms a half may have: its noise is larger by a root of two."""


class Found:
    """Places and radii of a catalogue as plain arrays, pixels.

    Attributes
    ----------
    x, y, radius : ndarray of float64, shape (n,)
        Centre, and radius where 5 % of the loss is left, or of a model half of it.
    modelled : ndarray of bool, shape (n,)
        Whether the radius is that of a large shadow's model.
    """

    def __init__(self, catalog: Catalog) -> None:
        names = ("x_centroid", "y_centroid", "radius", "radius_fit")
        self.x, self.y, self.radius, fitted = (
            np.asarray(catalog[name].value, float) for name in names
        )
        self.modelled = self.radius == fitted

    def distances(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the distance of every place to every feature, shape (n, features)."""
        distance: NDArray[np.float64] = np.hypot(x[:, None] - self.x, y[:, None] - self.y)
        return distance


def wilson(
    hits: NDArray[np.int64], tries: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the 68 % interval of a rate (Wilson 1927, JASA 22, 209); NaN where nothing was tried.

    Parameters
    ----------
    hits, tries : ndarray of int
        Successes, and trials.

    Returns
    -------
    low, high : ndarray of float64
    """
    n = np.where(tries > 0, tries, np.nan)
    rate = hits / n
    middle = (rate + 0.5 / n) / (1 + 1 / n)
    half = np.sqrt(rate * (1 - rate) / n + 0.25 / n**2) / (1 + 1 / n)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def mean_frame(frames: Sequence[Frame]) -> Frame:
    """Average frames of one chip pixel by pixel, without masked pixels.

    Parameters
    ----------
    frames : sequence of Frame
        Of one shape and setup; `MetadataError` ``M07`` when not.

    Returns
    -------
    Frame
        float32, NaN where every frame is masked, with an error plane when every frame has one; meta of the first.
    """
    require_alike(frames)
    if len(frames) == 1:
        return frames[0]
    total, variance = np.zeros(frames[0].shape), np.zeros(frames[0].shape)
    count = np.zeros(frames[0].shape, np.int64)
    for frame in frames:
        good = ~frame.mask
        np.add(total, frame.data, out=total, where=good)
        if frame.error is not None:
            np.add(variance, np.square(frame.error, dtype=float), out=variance, where=good)
        count += good
    n = np.where(count > 0, count, np.nan)
    known = all(frame.error is not None for frame in frames)
    error = (np.sqrt(variance) / n).astype(np.float32) if known else None
    return Frame((total / n).astype(np.float32), error, meta=frames[0].meta)


def purity_by_mirror(
    light: Frame, plain: SearchResult, options: Options, **search_options: Any
) -> list[dict[str, Any]]:
    """Count what the same search finds with the sign turned round: nothing real blocks less than no light.

    Parameters
    ----------
    light : Frame
        Bias-subtracted.
    plain : SearchResult
        What the search lists on it, and what it searched.
    options : Options
        Of that search.
    **search_options
        ``reference`` and ``threads`` of that search.

    Returns
    -------
    list of dict
        For each size class how many are ``listed``, how many were found ``mirrored``, which ``share`` of the searched
        pixels they were counted on, and the purity: one minus the ratio of the false alarms that this makes
        (``mirrored`` over ``share``) to those listed, at least 0, with an interval from the counting error of
        ``mirrored``; None where nothing is listed. Empty for the published recipe, which has no mirror.

    Notes
    -----
    Mirroring the loss of a normalised frame is what ``bright`` does. The hole of a ring is bright beside its rim,
    and so is the light around a deep shadow: within one and a half radii of what is listed, nothing is counted. What
    is truly bright elsewhere (hot pixels that no quality bit marks, cosmic rays) counts as a false alarm, so the
    purity is a lower limit in frames that hold such.
    """
    if options.normalise == "literal":
        return []
    turned = replace(options, bright=not options.bright)
    mirrored = search(light, options=turned, **search_options).catalog
    near = _surroundings(plain.catalog, light.shape)
    searched = ~plain.normalised.mask
    counted_on = np.count_nonzero(searched & ~near)
    share = counted_on / max(1, int(np.count_nonzero(searched)))
    clear = ~near[mirrored["y_peak"].value, mirrored["x_peak"].value]
    rows = []
    for low, high, listed, wrong in _classes(
        Found(plain.catalog).radius, Found(mirrored).radius[clear]
    ):
        n = len(wrong)
        least, most = (
            n - np.sqrt(max(0.0, n - 0.25)),
            n + np.sqrt(n + 0.75) + 1,
        )  # Gehrels 1986, ApJ 303
        known = len(listed) if share else 0
        rows.append(
            {"method": "mirror", "radius_from": low, "radius_to": high, "listed": len(listed)}
            | {"mirrored": n, "share": share}
            | _share(known, *(false / max(share, 1e-9) for false in (n, most, least)))
        )
    return rows


def _surroundings(catalog: Catalog, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels within one and a half radii of a feature, and of a streak's length; at least 3 pixels more."""
    near = np.zeros(shape, bool)
    x, y, radius, major = (
        np.nan_to_num(np.asarray(catalog[name].value, float))
        for name in ("x_centroid", "y_centroid", "radius", "semimajor_axis")
    )
    reach = np.maximum(radius, 2 * major)
    for cx, cy, far in zip(x, y, np.maximum(1.5 * reach, reach + 3), strict=True):
        rows, cols = (
            slice(max(0, int(centre - far)), int(centre + far) + 2) for centre in (cy, cx)
        )
        v, u = np.ogrid[: shape[0], : shape[1]]
        near[rows, cols] |= np.hypot(v[rows] - cy, u[:, cols] - cx) <= far
    return near


def _share(listed: int, wrong: float, most: float, least: float) -> dict[str, float | None]:
    names = ("purity", "purity_low", "purity_high")
    if not listed:
        return dict.fromkeys(names)
    return {n: max(0.0, 1 - w / listed) for n, w in zip(names, (wrong, most, least), strict=True)}


def purity_by_halves(
    halves: Sequence[Frame], catalog: Catalog, options: Options, **search_options: Any
) -> list[dict[str, Any]]:
    """Count which features of the mean of all frames are found in both halves of them.

    Parameters
    ----------
    halves : sequence of Frame
        Means of every other frame, bias-subtracted.
    catalog : Catalog
        What the search lists on the mean of all.
    options : Options
        Of that search. The halves are noisier and searched with more false alarms allowed; a chance agreement in
        place stays rare.
    **search_options
        ``reference`` and ``threads`` of that search.

    Returns
    -------
    list of dict
        For each size class how many are ``listed``, how many ``confirmed`` by both halves, and the purity: their
        ratio with its binomial interval. What the detector itself does to every frame is confirmed too.
    """
    easier = replace(options, false_alarms=HALVES_EASIER * options.false_alarms)
    listed = Found(catalog)
    confirmed = np.ones(len(listed.x), dtype=bool)
    for half in halves:
        found = Found(search(half, options=easier, **search_options).catalog)
        distance = found.distances(listed.x, listed.y)
        near = distance <= np.fmax(3.0, 0.25 * listed.radius)[:, None]
        confirmed &= np.array([match is not None for match in pair_nearest(distance, near)], bool)
    rows = []
    for low, high, some, good in _classes(listed.radius, listed.radius[confirmed]):
        lows, highs = wilson(np.array([len(good)]), np.array([len(some)]))
        values = (len(good) / len(some), float(lows[0]), float(highs[0])) if len(some) else ()
        names = ("purity", "purity_low", "purity_high")
        rows.append(
            {"method": "halves", "radius_from": low, "radius_to": high, "listed": len(some)}
            | {"confirmed": len(good)}
            | (dict(zip(names, values, strict=True)) if values else dict.fromkeys(names))
        )
    return rows


def _classes(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> list[tuple[float, float | None, NDArray[np.float64], NDArray[np.float64]]]:
    """Split two lists of radii into the size classes; an unknown radius is in the first, the last has no end."""
    a, b = np.nan_to_num(first, nan=0.0), np.nan_to_num(second, nan=0.0)
    return [
        (
            low,
            high if np.isfinite(high) else None,
            a[(a >= low) & (a < high)],
            b[(b >= low) & (b < high)],
        )
        for low, high in pairwise(RADII)
    ]
