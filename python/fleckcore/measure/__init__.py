"""What a feature is: its pixels, the light that it lets through, whether it moved, what readout leaves behind it."""

from fleckcore.measure.aperture import (
    Aperture,
    MasterAperture,
    NaturalBreak,
    find_aperture,
    master_aperture,
    natural_break,
)
from fleckcore.measure.cutout import CutOut, against_others, cut_out
from fleckcore.measure.transmission import (
    Excess,
    Transmission,
    measure_excess,
    measure_transmission,
)

__all__ = [
    "Aperture",
    "CutOut",
    "Excess",
    "MasterAperture",
    "NaturalBreak",
    "Transmission",
    "against_others",
    "cut_out",
    "find_aperture",
    "master_aperture",
    "measure_excess",
    "measure_transmission",
    "natural_break",
]
