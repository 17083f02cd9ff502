"""One exposure of one chip: light, dark current, cosmic rays, noise, traps, amplifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleckcore.kernels import photon_noise
from fleckcore.simulate.campaign import Exposure
from fleckcore.simulate.detector import ChipTruth, log_uniform, seeded
from fleckcore.simulate.trailing import trail

__all__ = [
    "ChipExposure",
    "Planes",
    "calibrated",
    "dark_time",
    "expected_electrons",
    "expose",
]

_EXPOSURE = 100
_RAYS, _PHOTONS, _READ, _LEVEL, _STRIPES = range(5)


@dataclass(frozen=True, eq=False)
class ChipExposure:
    """What one chip gave.

    Attributes
    ----------
    chip : int
        CCDCHIP.
    raw : ndarray of uint16
        DN, with overscan.
    bias_dn : dict of str to float
        Level of each amplifier.
    """

    chip: int
    raw: NDArray[np.uint16]
    bias_dn: dict[str, float]


@dataclass(frozen=True, eq=False)
class Planes:
    """Electrons without overscan and bias, the error plane of calacs, and bits of the profile's quality."""

    data: NDArray[np.float32]
    error: NDArray[np.float32]
    quality: NDArray[np.int16]


def dark_time(truth: ChipTruth, exposure: Exposure) -> float:
    """Give the seconds during which dark current gathers."""
    electronics = truth.scene.electronics
    overhead = electronics.flashed_s if exposure.flash_s > 0 else electronics.unflashed_s
    return exposure.exposure_s + exposure.flash_s + overhead


def expected_electrons(truth: ChipTruth, exposure: Exposure) -> NDArray[np.float32]:
    """Give the mean charge of each pixel before it is moved, without cosmic rays and sinks.

    This is what an exposure would be without noise: the truth of tests.
    """
    scene = truth.scene
    charge = truth.dark_rate(exposure.mjd) * np.float32(dark_time(truth, exposure))
    level = seeded(scene, _EXPOSURE, exposure.index, _LEVEL).standard_normal()
    if exposure.flash_s > 0:
        flash = scene.flash.rate_e_s * exposure.flash_s * (1 + scene.flash.repeatability * level)
        charge += np.float32(flash) * truth.light(exposure.mjd)
    if exposure.lamp_e > 0:
        lamp = exposure.lamp_e * (1 + scene.lamp.repeatability * level)
        charge += np.float32(lamp) * truth.light(exposure.mjd, exposure.filter)
    return charge


def expose(truth: ChipTruth, exposure: Exposure, *, threads: int | None = None) -> ChipExposure:
    """Expose and read out one chip; the same scene, chip and exposure give the same bytes."""
    charge = _charge(truth, exposure, threads)
    moved = _read_out(truth, exposure, charge, threads)
    raw, biases = _digitise(truth, exposure, moved, threads)
    return ChipExposure(truth.chip.id, raw, biases)


def calibrated(truth: ChipTruth, exposure: Exposure, exposed: ChipExposure) -> Planes:
    """Undo the amplifiers with the gains and levels that are true; flag what is saturated, hot, warm or a sink."""
    data, error = _electrons(truth, exposed.raw, exposed.bias_dn)
    return Planes(data, error, _quality(truth, exposure, exposed.raw, data))


def _seed(truth: ChipTruth, exposure: Exposure, purpose: int) -> list[int]:
    return [truth.scene.seed, _EXPOSURE, exposure.index, truth.chip.id, purpose]


def _charge(truth: ChipTruth, exposure: Exposure, threads: int | None) -> NDArray[np.float32]:
    """Electrons in the pixels when the shutter closes."""
    expected = expected_electrons(truth, exposure)
    seed = _seed(truth, exposure, _PHOTONS)
    charge = photon_noise(expected, seed=seed, threads=threads)
    _add_cosmic_rays(truth, exposure, charge)
    if exposure.kind != "bias":
        charge -= np.minimum(truth.sinks(exposure.mjd), charge)
    return np.minimum(charge, np.float32(truth.scene.electronics.full_well_e), out=charge)


def _add_cosmic_rays(truth: ChipTruth, exposure: Exposure, charge: NDArray[np.float32]) -> None:
    """Add straight tracks, whose pixels get about the same charge each."""
    scene = truth.scene
    rays = scene.cosmic_rays
    random = np.random.Generator(np.random.PCG64(_seed(truth, exposure, _RAYS)))
    seconds = dark_time(truth, exposure) + scene.electronics.readout_s / 2
    count = random.poisson(rays.per_s * seconds)
    if not count:
        return
    # Isotropic: short tracks are the most frequent.
    length = 1 + (rays.length - 1) * random.random(count) ** 3
    angle = random.uniform(0, 2 * np.pi, count)
    energy = log_uniform(random, rays.range_e, count)
    y0, x0 = (random.uniform(0, size, count) for size in charge.shape)
    steps = np.ceil(length).astype(int)
    which = np.repeat(np.arange(count), steps)
    along = np.arange(which.size) - np.repeat(np.cumsum(steps) - steps, steps)
    y = np.floor(y0[which] + along * np.sin(angle)[which]).astype(int)
    x = np.floor(x0[which] + along * np.cos(angle)[which]).astype(int)
    part = energy[which] * random.uniform(0.3, 1.7, which.size)
    inside = (y >= 0) & (y < charge.shape[0]) & (x >= 0) & (x < charge.shape[1])
    np.add.at(charge, (y[inside], x[inside]), np.rint(part[inside]).astype(np.float32))


