"""The kernels ``cte_readout`` and ``smooth_noise``."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_threads
from fleckcore.traps import TrapModel

Edge = Literal["-y", "+y", "-x", "+x"]


def cte_readout(
    data: Any,
    model: TrapModel,
    *,
    readout: Edge,
    scale: float = 1.0,
    first_row: int = 0,
    inverse: bool = False,
    read_noise_e: float = 0.0,
    threads: int | None = None,
) -> NDArray[np.floating[Any]]:
    """Trail an image as imperfect charge transfer does while it is read out, or undo that.

    Parameters
    ----------
    data : ndarray, shape (rows, cols)
        Electrons, of any real type, byte order and strides.
    model : TrapModel
        The traps; its ``row_scale``, if any, has a row for each line of pixels that move together,
        in the order of the data.
    readout : {"-y", "+y", "-x", "+x"}
        The edge that charge moves to.
    scale : float
        Factor on the traps, from 0 on; see `TrapModel.scale`.
    first_row : int
        Transfers that the pixels at that edge make besides their own one, for a part of a chip.
    inverse : bool
        Restore what such a readout gave, by ``model.iterations`` forward models.
    read_noise_e : float
        Corrections of this size and below are damped, all but the last; electrons.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    ndarray, shape (rows, cols)
        float32 for types that float32 holds, float64 for the others; computed in float64. Pixels
        that are not finite stay so.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype or an option out of range, ``A12`` a ``row_scale`` of other columns.

    Notes
    -----
    The forward model and its inverse are those of the PCTETAB tables of HST's ACS/WFC, generation 3
    (calacs 10.5). Columns are independent. Charge that is given back beyond the last row is lost.
    """
    image = check_image(data)
    if readout not in ("-y", "+y", "-x", "+x"):
        raise ArrayError(f"readout={readout!r}, wanted -y, +y, -x or +x.", code="A09")
    for name, value in (("scale", scale), ("read_noise_e", read_noise_e), ("first_row", first_row)):
        if not 0 <= value < np.inf:
            raise ArrayError(f"{name}={value!r}, wanted a number from 0.", code="A09")
    out = np.empty(image.shape, np.float32 if _exact(image.dtype) else np.float64)
    seen, written = _from_register(image, readout), _from_register(out, readout)
    if model.row_scale is not None and len(model.row_scale) != seen.shape[1]:
        raise ArrayError(
            f"row_scale has {len(model.row_scale)} columns, data {seen.shape[1]}.", code="A12"
        )
    restoring = model.iterations, float(read_noise_e), model.repair_rays, model.ray_threshold
    _core.cte_readout(
        seen,
        model.levels,
        model.traps / model.substeps,
        model.release,
        model.remaining,
        model.substeps,
        model.row_scale,
        float(scale),
        model.rows,
        int(first_row),
        restoring if inverse else None,
        written,
        check_threads(threads),
    )
    return out


def smooth_noise(
    data: Any, read_noise_e: float, *, readout: Edge, threads: int | None = None
) -> tuple[NDArray[np.float32], int]:
    """Give the smoothest image that differs from the data by no more than read noise.

    A correction of charge transfer made from it does not amplify the noise. Pixels are pulled to
    their neighbours along the direction of transfer.

    Parameters
    ----------
    data : ndarray, shape (rows, cols)
        Electrons, finite, of any real type, byte order and strides.
    read_noise_e : float
        Electrons; below 0.1 nothing is done.
    readout : {"-y", "+y", "-x", "+x"}
        The edge that charge moves to.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    smooth : ndarray of float32, shape (rows, cols)
    steps : int
        How many it took, at most 100.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype or a negative read noise.
    """
    image = check_image(data)
    if not 0 <= read_noise_e < np.inf:
        raise ArrayError(f"read_noise_e={read_noise_e!r}, wanted a number from 0.", code="A09")
    out = np.empty(image.shape, np.float32)
    steps = _core.smooth_noise(
        _from_register(image, readout),
        float(read_noise_e),
        _from_register(out, readout),
        check_threads(threads),
    )
    return out, steps


def _exact(dtype: np.dtype[Any]) -> bool:
    return dtype.itemsize <= 2 or (dtype.kind == "f" and dtype.itemsize == 4)


def _from_register(plane: NDArray[Any], readout: Edge) -> NDArray[Any]:
    """See a plane with the line that is read first as row 0, in place."""
    plane = plane.T if readout[1] == "x" else plane
    return plane[::-1] if readout[0] == "+" else plane
