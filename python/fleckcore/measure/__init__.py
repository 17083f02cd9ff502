"""What a feature is: its pixels, the light that it lets through, whether it moved, what readout leaves behind it."""

from fleckcore.measure.contrast import Contrast, contrast
from fleckcore.measure.cutout import CutOut, cut_out
from fleckcore.measure.height import (
    ApertureShift,
    CommonShift,
    Height,
    Penumbra,
    aperture_shift,
    common_shift,
    height_of_penumbra,
    height_of_shift,
    penumbra,
)
from fleckcore.measure.lit import Hypothesis, Nature, Priors, nature
from fleckcore.measure.rate import EventRate, count_events, rate_of_events

__all__ = [
    "ApertureShift",
    "CommonShift",
    "Contrast",
    "CutOut",
    "EventRate",
    "Height",
    "Hypothesis",
    "Nature",
    "Penumbra",
    "Priors",
    "aperture_shift",
    "common_shift",
    "contrast",
    "count_events",
    "cut_out",
    "height_of_penumbra",
    "height_of_shift",
    "nature",
    "penumbra",
    "rate_of_events",
]
