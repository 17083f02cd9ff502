"""What a feature is: its pixels, the light that it lets through, whether it moved, what readout leaves behind it."""

from fleckcore.measure.aperture import (
    Aperture,
    MasterAperture,
    NaturalBreak,
    find_aperture,
    master_aperture,
    natural_break,
)
from fleckcore.measure.changes import Change, Changes, Drift, find_changes
from fleckcore.measure.contrast import Contrast, contrast
from fleckcore.measure.cutout import CutOut, against_others, cut_out
from fleckcore.measure.height import (
    Height,
    Penumbra,
    height_of_penumbra,
    height_of_shift,
    penumbra,
)
from fleckcore.measure.lit import Hypothesis, Nature, Priors, nature
from fleckcore.measure.rate import EventRate, count_events, rate_of_events
from fleckcore.measure.ratio import EpochRatio, epoch_ratio, pair_by_level
from fleckcore.measure.shift import (
    CommonShift,
    Shift,
    combine_shifts,
    light_shift,
    measure_shift,
)
from fleckcore.measure.spectrum import Spectrum, fit_spectrum
from fleckcore.measure.trails import (
    Deficit,
    PixelBox,
    Step,
    box_deficit,
    find_step,
    shadow_boxes,
)
from fleckcore.measure.transmission import (
    Excess,
    Transmission,
    measure_excess,
    measure_transmission,
)

__all__ = [
    "Aperture",
    "Change",
    "Changes",
    "CommonShift",
    "Contrast",
    "CutOut",
    "Deficit",
    "Drift",
    "EpochRatio",
    "EventRate",
    "Excess",
    "Height",
    "Hypothesis",
    "MasterAperture",
    "NaturalBreak",
    "Nature",
    "Penumbra",
    "PixelBox",
    "Priors",
    "Shift",
    "Spectrum",
    "Step",
    "Transmission",
    "against_others",
    "box_deficit",
    "combine_shifts",
    "contrast",
    "count_events",
    "cut_out",
    "epoch_ratio",
    "find_aperture",
    "find_changes",
    "find_step",
    "fit_spectrum",
    "height_of_penumbra",
    "height_of_shift",
    "light_shift",
    "master_aperture",
    "measure_excess",
    "measure_shift",
    "measure_transmission",
    "natural_break",
    "nature",
    "pair_by_level",
    "penumbra",
    "rate_of_events",
    "shadow_boxes",
]
