"""The truth of one chip of a scene: what light does to it, what it adds itself, and what lies on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.instruments import Chip, Profile, load_profile, model_traps
from fleckcore.simulate.campaign import date_of, mjd_of
from fleckcore.simulate.illumination import column_pattern, illumination
from fleckcore.simulate.obstruction import Obstruction
from fleckcore.simulate.scene import DetectorScene, Fleck, Light
from fleckcore.simulate.shading import multiply, shade
from fleckcore.traps import TrapModels

__all__ = ["ChipTruth", "PixelHistory", "log_uniform", "seeded"]

Image = NDArray[np.float32]

_RESPONSE, _DARK, _HOT, _SINKS, _FRECKLES, _BIAS = range(6)
_EDGE = 30
_TRAIL = 4
_APERTURE = 0.05
_BEFORE_DAYS = 84
"""So long before the first day pixels begin to be hot that it finds as many as any other."""


def seeded(scene: DetectorScene, *numbers: int) -> np.random.Generator:
    """Give random numbers that depend on the scene's seed and these numbers alone."""
    return np.random.Generator(np.random.PCG64([scene.seed, *numbers]))


def log_uniform(
    random: np.random.Generator, limits: tuple[float, float], count: int
) -> NDArray[np.float64]:
    """Draw numbers as many per decade everywhere between limits."""
    low, high = np.log(limits)
    drawn: NDArray[np.float64] = np.exp(low + (high - low) * random.random(count))
    return drawn


