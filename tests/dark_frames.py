"""Small simulated darks and biases of one chip, of which everything is known."""

from __future__ import annotations

import numpy as np

from fleckcore.frame import Frame, FrameMeta
from fleckcore.simulate import FLECKS, Obstruction
from fleckcore.simulate.shading import shade

SHAPE = (120, 160)
FLECK = Obstruction(x=80.0, y=60.0, width=FLECKS[2][0].width, height=FLECKS[2][0].height)
FLASH_E = 64.0
READ_NOISE_E = 4.0
CURRENT = 0.003


def dark(
    kind: str,
    seed: int,
    *,
    hot: dict[tuple[int, int], float] | None = None,
    flecks: tuple[Obstruction, ...] = (FLECK,),
    rays: int = 6,
    mjd: float = 57900.0,
) -> Frame:
    """One exposure of a daily monitor: long or short, flashed."""
    random = np.random.default_rng(seed)
    seconds = 1000.5 if kind == "long_dark" else 0.5
    flash = np.full(SHAPE, FLASH_E)
    for fleck in flecks:
        shade((flash,), fleck)
    current = np.full(SHAPE, CURRENT)
    for place, rate in (hot or {}).items():
        current[place] = rate
    data = random.poisson(flash + current * seconds) + READ_NOISE_E * random.standard_normal(SHAPE)
    if kind == "long_dark":
        for _ in range(rays):
            y, x = random.integers(2, SHAPE[0] - 2), random.integers(2, SHAPE[1] - 8)
            data[y, x : x + random.integers(1, 7)] += random.exponential(800) + 100
    error = np.sqrt(np.maximum(data, 0) + READ_NOISE_E**2)
    return Frame(
        data.astype(np.float32),
        error.astype(np.float32),
        np.zeros(SHAPE, np.int16),
        FrameMeta(
            profile="acs_wfc",
            extension="SCI,1",
            chip=2,
            unit="electron",
            kind=kind,
            exposure_s=seconds,
            flash_s=4.6,
            mjd=mjd,
            gain_e=1.0,
            read_noise_e=READ_NOISE_E,
            rootname=f"dark{seed:05d}",
            instrument="ACS",
            detector="WFC",
        ),
    )


def bias(seed: int, quality: np.ndarray | None = None) -> Frame:
    """One bias: read noise and nothing else."""
    random = np.random.default_rng(seed)
    data = READ_NOISE_E * random.standard_normal(SHAPE)
    meta = FrameMeta(
        profile="acs_wfc",
        chip=2,
        unit="electron",
        kind="bias",
        exposure_s=0.0,
        flash_s=0.0,
        gain_e=1.0,
        read_noise_e=READ_NOISE_E,
        rootname=f"bias{seed:05d}",
    )
    error = np.full(SHAPE, READ_NOISE_E, np.float32)
    return Frame(data.astype(np.float32), error, quality, meta)
