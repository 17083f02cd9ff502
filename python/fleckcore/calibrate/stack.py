"""Many exposures of one scene become one frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from mmap import mmap
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import MetadataError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.io import opened, require_alike
from fleckcore.kernels import (
    CosmicRays,
    Stack,
    StackedPlanes,
    combine_stack,
    reject_cosmic_rays,
    sky_modes,
)

__all__ = ["METHODS", "Clipping", "Combined", "CosmicRays", "Method", "Scaling", "combine"]

Method = Literal["mean", "median", "clipped_mean", "acsrej"]
METHODS: tuple[Method, ...] = get_args(Method)
Scaling = Literal["none", "exposure", "level"]
Files = Sequence[tuple[int, mmap] | None]


@dataclass(frozen=True, kw_only=True)
class Clipping:
    """What ``clipped_mean`` leaves out, in standard deviations from the median of a pixel's frames.

    Attributes
    ----------
    low, high : float
        Below and above.
    rounds : int
        At most so many times.
    """

    low: float = 3.0
    high: float = 3.0
    rounds: int = 5


@dataclass(frozen=True, eq=False)
class Combined:
    """A frame made of many.

    Attributes
    ----------
    frame : Frame
        Data and error as float32, quality as int32.
    used : ndarray of int32, shape (rows, cols)
        Of how many frames a pixel is made.
    record : dict
        What was done, in numbers: method, parameters, and of every frame its name, time, level and rejected pixels.
    """

    frame: Frame
    used: NDArray[np.int32]
    record: dict[str, Any]


def combine(
    frames: Sequence[Frame],
    *,
    method: Method = "acsrej",
    rules: CosmicRays | None = None,
    sky: Literal["mode", "none"] = "mode",
    clipping: Clipping | None = None,
    scaling: Scaling = "none",
    bad_bits: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Combined:
    """Combine frames of one chip, row by row: the stack is never whole in memory.

    Parameters
    ----------
    frames : sequence of Frame
        Of one chip, place, size and unit. Mapped files are read a few rows at a time (twice with ``sky="mode"``).
    method : {"mean", "median", "clipped_mean", "acsrej"}
        ``"acsrej"``: the cosmic-ray rejection of ACSREJ; the result is the sum of all exposures. The others give a
        typical exposure.
    rules : CosmicRays, optional
        Parameters of ``"acsrej"``. By default those of `CosmicRays`, with bit 4 exempt for biases and darks.
    sky : {"mode", "none"}
        Of ``"acsrej"``: subtract each frame's most frequent value before frames are compared.
    clipping : Clipping, optional
        Of ``"clipped_mean"``.
    scaling : {"none", "exposure", "level"}
        Of the others: combine frames as they are, per second, or each divided by its median (for flats).
    bad_bits : int, optional
        Pixels with one of these quality bits are left out; by default those of the instrument's search for the
        plain methods, and of ``rules`` for ``"acsrej"``.
    threads : int, optional
        Threads; by default `default_threads`.
    progress : callable, optional
        Called with the rows that are finished, and how many there are.

    Returns
    -------
    Combined

    Raises
    ------
    MetadataError
        ``M07``: an unknown method, no frame, frames of other chips or sizes, a mixture of exposures that differ in
        flash or exposure time where these matter, or no way to know the noise.

    Notes
    -----
    Errors are propagated from the error planes; a frame without one has the noise of its light and read noise,
    ``sqrt(max(d, 0) / gain + (read_noise / gain)**2)`` in the unit of the data. The result has no error plane where
    these are not known.
    """
    _check(frames, method, scaling)
    used = [frame for frame in frames if frame.meta.exposure_s != 0] or list(frames)
    with opened(frame.data for frame in used) as files:
        if method == "acsrej":
            planes, facts = _reject(used, files, rules, sky, bad_bits, threads, progress)
        else:
            planes, facts = _plain(
                used, files, method, clipping, scaling, bad_bits, threads, progress
            )
    meta = _meta(used, method, scaling)
    known = _noise(used[0]) is not None or used[0].error is not None
    frame = Frame(planes.data, planes.error if known else None, planes.quality, meta)
    record = {
        "method": method,
        **facts,
        "pixels_of_no_frame": int(np.count_nonzero(planes.used == 0)),
        "mean_frames_per_pixel": float(planes.used.mean()),
        "left_out": [_name(frame) for frame in frames if all(frame is not one for one in used)],
    }
    return Combined(frame, planes.used, record)


def _check(frames: Sequence[Frame], method: str, scaling: str) -> None:
    if method not in METHODS:
        raise MetadataError(
            f"unknown method {method!r}, wanted one of {', '.join(METHODS)}.", code="M07"
        )
    if scaling not in get_args(Scaling):
        raise MetadataError(
            f"unknown scaling {scaling!r}, wanted one of {', '.join(get_args(Scaling))}.",
            code="M07",
        )
    if not frames:
        raise MetadataError("no frame to combine.", code="M07")
    require_alike(frames)
    if scaling != "level":
        _require_same_light(frames, per_second=method == "acsrej" or scaling == "exposure")


def _require_same_light(frames: Sequence[Frame], *, per_second: bool) -> None:
    """Refuse to mix short and long darks: their flash per second differs, as calacs finds too."""
    times = [(frame.meta.exposure_s or 0.0, frame.meta.flash_s or 0.0) for frame in frames]
    seen = [flash / time if per_second else time for time, flash in times if time or not per_second]
    if seen and max(seen) > 1.001 * min(seen):
        what = "flash per second" if per_second else "exposure time in seconds"
        raise MetadataError(
            f"the {what} differs, from {min(seen):g} to {max(seen):g}.",
            code="M07",
            advice="Combine exposures of one kind only"
            + (". " if per_second else ', or use scaling="exposure".'),
        )


def _reject(
    frames: list[Frame],
    files: Files,
    rules: CosmicRays | None,
    sky: str,
    bad_bits: int | None,
    threads: int | None,
    progress: Callable[[int, int], object] | None,
) -> tuple[StackedPlanes, dict[str, Any]]:
    if rules is None:
        rules = CosmicRays(exempt=is_dark(frames[0].meta))
    if bad_bits is not None:
        rules = replace(rules, bad_bits=bad_bits)
    times = [frame.meta.exposure_s or 1.0 for frame in frames]
    skies = np.zeros(len(frames), np.float32)
    if sky == "mode":
        skies = sky_modes(_stack(frames, files), bad_bits=rules.bad_bits, threads=threads)
    stack = _stack(frames, files, zero=list(skies), scale=times, noise_wanted=True)
    planes = reject_cosmic_rays(
        stack, rules, threads=threads, after=_after(frames[0].shape[0], progress)
    )
    pixels = frames[0].data.size
    told = [
        {
            "name": _name(frame),
            "exposure_s": time,
            "sky": float(level),
            "rejected": int(count),
            "rejected_fraction": int(count) / pixels,
        }
        for frame, time, level, count in zip(frames, times, skies, planes.rejected, strict=True)
    ]
    return planes, {"rules": asdict(rules), "sky": sky, "frames": told}


def _plain(
    frames: list[Frame],
    files: Files,
    method: Literal["mean", "median", "clipped_mean"],
    clipping: Clipping | None,
    scaling: str,
    bad_bits: int | None,
    threads: int | None,
    progress: Callable[[int, int], object] | None,
) -> tuple[StackedPlanes, dict[str, Any]]:
    clip = clipping or Clipping()
    bits = frames[0].meta.masked_bits if bad_bits is None else bad_bits
    scales = [_scale(frame, scaling) for frame in frames]
    planes = combine_stack(
        _stack(frames, files, scale=scales),
        method=method,
        bad_bits=bits,
        low=clip.low,
        high=clip.high,
        rounds=clip.rounds,
        threads=threads,
        after=_after(frames[0].shape[0], progress),
    )
    told = [
        {"name": _name(frame), "exposure_s": frame.meta.exposure_s, "scale": scale}
        for frame, scale in zip(frames, scales, strict=True)
    ]
    facts = {"scaling": scaling, "bad_bits": bits, "frames": told}
    return planes, facts | ({"clipping": asdict(clip)} if method == "clipped_mean" else {})


def _scale(frame: Frame, scaling: str) -> float:
    if scaling == "exposure":
        if not frame.meta.exposure_s:
            raise MetadataError("no exposure time to divide by.", code="M07", path=frame.meta.path)
        return frame.meta.exposure_s
    if scaling == "level":
        level = float(np.median(frame.data[~frame.mask]))
        if not level > 0:
            raise MetadataError(
                f"the median is {level:g}, wanted light to divide by.",
                code="A06",
                path=frame.meta.path,
                advice="Subtract the bias first.",
            )
        return level
    return 1.0


def is_dark(meta: FrameMeta) -> bool:
    """Tell biases and darks, for which calacs does not mind the bad-pixel bit."""
    return meta.kind == "bias" or meta.kind.endswith("dark")


def _noise(frame: Frame) -> tuple[float, float] | None:
    """Give slope and floor of a frame's variance in its own unit, where gain and read noise are known."""
    gain, noise = frame.meta.gain_e, frame.meta.read_noise_e
    return None if not gain or noise is None else (1 / gain, (noise / gain) ** 2)


