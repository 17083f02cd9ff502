"""The compiled kernels, with every argument checked here.

All kernels take any real dtype, either byte order, any strides and read-only input, copy no whole frame for its
layout, release the GIL, and give the same bytes for every ``threads`` and every instruction set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import index
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.frame import check_image

__all__ = [
    "Components",
    "Mesh",
    "build_config",
    "default_threads",
    "gaussian_filter",
    "label_components",
    "median_filter",
    "mesh_statistics",
]


def build_config() -> dict[str, Any]:
    """Say how the kernels were built and how they run here."""
    return {
        "isa": _core.active_isa(),
        "isas": tuple(_core.available_isas()),
        "threads": _core.default_threads(),
    }


def default_threads() -> int:
    """Threads used when ``threads=None``: ``FLECKCORE_NUM_THREADS``, else affinity and cgroup quota (R12)."""
    return int(_core.default_threads())


def _image(data: Any, name: str = "data") -> NDArray[Any]:
    array = np.asarray(data) if isinstance(data, (list, tuple)) else data
    check_image(array, name)
    return np.asarray(array)


def _mask(mask: Any, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.shape != shape:
        raise ArrayError(f"mask has shape {array.shape}, data has {shape}.", code="A12")
    return array if array.dtype == bool else array.astype(bool)


def _threads(threads: int | None) -> int:
    if threads is None:
        return 0
    if isinstance(threads, bool) or int(threads) != threads or threads < 1:
        raise ArrayError(f"threads={threads!r}, wanted a whole number of at least 1.", code="A09")
    return int(threads)


def gaussian_filter(
    data: Any, sigma: float, *, mask: Any = None, threads: int | None = None
) -> NDArray[np.float32]:
    """Smooth by a Gaussian, leaving out NaN, infinite and masked pixels.
@dataclass(frozen=True, eq=False, kw_only=True)
class Components:
    """Connected objects of a frame, in raster order of their first pixel.

    Positions are 0-based pixel indices of the frame; object ``i`` has label ``i + 1``.

    Attributes
    ----------
    labels : ndarray of int32, shape (rows, cols), or None
        1 to `count` on objects, 0 elsewhere.
    count : int
        Number of objects.
    area : ndarray of int64, shape (count,)
        Pixels.
    bbox : ndarray of int64, shape (count, 4)
        ``ymin, ymax, xmin, xmax``, all inclusive.
    sum : ndarray of float64, shape (count,)
        Sum of the data, in the unit of the data.
    peak : ndarray of float64, shape (count,)
        Largest value.
    peak_y, peak_x : ndarray of int64, shape (count,)
        Where it is; of equal ones the first in raster order.
    centroid_y, centroid_x : ndarray of float64, shape (count,)
        Mean position weighted by ``data - threshold``.
    moment_yy, moment_xx, moment_xy : ndarray of float64, shape (count,)
        Second central moments with the same weights, in pixels squared.
    level_counts : ndarray of int64, shape (count, len(levels))
        Pixels above each of the further thresholds.
    """

    labels: NDArray[np.int32] | None
    count: int
    area: NDArray[np.int64]
    bbox: NDArray[np.int64]
    sum: NDArray[np.float64]
    peak: NDArray[np.float64]
    peak_y: NDArray[np.int64]
    peak_x: NDArray[np.int64]
    centroid_y: NDArray[np.float64]
    centroid_x: NDArray[np.float64]
    moment_yy: NDArray[np.float64]
    moment_xx: NDArray[np.float64]
    moment_xy: NDArray[np.float64]
    level_counts: NDArray[np.int64]


