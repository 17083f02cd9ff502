"""The kernel ``median_filter``."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.frame import check_exact
from fleckcore.kernels._arguments import check_image, check_mask, check_threads

MEDIAN_MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "shrink")
"""Border modes of `median_filter`."""
MAX_MEDIAN_WINDOW = 4095
INEXACT = "Subtract an offset first, or filter without mask and with another mode."


def median_filter(
    data: Any,
    size: int | tuple[int, int],
    *,
    mask: Any = None,
    mode: str = "reflect",
    cval: float = 0.0,
    threads: int | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Exact median of the window around every pixel, leaving out NaN and masked pixels.

    Parameters
    ----------
    data : array_like, shape (rows, cols)
        Any real dtype of up to 64 bits, either byte order, any strides. float16 is computed as
        float32.
    size : int or (int, int)
        Window in pixels, ``(rows, cols)`` or one number for both. Odd, no larger than the frame, at
        most 4095.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out.
    mode : {"reflect", "constant", "nearest", "mirror", "wrap", "shrink"}
        What stands beyond the frame, as in `scipy.ndimage`; a masked pixel that is repeated there
        is masked there too. ``"shrink"`` leaves out everything beyond the frame.
    cval : float
        The value beyond the frame for ``mode="constant"``. An integer type must hold it exactly, a
        float type rounds it; NaN is left out.
    threads : int, optional
        ``None`` for `default_threads`.
    out : ndarray, shape (rows, cols), optional
        Written and returned. Must have the dtype of the result, and not overlap ``data`` or
        ``mask``.

    Returns
    -------
    ndarray, shape (rows, cols)
        The middle value of what is left in each window; of an even number ``(a + b) / 2`` of the
        two middle values, computed in the dtype of the result; NaN where nothing is left. -0.0
        counts as just below +0.0. The dtype is float32 for float16, and the data's own, in native
        byte order, for other floats and for integers and bool when nothing can be left out (no
        mask, and a mode other than ``"shrink"``). Otherwise it is float32 for bool and integers of
        8 or 16 bits, float64 for wider ones.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype, mode or threads; ``A11`` a 64-bit integer beyond 2**53 where the
        result is float64, or a ``cval`` that the dtype does not hold; ``A12`` mask or out that do
        not fit; ``A13`` an even window or one larger than the frame.

    Notes
    -----
    Square windows of 3 to 21 pixels are sorted by networks of minimum and maximum, many at once:
    the pixels that the windows of a tile have in common are sorted once [1]_, and of every sorted
    list only those ranks are kept that are likely to be a median; where a median is not proven by
    them, all ranks are.

    For other windows, and around pixels that are left out, the time hardly grows with the window.
    Per tile, the pixels whose values fall in a narrow band around the tile's median are sorted
    once; a box count of the pixels below the band turns every window's rank into a rank within it;
    sweeping the sorted band in bins of 64 pixels finds all medians. Scratch memory is 3 MB per
    thread for a window of 255 x 255, and no copy of the frame is made.

    References
    ----------
    .. [1] Adams, "Fast median filters using separable sorting networks", ACM TOG 40, 70 (2021).

    See Also
    --------
    fleckcore.ndimage.median_filter : the same with the arguments of `scipy.ndimage.median_filter`.
    """
    image = check_image(data)
    rows, cols = _window(size, image.shape)
    if mode not in MEDIAN_MODES:
        raise ArrayError(f"mode={mode!r}, wanted one of {', '.join(MEDIAN_MODES)}.", code="A09")
    plane = check_mask(mask, image.shape)
    outside = _cval(cval if mode == "constant" else 0, image.dtype)
    dtype = image.dtype.newbyteorder("=")
    if dtype.char == "e":
        dtype = np.dtype(np.float32)
    elif dtype.kind in "biu" and (plane is not None or mode == "shrink"):
        check_exact(image, plane, advice=INEXACT)
        check_exact(outside, name="cval", advice=INEXACT)
        dtype = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    result = _out(out, image, plane, dtype)
    view = result.view(np.uint8) if dtype.kind == "b" else result
    _core.median_filter(image, plane, view, rows, cols, mode, outside, check_threads(threads))
    return result


def _window(size: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    try:
        rows, cols = (size, size) if np.ndim(size) == 0 else size
        window = (index(rows), index(cols))
    except (TypeError, ValueError):
        raise ArrayError(
            f"size={size!r}, wanted an odd whole number or (rows, cols) of them.", code="A13"
        ) from None
    for side, length, axis in zip(window, shape, ("rows", "cols"), strict=True):
        if side < 1 or side % 2 == 0:
            raise ArrayError(
                f"window of {window[0]} x {window[1]} pixels: {side} {axis} is not odd.",
                code="A13",
                advice="An even window has no centre pixel; take one more or one less.",
            )
        if side > min(length, MAX_MEDIAN_WINDOW):
            limit = f"the frame has {length}" if side > length else f"at most {MAX_MEDIAN_WINDOW}"
            raise ArrayError(
                f"window of {window[0]} x {window[1]} pixels: {side} {axis}, {limit}.",
                code="A13",
                advice="Take a smaller window.",
            )
    return window


def _cval(cval: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    value = np.asarray(cval)
    with np.errstate(all="ignore"):
        outside = value.astype(dtype.newbyteorder("="))
    exact = bool(outside == value)
    if dtype.kind == "f":
        exact = bool(np.isfinite(outside) == np.isfinite(value))
    if not exact:
        raise ArrayError(
            f"cval={cval!r} is not a value of dtype {dtype}.",
            code="A11",
            advice="Convert the data to a dtype that holds it.",
        )
    return outside


def _out(
    out: NDArray[Any] | None,
    image: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    if out is None:
        return np.empty(image.shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != image.shape or out.dtype != dtype:
        seen = (
            f"shape {out.shape} and dtype {out.dtype.str}"
            if isinstance(out, np.ndarray)
            else f"type {type(out).__name__}"
        )
        raise ArrayError(
            f"out has {seen}, wanted an array of shape {image.shape} and dtype {dtype.str}.",
            code="A12",
        )
    if not (out.flags.writeable and out.flags.aligned):
        raise ArrayError(
            "out is read-only or not aligned, wanted a writable aligned array.", code="A12"
        )
    if np.shares_memory(out, image) or (mask is not None and np.shares_memory(out, mask)):
        raise ArrayError(
            "out overlaps data or mask.",
            code="A12",
            advice="Give an array of its own, or out=None.",
        )
    return out
