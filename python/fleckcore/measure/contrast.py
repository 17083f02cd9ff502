"""How much of a frame's charge a feature takes, and how well that stands out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import ArrayError
from fleckcore.frame import Frame
from fleckcore.measure.cutout import SIGMA_OF_MAD, grown
from fleckcore.measure.ground import Ground, fit_ground

__all__ = ["Contrast", "contrast"]

_LEAST_BLOCKS = 8
_FILLED = 0.7


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """What an aperture lacks in one frame. Charge is the mean of a pixel, in the unit of the frame.

    Attributes
    ----------
    kind : str
        What was exposed, as in `FrameMeta`.
    pixels, left_out : int
        Of the aperture: those that count, and those that do not since they hold far more than the ground (hot, or hit
        by a cosmic ray) or have no value.
    level, level_error : float
        What the aperture would hold: a plane through the ground around it, without outliers.
    charge : float
        In the aperture.
    noise : float
        Standard deviation of one pixel of the ground.
    dark_noise, unevenness : float
        The parts of it that remain without charge, and that differ from pixel to pixel in proportion to charge; the
        rest, the photons', goes with its square root.
    clumping : float
        By how much means of so many pixels scatter more than those of independent pixels: trails, stripes,
        unevenness. All errors but `noise` hold it.
    outliers : float
        Share of the ground that lies too far from the level to be noise: what a search has to tell from features.
    """

    kind: str
    pixels: int
    left_out: int
    level: float
    level_error: float
    charge: float
    noise: float
    dark_noise: float
    unevenness: float
    clumping: float
    outliers: float

    @property
    def charge_error(self) -> float:
        """One standard deviation of `charge`."""
        return float(self._noise_of(np.array(self.charge)))

    @property
    def deficit(self) -> float:
        """What is missing: level less charge."""
        return self.level - self.charge

    @property
    def deficit_error(self) -> float:
        """One standard deviation of `deficit`."""
        return math.hypot(self.charge_error, self.level_error)

    def error_for(self, deficit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the standard deviation of a measured deficit around a true one, whatever charge noise left in it."""
        error: NDArray[np.float64] = np.hypot(
            self._noise_of(self.level - deficit), self.level_error
        )
        return error

    def _noise_of(self, charge: NDArray[np.float64]) -> NDArray[np.float64]:
        share = np.clip(charge / self.level, 0, 1) if self.level > 0 else np.ones_like(charge)
        dark, uneven = self.dark_noise**2, self.unevenness**2
        photons = max(0.0, self.noise**2 - dark - uneven)
        variance = (dark + photons * share + uneven * share**2) / self.pixels
        noise: NDArray[np.float64] = self.clumping * np.sqrt(variance)
        return noise

    @property
    def depth(self) -> float:
        """Fraction of the level that is missing; NaN where there is no level."""
        return self.deficit / self.level if self.level > 0 else math.nan

    @property
    def depth_error(self) -> float:
        """One standard deviation of `depth`; NaN where there is no level."""
        if not self.level > 0:
            return math.nan
        share = self.charge / self.level
        return math.hypot(self.charge_error, share * self.level_error) / self.level

    @property
    def snr(self) -> float:
        """Signal to noise of the whole feature."""
        return _over(self.deficit, self.deficit_error)

    @property
    def pixel_snr(self) -> float:
        """Signal to noise of one mean pixel of the feature."""
        return _over(self.deficit, self.noise)


def _over(signal: float, noise: float) -> float:
    return signal / noise if noise > 0 else math.copysign(math.inf, signal)


def contrast(
    frame: Frame,
    aperture: NDArray[np.bool_],
    *,
    x0: int = 0,
    y0: int = 0,
    gap: int = 3,
    ground: int = 40,
    clip_sigma: float = 4.0,
) -> Contrast:
    """Measure how much charge an aperture lacks.

    Parameters
    ----------
    frame : Frame
        Bias subtracted. With an error plane, shaded pixels are known to be less noisy than the ground.
    aperture : ndarray of bool
        Pixels of the feature. Chosen on another frame, or else the deficit counts what noise has chosen.
    x0, y0 : int
        Position of the aperture's pixel ``[0, 0]`` in the frame, as of a `CutOut`.
    gap, ground : int
        Pixels around the aperture that count for nothing, and pixels around these that tell level and noise.
    clip_sigma : float
        Pixels of the ground that are off by more, and pixels of the aperture that lie so far above the level, are
        left out.

    Returns
    -------
    Contrast
        Its errors hold the noise of the aperture's pixels and of the level. They follow from the scatter of the
        ground, pixel by pixel and in blocks as large and as elongated as the aperture. The error plane says which
        part goes with charge; what pixels scatter more than it says counts as a difference in sensitivity or dark
        current.

    Raises
    ------
    ArrayError
        ``A09`` an aperture without usable pixels or ground around it; ``A12`` one that does not lie on the frame.
    """
    rows, cols, feature = _place(frame, aperture, x0, y0, gap + ground)
    cut = Frame(
        np.array(frame.data[rows, cols], np.float64),
        None if frame.error is None else np.array(frame.error[rows, cols], np.float64),
        None if frame.quality is None else frame.quality[rows, cols],
        frame.meta,
    )
    return _measure(cut, feature, ~grown(feature, gap), clip_sigma)