def _stack(
    frames: list[Frame],
    files: Files,
    *,
    zero: list[float] | float = 0.0,
    scale: list[float] | float = 1.0,
    noise_wanted: bool = False,
) -> Stack:
    noise = _noise(frames[0])
    if noise_wanted and noise is None and any(frame.error is None for frame in frames):
        raise MetadataError(
            "frames without error planes, whose gain or read noise is not known.",
            code="M07",
            path=frames[0].meta.path,
            advice="Use another method, or a profile that knows them.",
        )
    return Stack(
        data=[frame.data for frame in frames],
        error=[frame.error for frame in frames],
        quality=[frame.quality for frame in frames],
        zero=zero,
        scale=scale,
        variance=noise or (0.0, 0.0),
        files=files,
    )


def _after(
    rows: int, progress: Callable[[int, int], object] | None
) -> Callable[[int, int], None] | None:
    """Tell how far the work is."""
    if progress is None:
        return None
    done = 0

    def after(first: int, stop: int) -> None:
        nonlocal done
        done = min(rows, done + stop - first)
        progress(done, rows)

    return after


def _meta(frames: list[Frame], method: str, scaling: str) -> FrameMeta:
    """Of the sum for ``acsrej``, else of one exposure, one second or relative light."""
    first = frames[0].meta
    unit = first.unit
    exposures = [frame.meta.exposure_s for frame in frames]
    flashes = [frame.meta.flash_s for frame in frames]
    exposure, flash = first.exposure_s, first.flash_s
    if method == "acsrej":
        exposure = None if None in exposures else float(sum(t or 0.0 for t in exposures))
        flash = None if None in flashes else float(sum(t or 0.0 for t in flashes))
    elif scaling == "exposure":
        unit = "electron/s" if unit == "electron" else unit
        exposure, flash = 1.0, None
    dates = [frame.meta.mjd for frame in frames if frame.meta.mjd is not None]
    return replace(
        first,
        unit=unit,
        exposure_s=exposure,
        flash_s=flash,
        mjd=min(dates) if dates else None,
        warnings=tuple(dict.fromkeys(note for frame in frames for note in frame.meta.warnings)),
    )


def _name(frame: Frame) -> str:
    path = frame.meta.path
    return frame.meta.rootname or ("" if path is None else path.name)
