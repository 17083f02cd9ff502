"""What is measured, and beside what. A program that is not installed is left out."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleckcore import simulate
from fleckcore.bench import frames
from fleckcore.bench.measure import Case, Rival
from fleckcore.detection.search import Options, search
from fleckcore.io import read
from fleckcore.kernels import label_components, median_filter, mesh_statistics, trail_scan

__all__ = ["cases"]

CROP = np.s_[512:768, 1024:1536]
"""What a slow program is run on."""


def cases() -> Iterator[Case]:
    """All cases, kernel by kernel; frames are made when their turn comes."""
    yield from _medians()
    yield from _labels()
    yield from _meshes()
    yield from _trails()
    yield from _searches()


flat = lru_cache(maxsize=1)(frames.flat)


def _installed(distribution: str, module: str) -> tuple[str, Any] | None:
    """Version and module."""
    try:
        return version(distribution), import_module(module)
    except (ImportError, PackageNotFoundError):
        return None


def _opencv() -> tuple[str, Any] | None:
    """OpenCV on one thread: its filters use no more for these tasks, and ours is compared with one."""
    for distribution in ("opencv-python-headless", "opencv-python", "opencv-contrib-python"):
        if found := _installed(distribution, "cv2"):
            found[1].setNumThreads(1)
            return found
    return None


# --- Medians -----------------------------------------------------------------------------------------------------


def _medians() -> Iterator[Case]:
    for size in (3, 5, 7, 9, 11, 15, 21, 31, 63, 101):
        yield _median(
            f"{size}x{size} float32", flat(), size, (*_scipy(size), *_opencv_median(size))
        )
    yield _median("15x15 uint16", flat().astype(np.uint16), 15, _opencv_uint8())
    yield _median("15x15 float64", flat().astype(np.float64), 15)
    yield _median("15x15 big-endian float32", flat().astype(">f4"), 15)
    for size in (15, 31, 63, 101):
        for percent in (1, 10, 50):
            yield _median(
                f"{size}x{size} float32, {percent} % masked",
                flat(),
                size,
                mask=frames.masked(percent / 100),
            )
    for kind in frames.HARD:
        frame = frames.hard(kind)
        for size in (15, 31, 63, 101):
            yield _median(f"{size}x{size} float32, {kind}", frame, size)


def _median(
    name: str,
    frame: NDArray[Any],
    size: int,
    rivals: tuple[Rival, ...] = (),
    mask: NDArray[np.bool_] | None = None,
) -> Case:
    def run(threads: int) -> NDArray[Any]:
        return median_filter(frame, size, mask=mask, mode="nearest", threads=threads)

    return Case("median_filter", name, run, rivals)


def _scipy(size: int) -> tuple[Rival, ...]:
    found = _installed("scipy", "scipy.ndimage")
    if found is None:
        return ()
    half = size // 2
    crop = np.ascontiguousarray(flat()[CROP])
    inner = np.s_[half : crop.shape[0] - half, half : crop.shape[1] - half]

    def agrees(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
        return np.array_equal(ours[CROP][inner], theirs[inner])

    share = crop.size / flat().size
    return (Rival("scipy", found[0], lambda: found[1].median_filter(crop, size), agrees, share),)


def _opencv_median(size: int) -> tuple[Rival, ...]:
    found = _opencv()
    if found is None or size > 5:  # it refuses larger windows of floats
        return ()
    return (Rival("OpenCV", found[0], lambda: found[1].medianBlur(flat(), size), np.array_equal),)


def _opencv_uint8() -> tuple[Rival, ...]:
    """Its own fastest type: it refuses windows of more than 5 pixels for the others."""
    found = _opencv()
    if found is None:
        return ()
    frame = (flat() / 256).clip(0, 255).astype(np.uint8)
    return (Rival("OpenCV on uint8", found[0], lambda: found[1].medianBlur(frame, 15)),)


# --- Labels ------------------------------------------------------------------------------------------------------


def _labels() -> Iterator[Case]:
    noise = frames.smooth_noise()
    for percent in (0.05, 10, 50):
        threshold = float(np.quantile(noise[::4, ::4], 1 - percent / 100))
        for labels in (False, True):
            yield _label(noise, threshold, f"{percent:g} % of the pixels", labels)


def _label(noise: NDArray[np.float32], threshold: float, name: str, labels: bool) -> Case:
    def run(threads: int) -> Any:
        return label_components(noise, threshold, labels=labels, threads=threads)

    above = (noise > threshold).astype(np.uint8)
    name = f"threshold and statistics{' and label image' * labels}, {name}"
    return Case("label_components", name, run, (*_opencv_label(above), *_cc3d(above)))


def _opencv_label(above: NDArray[np.uint8]) -> tuple[Rival, ...]:
    found = _opencv()
    if found is None:
        return ()

    def agrees(ours: Any, theirs: Any) -> bool:
        return len(ours.area) == theirs[0] - 1 and np.array_equal(
            np.sort(ours.area), np.sort(theirs[2][1:, 4])
        )

    return (
        Rival(
            "OpenCV WithStats",
            found[0],
            lambda: found[1].connectedComponentsWithStats(above),
            agrees,
        ),
    )


def _cc3d(above: NDArray[np.uint8]) -> tuple[Rival, ...]:
    found = _installed("connected-components-3d", "cc3d")
    if found is None:
        return ()

    def agrees(ours: Any, theirs: Any) -> bool:
        return len(ours.area) == int(theirs.max())

    labels = found[1].connected_components
    return (Rival("cc3d, labels alone", found[0], lambda: labels(above, connectivity=8), agrees),)


# --- Meshes ------------------------------------------------------------------------------------------------------


def _meshes() -> Iterator[Case]:
    def statistics(threads: int) -> Any:
        return mesh_statistics(flat(), 64, threads=threads)

    mesh = statistics(1)

    def interpolated(threads: int) -> Any:
        return mesh.interpolate("level", threads=threads)

    yield Case("mesh_statistics", "level and noise, 64x64", statistics, (*_sep(), *_photutils()))
    yield Case("mesh_statistics", "interpolated", interpolated, _sep_back())


def _close_levels(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    """Clipping differs in detail; the typical box differs by less than a tenth of a pixel's noise."""
    return bool(np.median(np.abs(ours - theirs)) < 0.1 * frames.NOISE * frames.LEVEL)