def _measure(
    cut: Frame, feature: NDArray[np.bool_], around: NDArray[np.bool_], clip_sigma: float
) -> Contrast:
    usable = ~cut.mask
    around &= usable
    ground = fit_ground(cut.data, around, clip_sigma=clip_sigma)
    counts = feature & usable & (cut.data <= ground.level + clip_sigma * ground.noise)
    pixels = int(np.count_nonzero(counts))
    if pixels == 0:
        raise ArrayError("every pixel of the aperture is masked or hot.", code="A09")
    dark_noise, unevenness = _parts(cut, ground)
    clumping = _clumping(cut.data, ground, _block(counts), clip_sigma)
    return Contrast(
        kind=cut.meta.kind,
        pixels=pixels,
        left_out=int(np.count_nonzero(feature)) - pixels,
        level=float(ground.level[counts].mean()),
        level_error=clumping * math.sqrt(ground.covariance(counts[None] / pixels)[0, 0]),
        charge=float(cut.data[counts].mean()),
        noise=ground.noise,
        dark_noise=dark_noise,
        unevenness=unevenness,
        clumping=clumping,
        outliers=1 - np.count_nonzero(ground.even) / np.count_nonzero(around),
    )


def _parts(cut: Frame, ground: Ground) -> tuple[float, float]:
    """Give the noise without charge, from how errors go with charge, and the noise that errors don't know."""
    if cut.error is None:
        return ground.noise, 0.0
    variance, charge = cut.error[ground.even] ** 2, cut.data[ground.even]
    spread, middle = float(charge.var()), float(charge.mean())
    slope = float(np.mean((charge - middle) * variance)) / spread if spread > 0 else 0.0
    told = float(variance.mean())
    dark = min(max(told - max(slope, 0.0) * middle, 0.0), ground.noise**2)
    return math.sqrt(dark), math.sqrt(max(0.0, ground.noise**2 - max(told, dark)))


def _block(aperture: NDArray[np.bool_]) -> tuple[int, int]:
    """Give rows and columns of a block of as many pixels as an aperture, as elongated as it is."""
    spans = [int(np.ptp(at)) + 1 for at in np.nonzero(aperture)]
    scale = math.sqrt(np.count_nonzero(aperture) / math.prod(spans))
    rows, cols = (max(1, round(scale * span)) for span in spans)
    return rows, cols


def _clumping(
    data: NDArray[np.float64], ground: Ground, block: tuple[int, int], clip_sigma: float
) -> float:
    """Give the scatter of means over blocks of the ground, over that of independent pixels; at least 1.

    Trails make it larger for blocks that are longer along columns.
    """
    height, width = block
    if height * width < 2 or not ground.noise > 0:
        return 1.0
    rows, cols = (n // size for n, size in zip(data.shape, block, strict=True))
    blocks = (rows, height, cols, width)
    part = np.s_[: rows * height, : cols * width]
    rest = np.where(ground.even, data - ground.level, 0.0)
    total = rest[part].reshape(blocks).sum(axis=(1, 3))
    count = ground.even[part].reshape(blocks).sum(axis=(1, 3))
    filled = count >= _FILLED * height * width
    if np.count_nonzero(filled) < _LEAST_BLOCKS:
        return 1.0
    scatter = np.abs(total[filled]) / (ground.noise * np.sqrt(count[filled]))
    usual = max(1.0, SIGMA_OF_MAD * float(np.median(scatter)))
    return max(1.0, float(np.sqrt(np.mean(scatter[scatter <= clip_sigma * usual] ** 2))))


def _place(
    frame: Frame, aperture: NDArray[np.bool_], x0: int, y0: int, margin: int
) -> tuple[slice, slice, NDArray[np.bool_]]:
    """Give the part of a frame around an aperture, and the aperture's pixels in it."""
    fits = aperture.ndim == 2 and all(
        0 <= first <= size - n
        for first, n, size in zip((y0, x0), aperture.shape, frame.shape, strict=True)
    )
    if not fits:
        raise ArrayError(
            f"an aperture of shape {aperture.shape} at x0={x0}, y0={y0} does not lie on {frame.shape}.",
            code="A12",
        )
    if not aperture.any():
        raise ArrayError("the aperture has no pixel.", code="A09")
    ys, xs = np.nonzero(aperture)
    ys, xs = ys + y0, xs + x0
    rows, cols = (
        slice(max(0, int(at.min()) - margin), min(size, int(at.max()) + margin + 1))
        for at, size in zip((ys, xs), frame.shape, strict=True)
    )
    feature = np.zeros((rows.stop - rows.start, cols.stop - cols.start), bool)
    feature[ys - rows.start, xs - cols.start] = True
    return rows, cols, feature
