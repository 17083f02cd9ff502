"""Flats of two nights of one detector, between which light, focus and dust may differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fleckcore.frame import Frame, FrameMeta

SHAPE = (420, 460)
LEVEL = 30_000.0


@dataclass(frozen=True)
class Dust:
    """A disc, or with a hole a ring; its edge is soft."""

    x: float
    y: float
    radius: float
    loss: float
    hole: float = 0.0
    soft: float = 0.7

    def through(self, blur: float = 0.0) -> np.ndarray:
        y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
        r = np.hypot(y - self.y, x - self.x)
        soft = np.hypot(self.soft, blur * bool(self.hole))

        def inside(radius):
            return 1 / (1 + np.exp(np.clip((r - radius) / soft, -60, 60)))

        return 1 - self.loss * (inside(self.radius) - bool(self.hole) * inside(self.hole))

    def moved(self, dx: float, dy: float) -> Dust:
        return replace(self, x=self.x + dx, y=self.y + dy)


def ring(x, y, radius=30.0, loss=0.05):
    return Dust(x, y, radius, loss, hole=radius / 2, soft=2.0)


DUST = (
    ring(90, 100),
    ring(330, 90, 24, 0.04),
    ring(240, 200, 30, 0.06),
    ring(100, 300, 24, 0.03),
    ring(370, 330, 30, 0.08),
    Dust(60, 200, 3, 0.5),
    Dust(180, 60, 4, 0.3),
    Dust(400, 200, 2, 0.4),
    Dust(220, 330, 5, 0.25),
    Dust(300, 280, 3, 0.7),
)


def flat(dust, seed, *, band="r", lit=(0.3, 0.1), blur=0.0, shift=(0.0, 0.0), level=LEVEL):
    """One exposure; ``lit`` tilts the light, ``blur`` softens rings, ``shift`` moves all dust."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = 1 + lit[0] * (x / SHAPE[1] - 0.5) - lit[1] * ((y / SHAPE[0] - 0.5) ** 2)
    light *= 1 + 0.005 * np.random.default_rng(0).standard_normal(SHAPE)  # pixels differ
    for one in dust:
        light *= one.moved(*shift).through(blur)
    data = np.random.default_rng(seed).poisson(level * light).astype(np.float32)
    return Frame(data, meta=FrameMeta(unit="electron", kind="flat", filters=(band,)))
