"""Superdarks: what the detector gives without light, and which pixels are hot on which day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.calibrate.stack import Combined, CosmicRays, combine
from fleckcore.errors import MetadataError
from fleckcore.frame import Frame
from fleckcore.instruments import load_profile
from fleckcore.io import require_alike

__all__ = [
    "DarkLimits",
    "Superdark",
    "combine_darks",
    "dark_rate",
    "mean_exposure",
    "superdark",
    "unstable_pixels",
]


@dataclass(frozen=True, kw_only=True)
class DarkLimits:
    """What makes a pixel hot, warm or unstable.

    Attributes
    ----------
    hot, warm : float
        Dark current above which a pixel is, e-/s: 0.14 and 0.06 for ACS/WFC since its darks are flashed (2015).
    sigma : float
        A daily dark replaces the base dark where both differ by more standard deviations, and one of them is hot.
    chi_square : float
        A pixel is unstable when its daily darks scatter with a reduced chi-square above this.
    """

    hot: float = 0.14
    warm: float = 0.06
    sigma: float = 5.0
    chi_square: float = 6.0


@dataclass(frozen=True, eq=False)
class Superdark:
    """Dark current of one chip on one day.

    Attributes
    ----------
    frame : Frame
        e-/s with errors; quality has the bits of hot, warm and unstable pixels and those of its sources.
    born, healed : ndarray of bool, shape (rows, cols)
        Pixels whose daily value replaced the base: hot now, or hot no more.
    record : dict
        What was done, in numbers.
    """

    frame: Frame
    born: NDArray[np.bool_]
    healed: NDArray[np.bool_]
    record: dict[str, Any]


def combine_darks(
    frames: Sequence[Frame], *, rules: CosmicRays | None = None, threads: int | None = None
) -> Combined:
    """Combine darks of one kind without their cosmic rays: a base, short or daily dark.

    Parameters
    ----------
    frames : sequence of Frame
        Bias-subtracted darks of one chip and one kind, electrons. All long darks of a cycle make its base dark, all
        short ones its short dark, the long ones of a day its daily dark.
    rules : CosmicRays, optional
        By default those of `CosmicRays` with bit 4 exempt and without ACSREJ's accidents, so that neither the mask of
        a fleck nor a lost pixel leaves an imprint.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    Combined
        The sum of the exposures; its exposure and flash times are the sums.

    Raises
    ------
    MetadataError
        ``M07``: no darks, or darks that do not belong together; see `combine`.
    """
    for frame in frames:
        if not frame.meta.kind.endswith("dark") or frame.meta.kind == "superdark":
            raise MetadataError(
                f"the frame is a {frame.meta.kind}, wanted a dark.",
                code="M07",
                path=frame.meta.path,
            )
    chosen = rules or CosmicRays(exempt=True, accidents=False)
    return combine(frames, method="acsrej", rules=chosen, threads=threads)


def mean_exposure(total: Frame, count: int) -> Frame:
    """Give the mean of exposures from their sum, with its error and the read noise that it has.

    Parameters
    ----------
    total : Frame
        Of `combine_darks`, in electrons.
    count : int
        How many exposures it is the sum of.

    Returns
    -------
    Frame
    """

    def part(value: float | None) -> float | None:
        return None if value is None else value / count

    areas = tuple(
        replace(
            area,
            read_noise_e=None if area.read_noise_e is None else area.read_noise_e / count**0.5,
        )
        for area in total.meta.areas
    )
    meta = replace(
        total.meta,
        exposure_s=part(total.meta.exposure_s),
        flash_s=part(total.meta.flash_s),
        areas=areas,
    )
    error = None if total.error is None else total.error / count
    return total.replace(data=total.data / count, error=error, meta=meta)


def dark_rate(long: Frame, short: Frame | None = None) -> Frame:
    """Give the dark current, e-/s; the flash is taken out with a short dark.

    Parameters
    ----------
    long : Frame
        Combined long darks.
    short : Frame, optional
        Combined short darks with the same flash per exposure; scaled by the ratio of the flash times. Left out for
        darks that were not flashed.

    Returns
    -------
    Frame
        ``(L - r S) / (t_L - r t_S)`` with ``r = flash_L / flash_S`` and its error. What blocks the flash blocks it in
        both, and is gone: a superdark hides flecks.

    Raises
    ------
    MetadataError
        ``M07``: frames of other chips or units, no exposure time, or flashed darks without a short one.
    """
    _require_electrons(long)
    time, flash = long.meta.exposure_s, long.meta.flash_s
    if short is None:
        if flash:
            raise MetadataError(
                f"the dark was flashed for {flash:g} s.",
                code="M07",
                path=long.meta.path,
                advice="Give the short dark of the cycle, which takes the flash out.",
            )
        return _as_rate(long, np.asarray(long.data), long.error, time or 0.0)
    _require_electrons(short)
    require_alike([long, short])
    if not flash or not short.meta.flash_s or time is None or short.meta.exposure_s is None:
        raise MetadataError(
            f"flash times {flash} and {short.meta.flash_s} s, exposure times {time} and "
            f"{short.meta.exposure_s} s: wanted flashed darks.",
            code="M07",
            path=long.meta.path,
        )
    ratio = flash / short.meta.flash_s
    data = long.data - np.float32(ratio) * short.data
    error = None
    if long.error is not None and short.error is not None:
        error = np.hypot(long.error, np.float32(ratio) * short.error)
    return _as_rate(long, data, error, time - ratio * short.meta.exposure_s)


def _require_electrons(frame: Frame) -> None:
    if frame.meta.unit != "electron":
        raise MetadataError(
            f"the dark is in {frame.meta.unit}, wanted electrons.", code="M07", path=frame.meta.path
        )


def _as_rate(frame: Frame, data: NDArray[Any], error: NDArray[Any] | None, time: float) -> Frame:
    if not time > 0:
        raise MetadataError(
            f"{time:g} s of dark current are left, wanted more than 0.",
            code="M07",
            path=frame.meta.path,
        )
    scale = np.float32(1 / time)
    meta = replace(frame.meta, unit="electron/s", kind="superdark", exposure_s=time, flash_s=None)
    return frame.replace(
        data=data * scale, error=None if error is None else error * scale, meta=meta
    )


def superdark(
    base: Frame,
    daily: Frame,
    short: Frame | None = None,
    *,
    limits: DarkLimits | None = None,
    unstable: NDArray[np.bool_] | None = None,
) -> Superdark:
    """Make a day's superdark: the cycle's base dark with the hot pixels of that day.

    Parameters
    ----------
    base, daily, short : Frame
        Combined darks of one chip, electrons: all long ones of the cycle, those of the day, all short ones.
    limits : DarkLimits, optional
        Thresholds.
    unstable : ndarray of bool, shape (rows, cols), optional
        From `unstable_pixels`; flagged besides.

    Returns
    -------
    Superdark

    Raises
    ------
    MetadataError
        ``M07``: as for `dark_rate`, or no error planes.

    Notes
    -----
    Where the day differs from the base by more than ``sigma`` standard deviations and one of them is hot, the day's
    value is taken: a pixel that became hot is hot from this day on, and one that healed is no longer. The error of
    the difference is that of the day and base together, which share the day's exposures: it is a little too large.
    """
    limits = limits or DarkLimits()
    whole, day = dark_rate(base, short), dark_rate(daily, short)
    if whole.error is None or day.error is None:
        raise MetadataError("darks without error planes.", code="M07", path=base.meta.path)
    away = np.abs(day.data - whole.data) > limits.sigma * np.hypot(whole.error, day.error)
    born = away & (day.data > limits.hot) & (day.data > whole.data)
    healed = away & (whole.data > limits.hot) & (day.data < whole.data)
    taken = born | healed
    data = np.where(taken, day.data, whole.data).astype(np.float32)
    error = np.where(taken, day.error, whole.error).astype(np.float32)
    bits = load_profile(base.meta.profile).quality
    quality = np.zeros(data.shape, np.int32)
    sources = [frame.quality for frame in (base, daily, short) if frame is not None]
    for plane in sources:
        if plane is not None:
            quality |= plane.astype(np.int32)
    quality &= ~(bits.get("hot", 0) | bits.get("warm", 0) | bits.get("unstable", 0))
    hot = data > limits.hot
    warm = (data >= limits.warm) & ~hot
    for name, where in (("hot", hot), ("warm", warm), ("unstable", unstable)):
        if where is not None and name in bits:
            quality[where] |= bits[name]
    record = {
        "limits": asdict(limits),
        "exposure_s": whole.meta.exposure_s,
        "exposure_of_day_s": day.meta.exposure_s,
        "hot": int(hot.sum()),
        "warm": int(warm.sum()),
        "unstable": None if unstable is None else int(unstable.sum()),
        "born": int(born.sum()),
        "healed": int(healed.sum()),
        "median_e_s": float(np.median(data)),
    }
    meta = replace(whole.meta, mjd=daily.meta.mjd)
    return Superdark(Frame(data, error, quality, meta), born, healed, record)


def unstable_pixels(
    days: Sequence[Frame], *, limits: DarkLimits | None = None
) -> NDArray[np.bool_]:
    """Tell pixels whose dark current varies from day to day more than its errors allow.

    Parameters
    ----------
    days : sequence of Frame
        Dark currents of several days, from `dark_rate`, with errors.
    limits : DarkLimits, optional
        Thresholds; only pixels that are warm or hot on one of the days are tested.

    Returns
    -------
    ndarray of bool, shape (rows, cols)

    Raises
    ------
    MetadataError
        ``M07``: fewer than 3 days, or no error planes.
    """
    limits = limits or DarkLimits()
    if len(days) < 3 or any(day.error is None for day in days):
        raise MetadataError(f"{len(days)} days, wanted at least 3 with error planes.", code="M07")
    require_alike(days)
    weight, total, square = (np.zeros(days[0].shape) for _ in range(3))
    brightest = np.max([day.data for day in days], axis=0)
    for day in days:
        assert day.error is not None
        w = 1 / np.maximum(day.error.astype(np.float64), 1e-9) ** 2
        weight += w
        total += w * day.data
        square += w * day.data.astype(np.float64) ** 2
    chi_square = (square - total**2 / weight) / (len(days) - 1)
    return np.asarray((chi_square > limits.chi_square) & (brightest > limits.warm))
