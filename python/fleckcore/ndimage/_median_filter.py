"""``median_filter`` as in scipy.ndimage."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import kernels
from fleckcore.errors import FleckError

__all__ = ["median_filter"]


_MEDIAN_MODES = {
    "reflect": "reflect",
    "grid-mirror": "reflect",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "nearest",
    "mirror": "mirror",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}


def median_filter(
    input: Any,  # noqa: A002  # scipy's name
    size: Any = None,
    footprint: Any = None,
    output: Any = None,
    mode: Any = "reflect",
    cval: float = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> NDArray[Any]:
    """Filter an image with the median of a window, as `scipy.ndimage.median_filter` does.

    Parameters
    ----------
    input : array_like, shape (rows, cols)
        Any real type. NaN, whose place scipy leaves undefined, is left out of the window here.
    size : int or (int, int)
        Window in pixels, odd and no larger than the frame.
    footprint : array_like of bool, optional
        Instead of `size`; all true.
    output : dtype or ndarray, shape (rows, cols), optional
        Type of the result (by default that of `input`), or where to write it; may be `input`
        itself.
    mode : str
        ``"reflect"``, ``"constant"``, ``"nearest"``, ``"mirror"``, ``"wrap"`` or scipy's
        ``"grid-"`` names.
    cval : float
        Value beyond the frame for ``"constant"``; must be a value of the input's type.
    origin : int or (int, int)
        Only 0.
    axes : (int, int), optional
        Only all axes, in order.

    Returns
    -------
    ndarray, shape (rows, cols)
        The median of every window.

    Raises
    ------
    NotImplementedError
        Anything else that scipy would compute.
    RuntimeError
        Neither a size nor a footprint, or an output of another shape, as in scipy.
    """
    image = np.asarray(input)
    if image.ndim != 2:
        raise _not_covered(f"an array of {image.ndim} dimensions")
    if np.any(np.asarray(origin) != 0):
        raise _not_covered(f"origin={origin!r}")
    if axes is not None and not np.array_equal(np.atleast_1d(axes) % 2, (0, 1)):
        raise _not_covered(f"axes={axes!r}")
    if not isinstance(mode, str) or mode not in _MEDIAN_MODES:
        raise _not_covered(f"mode={mode!r}")
    window = _median_window(size, footprint)
    target = _median_output(output, image)
    try:
        result = kernels.median_filter(image, window, mode=_MEDIAN_MODES[mode], cval=cval)
    except FleckError as error:
        raise _not_covered(error.message) from error
    if target is None:
        return result.astype(image.dtype.newbyteorder("="), copy=False)
    with np.errstate(invalid="ignore"):  # NaN and values that an integer output does not hold
        np.copyto(target, result, casting="unsafe")
    return target


def _not_covered(what: str) -> NotImplementedError:
    return NotImplementedError(
        f"fleckcore.ndimage.median_filter: {what}; call scipy.ndimage.median_filter for it."
    )


def _median_window(size: Any, footprint: Any) -> Any:
    if footprint is None:
        if size is None:
            raise RuntimeError("no footprint or filter size provided")
        return size
    if size is not None:
        warnings.warn("ignoring size because footprint is set", UserWarning, stacklevel=3)
    shape = np.asarray(footprint, dtype=bool)
    if shape.ndim != 2 or not shape.all():
        raise _not_covered("a footprint that is not a full rectangle")
    return shape.shape


def _median_output(output: Any, image: NDArray[Any]) -> NDArray[Any] | None:
    if output is None:
        return None
    if isinstance(output, (type, np.dtype, str)):
        return np.empty(image.shape, np.dtype(output))
    target = np.asarray(output)
    if target.shape != image.shape:
        raise RuntimeError("output shape not correct")
    return target
