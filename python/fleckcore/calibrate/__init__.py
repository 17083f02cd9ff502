"""What turns exposures into calibration frames, and undoes what the detector did."""

from fleckcore.calibrate.cte import correct_cte

__all__ = [
    "correct_cte",
]
