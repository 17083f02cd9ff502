"""Measures of one feature, always on the unfiltered normalised image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.kernels import measure_feature

__all__ = ["CutOut", "Measures", "grow", "measure"]


@dataclass(frozen=True, eq=False)
class CutOut:
    """The neighbourhood of a feature; all arrays of shape (h, w).

    Attributes
    ----------
    y0, x0 : int
        Position of pixel ``[0, 0]`` in the frame.
    loss : ndarray of float32
        1 - transmission (negative of it for bright features).
    noise : ndarray of float32
        One standard deviation of ``loss`` per pixel.
    level : ndarray of float32
        What was divided out.
    usable : ndarray of bool
        Not masked.
    free : ndarray of bool
        Usable and not part of another feature.
    footprint : ndarray of bool
        The feature's pixels.
    """

    y0: int
    x0: int
    loss: NDArray[np.float32]
    noise: NDArray[np.float32]
    level: NDArray[np.float32]
    usable: NDArray[np.bool_]
    free: NDArray[np.bool_]
    footprint: NDArray[np.bool_]


@dataclass(frozen=True)
class Measures:
    """What `measure` gives; fields as in `Feature`, with losses in place of transmissions."""

    x_centroid: float
    y_centroid: float
    x_peak: int
    y_peak: int
    radius: float
    radius_inner: float
    area: int
    area_50: int
    semimajor_axis: float
    semiminor_axis: float
    orientation: float
    loss_mean: float
    loss_mean_err: float
    loss_max: float
    loss_max_err: float
    lost_flux: float
    lost_flux_err: float

    @property
    def elongation(self) -> float:
        """Ratio of the axes."""
        return self.semimajor_axis / self.semiminor_axis


def grow(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Dilate by ``steps`` pixels, diamond and square in turn (nearly round)."""
    for step in range(steps):
        wide = mask.copy()
        wide[:, 1:] |= mask[:, :-1]
        wide[:, :-1] |= mask[:, 1:]
        tall = wide if step % 2 else mask
        grown = wide.copy()
        grown[1:] |= tall[:-1]
        grown[:-1] |= tall[1:]
        mask = grown
    return mask


def measure(cut: CutOut) -> Measures:
    """Measure a feature against the ring of pixels around it, see `fleckcore.kernels.measure_feature`."""
    measured = measure_feature(
        cut.loss, cut.noise, cut.level, usable=cut.usable, free=cut.free, footprint=cut.footprint
    )
    return Measures(
        **measured
        | {
            "x_centroid": measured["x_centroid"] + cut.x0,
            "y_centroid": measured["y_centroid"] + cut.y0,
            "x_peak": measured["x_peak"] + cut.x0,
            "y_peak": measured["y_peak"] + cut.y0,
        }
    )
