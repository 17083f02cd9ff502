"""One ACS/WFC chip in an averaged, post-flashed short dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleckcore.errors import ArrayError
from fleckcore.frame import Frame, FrameMeta
from fleckcore.simulate.illumination import column_pattern, illumination
from fleckcore.simulate.obstruction import FLECKS, Obstruction
from fleckcore.simulate.shading import shade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Scene", "short_dark"]

HOT_PIXEL = 16
"""ACS quality bit of a hot pixel."""

_FRECKLE_BORDER = 30
_FRECKLE_GAP = 12


@dataclass(frozen=True, eq=False)
class Scene:
    """A simulated frame and what is truly on it.

    Attributes
    ----------
    frame : Frame
        Electrons, float32, with its error plane, and of a short dark its quality.
    truth : tuple of Obstruction
        Of a short dark, flecks first, then freckles.
    """

    frame: Frame
    truth: tuple[Obstruction, ...]


def short_dark(
    *,
    chip: int = 2,
    shape: tuple[int, int] = (2048, 4096),
    seed: int = 0,
    n_exposures: int = 28,
    flash_e: float = 64.0,
    read_noise_e: float = 4.0,
    flecks: Sequence[Obstruction] | None = None,
    n_freckles: int = 100,
    freckle_size: int = 5,
    freckle_depth: tuple[float, float] = (0.05, 0.5),
    column_rms: float = 0.02,
    hot_pixels: float = 2e-4,
    cosmic_rays: int = 0,
) -> Scene:
    """Average ``n_exposures`` post-flashed 0.5 s darks of one chip.

    Parameters
    ----------
    chip : int
        CCDCHIP, 1 or 2. Chip 2 reads out towards row 0, chip 1 towards the last row.
    shape : (int, int)
        ``(rows, cols)``; the flash pattern is stretched over it.
    seed : int
        The same seed gives the same bytes.
    n_exposures : int
        Exposures in the average.
    flash_e : float
        Nominal flash level, electrons per exposure; 55 % to 110 % of it over the detector.
    read_noise_e : float
        Of one exposure, electrons.
    flecks : sequence of Obstruction, optional
        The `FLECKS` of the chip when not given.
    n_freckles, freckle_size, freckle_depth
        Squares of ``freckle_size`` pixels at random places, apart from each other and from the
        flecks and 30 pixels from the edges, each with a constant loss drawn between the two depths.
    column_rms : float
        Relative rms of the smooth structure from column to column; a seventh of it is white.
    hot_pixels : float
        Fraction of pixels that are hot, 10 to 1000 electrons in the average; they carry quality
        bit 16.
    cosmic_rays : int
        Tracks that survived the combination.

    Returns
    -------
    Scene

    Raises
    ------
    ArrayError
        ``A09`` an option out of range, ``A13`` flecks or freckles that do not fit the shape.

    Notes
    -----
    The flash pattern follows ACS ISR 2014-01: circular, its centre a little off the gap between the
    chips, brightest far from the amplifiers, about a factor of two over the field. The error plane
    is that of calacs, ``sqrt((max(signal, 0) + read_noise**2) / n_exposures)``.
    """
    if chip not in FLECKS or n_exposures < 1 or not 0 <= hot_pixels <= 1:
        raise ArrayError(
            f"chip={chip}, n_exposures={n_exposures}, hot_pixels={hot_pixels}, wanted chip 1 or 2, "
            "at least one exposure and a fraction.",
            code="A09",
        )
    random = np.random.Generator(np.random.PCG64(seed))
    placed = FLECKS[chip] if flecks is None else tuple(flecks)
    for fleck in placed:
        _check_inside(fleck, shape)
    truth = placed + _freckles(random, shape, placed, n_freckles, freckle_size, freckle_depth)

    signal = flash_e * illumination(chip, shape)
    signal *= column_pattern(random, shape[1], column_rms)
    for item in truth:
        shade((signal,), item)
    quality = np.zeros(shape, dtype=np.int16)
    _add_hot_pixels(random, signal, quality, hot_pixels)

    data = random.poisson(signal * n_exposures).astype(np.float32)
    data /= np.float32(n_exposures)
    noise = random.standard_normal(shape, dtype=np.float32)
    data += noise * np.float32(read_noise_e / np.sqrt(n_exposures))
    _add_cosmic_rays(random, data, cosmic_rays)
    error = np.sqrt((np.maximum(data, 0) + np.float32(read_noise_e**2)) / np.float32(n_exposures))
    return Scene(Frame(data, error, quality, _meta(chip, shape[1], read_noise_e)), truth)


def _meta(chip: int, cols: int, read_noise_e: float) -> FrameMeta:
    return FrameMeta(
        profile="acs_wfc",
        extension=f"SCI,{3 - chip}",
        chip=chip,
        unit="electron",
        kind="short_dark",
        filters=(),
        exposure_s=0.5,
        flash_s=4.6,
        mjd=57900.0,
        gain_e=1.0,
        read_noise_e=read_noise_e,
        pixel_size_um=15.0,
        readout="-y" if chip == 2 else "+y",
        seams=(("col", cols // 2),),
        rootname="simulated",
        instrument="ACS",
        detector="WFC",
    )


def _window(item: Obstruction) -> tuple[slice, slice]:
    rows, cols = item.reach
    y, x = round(item.y), round(item.x)
    return slice(y - rows, y + rows + 1), slice(x - cols, x + cols + 1)


def _check_inside(item: Obstruction, shape: tuple[int, int]) -> None:
    for window, size in zip(_window(item), shape, strict=True):
        if window.start < 0 or window.stop > size:
            raise ArrayError(
                f"{item.kind} {item.name!r} at x={item.x}, y={item.y} does not fit in {shape}.",
                code="A13",
                advice="Give flecks= that fit, or flecks=() for none.",
            )


def _freckles(
    random: np.random.Generator,
    shape: tuple[int, int],
    flecks: tuple[Obstruction, ...],
    count: int,
    size: int,
    depth: tuple[float, float],
) -> tuple[Obstruction, ...]:
    rows, cols = shape
    border = _FRECKLE_BORDER + size // 2
    free = np.zeros(shape, dtype=bool)
    free[border : rows - border, border : cols - border] = True
    for fleck in flecks:
        _occupy(free, fleck, size)
    freckles: list[Obstruction] = []
    attempts = 100 * count if free.any() else 0
    for _ in range(attempts):
        if len(freckles) == count:
            break
        y, x = random.integers((border, border), (rows - border, cols - border))
        if free[y, x]:
            item = Obstruction(
                x=float(x),
                y=float(y),
                width=size,
                height=size,
                loss=float(random.uniform(*depth)),
                kind="freckle",
                name=f"freckle {len(freckles) + 1}",
            )
            freckles.append(item)
            _occupy(free, item, size)
    if len(freckles) < count:
        raise ArrayError(
            f"only {len(freckles)} of {count} freckles of {size} pixels fit in shape {shape}.",
            code="A13",
            advice="Ask for fewer freckles, or a larger shape.",
        )
    return tuple(freckles)


def _occupy(free: NDArray[np.bool_], item: Obstruction, size: int) -> None:
    """Clear the places where the centre of a freckle would be too near to ``item``."""
    half_rows = round((item.height + size) / 2) + _FRECKLE_GAP
    half_cols = round((item.width + size) / 2) + _FRECKLE_GAP
    y, x = round(item.y), round(item.x)
    rows = slice(max(0, y - half_rows), y + half_rows + 1)
    cols = slice(max(0, x - half_cols), x + half_cols + 1)
    free[rows, cols] = False


def _add_hot_pixels(
    random: np.random.Generator,
    signal: NDArray[np.float64],
    quality: NDArray[np.int16],
    fraction: float,
) -> None:
    where = random.choice(
        signal.size, size=round(fraction * signal.size), replace=False, shuffle=False
    )
    signal.flat[where] += 10 ** random.uniform(1, 3, where.size)
    quality.flat[where] = HOT_PIXEL


def _add_cosmic_rays(random: np.random.Generator, data: NDArray[np.float32], count: int) -> None:
    """Draw straight tracks of 2 to 20 pixels, 5 to 100 electrons per pixel in the average."""
    rows, cols = data.shape
    for _ in range(count):
        length, angle = random.uniform(2, 20), random.uniform(0, np.pi)
        steps = np.arange(length)
        y = np.round(random.uniform(0, rows) + steps * np.sin(angle)).astype(int)
        x = np.round(random.uniform(0, cols) + steps * np.cos(angle)).astype(int)
        inside = (y < rows) & (x >= 0) & (x < cols)
        data[y[inside], x[inside]] += np.float32(10 ** random.uniform(0.7, 2))
