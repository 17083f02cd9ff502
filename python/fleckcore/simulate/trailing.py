"""A chip read out through traps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.frame import check_image
from fleckcore.instruments import Profile, load_profile, quadrants
from fleckcore.kernels import cte_readout
from fleckcore.traps import TrapModels

__all__ = ["trail"]


def trail(
    data: Any,
    models: TrapModels,
    *,
    chip: int,
    mjd: float,
    profile: str | Profile = "acs_wfc",
    y_offset: int = 0,
    threads: int | None = None,
) -> NDArray[np.floating[Any]]:
    """Trail a chip as imperfect charge transfer does, along the columns and then along the serial register.

    Parameters
    ----------
    data : ndarray, shape (rows, cols)
        Electrons before read noise. A frame smaller than the chip is its corner (0, 0). Rows beyond the chip, away
        from the register, are virtual overscan, which gets deferred charge.
    models : TrapModels
        From `model_traps` or `read_pctetab`.
    chip : int
        CCDCHIP.
    mjd : float
        Date of the exposure.
    profile : str or Profile
        The instrument.
    y_offset : int
        Row of the chip at which the frame begins.
    threads : int, optional
        For the kernel.

    Returns
    -------
    ndarray, shape (rows, cols)
        float32 for types that it holds, else float64.

    Raises
    ------
    MetadataError
        ``M07``: no such chip, a date before the model begins.
    ArrayError
        ``A09`` not an image, ``A12`` a model of other columns.
    """
    known = profile if isinstance(profile, Profile) else load_profile(profile)
    check_image(data)
    parts = []
    for part in quadrants(known, chip, data.shape, y_offset=y_offset):
        charge = cte_readout(
            part.cut(data),
            part.parallel_model(models.parallel),
            readout=part.readout,
            scale=models.parallel.scale(mjd),
            first_row=part.first_row,
            threads=threads,
        )
        serial = models.serial.get(part.amplifier)
        if serial is not None and part.serial is not None:
            charge = cte_readout(
                charge,
                part.serial_model(serial),
                readout=part.serial,
                scale=serial.scale(mjd),
                first_row=part.first_column,
                threads=threads,
            )
        parts.append(charge)
    return np.concatenate(parts, axis=1)