def _read_out(
    truth: ChipTruth, exposure: Exposure, charge: NDArray[np.float32], threads: int | None
) -> NDArray[np.float32]:
    """Move the charge to the amplifiers, with the virtual rows behind it."""
    chip = truth.chip
    moved = np.zeros((chip.raw_shape[0], chip.shape[1]), np.float32)
    first, stop = chip.raw_rows[0]
    moved[first:stop] = charge
    if truth.traps is None:
        return moved
    read: NDArray[np.float32] = trail(
        moved,
        truth.traps,
        chip=chip.id,
        mjd=exposure.mjd,
        profile=truth.profile,
        y_offset=-first,
        threads=threads,
    )
    return read


def _digitise(
    truth: ChipTruth, exposure: Exposure, charge: NDArray[np.float32], threads: int | None
) -> tuple[NDArray[np.uint16], dict[str, float]]:
    """Give numbers, and the bias level of each amplifier."""
    electronics, chip = truth.scene.electronics, truth.chip
    nothing = np.zeros(chip.raw_shape, np.float32)
    seed = _seed(truth, exposure, _READ)
    noise = photon_noise(nothing, read_noise=1.0, seed=seed, threads=threads)
    drift = np.random.Generator(np.random.PCG64(_seed(truth, exposure, _LEVEL)))
    stripes = _stripes(truth, exposure)
    biases = {}
    for letter, raw_columns, lit in _parts(truth):
        output = electronics.amplifiers[letter]
        level = output.bias_dn + electronics.bias_drift_dn * drift.standard_normal()
        part = noise[:, raw_columns]
        part *= np.float32(output.read_noise_e / output.gain_e)
        part += np.float32(level + 0.5) + truth.bias_pattern[raw_columns]
        part += stripes[:, None] / np.float32(output.gain_e)
        offset = chip.raw_columns[0][0]
        seen = noise[:, lit.start + offset : lit.stop + offset]
        seen += charge[:, lit] * np.float32(1 / output.gain_e)
        biases[letter] = float(level)
    np.clip(np.floor(noise, out=noise), 0, electronics.ceiling_dn, out=noise)
    return noise.astype(np.uint16), biases


def _stripes(truth: ChipTruth, exposure: Exposure) -> NDArray[np.float32]:
    """Electrons that each row of a raw frame gets, the same on all chips as they are read together."""
    seed = [truth.scene.seed, _EXPOSURE, exposure.index, _STRIPES]
    rows = np.random.Generator(np.random.PCG64(seed)).standard_normal(truth.chip.raw_shape[0])
    stripes = (truth.scene.electronics.stripes_e * rows).astype(np.float32)
    return stripes if truth.reads_down else stripes[::-1]


def _parts(truth: ChipTruth) -> list[tuple[str, slice, slice]]:
    """Amplifiers with their columns of a raw frame and of a trimmed one."""
    chip = truth.chip
    seams = [place for axis, place in chip.seams if axis == "col"]
    edges = [0, *seams, chip.shape[1]]
    offset = chip.raw_columns[0][0]
    raw_edges = [0, *(seam + offset for seam in seams), chip.raw_shape[1]]
    return [
        (letter, slice(*raw_edges[i : i + 2]), slice(*edges[i : i + 2]))
        for i, letter in enumerate(chip.amplifiers[: len(seams) + 1])
    ]


def _electrons(
    truth: ChipTruth, raw: NDArray[np.uint16], biases: dict[str, float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Undo the amplifiers with the levels that are true."""
    chip = truth.chip
    rows, columns = slice(*chip.raw_rows[0]), slice(*chip.raw_columns[0])
    data = raw[rows, columns].astype(np.float32)
    data -= truth.bias_pattern[columns]
    error = np.empty_like(data)
    for letter, _, lit in _parts(truth):
        output = truth.scene.electronics.amplifiers[letter]
        data[:, lit] = (data[:, lit] - np.float32(biases[letter])) * np.float32(output.gain_e)
        error[:, lit] = np.maximum(data[:, lit], 0) + np.float32(output.read_noise_e**2)
    return data, np.sqrt(error, out=error)


def _quality(
    truth: ChipTruth, exposure: Exposure, raw: NDArray[np.uint16], data: NDArray[np.float32]
) -> NDArray[np.int16]:
    electronics, chip, bits = truth.scene.electronics, truth.chip, truth.profile.quality
    seen = raw[slice(*chip.raw_rows[0]), slice(*chip.raw_columns[0])]
    quality = truth.dark_quality(exposure.mjd)
    quality[data > electronics.saturated_e] |= bits["saturated"]
    quality[seen >= electronics.ceiling_dn] |= bits["atod_saturated"]
    quality[truth.sinks(exposure.mjd) > 0] |= bits["sink"]
    return quality
