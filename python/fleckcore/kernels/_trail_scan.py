"""The kernel ``trail_scan``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_mask, check_threads
from fleckcore.kernels._mesh_statistics import mesh_statistics

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
    image = check_image(data)
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
    left_out = check_mask(mask, image.shape)
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

    if seeds is None:
        threshold = _seed_threshold(seed_threshold)
        positions = _core.find_seeds(
            image, left_out, axis == 1, threshold, *options, check_threads(threads)
        )
    else:
        positions = _seeds(seeds, image.shape)
    n = len(positions)
    length, sums = np.empty((n, 1), np.int64), np.empty((n, 3))
    profile = np.empty((n, min(PROFILE_STEPS, int(max_length))))
    _core.trail_scan(
        turn(image),
        None if left_out is None else turn(left_out),
        turn(sigma),
        mirror(positions)[:, :: -1 if axis else 1],
        *options,
        int(min(max_length, 2**40)),
        float(n_sigma),
        length,
        sums,
        profile,
        check_threads(threads),
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
    plane = check_image(noise, "noise")
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
