"""What a flag will do downstream, before it is delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.calibrate import CosmicRays
from fleckcore.flag.check import name_bits
from fleckcore.flag.table import flagging_of
from fleckcore.instruments import Profile

__all__ = ["ChipLoss", "Drizzled", "Preview", "Rejection", "preview"]

SPILL, EXCLUDE, HIT = 2, 4, 8
"""Marks of ACSREJ, which begins with the quality bits themselves: these three share their values."""


@dataclass(frozen=True, kw_only=True)
class ChipLoss:
    """Pixels of a chip that are flagged: number, and share of the chip."""

    chip: int
    pixels: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """What cosmic-ray rejection does with flagged pixels of a kind of exposure.

    Attributes
    ----------
    exposures : str
        ``"BIAS, DARK"`` or ``"others"``.
    pipeline : str
        Versions, such as ``"before 10.2.0"``.
    tested : bool
        They are searched for cosmic rays.
    used : bool
        They count in the combined frame. Where they do not, a mask that all exposures have leaves its imprint.
    """

    exposures: str
    pipeline: str
    tested: bool
    used: bool

    def __str__(self) -> str:
        fate = {
            (True, True): "combined as any other pixel",
            (False, True): "summed, but never tested for cosmic rays",
            (True, False): "tested, but left out: the mask is imprinted on SCI and ERR",
            (False, False): "left out: the mask is imprinted on SCI and ERR",
        }[self.tested, self.used]
        return f"cosmic-ray rejection of {self.exposures}, {self.pipeline}: {fate}"


@dataclass(frozen=True, kw_only=True)
class Drizzled:
    """What the default bits of drizzle make of a flag: which bits are good, whether flagged pixels are dropped."""

    exposures: str
    good_bits: int
    dropped: bool

    def __str__(self) -> str:
        fate = "flagged pixels are dropped" if self.dropped else "flagged pixels are kept as good"
        return f"drizzle of {self.exposures} (good bits {self.good_bits}): {fate}"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What comes of a flag.

    Attributes
    ----------
    value : int
        Quality bits.
    bits : str
        Their names.
    problems : tuple of str
        What is wrong with the value; empty for a legal one.
    chips : tuple of ChipLoss
        What is flagged.
    rejection : tuple of Rejection
        For biases and darks, before and since the change of the pipeline, and for others.
    drizzled : tuple of Drizzled
        For one exposure and for several.
    """

    value: int
    bits: str
    problems: tuple[str, ...]
    chips: tuple[ChipLoss, ...]
    rejection: tuple[Rejection, ...]
    drizzled: tuple[Drizzled, ...]


def preview(
    masks: Mapping[int, NDArray[Any]],
    profile: Profile,
    *,
    value: int | None = None,
    bad_bits: int | None = None,
) -> Preview:
    """Say what a flag will do downstream.

    Parameters
    ----------
    masks : dict of int to ndarray of bool, shape (rows, cols)
        By CCDCHIP, of chips without overscan.
    profile : Profile
        Of the instrument.
    value : int, optional
        Quality bits; by default the bit of a bad pixel.
    bad_bits : int, optional
        BADINPDQ of the rejection; by default that of `CosmicRays`.

    Returns
    -------
    Preview

    Raises
    ------
    MetadataError
        ``M07`` an instrument whose pipeline is not known.

    Notes
    -----
    ACSREJ of calacs 10.5, to the letter: pixels with a bit of BADINPDQ are marked as excluded, and its marks share
    their values with the quality bits 2, 4 and 8, so that these bits act even where BADINPDQ lacks them. Since 10.2.0
    bit 4 and the mark of its value do not count for biases and darks: a pixel with another bit of BADINPDQ is not
    tested there, but summed.
    """
    flagging = flagging_of(profile)
    bits = profile.quality[flagging.bit] if value is None else value
    bad = CosmicRays().bad_bits if bad_bits is None else bad_bits
    kinds, version = ", ".join(flagging.exempt_kinds), flagging.exempt_in
    return Preview(
        value=bits,
        bits=name_bits(bits & 0xFFFF, profile),
        problems=tuple(_problems(bits, profile)),
        chips=tuple(
            ChipLoss(chip=chip, pixels=int(np.count_nonzero(mask)), share=float(np.mean(mask != 0)))
            for chip, mask in masks.items()
        ),
        rejection=(
            _reject(bits, bad, kinds, f"before {version}", exempt=False),
            _reject(bits, bad, kinds, f"since {version}", exempt=True),
            _reject(bits, bad, "others", "any", exempt=False),
        ),
        drizzled=(
            _drizzle(bits, flagging.drizzle_good_alone, "one exposure"),
            _drizzle(bits, flagging.drizzle_good, "several exposures"),
        ),
    )


def _problems(bits: int, profile: Profile) -> list[str]:
    flagging = flagging_of(profile)
    legal = int(np.bitwise_or.reduce(list(profile.quality.values())))
    found = []
    if bits <= 0:
        found.append(f"{bits} has no bit to set")
    if bits >= 2**15:
        found.append(
            f"{bits} needs the sign of a 16-bit number: it would be read as {bits - 2**16}"
        )
    if bits > 0 and bits & ~legal:
        found.append(f"{name_bits(bits & ~legal, profile)} has no meaning for {profile.name}")
    found += [
        f"calibration sets {name} itself; a bad pixel is {profile.quality[flagging.bit]}"
        for name in flagging.set_by_pipeline
        if bits & profile.quality[name]
    ]
    return found


def _reject(bits: int, bad: int, exposures: str, pipeline: str, *, exempt: bool) -> Rejection:
    bad &= ~EXCLUDE if exempt else ~0
    mark = EXCLUDE if bits & bad and bits != SPILL else bits
    refused = HIT | SPILL | (0 if exempt else EXCLUDE)
    return Rejection(
        exposures=exposures, pipeline=pipeline, tested=mark != EXCLUDE, used=not mark & refused
    )


def _drizzle(bits: int, good: int, exposures: str) -> Drizzled:
    return Drizzled(exposures=exposures, good_bits=good, dropped=bool(bits & ~good & 0xFFFF))