def _sep() -> tuple[Rival, ...]:
    found = _installed("sep", "sep")
    if found is None:
        return ()

    def agrees(ours: Any, theirs: Any) -> bool:
        return _close_levels(ours.interpolate("level"), theirs.back())

    return (Rival("sep", found[0], lambda: found[1].Background(flat()), agrees),)


def _sep_back() -> tuple[Rival, ...]:
    found = _installed("sep", "sep")
    if found is None:
        return ()
    background = found[1].Background(flat())
    return (Rival("sep", found[0], background.back, _close_levels),)


def _photutils() -> tuple[Rival, ...]:
    found = _installed("photutils", "photutils.background")
    if found is None:
        return ()

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return found[1].Background2D(flat(), 64)

    def agrees(ours: Any, theirs: Any) -> bool:
        return _close_levels(ours.level, theirs.background_mesh)

    return (Rival("photutils", found[0], run, agrees),)


# --- Trails ------------------------------------------------------------------------------------------------------


def _trails() -> Iterator[Case]:
    frame = flat()
    noise = frames.NOISE * frames.LEVEL

    def along_columns(threads: int) -> Any:
        return trail_scan(
            frame, direction="+y", noise=noise, seed_threshold=20 * noise, threads=threads
        )

    def along_rows(threads: int) -> Any:
        return trail_scan(
            frame, direction="+x", noise=noise, seed_threshold=20 * noise, threads=threads
        )

    yield Case("trail_scan", "whole frame, along columns", along_columns)
    yield Case("trail_scan", "whole frame, along rows", along_rows)


# --- Searches ----------------------------------------------------------------------------------------------------


def _searches() -> Iterator[Case]:
    """A simulated Hubble short dark with three flecks, from its file to the catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short_dark.fits"
        simulate.write(simulate.short_dark(chip=2, seed=2), path)
        for name, options in (
            ("published recipe", Options(normalise="literal")),
            ("compact shadows", Options(shapes="compact")),
            ("all shapes and sizes", Options()),
        ):
            yield _search(f"{name}, from the file", path, options)


def _search(name: str, path: Path, options: Options) -> Case:
    def run(threads: int) -> Any:
        (frame,) = read(path)
        return search(frame, options=options, threads=threads).catalog

    return Case("find", name, run)