@dataclass(frozen=True, eq=False)
class PixelHistory:
    """Pixels that became bad.

    Attributes
    ----------
    place : ndarray of int64, shape (n,)
        Flat index on the chip; a pixel may come twice.
    amount : ndarray of float32, shape (n,)
        e-/s of a hot pixel, electrons that a sink takes.
    born, healed : ndarray of float64, shape (n,)
        MJD; infinite where it never was or will be.
    """

    place: NDArray[np.int64]
    amount: NDArray[np.float32]
    born: NDArray[np.float64]
    healed: NDArray[np.float64]

    def at(self, mjd: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Give places and amounts of those that are bad at a date."""
        now = (self.born <= mjd) & (mjd < self.healed)
        return self.place[now], self.amount[now]


class ChipTruth:
    """One chip of a scene. Everything follows from the scene's seed; what is costly is made once.

    Attributes
    ----------
    scene : DetectorScene
        The scene.
    profile : Profile
        Its instrument.
    chip : Chip
        Geometry.
    """

    def __init__(self, scene: DetectorScene, chip: int) -> None:
        self.scene = scene
        self.profile: Profile = load_profile(scene.profile)
        self.chip: Chip = self.profile.chip(chip)
        self._lit: dict[tuple[Any, ...], Image] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that see light."""
        return self.chip.shape

    def light(self, mjd: float, filter_name: str | None = None) -> Image:
        """Give what a source does to each pixel, 1 where its pattern is 1 and the pixel is as others.

        ``filter_name`` is that of the lamp's filter, which may be empty; without it the post-flash LED is meant. The
        image belongs to this object: don't change it.
        """
        key = (filter_name, *(lying for _, lying in self.flecks(mjd)))
        if key not in self._lit:
            while len(self._lit) > 1:
                del self._lit[next(iter(self._lit))]
            self._lit[key] = self._light(mjd, filter_name)
        return self._lit[key]

    def flecks(self, mjd: float) -> Iterator[tuple[Fleck, Obstruction]]:
        """Give the flecks that are there at a date, with what they block where they lie then."""
        day = date_of(mjd)
        for fleck in self.scene.flecks:
            if fleck.chip == self.chip.id and fleck.born <= day:
                yield fleck, fleck.on(day)

    def dark_rate(self, mjd: float) -> Image:
        """Give e-/s of dark current at a date."""
        rate = self._base_dark.copy()
        place, amount = self.hot_pixels.at(mjd)
        np.maximum.at(rate.reshape(-1), place, amount)
        return rate

    def dark_quality(self, mjd: float) -> NDArray[np.int16]:
        """Give the quality bits of warm and hot pixels at a date."""
        dark, bits = self.scene.dark, self.profile.quality
        rate = self.dark_rate(mjd)
        quality = np.zeros(self.shape, np.int16)
        quality[rate >= dark.warm_e_s] = bits["warm"]
        quality[rate > dark.hot_e_s] = bits["hot"]
        return quality

    def sinks(self, mjd: float) -> Image:
        """Give how many electrons sink pixels, and the pixels behind them, take at a date."""
        taken = np.zeros(self.shape, np.float32)
        place, amount = self.sink_pixels.at(mjd)
        away = 1 if self.reads_down else -1
        rows, cols = np.divmod(place, self.shape[1])
        for _ in range(_TRAIL):
            inside = (rows >= 0) & (rows < self.shape[0])
            np.add.at(taken, (rows[inside], cols[inside]), amount[inside])
            rows, amount = rows + away, amount * np.float32(self.scene.sink_pixels.behind)
        return taken

    @cached_property
    def traps(self) -> TrapModels | None:
        """The traps that delay charge."""
        traps = self.scene.traps
        if traps is None:
            return None
        return model_traps(
            self.profile, traps.mjd, levels=traps.levels, substeps=traps.substeps, trail=traps.trail
        )

    @cached_property
    def response(self) -> Image:
        """Sensitivity of each pixel, without shadows."""
        wanted, random = self.scene.response, self._random(_RESPONSE)
        pixels = 1 + wanted.pixel_rms * random.standard_normal(self.shape, dtype=np.float32)
        pixels *= column_pattern(random, self.shape[1], wanted.column_rms).astype(np.float32)
        return pixels.astype(np.float32)

    @property
    def flat_field(self) -> Image:
        """The response with its freckles: what evenly spread light would show before any fleck came."""
        image = self.response.copy()
        for freckle in self.freckles:
            shade((image,), freckle)
        return image

    @cached_property
    def freckles(self) -> tuple[Obstruction, ...]:
        """Small shadows that were always there, apart from each other and from the flecks."""
        wanted, random = self.scene.freckles, self._random(_FRECKLES)
        taken = [
            (f.x, f.y, max(f.width, f.height)) for f in self.scene.flecks if f.chip == self.chip.id
        ]
        found: list[Obstruction] = []
        while len(found) < wanted.count:
            y, x = (random.uniform(_EDGE, size - _EDGE) for size in self.shape)
            width, height = random.uniform(*wanted.size, 2)
            loss = random.uniform(*wanted.loss)
            if all(max(abs(x - u), abs(y - v)) > size + 20 for u, v, size in taken):
                taken.append((x, y, max(width, height)))
                found.append(
                    Obstruction(
                        x=round(x, 2),
                        y=round(y, 2),
                        width=round(width, 2),
                        height=round(height, 2),
                        loss=round(loss, 3),
                        kind="disc",
                        softness=0.5,
                        name=f"freckle {len(found) + 1}",
                    )
                )
        return tuple(found)

    @cached_property
    def hot_pixels(self) -> PixelHistory:
        """Pixels with more dark current than others."""
        scene, random = self.scene, self._random(_HOT)
        hot, size = scene.hot_pixels, self.shape[0] * self.shape[1]
        first, stop = mjd_of(scene.start) - _BEFORE_DAYS, mjd_of(scene.stop)
        standing = round(hot.standing * size)
        later = round(hot.born_per_day * (stop - first))
        place = random.integers(size, size=standing + later)
        low, high = (edge ** (1 - hot.slope) for edge in hot.range_e_s)
        rate = (low + random.random(place.size) * (high - low)) ** (1 / (1 - hot.slope))
        born = np.concatenate([np.full(standing, -np.inf), random.uniform(first, stop, later)])
        healed = np.full(place.size, np.inf)
        anneals = self._anneals(first)
        if hot.healed > 0 and later:
            survived = random.geometric(hot.healed, later) - 1
            which = np.searchsorted(anneals, born[standing:]) + survived
            healed[standing:] = np.append(anneals, np.inf)[np.minimum(which, anneals.size)]
        return PixelHistory(place, rate.astype(np.float32), born, healed)

    @cached_property
    def sink_pixels(self) -> PixelHistory:
        """Pixels that hold charge back."""
        scene, random = self.scene, self._random(_SINKS)
        sinks, size = scene.sink_pixels, self.shape[0] * self.shape[1]
        first, stop = mjd_of(scene.start), mjd_of(scene.stop)
        standing = round(sinks.standing * size)
        later = round(sinks.born_per_day * (stop - first))
        place = random.integers(size, size=standing + later)
        depth = log_uniform(random, sinks.range_e, place.size).astype(np.float32)
        born = np.concatenate([np.full(standing, -np.inf), random.uniform(first, stop, later)])
        return PixelHistory(place, depth, born, np.full(place.size, np.inf))

    @cached_property
    def bias_pattern(self) -> Image:
        """DN above the level of its amplifier of each column of a raw frame."""
        rms = self.scene.electronics.bias_columns_dn
        return (rms * self._random(_BIAS).standard_normal(self.chip.raw_shape[1])).astype(
            np.float32
        )

    @cached_property
    def _base_dark(self) -> Image:
        dark = self.scene.dark
        spread = dark.pixel_rms * self._random(_DARK).standard_normal(self.shape, dtype=np.float32)
        rate: Image = np.maximum(1 + spread, 0).astype(np.float32) * np.float32(dark.rate_e_s)
        return rate

    @property
    def reads_down(self) -> bool:
        """Whether charge moves to row 0."""
        return self.profile.amplifiers[self.chip.amplifiers[0]].readout == "-y"

    def _random(self, purpose: int) -> np.random.Generator:
        return seeded(self.scene, self.chip.id, purpose)

    def _anneals(self, first: float) -> NDArray[np.float64]:
        """Noon of the anneals' days, with earlier ones every four weeks."""
        known = np.array([mjd_of(day) for day in self.scene.anneals.dates]) + 0.5
        return np.concatenate([np.arange(known[0] - 28, first, -28)[::-1], known])

    def _light(self, mjd: float, filter_name: str | None) -> Image:
        source = self.scene.flash if filter_name is None else self.scene.lamp
        image = illumination(self.chip.id, self.shape, peak=source.peak, falloff=source.falloff)
        image *= self.flat_field
        for fleck, lying in self.flecks(mjd):
            _cast(image, fleck, lying, source, filter_name)
        return image.astype(np.float32)


def _cast(
    image: NDArray[np.float64],
    fleck: Fleck,
    lying: Obstruction,
    source: Light,
    filter_name: str | None,
) -> None:
    """Put the shadow of a fleck on an image, and the light that it reflects."""
    shadow = replace(lying, x=lying.x + source.shift[0], y=lying.y + source.shift[1])
    lost = shadow.stamp() ** _hardness(fleck, lying, filter_name)
    multiply((image,), 1 - lost, shadow.x, shadow.y)
    if source.reflection:
        glow = 1 + source.reflection * shadow.stamp()
        multiply((image,), glow, shadow.x, shadow.y + shadow.height)


def _hardness(fleck: Fleck, lying: Obstruction, filter_name: str | None) -> float:
    """Give the power of the loss with which the 5 % aperture lets through what the scene says, the core nothing."""
    rise = fleck.rise.get(filter_name or "", 0.0)
    if not rise:
        return 1.0
    lost = lying.stamp()
    lost = lost[lost > _APERTURE]
    wanted = lost.mean() - rise
    low, high = 1.0, 64.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if (lost**middle).mean() > wanted else (low, middle)
    return low
