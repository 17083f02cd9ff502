"""Putting back the charge that traps delayed while a chip was read out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import MetadataError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.instruments import Profile, Quadrant, load_profile, quadrants
from fleckcore.kernels import cte_readout, smooth_noise
from fleckcore.traps import TrapModel, TrapModels

__all__ = ["correct_cte"]

UNSURE = 0.1
"""Share of a correction that counts as its error."""


def correct_cte(
    frame: Frame,
    models: TrapModels,
    *,
    profile: Profile | None = None,
    mjd: float | None = None,
    read_noise_e: Mapping[str, float] | None = None,
    threads: int | None = None,
) -> tuple[Frame, dict[str, Any]]:
    """Undo the trails of imperfect charge transfer.

    Each amplifier's part is corrected by itself: first along the serial register where ``models``
    has traps for it, then along the columns. The correction is made from the smoothest image that
    the read noise allows, and added to the frame as it is.

    Parameters
    ----------
    frame : Frame
        Electrons, overscan trimmed, before dark and flash are subtracted.
    models : TrapModels
        From `read_pctetab` or `model_traps`.
    profile : Profile, optional
        The instrument; by default that of ``frame.meta.profile``.
    mjd : float, optional
        Date of the exposure, by default ``frame.meta.mjd``.
    read_noise_e : dict of str to float, optional
        Of each amplifier, electrons; by default as the frame's areas have it, else the profile. 0 for frames without
        noise.
    threads : int, optional
        For the kernels.

    Returns
    -------
    corrected : Frame
        Data and error as float32; a tenth of the change is added to the error in quadrature.
        Pixels that are not finite stay as they are, and count as 0 for the others.
    record : dict
        For each amplifier and direction the scale of the traps, the steps that smoothing took, the
        charge that was moved and the sum that the correction added, in electrons.

    Raises
    ------
    MetadataError
        ``M07``: not electrons, no chip or date, a date before the model begins, a profile that
        does not say how charge moves.
    ArrayError
        ``A12``: the model has other columns than the chip.

    Notes
    -----
    With a table of generation 3 the result is that of calacs 10.5, where every column has numbers in
    the table. Read noise that is smoothed away is not corrected, so that noise does not grow.
    """
    meta = frame.meta
    profile = load_profile(meta.profile) if profile is None else profile
    chip, date = _chip_and_date(meta, mjd)
    data = np.array(frame.data, np.float32)
    error = None if frame.error is None else np.array(frame.error, np.float32)
    finite = np.isfinite(data)
    data[~finite] = 0
    serial_too = date >= (profile.traps.serial_from_mjd if profile.traps else -np.inf)
    record: dict[str, Any] = {
        "traps": models.name,
        "mjd": date,
        "not_finite": int(finite.size - np.count_nonzero(finite)),
        "amplifiers": {},
    }
    for part in quadrants(
        profile, chip, frame.shape, x_offset=meta.x_offset, y_offset=meta.y_offset
    ):
        noise = _read_noise(part.amplifier, profile, frame, read_noise_e)
        told: dict[str, Any] = {"read_noise_e": noise}
        for name, model, readout, first in _directions(part, models, serial_too):
            told[name] = _correct(
                part.cut(data),
                None if error is None else part.cut(error),
                model,
                read_noise_e=noise,
                threads=threads,
                readout=readout,
                scale=model.scale(date),
                first_row=first,
            )
        record["amplifiers"][part.amplifier] = told
    if record["not_finite"]:
        data[~finite] = frame.data[~finite]
    return frame.replace(data=data, error=error), record


def _chip_and_date(meta: FrameMeta, mjd: float | None) -> tuple[int, float]:
    date = meta.mjd if mjd is None else mjd
    if meta.unit == "electron" and meta.chip is not None and date is not None:
        return meta.chip, date
    raise MetadataError(
        f"the frame has unit {meta.unit}, chip {meta.chip}, date {date}; wanted electrons, a chip and a date.",
        code="M07",
        path=meta.path,
        advice="Subtract the bias and multiply by the gain first." if meta.unit == "DN" else "",
    )


def _directions(
    part: Quadrant, models: TrapModels, serial_too: bool
) -> list[tuple[str, TrapModel, Any, int]]:
    """Directions to correct, in order: name, model, edge and first row."""
    found: list[tuple[str, TrapModel, Any, int]] = []
    if serial_too and part.amplifier in models.serial:
        if part.serial is None:
            raise MetadataError(
                f"the profile does not say which way amplifier {part.amplifier} reads its serial register.",
                code="M07",
                advice="Add serial to its profile.",
            )
        serial = part.serial_model(models.serial[part.amplifier])
        found.append(("serial", serial, part.serial, part.first_column))
    parallel = part.parallel_model(models.parallel)
    return [*found, ("parallel", parallel, part.readout, part.first_row)]


def _read_noise(
    letter: str, profile: Profile, frame: Frame, given: Mapping[str, float] | None
) -> float:
    seen = {area.amplifier: area.read_noise_e for area in frame.meta.areas}
    known = given.get(letter) if given is not None else seen.get(letter)
    if known is None and given is None:
        known = profile.amplifiers[letter].read_noise_e
    if known is None:
        raise MetadataError(
            f"the read noise of amplifier {letter} is not known.",
            code="M07",
            advice="Give read_noise_e, 0 for none.",
        )
    return float(np.float32(known))  # as headers and calacs hold it


def _correct(
    data: NDArray[np.float32],
    error: NDArray[np.float32] | None,
    model: TrapModel,
    *,
    read_noise_e: float,
    threads: int | None,
    **how: Any,
) -> dict[str, Any]:
    """Correct a part in place along one direction, and say what was done."""
    smooth, steps = smooth_noise(data, read_noise_e, readout=how["readout"], threads=threads)
    change = cte_readout(
        smooth, model, inverse=True, read_noise_e=read_noise_e, threads=threads, **how
    )
    change -= smooth
    data += change
    if error is not None:
        error[:] = np.sqrt(error * error + (UNSURE * np.abs(change.astype(np.float64))) ** 2)
    return {
        "scale": how["scale"],
        "smoothing_steps": steps,
        "moved_e": float(np.abs(change).sum(dtype=np.float64)) / 2,
        "added_e": float(change.sum(dtype=np.float64)),
        "largest_e": float(change.max()),
    }
