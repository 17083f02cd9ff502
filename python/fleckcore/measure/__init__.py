"""What a feature is: its pixels, the light that it lets through, whether it moved, what readout leaves behind it."""

from fleckcore.measure.aperture import (
    Aperture,
    MasterAperture,
    NaturalBreak,
    find_aperture,
    master_aperture,
    natural_break,
)
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
from fleckcore.measure.outline import Outline, measure_outline, outline_of
from fleckcore.measure.rate import EventRate, count_events, rate_of_events
from fleckcore.measure.ratio import EpochRatio, epoch_ratio, pair_by_level
from fleckcore.measure.shift import (
    CommonShift,
    Shift,
    centroid_scatter,
    combine_shifts,
    light_shift,
    measure_shift,
)
from fleckcore.measure.sinks import Sinks, find_sinks, flag_sinks
from fleckcore.measure.spectrum import Rise, Spectrum, fit_spectrum, measure_rise
from fleckcore.measure.trails import (
    Deficit,
    PixelBox,
    Step,
    box_deficit,
    find_step,
    scan_trails,
    shadow_boxes,
)
from fleckcore.measure.transmission import (
    Excess,
    Transmission,
    measure_excess,
    measure_transmission,
)
from fleckcore.measure.trapping import Trapping, trapping_alone
from fleckcore.measure.wavelengths import (
    FilterWavelength,
    Lamp,
    effective_wavelength,
    filter_wavelength,
    pivot_wavelength,
    synphot_passband,
    tungsten_lamp,
)

__all__ = [
    "Aperture",
    "CommonShift",
    "Contrast",
    "CutOut",
    "Deficit",
    "EpochRatio",
    "EventRate",
    "Excess",
    "FilterWavelength",
    "Height",
    "Hypothesis",
    "Lamp",
    "MasterAperture",
    "NaturalBreak",
    "Nature",
    "Outline",
    "Penumbra",
    "PixelBox",
    "Priors",
    "Rise",
    "Shift",
    "Sinks",
    "Spectrum",
    "Step",
    "Transmission",
    "Trapping",
    "against_others",
    "box_deficit",
    "centroid_scatter",
    "combine_shifts",
    "contrast",
    "count_events",
    "cut_out",
    "effective_wavelength",
    "epoch_ratio",
    "filter_wavelength",
    "find_aperture",
    "find_sinks",
    "find_step",
    "fit_spectrum",
    "flag_sinks",
    "height_of_penumbra",
    "height_of_shift",
    "light_shift",
    "master_aperture",
    "measure_excess",
    "measure_outline",
    "measure_rise",
    "measure_shift",
    "measure_transmission",
    "natural_break",
    "nature",
    "outline_of",
    "pair_by_level",
    "penumbra",
    "pivot_wavelength",
    "rate_of_events",
    "scan_trails",
    "shadow_boxes",
    "synphot_passband",
    "trapping_alone",
    "tungsten_lamp",
]
