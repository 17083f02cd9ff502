"""The table of ``fleckcore bench``, kernel by kernel."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleckcore import simulate
from fleckcore.bench import frames, tasks
from fleckcore.bench.measure import Case
from fleckcore.detection.search import find
from fleckcore.io import read

__all__ = ["cases"]


def cases() -> Iterator[Case]:
    """All cases; frames are made when their turn comes."""
    yield from _medians()
    yield from _labels()
    yield from _meshes()
    yield from _trails()
    yield from _transfer()
    yield from _searches()


def _medians() -> Iterator[Case]:
    flat = frames.flat()
    for size in (3, 5, 7, 9, 11, 15, 21, 31, 63, 101):
        yield tasks.median(f"{size}x{size} float32", flat, size)
    for dtype in ("uint16", "float64"):
        yield tasks.median(f"15x15 {dtype}", frames.flat(dtype), 15)
    yield tasks.median("15x15 big-endian float32", flat.astype(">f4"), 15)
    for size in (15, 31, 63, 101):
        for percent in (1, 10, 50):
            name = f"{size}x{size} float32, {percent} % masked"
            yield tasks.median(name, flat, size, frames.masked(percent / 100))
    for kind in frames.HARD:
        frame = frames.hard(kind)
        for size in (15, 31, 63, 101):
            case = tasks.median(f"{size}x{size} float32, {kind}", frame, size)
            yield replace(case, rivals=())  # others take minutes


def _labels() -> Iterator[Case]:
    for percent in (0.05, 10, 50):
        for labels in (False, True):
            what = f"threshold and statistics{' and label image' * labels}"
            name = f"{what}, {percent:g} % of the pixels"
            yield tasks.label(name, frames.smooth_noise(), percent / 100, labels=labels)


def _meshes() -> Iterator[Case]:
    yield tasks.mesh("level and noise, 64x64", frames.flat(), 64)
    yield tasks.interpolation("interpolated", frames.flat(), 64)


def _trails() -> Iterator[Case]:
    yield tasks.trail("whole frame, along columns", frames.flat(), "+y", 20)
    yield tasks.trail("whole frame, along rows", frames.flat(), "+x", 20)


def _transfer() -> Iterator[Case]:
    dark = frames.flashed()
    yield tasks.readout("flashed dark, 80 levels, 4 steps", dark)
    yield tasks.readout("the same, along rows", dark, readout="-x")
    yield tasks.readout("put back, 5 iterations", dark, inverse=True, read_noise_e=4.0)
    yield tasks.smooth("read noise of 4 e-, along columns", dark, 4.0, "-y")


def _searches() -> Iterator[Case]:
    """A simulated Hubble short dark with three flecks, from its file to the catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short_dark.fits"
        simulate.write(simulate.short_dark(chip=2, seed=2), path)
        yield _find("published recipe, from the file", path, normalise="literal")
        yield _find("compact shadows, from the file", path, shapes="compact")
        yield _find("all shapes and sizes, from the file", path)


def _find(name: str, path: Path, **options: Any) -> Case:
    def run(threads: int) -> Any:
        (frame,) = read(path)
        return find(frame, threads=threads, **options)

    return Case("find", name, run)
