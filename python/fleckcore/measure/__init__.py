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
from fleckcore.measure.cutout import CutOut, against_others, cut_out
from fleckcore.measure.ratio import EpochRatio, epoch_ratio, pair_by_level
from fleckcore.measure.shift import Shift, combine_shifts, measure_shift
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
    "CutOut",
    "Deficit",
    "Drift",
    "EpochRatio",
    "Excess",
    "MasterAperture",
    "NaturalBreak",
    "PixelBox",
    "Shift",
    "Spectrum",
    "Step",
    "Transmission",
    "against_others",
    "box_deficit",
    "combine_shifts",
    "cut_out",
    "epoch_ratio",
    "find_aperture",
    "find_changes",
    "find_step",
    "fit_spectrum",
    "master_aperture",
    "measure_excess",
    "measure_shift",
    "measure_transmission",
    "natural_break",
    "pair_by_level",
    "shadow_boxes",
]
