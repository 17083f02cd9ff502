"""Frames with known shadows, and how well any method could measure them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleckcore.simulate import Obstruction, obscure
from fleckcore.simulate.obstruction import Kind

SIZE = 1024  # pixels, of a side
LEVEL = 1000.0
NOISE = 0.01  # of the level, per pixel, white
HOLES = (0.3, 0.45, 0.6)
SOFTNESS = 1.5  # pixels; the same for all, as an outer radius may include it or not
OUTER = 1.645 * np.hypot(SOFTNESS, 12**-0.5)  # pixels from half of the loss to 5 % of it
BREADTH = 4.0  # pixels, of a streak
DETECTABLE = 5.0  # sigma, for a matched filter


class Shadow(NamedTuple):
    """One shadow, its ``radius`` as a catalogue gives it; half the length of a streak."""

    situation: str
    radius: float
    obstruction: Obstruction


class Limit(NamedTuple):
    """Least standard deviations of an unbiased estimate, pixels; and the matched filter's sigmas."""

    centre: float
    radius: float
    significance: float


def shadow(kind: Kind, x: float, y: float, size: float, depth: float, number: int = 1) -> Shadow:
    """A shadow of the half-loss radius ``size``, 5 % for a fleck; ``number`` varies hole and angle."""
    item = Obstruction(
        x=x,
        y=y,
        width=2 * size,
        height=BREADTH if kind == "streak" else 2 * size,
        loss=depth,
        kind=kind,
        hole=HOLES[number % 3],
        softness=SOFTNESS,
        angle=37.0 * number % 180 - 90,
    )
    return Shadow("inside", size + OUTER if kind in ("disc", "ring") else size, item)


def apart(kind: Kind, radius: float, depth: float, random: np.random.Generator) -> Iterator[Shadow]:
    """Shadows that touch none other; those of the outer columns, streaks aside, are cut by the edge."""
    centres = _centres(2 * radius + 40, 6)
    at_edge = {centres[0]: 0.4 * radius, centres[-1]: SIZE - 1 - 0.4 * radius}
    for number, (y, x) in enumerate((y, x) for y in centres for x in centres):
        dx, dy = random.uniform(-4, 4, 2)
        if x in at_edge and kind != "streak":
            cut = shadow(kind, at_edge[x], y + dy, radius, depth, number)
            yield cut._replace(situation="cut")
        else:
            yield shadow(kind, x + dx, y + dy, radius, depth, number)


def pairs(kind: Kind, radius: float, depth: float, random: np.random.Generator) -> Iterator[Shadow]:
    """Rows of two that touch, and rows of two that overlap by half their width."""
    number = 0
    for row, y in enumerate(_centres(2 * radius + 40, 6)):
        situation = ("touching", "half")[row % 2]
        half = {"touching": radius, "half": radius / 2}[situation]
        for x in _centres(4 * radius + 40, 4):
            dx, dy = random.uniform(-4, 4, 2)
            for side in (-half, half):
                made = shadow(kind, x + dx + side, y + dy, radius, depth, number)
                yield made._replace(situation=situation)
                number += 1


def frame(shadows: list[Shadow], random: np.random.Generator) -> NDArray[np.float32]:
    """A flat with a mild gradient and vignetting, the shadows, and white noise."""
    v, u = np.meshgrid(*2 * (np.linspace(-1, 1, SIZE),), indexing="ij")
    light = LEVEL * (1 + 0.03 * u - 0.02 * v - 0.04 * (u**2 + v**2))
    dimmed = obscure(light, [item.obstruction for item in shadows]).data
    return (dimmed + NOISE * LEVEL * random.standard_normal(light.shape)).astype(np.float32)


def limit(item: Shadow) -> Limit:
    """Cramér-Rao limit for x, y, radius, depth and level together, of a round shadow that stands alone."""
    about = item.obstruction
    return _limit(about.kind, about.width / 2, about.loss, about.hole)


@cache
def _limit(kind: Kind, radius: float, depth: float, hole: float) -> Limit:
    size = 2 * int(2 * radius + 10) + 1

    def model(x: float, y: float, r: float, loss: float, level: float) -> NDArray[np.float64]:
        item = Obstruction(
            x=size // 2 + x,
            y=size // 2 + y,
            width=2 * r,
            height=BREADTH if kind == "streak" else 2 * r,
            loss=loss,
            kind=kind,
            hole=hole,
            softness=SOFTNESS,
        )
        return np.asarray(obscure(np.full((size, size), level), [item]).data).ravel()

    at = np.array([0.3, 0.2, radius, depth, 1.0])
    steps = np.diag([0.05, 0.05, 0.05, 0.01 * depth, 0.01])
    slopes = [(model(*at + step) - model(*at - step)) / (2 * step.sum()) for step in steps]
    fisher = np.array([[a @ b for a in slopes] for b in slopes]) / NOISE**2
    covariance = np.linalg.inv(fisher)
    significance = np.sqrt(((1 - model(*at)) ** 2).sum()) / NOISE
    centre = np.sqrt((covariance[0, 0] + covariance[1, 1]) / 2)
    return Limit(float(centre), float(np.sqrt(covariance[2, 2])), float(significance))


def _centres(pitch: float, most: int) -> list[float]:
    count = max(1, min(most, int(SIZE / pitch)))
    return [(i + 0.5) * SIZE / count - 0.5 for i in range(count)]
