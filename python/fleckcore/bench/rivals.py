"""Other programs at the same tasks. One that is not installed is left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore.bench.frames import LEVEL, NOISE
from fleckcore.bench.measure import Rival, rewriting

__all__ = [
    "backgrounds",
    "gaussians",
    "interpolators",
    "labellers",
    "medians",
    "readouts",
    "versions",
]

CROP = np.s_[512:768, 1024:1536]
"""What a slow program is run on, where the frame is larger."""

DISTRIBUTIONS = {
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    "cc3d": ("connected-components-3d",),
    "arcticpy": ("arcticpy-no-gsl", "arcticpy"),
}

Rivals = tuple[Rival, ...]


@cache
def _installed(module: str) -> tuple[str, Any] | None:
    """Version and module. OpenCV runs on one thread: that is what its times are compared with."""
    package = module.partition(".")[0]
    for distribution in DISTRIBUTIONS.get(package, (package,)):
        try:
            found = version(distribution), import_module(module)
        except (ImportError, PackageNotFoundError, ValueError):  # the last: built for another numpy
            continue
        if package == "cv2":
            found[1].setNumThreads(1)
        return found
    return None


def versions() -> dict[str, str]:
    """Of the programs that are installed."""
    found = {
        name: _installed(name) for name in ("scipy", "cv2", "sep", "photutils", "cc3d", "arcticpy")
    }
    return {name: program[0] for name, program in found.items() if program}


# --- Medians and Gaussians ---------------------------------------------------------------------------------------


def medians(frame: NDArray[Any], size: tuple[int, int]) -> Rivals:
    """Of a frame whose outermost pixels are repeated beyond its edges."""
    return _scipy_median(frame, size) + _opencv_median(frame, size)


def _scipy_median(frame: NDArray[Any], size: tuple[int, int]) -> Rivals:
    found = _installed("scipy.ndimage")
    if found is None:
        return ()
    crop = np.ascontiguousarray(frame[_crop(frame)])
    inner = tuple(slice(n // 2, side - n // 2) for n, side in zip(size, crop.shape, strict=True))

    def agrees(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
        return np.array_equal(ours[_crop(frame)][inner], theirs[inner])

    run = rewriting(lambda out: found[1].median_filter(crop, size, output=out))
    return (Rival("scipy", found[0], run, agrees, share=crop.size / frame.size),)


def _crop(frame: NDArray[Any]) -> tuple[slice, ...]:
    larger = all(side >= part.stop for side, part in zip(frame.shape, CROP, strict=True))
    return CROP if larger else np.s_[:, :]


def _opencv_median(frame: NDArray[Any], size: tuple[int, int]) -> Rivals:
    """Its windows are square, and beyond 5 x 5 it knows one byte per pixel alone.

    That is a rival for uint16 too: the fastest that it has.
    """
    found = _installed("cv2")
    if found is None or size[0] != size[1] or size[0] < 3:
        return ()
    side = size[0]

    def median(image: NDArray[Any]) -> Callable[[], Any]:
        return rewriting(lambda out: found[1].medianBlur(image, side, out))

    if frame.dtype == np.uint8 or (side <= 5 and frame.dtype in (np.uint16, np.float32)):
        return (Rival("OpenCV", found[0], median(frame), np.array_equal),)
    if frame.dtype == np.uint16:
        return (Rival("OpenCV on uint8", found[0], median((frame >> 8).astype(np.uint8))),)
    return ()


def gaussians(frame: NDArray[Any], sigma: float) -> Rivals:
    """Of weights out to 3.5 sigma. They know other borders."""
    half = int(np.ceil(3.5 * sigma))
    inner = np.s_[half:-half, half:-half]

    def agrees(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
        return np.allclose(ours[inner], theirs[inner], rtol=2e-5)

    rivals: Rivals = ()
    if found := _installed("scipy.ndimage"):
        run = partial(found[1].gaussian_filter, frame, sigma, radius=half, output=np.float32)
        rivals += (Rival("scipy", found[0], run, agrees),)
    if (found := _installed("cv2")) and frame.dtype == np.float32:
        run = partial(found[1].GaussianBlur, frame, (2 * half + 1, 2 * half + 1), sigma)
        rivals += (Rival("OpenCV", found[0], run, agrees),)
    return rivals


# --- Labels ------------------------------------------------------------------------------------------------------


def labellers(above: NDArray[np.uint8]) -> Rivals:
    """Of a finished mask, 8-connected."""

    def same_largest(ours: Any, theirs: Any) -> bool:
        return len(ours.area) == int(theirs.max())

    def same_number(ours: Any, theirs: Any) -> bool:
        return len(ours.area) == int(theirs[1])

    def same_areas(ours: Any, theirs: Any) -> bool:
        return np.array_equal(np.sort(ours.area), np.sort(theirs[2][1:, 4]))

    rivals: Rivals = ()
    if found := _installed("cv2"):
        run = partial(found[1].connectedComponentsWithStats, above)
        rivals += (Rival("OpenCV WithStats", found[0], run, same_areas),)
    if found := _installed("cc3d"):
        run = partial(found[1].connected_components, above, connectivity=8)
        rivals += (Rival("cc3d, labels alone", found[0], run, same_largest),)
    if found := _installed("scipy.ndimage"):
        run = partial(found[1].label, above, np.ones((3, 3)))
        rivals += (Rival("scipy, labels alone", found[0], run, same_number),)
    return rivals


# --- Charge transfer ---------------------------------------------------------------------------------------------


def readouts(frame: NDArray[Any], traps: Mapping[str, Any], express: int) -> Rivals:
    """Through the traps of `parametric_traps`, computed `express` times on the way."""
    found = _installed("arcticpy")
    if found is None:
        return ()
    arctic, few = found[1], np.ascontiguousarray(frame[:, : frame.shape[1] // 16], np.float64)
    species = zip(traps["densities"], traps["release_transfers"], strict=True)
    run = partial(
        arctic.add_cti,
        few,
        parallel_roe=arctic.ROE(),
        parallel_ccd=arctic.CCD(
            full_well_depth=traps["full_well_e"], well_fill_power=traps["fill_power"]
        ),
        parallel_traps=[
            arctic.TrapInstantCapture(density=density, release_timescale=time)
            for density, time in species
        ],
        parallel_express=express,
        verbosity=0,
    )

    def agrees(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
        moved = [float(np.abs(out - few).sum()) for out in (ours[:, : few.shape[1]], theirs)]
        return bool(np.isclose(moved[0], moved[1], rtol=0.1))

    return (Rival(f"arctic, express {express}", found[0], run, agrees, share=1 / 16),)


# --- Meshes ------------------------------------------------------------------------------------------------------


def backgrounds(frame: NDArray[Any], box: int) -> Rivals:
    """Level and noise in boxes."""
    rivals: Rivals = ()
    if found := _installed("sep"):
        run = partial(found[1].Background, frame, bw=box, bh=box)
        rivals += (Rival("sep", found[0], run, _agrees_with_sep),)
    if found := _installed("photutils.background"):
        program = found[1].Background2D

        def run_photutils() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return program(frame, box)

        rivals += (Rival("photutils", found[0], run_photutils, _agrees_with_photutils),)
    return rivals


def interpolators(frame: NDArray[Any], box: int) -> Rivals:
    """From boxes to pixels."""
    found = _installed("sep")
    if found is None:
        return ()
    background = found[1].Background(frame, bw=box, bh=box)
    return (Rival("sep", found[0], background.back, _close_levels),)


def _agrees_with_sep(ours: Any, theirs: Any) -> bool:
    return _close_levels(ours.interpolate("level"), theirs.back())


def _agrees_with_photutils(ours: Any, theirs: Any) -> bool:
    return _close_levels(ours.level, theirs.background_mesh)


def _close_levels(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    """Clipping differs in detail; the typical box differs by less than a tenth of a pixel's noise."""
    return bool(np.median(np.abs(ours - theirs)) < 0.1 * NOISE * LEVEL)
