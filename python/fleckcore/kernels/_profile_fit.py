"""The kernel ``profile_fit``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_mask, check_threads

PROFILE_START: np.dtype[np.void] = _core.profile_start
"""What the fit of a feature starts from.

``value``, ``expected``, ``low`` and ``high`` are nine numbers each: x, y, log of the radius, the stretch of its
ellipse as a vector of twice the orientation, log of the softness, depth, radius of the hole over the radius, loss in
the hole over that of the rim; how far each may be from its start, one standard deviation; the least and the most that
it may be. ``reach``: nothing is lost from 3 pixels less than this; ``own``: pixels up to here tell how well it fits.
``nodes``: places in a pixel along each axis that are averaged, 1 to 3. ``holed``: whether there may be a hole.
"""


class ProfilePatch(NamedTuple):
    """Part of a frame from pixel ``(row, col)`` on, and how many ``features`` are in it."""

    row: int
    col: int
    transmission: NDArray[Any]
    noise: NDArray[Any]
    mask: NDArray[np.bool_] | None
    features: int


def profile_fit(
    patches: Sequence[ProfilePatch], starts: NDArray[np.void], *, threads: int | None = None
) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """Fit models of compact features, ellipses with soft edges, and the sloping level that they stand on.

    Levenberg-Marquardt with bounds; residuals beyond three deviations lose weight, and what the pixels do not tell is
    kept near its start. The features of one patch are fitted together, and what overlaps multiplies.

    Parameters
    ----------
    patches : sequence of ProfilePatch
        Transmission about 1 beside the features, one standard deviation of it, and True where a pixel is left out, as
        are those that are not finite or have no positive noise. Arrays of one shape, of any real type and strides.
    starts : ndarray of `PROFILE_START`
        Of all features, in the order of the patches.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    fitted : ndarray
        For each feature ``value`` (9,), ``covariance`` (9, 9), NaN where there is none, and ``rms``, of the residuals
        of its own pixels in units of the noise. All NaN where a patch has fewer than 5 + 7 features pixels.
    misfit : ndarray of float64
        For each patch the mean square residual of the pixels that are any feature's own; NaN where there is none.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype or threads, another number of starts, or one that is not finite or out of range; ``A12``
        noise or mask of another shape.
    """
    checked = []
    for patch in patches:
        transmission, noise = check_image(patch.transmission), check_image(patch.noise, "noise")
        if noise.shape != transmission.shape:
            raise ArrayError(
                f"noise has shape {noise.shape}, transmission has {transmission.shape}.", code="A12"
            )
        if not 1 <= patch.features <= 64:
            raise ArrayError(f"features={patch.features!r} of a patch, wanted 1 to 64.", code="A09")
        mask = check_mask(patch.mask, transmission.shape)
        checked.append((patch.row, patch.col, transmission, noise, mask, patch.features))
    _check_starts(starts, sum(patch.features for patch in patches))
    return _core.profile_fit(checked, starts, check_threads(threads))


def _check_starts(starts: NDArray[np.void], features: int) -> None:
    if starts.dtype != PROFILE_START or starts.shape != (features,):
        raise ArrayError(
            f"{starts.size} starts of {starts.dtype.name}, wanted {features} of PROFILE_START.",
            code="A09",
        )
    value, low, high = (starts[name] for name in ("value", "low", "high"))
    sizes, stretches = [2, 5], [3, 4]
    sound = np.isfinite(value).all(axis=1) & (starts["expected"] > 0).all(axis=1)
    sound &= (low <= high).all(axis=1) & np.isfinite(starts["reach"])
    sound &= (low[:, sizes] >= -50).all(axis=1) & (high[:, sizes] <= 50).all(axis=1)
    sound &= (np.abs(value[:, sizes]) <= 50).all(axis=1)
    sound &= (low[:, stretches] >= -3).all(axis=1) & (high[:, stretches] <= 3).all(axis=1)
    sound &= np.sum(value[:, stretches] ** 2, axis=1) <= 18
    sound &= (starts["nodes"] >= 1) & (starts["nodes"] <= 3)
    if not sound.all():
        raise ArrayError(f"starts[{int(np.argmin(sound))}] cannot be fitted from.", code="A09")