def label_components(
    data: Any,
    threshold: float,
    *,
    mask: Any = None,
    connectivity: int = 8,
    min_area: int = 1,
    labels: bool = True,
    levels: Sequence[float] = (),
    deblend: float | None = None,
    threads: int | None = None,
) -> Components:
    """Find the connected objects above a threshold and measure them, in one pass.

    Parameters
    ----------
    data : ndarray, shape (rows, cols)
        Any real type, byte order and strides.
    sigma : float
        Standard deviation in pixels, greater than 0; the kernel is cut at 3.5 sigma.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    ndarray of float32, shape (rows, cols)
        Weighted mean of the pixels that count; nothing outside the frame counts. NaN where less than 5 % of the
        kernel's weight counts.
# --- mesh_statistics ---


@dataclass(frozen=True, eq=False)
class Mesh:
    """Background level and noise of the boxes of a frame, as `mesh_statistics` gives them.

    Attributes
    ----------
    level, noise : ndarray of float64, shape (ny, nx)
        Clipped median, and one standard deviation per pixel, in the frame's unit; NaN in a bad box.
    count : ndarray of int64, shape (ny, nx)
        Pixels kept; 0 in a bad box.
    box : tuple of int
        Size of a box, (rows, cols), never larger than the frame.
    shape : tuple of int
        Shape of the frame, (rows, cols).
    """

    level: NDArray[np.float64]
    noise: NDArray[np.float64]
    count: NDArray[np.int64]
    box: tuple[int, int]
    shape: tuple[int, int]

    def filled(self) -> Mesh:
        """Give every bad box the mean of the valid boxes nearest to it; all bad stays NaN.

        Returns
        -------
        Mesh
            ``count`` is unchanged and still tells which boxes were bad.
        """

        def fill(plane: NDArray[np.float64]) -> NDArray[np.float64]:
            out = np.empty_like(plane)
            _core.fill_mesh(plane, out, 0)
            return out

        return replace(self, level=fill(self.level), noise=fill(self.noise))

    def median_filtered(self, size: int = 3) -> Mesh:
        """Replace level and noise by their medians over ``size`` x ``size`` boxes.

        The window is cut off at the border of the mesh and leaves out bad boxes, which stay NaN.
        (SExtractor instead shrinks the window evenly, and so lets an outlier in a corner pass.)

        Parameters
        ----------
        size : int
            Odd.

        Raises
        ------
        ArrayError
            ``A13`` for a size that is even or below 1.
        """
        if isinstance(size, bool) or size != int(size) or size < 1 or size % 2 == 0:
            raise ArrayError(f"size={size!r}, wanted an odd whole number.", code="A13")

        def smooth(plane: NDArray[np.float64]) -> NDArray[np.float64]:
            padded = np.pad(plane, int(size) // 2, constant_values=np.nan)
            windows = np.lib.stride_tricks.sliding_window_view(padded, (int(size), int(size)))
            good = ~np.isnan(plane)
            out = plane.copy()
            if good.any():
                out[good] = np.nanmedian(windows[good], axis=(1, 2))
            return out

        return replace(self, level=smooth(self.level), noise=smooth(self.noise))

    def interpolate(
        self, which: Literal["noise", "level"] = "noise", *, threads: int | None = None
    ) -> NDArray[np.float32]:
        """Spread the mesh over the pixels of the frame.

        Bilinear through the centres of the boxes (a partial box has its own centre) and constant
        beyond the outermost, so that nothing overshoots and noise is never negative. Pixels whose
        surrounding boxes are not all valid are NaN: call `filled` first.

        Parameters
        ----------
        which : {"noise", "level"}
            The plane.
        threads : int, optional
            Threads; ``None`` is `default_threads`.

        Returns
        -------
        ndarray of float32, shape (rows, cols)
        """
        if which not in ("noise", "level"):
            raise ArrayError(f'which={which!r}, wanted "noise" or "level".', code="A09")
        out = np.empty(self.shape, np.float32)
        _core.interpolate_mesh(getattr(self, which), *self.box, out, _threads(threads))
        return out


def mesh_statistics(
    data: Any,
    box: int | tuple[int, int] = 64,
    *,
    mask: Any = None,
    clip: float = 3.0,
    max_iterations: int = 20,
    min_valid: float = 0.25,
    threads: int | None = None,
) -> Mesh:
    """Measure background level and noise in boxes, unmoved by what stands in them.

    In each box, pixels farther than ``clip`` times the scale from the median are cut until no more
    are. The scale starts as 1.4826 times the median absolute deviation, which outliers in a fifth
    of the box do not break. It ends as the standard deviation of what is kept, divided by that of a
    unit normal cut at the same place: unbiased on Gaussian noise (within 0.2 % for boxes of 4096
    pixels) and 1.6 times less uncertain than the deviation median.
