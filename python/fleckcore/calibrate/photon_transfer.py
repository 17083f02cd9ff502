"""Gain and read noise from pairs of flats and biases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError, MetadataError
from fleckcore.frame import Frame
from fleckcore.io import require_alike

__all__ = ["PhotonTransfer", "photon_transfer"]


@dataclass(frozen=True, kw_only=True)
class PhotonTransfer:
    """What a pair of flats and a pair of biases say of an amplifier.

    Attributes
    ----------
    gain_e, gain_error : float
        e-/DN: the median over boxes, and its standard error.
    read_noise_dn, read_noise_e : float
        Of one pixel of one frame.
    level_dn : float
        Light of one flat, without bias.
    boxes : int
        Boxes that were used.
    """

    gain_e: float
    gain_error: float
    read_noise_dn: float
    read_noise_e: float
    level_dn: float
    boxes: int


def photon_transfer(
    flats: tuple[Frame, Frame],
    biases: tuple[Frame, Frame],
    *,
    box: int = 64,
    region: tuple[slice, slice] = np.s_[:, :],
) -> PhotonTransfer:
    """Measure gain and read noise.

    Parameters
    ----------
    flats, biases : pair of Frame
        In DN, of one detector, not saturated.
    box : int
        Side of the boxes in which means and variances are taken, pixels.
    region : (slice, slice)
        Rows and columns to use, of one amplifier.

    Returns
    -------
    PhotonTransfer

    Raises
    ------
    MetadataError
        ``M07``: frames of other detectors, or not in DN; ``A06``: flats no brighter than the biases.
    ArrayError
        ``A09``: no whole box in the region.

    Notes
    -----
    Janesick's method in every box, ``((F1 + F2) - (B1 + B2)) / (var(F1 - r F2) - var(B1 - B2))``, whose r takes out
    a lamp that brightens or fades; pixels beyond 4 standard deviations are left out, and so are the boxes' gradients,
    which are the same in both frames. The gain is the median of all boxes, because dust, hot pixels and edges spoil
    some.
    """
    frames = (*flats, *biases)
    require_alike(frames)
    if frames[0].meta.unit != "DN":
        raise MetadataError(
            f"the frames are in {frames[0].meta.unit}, wanted DN.",
            code="M07",
            path=frames[0].meta.path,
        )
    f1, f2, b1, b2 = (np.asarray(frame.data[region], np.float64) for frame in frames)
    if min(f1.shape) < box or box < 8:
        raise ArrayError(
            f"box={box} in a region of {f1.shape}, wanted 8 pixels or more that fit.", code="A09"
        )
    pedestal = (b1.mean() + b2.mean()) / 2
    level = (np.median(f1) + np.median(f2)) / 2 - pedestal
    if not level > 0:
        raise MetadataError(
            f"the flats are {level:.1f} DN above the biases, wanted light.",
            code="A06",
            path=frames[0].meta.path,
        )
    ratio = (np.median(f1) - pedestal) / (np.median(f2) - pedestal)
    light = _boxes(f1 + f2 - b1 - b2, box)
    shot = _variances(_boxes((f1 - pedestal) - ratio * (f2 - pedestal), box))
    read = _variances(_boxes(b1 - b2, box))
    seen = np.median(light, axis=1) > 0.25 * np.median(light)
    # The second flat was multiplied by r, its variance by r**2, and it has 1 / r of the light of the first.
    gain = (np.median(light, axis=1) * ratio) / np.maximum(shot - read * (1 + ratio**2) / 2, 1e-9)
    gains = gain[seen & np.isfinite(gain)]
    noise = float(np.sqrt(np.median(read) / 2))
    best = float(np.median(gains))
    spread = 1.4826 * float(np.median(np.abs(gains - best)))
    return PhotonTransfer(
        gain_e=best,
        gain_error=1.2533 * spread / float(np.sqrt(gains.size)),
        read_noise_dn=noise,
        read_noise_e=best * noise,
        level_dn=float(level),
        boxes=int(gains.size),
    )


def _boxes(image: NDArray[np.float64], box: int) -> NDArray[np.float64]:
    """Give whole boxes as rows of pixels."""
    rows, cols = (size // box for size in image.shape)
    cut = image[: rows * box, : cols * box].reshape(rows, box, cols, box)
    return cut.swapaxes(1, 2).reshape(rows * cols, box * box)


def _variances(boxes: NDArray[np.float64], limit: float = 4.0) -> NDArray[np.float64]:
    """Give the variance of each box without what lies far off; a Gaussian loses 0.1 % of it, which is put back."""
    off = boxes - np.median(boxes, axis=1, keepdims=True)
    sigma = 1.4826 * np.median(np.abs(off), axis=1, keepdims=True)
    used = np.abs(off) <= limit * np.maximum(sigma, 1e-12)
    count = used.sum(axis=1)
    mean = (off * used).sum(axis=1) / count
    variance = ((off - mean[:, None]) ** 2 * used).sum(axis=1) / np.maximum(count - 1, 1)
    lost = 1 - 0.001071  # of the variance, within 4 standard deviations
    return np.asarray(variance / lost)
