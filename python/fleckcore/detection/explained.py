"""What models explain of a frame: taken out of it, put back, and measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.footprint import Window
from fleckcore.detection.normalise import Normalised
from fleckcore.detection.options import Options
from fleckcore.detection.planes import Plane
from fleckcore.detection.scores import Image
from fleckcore.frame import Frame

__all__ = ["Explained", "Measured"]


@dataclass(frozen=True, eq=False)
class Explained:
    """What was found as models, and what all of them take.

    Attributes
    ----------
    found : sequence
        By falling significance.
    loss : ndarray of float32, shape (rows, cols)
        What all of them together take, from their models; negative where bright features were searched.
    """

    found: Sequence[Any]
    loss: Image

    def divided_out(self, frame: Frame) -> Frame:
        """The frame as it would be without them."""
        if not self.found:
            return frame
        with np.errstate(over="ignore", invalid="ignore"):
            data = frame.data / (1 - self.loss)
        return frame.replace(data=data.astype(np.result_type(frame.data.dtype, np.float32)))

    def restored(self, normalised: Normalised) -> None:
        """Put them back into what was normalised without them."""
        if self.found:
            normalised.transmission[...] *= 1 - self.loss

    def _left(self, part: float, displaced: float) -> Image | None:
        """What dividing them out may leave: a part of each, and edges ``displaced`` by so many pixels."""
        if not self.found:
            return None
        slope = np.hypot(*np.gradient(self.loss))
        left: Image = np.float32(part) * np.abs(self.loss) + np.float32(displaced) * slope
        return left


class Measured:
    """Frame, level and noise about modelled features, and what each takes of the light.

    Parameters
    ----------
    frame : Frame
    flat : Normalised
        The frame with all models divided out.
    noise : Plane of float32
        One standard deviation of a pixel.
    options : Options
    compact : ndarray of int32, shape (rows, cols)
        Numbers of the compact features, whose pixels say nothing of a model.
    """

    def __init__(
        self,
        frame: Frame,
        flat: Normalised,
        noise: Plane,
        options: Options,
        compact: NDArray[np.int32],
    ) -> None:
        self.about, self.shape = frame.meta, frame.shape
        self.flat, self.noise, self.compact = flat, noise, compact
        self.sign = -1.0 if options.bright else 1.0

    def columns(
        self,
        cut: Window,
        own: Image,
        footprint: NDArray[np.bool_],
        *,
        x: float,
        y: float,
        depth: float,
        depth_err: float,
    ) -> dict[str, Any]:
        """Give the columns that every modelled feature has alike.

        ``own`` is what it takes in the part ``cut`` of the frame, at least 0.
        """
        through = 1 - self.sign * own.astype(float)
        transmission = self.flat.transmission[cut] * through
        used = footprint & np.isfinite(transmission)
        loss, noise = 1 - transmission[used], self.noise[cut][used]
        mean = float(loss.mean()) if loss.size else self.sign * depth
        mean_err = float(
            np.hypot(np.sqrt(np.sum(np.square(noise, dtype=float))) / max(1, loss.size), depth_err)
        )
        lost = float(np.sum(loss * self.flat.level[cut][used], dtype=float))
        area, core = (int(np.count_nonzero(own > least)) for least in (0.05, 0.5))
        pixel_um = self.about.pixel_size_um
        return {
            "chip": -1 if self.about.chip is None else self.about.chip,
            "x_centroid": x,
            "y_centroid": y,
            "x_peak": int(np.clip(round(x), 0, self.shape[1] - 1)),
            "y_peak": int(np.clip(round(y), 0, self.shape[0] - 1)),
            "area": area,
            "area_50": core,
            "area_detected": int(np.count_nonzero(footprint)),
            "area_mm2": np.nan if pixel_um is None else area * (pixel_um * 1e-3) ** 2,
            "transmission_mean": 1 - mean,
            "transmission_mean_err": mean_err,
            "transmission_min": 1 - self.sign * depth,
            "transmission_min_err": depth_err,
            "lost_flux": lost,
            "lost_flux_err": abs(lost) * mean_err / max(abs(mean), 1e-9),
        } | _bounds(cut, footprint)

    def residual(self, cut: Window, footprint: NDArray[np.bool_]) -> float:
        """Rms of frame minus all models over the noise, on the footprint where no compact feature stands."""
        left = 1 - self.flat.transmission[cut]
        used = footprint & np.isfinite(left) & (self.compact[cut] == 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            pulls = left[used].astype(float) / self.noise[cut][used]
        return float(np.sqrt(np.mean(pulls**2))) if pulls.size else np.nan


def _bounds(cut: Window, footprint: NDArray[np.bool_]) -> dict[str, int]:
    """First and last row and column of a footprint; of the whole part, where it is empty."""
    bounds = {}
    for name, axis, part in (("y", 1, cut[0]), ("x", 0, cut[1])):
        at = np.flatnonzero(footprint.any(axis=axis))
        first, last = (at[0], at[-1]) if at.size else (0, part.stop - part.start - 1)
        bounds[f"bbox_{name}min"], bounds[f"bbox_{name}max"] = (
            part.start + int(first),
            part.start + int(last),
        )
    return bounds