# --- median_filter ---------------------------------------------------------------------------------

MEDIAN_MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "shrink")
MAX_MEDIAN_WINDOW = 4095


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
        Any real type; NaN and infinite pixels are left out. 64-bit integers beyond 2**53 are
        rounded.
    box : int or (int, int)
        Rows and columns of a box. The last row and column of boxes may be partial; a box larger
        than the frame is the whole frame.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out.
    clip : float
        Where to cut, in standard deviations; at least 1.5.
    max_iterations : int
        Most cuts, at least 1.
    min_valid : float
        Boxes with a smaller valid fraction of their pixels are bad: NaN, count 0.
    threads : int, optional
        Threads; ``None`` is `default_threads`.

    Returns
    -------
    Mesh
        Any real type.
    threshold : float
        A pixel belongs to an object where ``data > threshold``, in the unit of `data`. NaN never does. The
        comparison is exact for every type. Infinite pixels do belong, and make sums and moments infinite or NaN:
        mask them.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel belongs to no object.
    connectivity : {8, 4}
        Pixels touch at edges and corners, or at edges only.
    min_area : int
        Objects with fewer pixels are dropped.
    labels : bool
        Give the label image as well. It costs more than the rest.
    levels : sequence of float
        Further thresholds; for each, the pixels of every object above it are counted.
    deblend : float, optional
        Contrast in (0, 1] for taking objects apart. Each object is flooded from its brightest pixel down. Where
        branches of the flood meet at a pixel of value ``s``, those stay apart whose sum of ``data - s`` exceeds
        this fraction of the whole object's sum of ``data - threshold`` and that have at least `min_area` pixels;
        everything else goes to the object of the neighbour that was flooded first.
    threads : int, optional
        Default: `default_threads`.

    Returns
    -------
    Components
        Any real dtype of up to 64 bits, either byte order, any strides. float16 is computed as float32.
    size : int or (int, int)
        Window in pixels, ``(rows, cols)`` or one number for both. Odd, no larger than the frame, at most 4095.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out.
    mode : {"reflect", "constant", "nearest", "mirror", "wrap", "shrink"}
        What stands beyond the frame, as in `scipy.ndimage`; a masked pixel that is repeated there is masked
        there too. ``"shrink"`` leaves out everything beyond the frame.
    cval : float
        The value beyond the frame for ``mode="constant"``. An integer type must hold it exactly, a float type
        rounds it; NaN is left out.
    threads : int, optional
        ``None`` for `default_threads`.
    out : ndarray, shape (rows, cols), optional
        Written and returned. Must have the dtype of the result, and not overlap ``data`` or ``mask``.

    Returns
    -------
    ndarray, shape (rows, cols)
        The middle value of what is left in each window; of an even number ``(a + b) / 2`` of the two middle
        values, computed in the dtype of the result; NaN where nothing is left. -0.0 counts as just below +0.0.
        The dtype is float32 for float16, and the data's own, in native byte order, for other floats and for
        integers and bool when nothing can be left out (no mask, and a mode other than ``"shrink"``). Otherwise
        it is float32 for bool and integers of 8 or 16 bits, float64 for wider ones.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype or sigma, ``A12`` a mask of another shape.
    """
    image = _image(data)
    if not (np.isfinite(sigma) and 0 < sigma <= 1000):
        raise ArrayError(f"sigma={sigma!r}, wanted a number in (0, 1000].", code="A09")
    return _core.gaussian_filter(image, float(sigma), _mask(mask, image.shape), _threads(threads))
        ``A09`` for wrong arguments, ``A12`` for a mask of another shape.

    Notes
    -----
    The scheme is that of SExtractor (Bertin & Arnouts 1996, A&AS 117, 393) with the exact median in
    place of the binned one, a robust start, and the correction for the cut. Where more than half of
    a box is one value the deviation median says nothing and the start is the plain standard
    deviation. A constant box has noise 0.
    """
    image = _image(data)
    rows, cols = _box(box)
    if not clip >= 1.5:
        raise ArrayError(f"clip={clip!r}, wanted at least 1.5.", code="A09")
    if (
        isinstance(max_iterations, bool)
        or max_iterations != int(max_iterations)
        or max_iterations < 1
    ):
        raise ArrayError(f"max_iterations={max_iterations!r}, wanted at least 1.", code="A09")
    if not 0 <= min_valid <= 1:
        raise ArrayError(f"min_valid={min_valid!r}, wanted a fraction from 0 to 1.", code="A09")
    size = min(rows, image.shape[0]), min(cols, image.shape[1])
    ny, nx = -(-image.shape[0] // size[0]), -(-image.shape[1] // size[1])
    level, noise, count = np.empty((ny, nx)), np.empty((ny, nx)), np.empty((ny, nx), np.int64)
    _core.mesh_statistics(
        image,
        _mask(mask, image.shape),
        *size,
        float(clip),
        int(min(max_iterations, 1000)),
        float(min_valid),
        level,
        noise,
        count,
        _threads(threads),
    )
    for plane in (level, noise, count):
        plane.flags.writeable = False
    return Mesh(level, noise, count, size, (image.shape[0], image.shape[1]))


def _box(box: int | tuple[int, int]) -> tuple[int, int]:
    sides = tuple(box) if isinstance(box, tuple | list) else (box, box)
    if len(sides) != 2 or any(isinstance(s, bool) or s != int(s) or s < 1 for s in sides):
        raise ArrayError(
            f"box={box!r}, wanted a whole number of pixels or (rows, cols).", code="A09"
        )
    return int(sides[0]), int(sides[1])
        ``A09`` shape, dtype or an option out of range, ``A11`` a threshold beyond 2**53 with 64-bit integers (which
        are measured as the nearest float64), ``A12`` a mask of another shape, ``A14`` more objects than an int32
        label image can number.

    Notes
    -----
    Runs of pixels are linked with the row above and joined by union-find [1]_; deblending grows a max-tree [2]_.

    References
    ----------
    .. [1] He, Chao & Suzuki 2008, IEEE Trans. Image Processing 17, 749.
    .. [2] Salembier, Oliveras & Garrido 1998, IEEE Trans. Image Processing 7, 555.
    """
    image = _image(data)
    above = [_level(value, image.dtype, "threshold") for value in (threshold,)]
    above += [_level(value, image.dtype, "levels") for value in levels]
    if connectivity not in (4, 8):
        raise ArrayError(f"connectivity={connectivity!r}, wanted 4 or 8.", code="A09")
    if isinstance(min_area, bool) or int(min_area) != min_area or min_area < 1:
        raise ArrayError(
            f"min_area={min_area!r}, wanted a whole number of at least 1.", code="A09"
        )
    if deblend is not None and not 0 < deblend <= 1:
        raise ArrayError(
            f"deblend={deblend!r}, wanted a contrast above 0 and up to 1.",
            code="A09",
            advice="Leave it out to keep objects whole.",
        )
    painted = np.empty(image.shape, dtype=np.int32) if labels else None
    try:
        table, counts = _core.label_components(
            image,
            _mask(mask, image.shape),
            above[0],
            int(connectivity),
            int(min_area),
            0.0 if deblend is None else float(deblend),
            above[1:],
            painted,
            _threads(threads),
        )
    except OverflowError as error:
        raise ArrayError(
            "more objects than an int32 label image can number (2147483647).",
            code="A14",
            advice="Raise threshold or min_area, or call with labels=False.",
        ) from error
    columns = {name: np.ascontiguousarray(table[name]) for name in table.dtype.names or ()}
    bbox = np.stack([columns.pop(name) for name in ("ymin", "ymax", "xmin", "xmax")], axis=1)
    return Components(
        labels=painted,
        count=len(table),
        bbox=bbox,
        level_counts=counts.reshape(len(table), len(above) - 1),
        **columns,
    )


def _level(value: float, dtype: np.dtype[Any], name: str) -> float:
    level = float(value)
    if not math.isfinite(level):
        raise ArrayError(f"{name} holds {value!r}, wanted a finite number.", code="A09")
    if dtype.kind in "iu" and dtype.itemsize == 8 and abs(level) >= 2**53:
        raise ArrayError(
            f"{name} holds {value!r}; {dtype} data are compared exactly only below 2**53.",
            code="A11",
            advice="Subtract an offset from data first.",
        )
    return level
        ``A09`` shape, dtype, mode or threads; ``A11`` a 64-bit integer beyond 2**53 where the result is float64,
        or a ``cval`` that the dtype does not hold; ``A12`` mask or out that do not fit; ``A13`` an even window or
        one larger than the frame.

    Notes
    -----
    The time hardly grows with the window. Per tile, the pixels whose values fall in a narrow band around the
    tile's median, known from a sample, are sorted once; a box count of the pixels below the band turns every
    window's rank into a rank within it; sweeping the sorted band in bins of 64 pixels finds all medians. Scratch
    memory is 3 MB per thread for a window of 255 x 255, and no copy of the frame is made.

    See Also
    --------
    fleckcore.ndimage.median_filter : the same with the arguments of `scipy.ndimage.median_filter`.
    """
    image = _image(data)
    rows, cols = _window(size, image.shape)
    if mode not in MEDIAN_MODES:
        raise ArrayError(f"mode={mode!r}, wanted one of {', '.join(MEDIAN_MODES)}.", code="A09")
    plane = _mask(mask, image.shape)
    outside = _cval(cval if mode == "constant" else 0, image.dtype)
    dtype = image.dtype.newbyteorder("=")
    if dtype == np.float16:
        dtype = np.dtype(np.float32)
    elif dtype.kind in "biu" and (plane is not None or mode == "shrink"):
        _check_exact_in_float64(image, plane, outside)
        dtype = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    result = _out(out, image, plane, dtype)
    view = result.view(np.uint8) if dtype == bool else result
    _core.median_filter(image, plane, view, rows, cols, mode, outside, _threads(threads))
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


def _check_exact_in_float64(
    image: NDArray[Any], mask: NDArray[np.bool_] | None, outside: NDArray[Any]
) -> None:
    if image.dtype.itemsize < 8:
        return
    used: Any = True if mask is None else ~mask
    high = max(int(image.max(where=used, initial=0)), int(outside))
    low = min(int(image.min(where=used, initial=0)), int(outside))
    beyond = high if high > 2**53 else low
    if abs(beyond) > 2**53:
        raise ArrayError(
            f"data holds {beyond}, which float64, the dtype of a median with pixels left out, does not hold.",
            code="A11",
            advice="Subtract an offset first, or filter without mask and with another mode.",
        )


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
            f"out has {seen}, wanted an array of shape {image.shape} and dtype {dtype.str}.", code="A12"
        )
    if not (out.flags.writeable and out.flags.aligned):
        raise ArrayError("out is read-only or not aligned, wanted a writable aligned array.", code="A12")
    if np.shares_memory(out, image) or (mask is not None and np.shares_memory(out, mask)):
        raise ArrayError(
            "out overlaps data or mask.", code="A12", advice="Give an array of its own, or out=None."
        )
    return out
