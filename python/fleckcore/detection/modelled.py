"""Large shadows as part of a search: taken out of the frame before the compact ones, then listed with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.detection.explained import Explained, Measured
from fleckcore.detection.feature import Feature
from fleckcore.detection.footprint import Window
from fleckcore.detection.large import MAX_DEPTH, Large, LargeSearch
from fleckcore.detection.options import Options
from fleckcore.detection.profile import ANY_DIRECTION, Profile
from fleckcore.detection.scores import Image
from fleckcore.detection.shadow import FREE, Shadow
from fleckcore.detection.wide import WideLoss, compact_spots
from fleckcore.frame import Frame

__all__ = ["Modelled", "find_large"]

RING_FILL = 0.5
"""With more than this part of the rim's loss in its hole, a shadow is called a disc."""

REFINEMENTS = 4
"""How often the level is taken again without them: a large shadow pulls the level that it is measured against."""


@dataclass(frozen=True, eq=False)
class Modelled(Explained):
    """Large shadows of a frame."""

    found: list[Large]

    def doubt(self, model_error: float) -> Image | None:
        """What dividing them out may leave: a part of each, and edges half a pixel from their place."""
        return self._left(model_error, 0.5)

    def draw(self, labels: NDArray[np.int32], first: int) -> None:
        """Number their pixels from ``first`` where no other feature stands, the larger below the smaller."""
        free = labels == 0
        order = sorted(range(len(self.found)), key=lambda i: -self.found[i].shadow.radius)
        for i in order:
            cut = _window(self.found[i].shadow, labels.shape)
            part = labels[cut]
            part[free[cut] & _footprint(self.found[i].shadow, cut)] = first + i

    def features(self, measured: Measured, first: int) -> list[Feature]:
        """List them, numbered from ``first``."""
        return [self._feature(i, measured, first + i) for i in range(len(self.found))]

    def _feature(self, index: int, measured: Measured, label: int) -> Feature:
        large = self.found[index]
        shadow, error = large.shadow, _errors(large)
        others = [f.shadow for f in self.found if f is not large]
        cut = _window(shadow, measured.shape)
        footprint = _footprint(shadow, cut)
        ring = shadow.fill < RING_FILL and shadow.hole * shadow.radius >= 2
        return Feature(
            label=label,
            **measured.columns(
                cut,
                _loss(shadow, cut),
                footprint,
                x=shadow.x,
                y=shadow.y,
                depth=shadow.depth,
                depth_err=error["depth"],
            ),
            radius=shadow.radius,
            radius_inner=shadow.hole * shadow.radius if ring else 0.0,
            semimajor_axis=shadow.half_major / 2,
            semiminor_axis=shadow.half_major / shadow.stretch / 2,
            orientation=shadow.orientation,
            snr=large.significance,
            edge=_is_cut_off(shadow, measured.shape),
            blend=any(
                np.hypot(shadow.x - o.x, shadow.y - o.y) < shadow.radius + o.radius for o in others
            ),
            **_profile(shadow, error, measured.residual(cut, footprint)).columns(),
        )


def find_large(wide: WideLoss) -> Modelled:
    """Search the large shadows of a frame, when they are asked for."""
    frame, options = wide.frame, wide.options
    asked = options.shapes == "all" and options.normalise == "ratio"
    if not asked or min(frame.shape) < 4 * options.least_radius:
        return Modelled([], np.zeros(frame.shape, np.float32))
    lost, valid = wide.up_to(MAX_DEPTH)
    valid[compact_spots(lost, valid < 0.5, options.least_radius, wide.threads)] = 0
    search = LargeSearch(
        lost,
        valid,
        least=options.least_radius,
        largest=options.largest_radius,
        false_alarms=options.false_alarms / 2,
        model_error=options.model_error,
        edge_zone=options.edge_zone,
        bright=options.bright,
        threads=wide.threads,
    )
    search.run()
    for _ in range(REFINEMENTS if search.found else 0):
        explained = Modelled(search.found, _total(search.found, frame, options))
        search.refine(*wide.without(explained).up_to(MAX_DEPTH))
    search.settle()
    found = sorted(search.found, key=lambda f: (-f.significance, f.shadow.y, f.shadow.x))
    return Modelled(found, _total(found, frame, options))


def _total(found: list[Large], frame: Frame, options: Options) -> Image:
    """What all of them take together."""
    if not found:
        return np.zeros(frame.shape, np.float32)
    through = np.ones(frame.shape, np.float32)
    sign = np.float32(-1 if options.bright else 1)
    for large in found:
        cut = _window(large.shadow, frame.shape, large.shadow.reach)
        through[cut] *= 1 - sign * _loss(large.shadow, cut)
    return np.minimum(1 - through, np.float32(0.98))


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


def _profile(shadow: Shadow, error: dict[str, float], residual: float) -> Profile:
    return Profile(
        x_fit=shadow.x,
        x_err=error["x"],
        y_fit=shadow.y,
        y_err=error["y"],
        radius_fit=shadow.radius,
        radius_err=error["radius"],
        **_axes(shadow, error),
        radius_inner_fit=shadow.hole * shadow.radius,
        radius_inner_err=float(
            np.hypot(shadow.radius * error["hole"], shadow.hole * error["radius"])
        ),
        fill=shadow.fill,
        fill_err=error["fill"],
        depth=shadow.depth,
        depth_err=error["depth"],
        softness=shadow.softness,
        softness_err=error["softness"],
        residual=residual,
    )


def _axes(shadow: Shadow, error: dict[str, float]) -> dict[str, float]:
    """What is known of the axes; nothing where a round shadow was fitted."""
    if math.isnan(error["e1"]):
        return {}
    stretch = math.hypot(shadow.e1, shadow.e2)
    stretch_err = math.sqrt(0.5) * math.hypot(error["e1"], error["e2"])
    return {
        "axis_ratio": 1 / shadow.stretch,
        "axis_ratio_err": stretch_err / shadow.stretch,
        "orientation_fit": shadow.orientation,
        "orientation_err": min(math.degrees(stretch_err / max(2 * stretch, 1e-9)), ANY_DIRECTION),
    }


def _errors(large: Large) -> dict[str, float]:
    deviations = np.sqrt(np.diag(large.covariance))
    return dict(zip(FREE, deviations.tolist(), strict=True))


def _is_cut_off(shadow: Shadow, shape: tuple[int, ...]) -> bool:
    rows, cols = shape
    return min(shadow.x, shadow.y, cols - 1 - shadow.x, rows - 1 - shadow.y) < shadow.radius
