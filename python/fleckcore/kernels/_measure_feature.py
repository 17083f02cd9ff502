"""The kernel ``measure_feature``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_mask

MEASURES = (
    "x_centroid",
    "y_centroid",
    "x_peak",
    "y_peak",
    "radius",
    "radius_inner",
    "area",
    "area_50",
    "semimajor_axis",
    "semiminor_axis",
    "orientation",
    "loss_mean",
    "loss_mean_err",
    "loss_max",
    "loss_max_err",
    "lost_flux",
    "lost_flux_err",
)


def measure_feature(
    loss: NDArray[np.float32],
    noise: NDArray[np.float32],
    level: NDArray[np.float32],
    *,
    usable: NDArray[np.bool_],
    free: NDArray[np.bool_],
    footprint: NDArray[np.bool_],
) -> dict[str, Any]:
    """Measure a feature against the ring of pixels around it.

    The level beside the feature is the median of the free pixels 4 to 9 pixels outside the footprint. The aperture is
    the set of pixels in the footprint, grown by one pixel, that lose more than 5 % of that level; a shallower feature
    is averaged over its footprint. Errors are of one standard deviation: pixel noise, and that of the level. The
    largest loss is that of a single pixel, so noise makes it too large by about its error.

    The radii come from the mean loss in rings of one pixel about the centre, in the feature's own ellipse. Outer:
    where it falls to 5 % of its largest value, or below twice its noise. Inner: where, going inwards, it falls below
    half of its largest value by more than three times its noise; 0 when it does not.

    Parameters
    ----------
    loss : ndarray of float32, shape (h, w)
        1 - transmission in a part of a frame (negative of it for bright features); finite where ``usable``.
    noise : ndarray of float32, shape (h, w)
        One standard deviation of ``loss`` per pixel.
    level : ndarray of float32, shape (h, w)
        What was divided out.
    usable, free, footprint : ndarray of bool, shape (h, w)
        Not masked; usable and not part of another feature; the feature's pixels, at least one.

    Returns
    -------
    dict
        Places in the part, pixels: ``x_centroid, y_centroid, x_peak, y_peak``. Pixels: ``radius, radius_inner,
        semimajor_axis, semiminor_axis``; ``orientation`` of the longer one, degrees from +x to +y. Pixels that lose
        more than 5 % and 50 %: ``area, area_50``. ``loss_mean``, ``loss_max`` and, in the unit of ``level``,
        ``lost_flux``, each with its ``_err``.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A12`` planes of different shapes, ``A09`` shape, dtype or an empty footprint.

    Notes
    -----
    Where nothing is left beside the feature, a loss of 1, what is measured against it is infinite or NaN.
    """
    shape = check_image(loss, "loss").shape
    for name, plane in (("noise", noise), ("level", level)):
        if check_image(plane, name).shape != shape:
            raise ArrayError(f"{name} has shape {plane.shape}, loss has {shape}.", code="A12")
    masks: list[Any] = [check_mask(mask, shape) for mask in (usable, free, footprint)]
    if not footprint.any():
        raise ArrayError("no pixel is of the footprint.", code="A09")
    return dict(zip(MEASURES, _core.measure_feature(loss, noise, level, *masks), strict=True))
