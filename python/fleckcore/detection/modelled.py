"""Large shadows as part of a search: taken out of the frame before the compact ones, then listed with them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.feature import Feature
from fleckcore.detection.footprint import Window
from fleckcore.detection.large import MAX_DEPTH, Large, LargeSearch
from fleckcore.detection.normalise import Normalised
from fleckcore.detection.options import Options
from fleckcore.detection.profile import ANY_DIRECTION, Profile
from fleckcore.detection.scores import Image
from fleckcore.detection.shadow import FREE, Shadow
from fleckcore.detection.wide import wide_loss
from fleckcore.frame import Frame

__all__ = ["Modelled", "find_large"]

RING_FILL = 0.5
"""With more than this part of the rim's loss in its hole, a shadow is called a disc."""

REFINEMENTS = 4
"""How often the level is taken again without them: a large shadow pulls the level that it is measured against."""


@dataclass(frozen=True, eq=False)
class Modelled:
    """Large shadows of a frame.

    Attributes
    ----------
    found : list of Large
        By falling significance.
    loss : ndarray of float32, shape (rows, cols)
        What all that is explained takes, from the models, listed or not; negative where bright features were
        searched.
    """

    found: list[Large]
    loss: Image

    def divided_out(self, frame: Frame) -> Frame:
        """The frame as it would be without them."""
        if not self.loss.any():
            return frame
        with np.errstate(over="ignore", invalid="ignore"):
            data = frame.data / (1 - self.loss)
        return frame.replace(data=data.astype(np.result_type(frame.data.dtype, np.float32)))

    def doubt(self, model_error: float) -> Image | None:
        """What dividing them out may leave: a part of each, and edges half a pixel from their place."""
        if not self.loss.any():
            return None
        slope = np.hypot(*np.gradient(self.loss))
        doubt: Image = np.float32(model_error) * np.abs(self.loss) + np.float32(0.5) * slope
        return doubt

    def restored(self, normalised: Normalised) -> None:
        """Put them back into what was normalised without them."""
        if self.found:
            normalised.transmission[...] *= 1 - self.loss

    def draw(self, labels: NDArray[np.int32]) -> None:
        """Number their pixels where no compact feature stands, the larger below the smaller."""
        first = int(labels.max()) + 1
        free = labels == 0
        order = sorted(range(len(self.found)), key=lambda i: -self.found[i].shadow.radius)
        for i in order:
            cut = _window(self.found[i].shadow, labels.shape)
            part = labels[cut]
            part[free[cut] & _footprint(self.found[i].shadow, cut)] = first + i

    def features(
        self,
        frame: Frame,
        flat: Normalised,
        noise: Image,
        options: Options,
        compact: NDArray[np.int32],
    ) -> list[Feature]:
        """List them, numbered after the ``compact`` features of that label image.

        ``flat`` is the frame normalised with all of them divided out.
        """
        first = int(compact.max()) + 1
        return [
            _Measured(self, i, frame, flat, noise, options, compact).feature(first + i)
            for i in range(len(self.found))
        ]


def find_large(frame: Frame, options: Options, threads: int | None) -> Modelled:
    """Search the large shadows of a frame, when they are asked for."""
    asked = options.shapes == "all" and options.normalise == "ratio"
    if not asked or min(frame.shape) < 4 * options.least_radius:
        return Modelled([], np.zeros(frame.shape, np.float32))
    search = LargeSearch(
        *wide_loss(frame, options, threads, deepest=MAX_DEPTH),
        least=options.least_radius,
        largest=options.largest_radius,
        false_alarms=options.false_alarms / 2,
        model_error=options.model_error,
        edge_zone=options.edge_zone,
        threads=threads,
    )
    search.run()
    for _ in range(REFINEMENTS if search.found else 0):
        flat = Modelled(search.found, _total(search.found, frame, options)).divided_out(frame)
        search.refine(*wide_loss(flat, options, threads, deepest=MAX_DEPTH))
    search.settle()
    found = sorted(search.found, key=lambda f: (-f.significance, f.shadow.y, f.shadow.x))
    return Modelled(found, _total(found, frame, options))


def _total(found: list[Large], frame: Frame, options: Options) -> Image:
    """What all of them take together."""
    loss = np.zeros(frame.shape, np.float32)
    sign = np.float32(-1 if options.bright else 1)
    for large in found:
        cut = _window(large.shadow, frame.shape, large.shadow.reach)
        loss[cut] += sign * _loss(large.shadow, cut)
    return np.minimum(loss, np.float32(0.98), out=loss)


def _window(shadow: Shadow, shape: tuple[int, ...], half: float | None = None) -> Window:
    half = shadow.half_major + 2 * shadow.softness if half is None else half
    rows, cols = (
        slice(min(n, max(0, int(np.floor(c - half)))), max(0, min(n, int(np.ceil(c + half)) + 1)))
        for c, n in zip((shadow.y, shadow.x), shape, strict=True)
    )
    return rows, cols


def _loss(shadow: Shadow, cut: Window) -> Image:
    y, x = (np.arange(c.start, c.stop, dtype=float) for c in cut)
    return shadow.loss(y[:, None], x[None, :]).astype(np.float32)


def _footprint(shadow: Shadow, cut: Window) -> NDArray[np.bool_]:
    footprint: NDArray[np.bool_] = _loss(shadow, cut) > 0.5 * shadow.depth
    return footprint


