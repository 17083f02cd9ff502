"""A flat of any camera, with dust out of focus on its window and in focus on its detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.simulate.chip import Scene
from fleckcore.simulate.obstruction import Obstruction
from fleckcore.simulate.shading import shade

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOTES", "vignetted_flat"]


def _mote(x: float, y: float, radius: float, loss: float, hole: float | None = None) -> Obstruction:
    return Obstruction(
        x=x,
        y=y,
        width=2 * radius,
        height=2 * radius,
        loss=loss,
        kind="disc" if hole is None else "ring",
        hole=0.5 if hole is None else hole,
        softness=0.05 * radius,
    )


def _speck(x: float, y: float, size: float, loss: float) -> Obstruction:
    return Obstruction(x=x, y=y, width=size, height=size, loss=loss)


MOTES: tuple[Obstruction, ...] = (
    _mote(300, 690, 45, 0.015, hole=0.45),
    _mote(355, 745, 45, 0.012, hole=0.45),  # overlaps the one before
    _mote(720, 640, 62, 0.008, hole=0.45),
    _mote(640, 270, 100, 0.005, hole=0.45),
    _mote(200, 280, 30, 0.03),
    _mote(985, 420, 70, 0.02),  # cut by the edge
    _speck(110, 560, 12, 0.9),
    _speck(480, 460, 8, 0.5),
    _speck(620, 290, 7, 0.3),  # inside the largest ring
    _speck(870, 880, 6, 0.2),
    _speck(430, 120, 10, 0.4),
)
"""Six shadows out of focus, 30 to 100 pixels in radius and 0.5 to 3 % deep, then five specks in focus."""


def vignetted_flat(
    *,
    shape: tuple[int, int] = (1024, 1024),
    seed: int = 0,
    shadows: Sequence[Obstruction] = MOTES,
    level_e: float = 30_000.0,
    read_noise_e: float = 8.0,
    vignetting: float = 0.25,
) -> Scene:
    """Expose one flat of a camera whose corners are vignetted.

    Parameters
    ----------
    shape : (int, int)
        ``(rows, cols)``.
    seed : int
        The same seed gives the same bytes.
    shadows : sequence of Obstruction
        What blocks light; it may be cut by the edge.
    level_e : float
        Light in the middle, electrons.
    read_noise_e : float
        Electrons.
    vignetting : float
        Fraction of light that is lost in the corners, growing with the square of the distance from the middle.

    Returns
    -------
    Scene

    Raises
    ------
    ArrayError
        ``A09`` an option out of range.
    """
    if not (level_e > 0 and read_noise_e >= 0 and 0 <= vignetting < 1 and min(shape) >= 1):
        raise ArrayError(
            f"shape={shape}, level_e={level_e}, read_noise_e={read_noise_e}, vignetting={vignetting}, wanted at "
            "least one pixel, some light, a noise of 0 or more and a fraction below 1.",
            code="A09",
        )
    random = np.random.Generator(np.random.PCG64(seed))
    v, u = (np.linspace(-1, 1, size) for size in shape)
    signal = level_e * (1 - vignetting * np.add.outer(v**2, u**2) / 2)
    for item in shadows:
        shade((signal,), item)
    data = random.poisson(signal) + read_noise_e * random.standard_normal(shape)
    error = np.sqrt(signal + read_noise_e**2)
    meta = FrameMeta(unit="electron", kind="flat", read_noise_e=read_noise_e, rootname="simulated")
    return Scene(
        Frame(data.astype(np.float32), error.astype(np.float32), meta=meta), tuple(shadows)
    )
