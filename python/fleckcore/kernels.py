"""The compiled kernels, with every argument checked here.

All kernels take any real dtype, either byte order, any strides and read-only input, copy no whole frame for its
layout, release the GIL, and give the same bytes for every ``threads`` and every instruction set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.frame import check_image

__all__ = ["Mesh", "Trails", "build_config", "default_threads", "mesh_statistics", "trail_scan"]


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

    In each box, pixels farther than ``clip`` times the scale from the median are cut, again and
    again until the same remain. The scale starts as 1.4826 times the median absolute deviation,
    which outliers in a fifth of the box do not break. It ends as the standard deviation of what is
    kept, divided by that of a unit normal cut at the same place: unbiased on Gaussian noise (within
    0.2 % for boxes of 1000 pixels, 1 % for integers with a noise of one step or more) and 1.6 times
    less uncertain than the deviation median.

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
        Most rounds of cutting, at least 1.
    min_valid : float
        Boxes with a smaller valid fraction of their pixels are bad: NaN, count 0.
    threads : int, optional
        Threads; ``None`` is `default_threads`.

    Returns
    -------
    Mesh

    Raises
    ------
    ArrayError, ArrayTypeError
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
    return Mesh(level, noise, count, size, (image.shape[0], image.shape[1]))


def _box(box: int | tuple[int, int]) -> tuple[int, int]:
    sides = tuple(box) if isinstance(box, tuple | list) else (box, box)
    if len(sides) != 2 or any(isinstance(s, bool) or s != int(s) or s < 1 for s in sides):
        raise ArrayError(
            f"box={box!r}, wanted a whole number of pixels or (rows, cols).", code="A09"
        )
    return int(sides[0]), int(sides[1])


# --- trail_scan ---

PROFILE_STEPS = 12


@dataclass(frozen=True, eq=False)
class Trails:
    """What `trail_scan` found behind n seeds, in the unit of the data.

    Attributes
    ----------
    row, col : ndarray of int64, shape (n,)
        The seeds.
    seed_value : ndarray of float64, shape (n,)
        The seed minus its local background; NaN without one.
    length : ndarray of int64, shape (n,)
        Steps from the seed to the last step that counts; 0 for no trail.
    excess, excess_err : ndarray of float64, shape (n,)
        Sum of value minus background over the trail (a deficit is negative) and its standard
        deviation, from the noise of the pixels and of their backgrounds.
    significance : ndarray of float64, shape (n,)
        ``excess / excess_err``; 0 for no trail.
    profile : ndarray of float64, shape (n, min(12, max_length))
        Value minus background of the first steps, wherever the trail ends; NaN where that cannot be
        measured.
    direction : str
        The way the trails point.
    """

    row: NDArray[np.int64]
    col: NDArray[np.int64]
    seed_value: NDArray[np.float64]
    length: NDArray[np.int64]
    excess: NDArray[np.float64]
    excess_err: NDArray[np.float64]
    significance: NDArray[np.float64]
    profile: NDArray[np.float64]
    direction: str


def trail_scan(
    data: Any,
    *,
    direction: Literal["+y", "-y", "+x", "-x"],
    seeds: Any = None,
    seed_threshold: float | None = None,
    background_width: int = 5,
    gap: int = 1,
    max_length: int = 60,
    n_sigma: float = 2.0,
    noise: Any = None,
    mask: Any = None,
    threads: int | None = None,
) -> Trails:
    """Follow the trails that readout leaves behind pixels, bright or dark.

    From each seed the walk goes pixel by pixel away from the serial register. A step's excess is
    its value minus the median of ``2 * background_width`` pixels beside it. A step counts if its
    excess has the seed's sign and is at least ``n_sigma`` of its own error. The walk ends after two
    steps in a row that do not count, after ``max_length``, at the edge of the frame, and at a pixel
    that is masked, not finite or without background.

    Parameters
    ----------
    data : array_like, shape (rows, cols)
        Any real type.
    direction : {"+y", "-y", "+x", "-x"}
        The way trails point: away from the serial register, towards growing (``+``) or falling
        (``-``) rows (``y``) or columns (``x``). On ACS/WFC ``"+y"`` on chip 2 and ``"-y"`` on chip
        1.
    seeds : array_like of int, shape (n, 2), optional
        Rows of (row, col). The mask does not matter for a seed itself. Otherwise all pixels that
        pass ``seed_threshold``; steps of a strong trail that pass it are then seeds as well.
    seed_threshold : float, optional
        Excess that a seed exceeds, in the data's unit: negative for dark seeds such as sink pixels
        (ACS: -10 e-), positive for bright ones. Give either this or ``seeds``.
    background_width : int
        Background columns on each side.
    gap : int
        Columns left out between the trail and its background; for the shadow of a fleck, its width.
    max_length : int
        Most steps.
    n_sigma : float
        Significance at which a step counts; ``-inf`` makes every trail ``max_length`` long.
    noise : float or array_like of shape (rows, cols), optional
        One standard deviation per pixel. Default: that of `mesh_statistics`, interpolated.
    mask : array_like of bool, shape (rows, cols), optional
        True where a pixel is left out.
    threads : int, optional
        Threads; ``None`` is `default_threads`.

    Returns
    -------
    Trails
        In the order of ``seeds``, else in raster order.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` for wrong arguments, ``A12`` for a mask or noise of another shape.

    Notes
    -----
    A length that depends on the data selects favourable fluctuations. The last step always stands
    out, so faint ends come out too deep (the whole of a strong trail by less than one error), and
    behind 5 % of the seeds without a trail there is nevertheless one (at ``n_sigma=2``), of the
    seed's sign and a mean significance of 2. For an unbiased excess with normal significance (a
    null test, a stack of many seeds) fix the length with ``n_sigma=-inf`` and a small
    ``max_length``, or average ``profile``, which no step selects.

    Error and significance hold for independent pixels. In frames that were resampled or corrected
    for readout they are not, and errors come out too small; a pattern of columns adds up along a
    trail, so subtract the bias first. Trails side by side share background pixels: the error of
    their sum is larger than the root of the summed squares (by a tenth for 11 columns). For an
    average of N frames, ``noise`` is that of the average.
    """
    image = _image(data)
    if direction not in ("+y", "-y", "+x", "-x"):
        raise ArrayError(f"direction={direction!r}, wanted +y, -y, +x or -x.", code="A09")
    if (seeds is None) == (seed_threshold is None):
        raise ArrayError("wanted either seeds or seed_threshold, not both or none.", code="A09")
    for name, value, least in (
        ("background_width", background_width, 1), ("gap", gap, 0), ("max_length", max_length, 1)
    ):  # fmt: skip
        if isinstance(value, bool) or value != int(value) or value < least:
            raise ArrayError(f"{name}={value!r}, wanted at least {least}.", code="A09")
    if not n_sigma < np.inf:
        raise ArrayError(f"n_sigma={n_sigma!r}, wanted a number or -inf.", code="A09")
    left_out = _mask(mask, image.shape)
    sigma = _noise(noise, image, left_out, threads)
    options = int(background_width), int(gap)

    # The kernel walks towards growing rows: it sees the frame flipped and transposed, in place.
    axis, falls = "yx".index(direction[1]), direction[0] == "-"

    def turn(plane: NDArray[Any]) -> NDArray[Any]:
        plane = np.flip(plane, axis) if falls else plane
        return plane.T if axis else plane

    def mirror(positions: NDArray[np.int64]) -> NDArray[np.int64]:
        positions = positions.copy()
        if falls:
            positions[:, axis] = image.shape[axis] - 1 - positions[:, axis]
        return positions

    swap = slice(None, None, -1 if axis else 1)
    turned, turned_mask = turn(image), None if left_out is None else turn(left_out)
    if seeds is None:
        threshold = _seed_threshold(seed_threshold)
        found = _core.find_seeds(turned, turned_mask, threshold, *options, _threads(threads))
        positions = mirror(found[:, swap])
        positions = positions[np.lexsort((positions[:, 1], positions[:, 0]))]
    else:
        positions = _seeds(seeds, image.shape)
    n = len(positions)
    length, sums = np.empty((n, 1), np.int64), np.empty((n, 3))
    profile = np.empty((n, min(PROFILE_STEPS, int(max_length))))
    _core.trail_scan(
        turned,
        turned_mask,
        turn(sigma),
        mirror(positions)[:, swap],
        *options,
        int(min(max_length, 2**40)),
        float(n_sigma),
        length,
        sums,
        profile,
        _threads(threads),
    )
    seed_value, excess, error = sums[:, 0], sums[:, 1], np.sqrt(sums[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        significance = np.where(excess == 0, 0.0, excess / error)
    return Trails(
        positions[:, 0], positions[:, 1], seed_value, length[:, 0], excess, error, significance,
        profile, direction
    )  # fmt: skip


def _noise(
    noise: Any, image: NDArray[Any], mask: NDArray[np.bool_] | None, threads: int | None
) -> NDArray[Any]:
    if noise is None:
        return (
            mesh_statistics(image, mask=mask, threads=threads).filled().interpolate(threads=threads)
        )
    if np.ndim(noise) == 0:
        if not float(noise) >= 0:
            raise ArrayError(f"noise={noise!r}, wanted a number of at least 0.", code="A09")
        return np.broadcast_to(np.float64(noise), image.shape)
    plane = _image(noise, "noise")
    if plane.shape != image.shape:
        raise ArrayError(f"noise has shape {plane.shape}, data has {image.shape}.", code="A12")
    return plane


def _seed_threshold(threshold: float | None) -> float:
    if threshold is None or not np.isfinite(threshold) or threshold == 0:
        raise ArrayError(
            f"seed_threshold={threshold!r}, wanted a number below or above 0.", code="A09"
        )
    return float(threshold)


def _seeds(seeds: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    array = np.asarray(seeds)
    if array.size == 0:
        return np.empty((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise ArrayError(
            f"seeds have shape {array.shape} and dtype {array.dtype}, wanted integers (n, 2).",
            code="A09",
            advice="Each row is (row, col).",
        )
    outside = ((array < 0) | (array >= shape)).any(axis=1)
    if outside.any():
        seen = tuple(int(v) for v in array[outside][0])
        raise ArrayError(f"seed {seen} lies outside data of shape {shape}.", code="A09")
    return array.astype(np.int64)