class _Measured:
    """One of them on the frame."""

    def __init__(
        self,
        modelled: Modelled,
        index: int,
        frame: Frame,
        flat: Normalised,
        noise: Image,
        options: Options,
        compact: NDArray[np.int32],
    ) -> None:
        self.large = modelled.found[index]
        self.others = [f.shadow for i, f in enumerate(modelled.found) if i != index]
        self.about, self.shape = frame.meta, frame.shape
        self.sign = -1.0 if options.bright else 1.0
        shadow = self.large.shadow
        self.cut = cut = _window(shadow, self.shape)
        own = self.sign * _loss(shadow, cut).astype(float)
        self.transmission = flat.transmission[cut] * (1 - own)
        self.level, self.noise = flat.level[cut], noise[cut]
        self.footprint = _footprint(shadow, cut)
        self.used = self.footprint & np.isfinite(self.transmission)
        alone = self.used & (compact[cut] == 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = (self.transmission - (1 - own))[alone] / self.noise[alone]
        self.residual = float(np.sqrt(np.mean(left**2))) if left.size else np.nan
        self.deep = [int(np.count_nonzero(np.abs(own) > least)) for least in (0.05, 0.5)]

    def feature(self, label: int) -> Feature:
        shadow, error = self.large.shadow, self._errors()
        ring = shadow.fill < RING_FILL and shadow.hole * shadow.radius >= 2
        loss = 1 - self.transmission[self.used]
        n = max(1, loss.size)
        per_pixel = self.noise[self.used]
        mean_err = float(
            np.hypot(np.sqrt(np.sum(np.square(per_pixel, dtype=float))) / n, error["depth"])
        )
        lost = float(np.sum(loss * self.level[self.used], dtype=float))
        mean = float(loss.mean()) if loss.size else self.sign * shadow.depth
        pixel_um = self.about.pixel_size_um
        rows, cols = self.cut
        return Feature(
            label=label,
            chip=-1 if self.about.chip is None else self.about.chip,
            x_centroid=shadow.x,
            y_centroid=shadow.y,
            x_peak=int(np.clip(round(shadow.x), 0, self.shape[1] - 1)),
            y_peak=int(np.clip(round(shadow.y), 0, self.shape[0] - 1)),
            radius=shadow.radius,
            radius_inner=shadow.hole * shadow.radius if ring else 0.0,
            area=self.deep[0],
            area_50=self.deep[1],
            area_detected=int(np.count_nonzero(self.footprint)),
            area_mm2=np.nan if pixel_um is None else self.deep[0] * (pixel_um * 1e-3) ** 2,
            bbox_xmin=cols.start,
            bbox_xmax=cols.stop - 1,
            bbox_ymin=rows.start,
            bbox_ymax=rows.stop - 1,
            semimajor_axis=shadow.half_major / 2,
            semiminor_axis=shadow.half_major / shadow.stretch / 2,
            orientation=shadow.orientation,
            transmission_mean=1 - mean,
            transmission_mean_err=mean_err,
            transmission_min=1 - self.sign * shadow.depth,
            transmission_min_err=error["depth"],
            lost_flux=lost,
            lost_flux_err=abs(lost) * mean_err / max(abs(mean), 1e-9),
            snr=self.large.significance,
            edge=self._cut_off(),
            blend=self._overlaps(),
            **asdict(self._profile(error)),
        )

    def _profile(self, error: dict[str, float]) -> Profile:
        shadow = self.large.shadow
        inner = shadow.hole * shadow.radius
        return Profile(
            x_fit=shadow.x,
            x_err=error["x"],
            y_fit=shadow.y,
            y_err=error["y"],
            radius_fit=shadow.radius,
            radius_err=error["radius"],
            **self._axes(error),
            radius_inner_fit=inner,
            radius_inner_err=float(
                np.hypot(shadow.radius * error["hole"], shadow.hole * error["radius"])
            ),
            fill=shadow.fill,
            fill_err=error["fill"],
            depth=shadow.depth,
            depth_err=error["depth"],
            softness=shadow.softness,
            softness_err=error["softness"],
            residual=self.residual,
        )

    def _axes(self, error: dict[str, float]) -> dict[str, float]:
        """What is known of the axes; nothing where a round shadow was fitted."""
        shadow = self.large.shadow
        if math.isnan(error["e1"]):
            return {}
        e, spread = (
            math.hypot(shadow.e1, shadow.e2),
            math.sqrt(0.5) * math.hypot(error["e1"], error["e2"]),
        )
        return {
            "axis_ratio": 1 / shadow.stretch,
            "axis_ratio_err": spread / shadow.stretch,
            "orientation_fit": shadow.orientation,
            "orientation_err": min(math.degrees(spread / max(2 * e, 1e-9)), ANY_DIRECTION),
        }

    def _errors(self) -> dict[str, float]:
        deviations = np.sqrt(np.diag(self.large.covariance))
        return dict(zip(FREE, deviations.tolist(), strict=True))

    def _cut_off(self) -> bool:
        s, (rows, cols) = self.large.shadow, self.shape
        return min(s.x, s.y, cols - 1 - s.x, rows - 1 - s.y) < s.radius

    def _overlaps(self) -> bool:
        s = self.large.shadow
        return any(np.hypot(s.x - o.x, s.y - o.y) < s.radius + o.radius for o in self.others)
