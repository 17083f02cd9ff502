"""What turns exposures into calibration frames, and undoes what the detector did."""

from fleckcore.calibrate.bias import BiasLevel, measure_bias, subtract_bias, to_electrons
from fleckcore.calibrate.cte import correct_cte
from fleckcore.calibrate.darks import (
    DarkLimits,
    Superdark,
    combine_darks,
    dark_rate,
    mean_exposure,
    superdark,
    unstable_pixels,
)
from fleckcore.calibrate.light import flash_reference, normalise_flat
from fleckcore.calibrate.photon_transfer import PhotonTransfer, photon_transfer
from fleckcore.calibrate.stack import Clipping, Combined, CosmicRays, combine

__all__ = [
    "BiasLevel",
    "Clipping",
    "Combined",
    "CosmicRays",
    "DarkLimits",
    "PhotonTransfer",
    "Superdark",
    "combine",
    "combine_darks",
    "correct_cte",
    "dark_rate",
    "flash_reference",
    "mean_exposure",
    "measure_bias",
    "normalise_flat",
    "photon_transfer",
    "subtract_bias",
    "superdark",
    "to_electrons",
    "unstable_pixels",
]
