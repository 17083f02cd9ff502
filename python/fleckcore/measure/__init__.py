"""What a feature is: its pixels, the light that it lets through, whether it moved, what readout leaves behind it."""

from fleckcore.measure.cutout import CutOut, cut_out

__all__ = [
    "CutOut",
    "cut_out",
]
