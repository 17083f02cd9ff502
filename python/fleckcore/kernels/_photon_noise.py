"""The kernel ``photon_noise``."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import _core
from fleckcore.errors import ArrayError
from fleckcore.kernels._arguments import check_image, check_threads


def photon_noise(
    expected: Any,
    *,
    read_noise: float = 0.0,
    seed: int | Sequence[int],
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Give what a detector reads of the electrons that are expected.

    Parameters
    ----------
    expected : ndarray, shape (rows, cols)
        Mean electrons of each pixel, 0 to 2097151. Any real type, byte order and strides.
    read_noise : float
        Standard deviation of the Gaussian noise that is added, electrons.
    seed : int or sequence of int
        0 to 2**64 - 1, in order, as (scene, exposure, chip): the same give the same bytes, others
        independent noise.
    threads : int, optional
        Threads; by default `default_threads`.

    Returns
    -------
    ndarray of float32, shape (rows, cols)
        A Poisson number of each mean, plus the noise of the amplifier.

    Raises
    ------
    ArrayError, ArrayTypeError
        ``A09`` shape, dtype, numbers that are negative, not finite or too large, or a seed that is.

    Notes
    -----
    Poisson numbers by alias tables [1]_ of the digits of a mean, which are summed, and a thinned one for what is
    left below 1/64; Gaussian ones by a ziggurat [2]_; random bits by xoshiro256++ [3]_, a stream for each row.

    References
    ----------
    .. [1] Walker (1977), ACM Transactions on Mathematical Software 3, 253
    .. [2] Marsaglia and Tsang (2000), Journal of Statistical Software 5, 8
    .. [3] Blackman and Vigna (2021), ACM Transactions on Mathematical Software 47, 36
    """
    image = check_image(expected, "expected")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= _core.most_electrons):
        raise ArrayError(
            f"expected holds {high if low >= 0 else low:.16g}, "
            f"wanted electrons from 0 to {_core.most_electrons:.0f}.",
            code="A09",
        )
    if not (np.isfinite(read_noise) and read_noise >= 0):
        raise ArrayError(f"read_noise={read_noise!r}, wanted 0 or more electrons.", code="A09")
    noisy: NDArray[np.float32] = _core.photon_noise(
        image, float(read_noise), _words(seed), check_threads(threads)
    )
    return noisy


def _words(seed: int | Sequence[int]) -> list[int]:
    try:
        words = [index(word) for word in np.atleast_1d(np.asarray(seed, dtype=object))]
    except TypeError:
        words = []
    if not words or not all(0 <= word < 2**64 for word in words):
        raise ArrayError(f"seed={seed!r}, wanted whole numbers from 0 to 2**64 - 1.", code="A09")
    return words
