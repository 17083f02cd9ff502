"""Whether plain charge trapping explains the shadow that readout leaves behind a feature: a null hypothesis."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fleckcore.errors import MetadataError
from fleckcore.frame import Frame
from fleckcore.instruments import Quadrant, load_profile, quadrants
from fleckcore.kernels import cte_readout, photon_noise
from fleckcore.measure.cutout import CutOut
from fleckcore.measure.ground import fit_ground
from fleckcore.measure.trails import SHADOW, Deficit, PixelBox, box_deficit, shadow_boxes
from fleckcore.traps import TrapModels

__all__ = ["Trapping", "trapping_alone"]

Image = NDArray[np.float64]

SHAKEN = 64
"""Scenes that differ by their noise, from which the error of a prediction comes."""
BEFORE, AFTER = 120, 12
"""Rows that are read out before a feature, and behind its shadow."""
AROUND = 40
"""Pixels on each side of a feature that tell the background."""
ROUNDS = 8


@dataclass(frozen=True, kw_only=True)
class Trapping:
    """What plain trapping predicts for the shadow behind a feature, and what is seen.

    Attributes
    ----------
    observed : Deficit
        Of the frame.
    predicted, predicted_error : float
        Deficit of the same box in electrons, if the light that arrived is read out through the traps and nothing
        else happens. The error is that of the noise in the light of the feature, and of the simulation; the traps are
        taken as given.
    direct : float
        The part of it that readout has nothing to do with: light that is missing in the boxes themselves.
    chi_square : float
        Of observed against predicted, for one degree of freedom.
    p_value : float
        Probability of so large a difference, or a larger one, if plain trapping is all.
    """

    observed: Deficit
    predicted: float
    predicted_error: float
    direct: float
    chi_square: float
    p_value: float


def trapping_alone(
    frame: Frame,
    span: tuple[int, int, int, int],
    models: TrapModels,
    *,
    light: CutOut | None = None,
    size: tuple[int, int] = SHADOW,
    simulated: int = 256,
    seed: int = 0,
) -> Trapping:
    """Test whether plain trapping explains the shadow behind a feature.

    Parameters
    ----------
    frame : Frame
        Electrons of one flashed exposure, or the mean of several, with errors, not corrected for charge transfer; a
        whole chip, or a part of it with its offsets.
    span : (int, int, int, int)
        The feature's first and last column, first and last row, as for `shadow_boxes`.
    models : TrapModels
        From `fleckcore.instruments.model_traps` or `fleckcore.io.pctetab.read_pctetab`; only the traps along columns
        count.
    light : CutOut, optional
        The share of the light that comes through, for example of a lamp flat, at the place that it has in ``frame``.
        Without it the pixels of ``span`` tell: so much arrived there that readout gives what is seen, and
        everywhere else the full light. Then a rim that reaches beyond ``span`` speaks against trapping.
    size : (int, int)
        Rows and columns of the box.
    simulated : int
        Exposures that are simulated.
    seed : int
        Of their photons.

    Returns
    -------
    Trapping

    Raises
    ------
    MetadataError
        ``M07``: not electrons, no errors, chip or date, a date before the model, or a profile that does not say how
        charge moves.
    ArrayError
        ``A09`` boxes outside of the frame, or too little background beside the feature.

    Notes
    -----
    Traps make of a smooth scene something else than of exposures with photon noise, so exposures are simulated, and
    what moved on average counts. The background is a plane through what lies beside the feature.
    """
    meta = frame.meta
    if meta.unit != "electron" or meta.chip is None or meta.mjd is None or meta.readout is None:
        raise MetadataError(
            f"unit {meta.unit}, chip {meta.chip}, date {meta.mjd}, readout {meta.readout}; wanted electrons and the "
            "others.",
            code="M07",
            path=meta.path,
        )
    boxes = shadow_boxes(span, meta.readout, size=size)
    observed = box_deficit(frame, *boxes)
    feature = PixelBox(span[0], span[2], span[1] + 1, span[3] + 1)
    register = _Register.of(frame, (feature, *boxes), models, simulated)
    background = _background(frame, feature, register.region)
    if light is None:
        arrived, noise = _feature_light(frame, feature, background, register, seed)
    else:
        arrived, noise = _given_light(light, background, register.region)
    moved = register.moved(arrived, seed)
    shaken = arrived + noise * np.random.default_rng(seed).standard_normal((SHAKEN, *noise.shape))
    shaken = np.clip(shaken, 0, np.maximum(arrived, background))
    inside = [_relative(box, register.region) for box in boxes]
    simulation = _difference(moved, *inside)
    direct = float(_difference(arrived, *inside))
    predicted = direct + float(simulation.mean())
    error = math.hypot(
        float(simulation.std(ddof=1)) / math.sqrt(simulated),
        float(_difference(register.read(shaken), *inside).std(ddof=1)),
    )
    chi_square = (observed.value - predicted) ** 2 / (observed.error**2 + error**2)
    return Trapping(
        observed=observed,
        predicted=predicted,
        predicted_error=error,
        direct=direct,
        chi_square=chi_square,
        p_value=math.erfc(math.sqrt(chi_square / 2)),
    )


@dataclass(frozen=True)
class _Register:
    """A part of a chip and the way its charge takes to the serial register."""

    region: PixelBox
    parts: tuple[Quadrant, ...]
    models: TrapModels
    mjd: float
    simulated: int

    @classmethod
    def of(
        cls, frame: Frame, boxes: tuple[PixelBox, ...], models: TrapModels, simulated: int
    ) -> _Register:
        """Take the columns of the boxes, and the rows that are read out shortly before them too."""
        meta = frame.meta
        assert meta.chip is not None
        assert meta.mjd is not None
        down = meta.readout == "-y"
        region = PixelBox(
            min(box.x0 for box in boxes),
            max(0, min(box.y0 for box in boxes) - (BEFORE if down else AFTER)),
            max(box.x1 for box in boxes),
            min(frame.shape[0], max(box.y1 for box in boxes) + (AFTER if down else BEFORE)),
        )
        parts = quadrants(
            load_profile(meta.profile),
            meta.chip,
            (region.y1 - region.y0, region.x1 - region.x0),
            x_offset=meta.x_offset + region.x0,
            y_offset=meta.y_offset + region.y0,
        )
        return cls(region, parts, models, meta.mjd, simulated)

    def read(self, scenes: Image) -> Image:
        """Read out scenes of the region, shape (n, rows, cols): each column by itself, so all side by side."""
        count, rows, _ = scenes.shape
        found = np.empty_like(scenes)
        for part in self.parts:
            model = part.parallel_model(self.models.parallel)
            if model.row_scale is not None:
                model = replace(model, row_scale=np.tile(model.row_scale, (count, 1)))
            beside = scenes[:, :, part.columns].transpose(1, 0, 2).reshape(rows, -1)
            read = cte_readout(
                beside,
                model,
                readout=part.readout,
                scale=model.scale(self.mjd),
                first_row=part.first_row,
            )
            found[:, :, part.columns] = read.reshape(rows, count, -1).transpose(1, 0, 2)
        return found

    def moved(self, scene: Image, seed: int) -> Image:
        """Expose a scene many times, and give what readout changes in each, shape (n, rows, cols)."""
        exposed = photon_noise(np.tile(scene, (self.simulated, 1)), seed=seed).astype(np.float64)
        exposed = exposed.reshape(self.simulated, *scene.shape)
        return self.read(exposed) - exposed


def _background(frame: Frame, feature: PixelBox, region: PixelBox) -> Image:
    """Give the plane through what lies beside the feature, in the region."""
    rows, cols = frame.shape
    around = PixelBox(
        max(0, min(feature.x0 - AROUND, region.x0)),
        max(0, min(feature.y0 - AROUND, region.y0)),
        min(cols, max(feature.x1 + AROUND, region.x1)),
        min(rows, max(feature.y1 + AROUND, region.y1)),
    )
    y, x = np.mgrid[around.place]
    beside = ((x < feature.x0 - 2) | (x >= feature.x1 + 2)) & ~frame.mask[around.place]
    near = (y >= feature.y0 - AROUND) & (y < feature.y1 + AROUND)
    ground = fit_ground(np.array(frame.data[around.place], np.float64), beside & near)
    light: Image = np.maximum(ground.level[_relative(region, around).place], 0)
    return light


def _feature_light(
    frame: Frame, feature: PixelBox, background: Image, register: _Register, seed: int
) -> tuple[Image, Image]:
    """Find what must have arrived in a feature for readout to give what is seen there, and its noise."""
    assert frame.error is not None
    inside = _relative(feature, register.region).place
    usable = ~frame.mask[feature.place]
    seen = np.where(usable, frame.data[feature.place], background[inside])
    arrived, noise = background.copy(), np.zeros_like(background)
    arrived[inside] = _possible(seen, background[inside])
    for _ in range(ROUNDS):
        read = arrived + register.moved(arrived, seed).mean(axis=0)
        arrived[inside] = _possible(arrived[inside] + seen - read[inside], background[inside])
    noise[inside] = np.where(usable, frame.error[feature.place], 0)
    return arrived, noise


def _possible(light: Image, most: Image) -> Image:
    """Give light that is not below 0, nor above the most that there is, and as much of it in total."""
    possible: Image = np.clip(light, 0, most)
    total = float(possible.sum())
    return possible * (max(float(light.sum()), 0.0) / total) if total > 0 else possible


def _given_light(light: CutOut, background: Image, region: PixelBox) -> tuple[Image, Image]:
    """Let the share that is given come through."""
    share, error = np.ones_like(background), np.zeros_like(background)
    y0, x0 = light.y0 - region.y0, light.x0 - region.x0
    rows, cols = (
        slice(max(0, first), max(0, first + size))
        for first, size in zip((y0, x0), light.light.shape, strict=True)
    )
    height, width = share[rows, cols].shape
    place = np.s_[max(0, -y0) : max(0, -y0) + height, max(0, -x0) : max(0, -x0) + width]
    known = light.usable[place]
    share[rows, cols] = np.where(known, light.light[place], 1)
    error[rows, cols] = np.where(known, light.error[place], 0)
    return np.maximum(background * share, 0), background * error


def _relative(box: PixelBox, region: PixelBox) -> PixelBox:
    return PixelBox(box.x0 - region.x0, box.y0 - region.y0, box.x1 - region.x0, box.y1 - region.y0)


def _difference(scenes: Image, box: PixelBox, beside: PixelBox) -> NDArray[np.float64]:
    """Total of one box less that of the other, of each scene."""
    totals = [scenes[(..., *one.place)].sum(axis=(-2, -1)) for one in (box, beside)]
    return np.asarray(totals[0] - totals[1])
