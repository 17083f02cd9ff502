"""One task of a kernel on one frame, beside the other programs that can do it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fleckcore.bench import rivals
from fleckcore.bench.frames import LEVEL, NOISE
from fleckcore.bench.measure import Case, rewriting
from fleckcore.kernels import (
    cte_readout,
    gaussian_filter,
    label_components,
    median_filter,
    mesh_statistics,
    peak_search,
    shadow_search,
    smooth_noise,
    streak_search,
    trail_scan,
)
from fleckcore.traps import parametric_traps

__all__ = [
    "gaussian",
    "interpolation",
    "label",
    "median",
    "mesh",
    "peaks",
    "readout",
    "shadow",
    "smooth",
    "streak",
    "trail",
]

SIGMA = NOISE * LEVEL
TRAPS: dict[str, Any] = {
    "densities": (0.49, 1.30, 1.10),
    "release_transfers": (0.74, 7.70, 37.0),
    "full_well_e": 84_700,
    "fill_power": 0.478,
}
"""Those of ACS/WFC when the flecks were found."""
Mask = NDArray[np.bool_] | None
Direction = Literal["+y", "-y", "+x", "-x"]


def median(name: str, frame: NDArray[Any], size: int | tuple[int, int], mask: Mask = None) -> Case:
    """In a window, the outermost pixels repeated beyond the edges; into memory that is there, as the others."""
    window = (size, size) if isinstance(size, int) else size

    @rewriting
    def run(threads: int, out: NDArray[Any] | None) -> NDArray[Any]:
        return median_filter(frame, window, mask=mask, mode="nearest", threads=threads, out=out)

    others = rivals.medians(frame, window) if mask is None else ()
    return Case("median_filter", name, run, others, frame=frame)


def gaussian(name: str, frame: NDArray[Any], sigma: float, mask: Mask = None) -> Case:
    """Smoothing out to 3.5 sigma."""

    def run(threads: int) -> NDArray[Any]:
        return gaussian_filter(frame, sigma, mask=mask, threads=threads)

    others = rivals.gaussians(frame, sigma) if mask is None else ()
    return Case("gaussian_filter", name, run, others, frame=frame)


def label(
    name: str, frame: NDArray[Any], fraction: float, *, labels: bool, mask: Mask = None
) -> Case:
    """Threshold so that a fraction of the pixels is above it, and measure what is connected."""
    threshold = float(np.quantile(frame[::4, ::4], 1 - fraction))

    def run(threads: int) -> Any:
        return label_components(frame, threshold, labels=labels, mask=mask, threads=threads)

    others = rivals.labellers((frame > threshold).astype(np.uint8)) if mask is None else ()
    return Case("label_components", name, run, others, frame=frame)


def mesh(name: str, frame: NDArray[Any], box: int, mask: Mask = None) -> Case:
    """Level and noise in boxes."""

    def run(threads: int) -> Any:
        return mesh_statistics(frame, box, mask=mask, threads=threads)

    others = rivals.backgrounds(frame, box) if mask is None else ()
    return Case("mesh_statistics", name, run, others, frame=frame)


def interpolation(name: str, frame: NDArray[Any], box: int) -> Case:
    """From boxes to pixels."""
    statistics = mesh_statistics(frame, box)

    def run(threads: int) -> Any:
        return statistics.interpolate("level", threads=threads)

    others = rivals.interpolators(frame, box)
    return Case("mesh_statistics", name, run, others, frame=frame)


def peaks(name: str, frame: NDArray[Any], limit: float, mask: Mask = None) -> Case:
    """Local maxima over the noise of a mesh."""
    noise = mesh_statistics(frame, 64)

    def run(threads: int) -> Any:
        return peak_search(frame, noise, limit, mask=mask, threads=threads)

    return Case("peak_search", name, run, frame=frame)


def trail(
    name: str, frame: NDArray[Any], direction: Direction, n_sigma: float, mask: Mask = None
) -> Case:
    """Search every pixel for seeds, and follow their trails."""

    def run(threads: int) -> Any:
        return trail_scan(
            frame,
            direction=direction,
            noise=SIGMA,
            seed_threshold=n_sigma * SIGMA,
            mask=mask,
            threads=threads,
        )

    return Case("trail_scan", name, run, frame=frame)


def readout(
    name: str, frame: NDArray[Any], levels: int = 80, substeps: int = 4, **how: Any
) -> Case:
    """Through the traps of ACS/WFC, or back."""
    model = parametric_traps(**TRAPS, levels=levels, substeps=substeps)

    def run(threads: int) -> NDArray[Any]:
        return cte_readout(frame, model, **({"readout": "-y"} | how), threads=threads)

    others = () if how else rivals.readouts(frame, TRAPS, substeps)
    return Case("cte_readout", name, run, others, frame=frame)


def smooth(name: str, frame: NDArray[Any], noise: float, direction: Direction) -> Case:
    """Take out read noise along the direction of transfer."""

    def run(threads: int) -> Any:
        return smooth_noise(frame, noise, readout=direction, threads=threads)

    return Case("smooth_noise", name, run, frame=frame)


def shadow(name: str, frame: NDArray[Any], radius: float, mask: Mask = None) -> Case:
    """Score every place as the centre of a round shadow."""

    def run(threads: int) -> NDArray[Any]:
        return shadow_search(frame, radius, mask=mask, threads=threads)

    return Case("shadow_search", name, run, frame=frame)


def streak(name: str, frame: NDArray[Any], length: float, angle: float, mask: Mask = None) -> Case:
    """Score every place as the middle of a streak."""

    def run(threads: int) -> NDArray[Any]:
        return streak_search(frame, length, angle, mask=mask, threads=threads)

    return Case("streak_search", name, run, frame=frame)
