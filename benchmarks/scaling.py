"""Time against window, frame size, masked pixels, threads, ...: for pictures in which no cliff should hide.

    python benchmarks/scaling.py scaling.json [-k TEXT] [--repeats N]
    python benchmarks/render.py docs/performance scaling.json

All points of a picture take turns, so that a busy moment of the machine is no step in a line.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from fleckcore.bench import frames, tasks
from fleckcore.bench.limits import measure_limits
from fleckcore.bench.measure import Case, agreement, take_turns
from fleckcore.bench.results import conditions
from fleckcore.kernels import default_threads

TURN_S = 0.02

# Dense about the largest window that has a network.
WINDOWS = (*range(3, 28, 2), 31, 37, 45, 53, 63, 75, 89, 101, 127, 151, 191, 255)
SLOWEST_SCIPY = 31
PERCENT = (0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 50, 70, 90)
MASKED = "masked at random, % of the pixels"
SIDES = (64, 100, 128, 200, 256, 400, 512, 800, 1024, 1500, 2048, 3000, 4096, 6000)


@dataclass
class Point:
    x: float
    run: Callable[[], Any]
    pixels: int
    share: float = 1.0


@dataclass
class Line:
    """One program on one kind of input. ``role``: ours, theirs or limit."""

    label: str
    role: str
    points: list[Point]


@dataclass
class Picture:
    """``x_scale`` as in `render`; ``y``: ms, ns/pixel or gain, the first point's time over the others'."""

    title: str
    x_label: str
    x_scale: str = "log"
    y: str = "ms"
    lines: list[Line] = field(default_factory=list)

    def add(self, label: str, cases: dict[float, Case]) -> None:
        """Ours, by one thread."""
        points = [Point(x, partial(case.run, 1), case.frame.size) for x, case in cases.items()]
        self.lines.append(Line(label, "ours", points))

    def add_rival(self, name: str, cases: dict[float, Case], *what: str) -> None:
        """Where it is installed and does the task. Results are compared first."""
        points, version = [], ""
        for x, case in cases.items():
            for rival in case.rivals:
                if rival.name.startswith(name):
                    if agreement(rival, case.run(1)) is False:
                        sys.exit(f"{rival.name} disagrees: {case.kernel}, {case.name}, at {x}")
                    points.append(Point(x, rival.run, case.frame.size, rival.share))
                    version = rival.version
        if points:
            program, *rest = name.split(",")
            self.lines.append(
                Line(",".join([f"{program} {version}", *rest, *what]), "theirs", points)
            )

    def add_copy(self, by_x: dict[float, np.ndarray]) -> None:
        """What moving the pixels alone takes; one point where it is the same everywhere."""
        points = [
            Point(x, partial(np.copyto, frame.copy(), frame), frame.size)
            for x, frame in by_x.items()
        ]
        self.lines.append(Line("copy of float32", "limit", points))


def window_masked() -> Picture:
    picture = Picture("Median of float32, by window", "window side, pixels")
    flat = frames.flat()
    for percent in (0, 0.1, 1, 10, 50):
        mask = frames.scattered(percent / 100) if percent else None
        cases = {size: tasks.median(f"{size}", flat, size, mask) for size in WINDOWS}
        picture.add(f"{percent:g} % masked" if percent else "no mask", cases)
        if not percent:
            picture.add_rival("scipy", {x: cases[x] for x in WINDOWS if x <= SLOWEST_SCIPY})
            picture.add_rival("OpenCV", cases)
    picture.add_copy({0: flat})
    return picture


def window_dtype() -> Picture:
    picture = Picture("Median of every type, by window", "window side, pixels")
    for dtype in frames.DTYPES:
        frame = frames.flat(dtype)
        cases = {size: tasks.median(f"{size}", frame, size) for size in WINDOWS}
        picture.add(dtype, cases)
        if dtype == "uint8":
            picture.add_rival("OpenCV", cases, " uint8")
    picture.add_copy({0: frames.flat()})
    return picture


def window_rectangle() -> Picture:
    title = "Median of float32 in rectangles, by their longer side"
    picture = Picture(title, "longer side, pixels")
    flat = frames.flat()
    kinds = {
        "K rows × K columns": lambda size: (size, size),
        "K rows × 15 columns": lambda size: (size, 15),
        "15 rows × K columns": lambda size: (15, size),
        "K rows × 5 columns": lambda size: (size, 5),
        "5 rows × K columns": lambda size: (5, size),
        "K rows × 1 column": lambda size: (size, 1),
        "1 row × K columns": lambda size: (1, size),
    }
    for label, window in kinds.items():
        sizes = [size for size in WINDOWS if size == max(window(size))]
        picture.add(label, {size: tasks.median(label, flat, window(size)) for size in sizes})
    picture.add_copy({0: flat})
    return picture


def masked_median() -> Picture:
    title = "Median of float32, by masked pixels"
    picture = Picture(title, MASKED, "symlog")
    flat, masks = frames.flat(), _masks()
    for size in (3, 9, 15, 21, 23, 31, 63, 101):
        name = f"{size} × {size}"
        picture.add(name, {x: tasks.median(name, flat, size, mask) for x, mask in masks.items()})
    picture.add_copy({0: flat})
    return picture


def _masks() -> dict[float, np.ndarray | None]:
    return {x: frames.scattered(x / 100) if x else None for x in PERCENT}


def _others(frame: np.ndarray, mask: np.ndarray | None = None) -> dict[str, Case]:
    """One task of every kernel but the median."""
    return {
        "gaussian_filter, sigma 4": tasks.gaussian("", frame, 4.0, mask),
        "label_components, 1 %": tasks.label("", frame, 0.01, labels=False, mask=mask),
        "label_components, 1 %, label image": tasks.label("", frame, 0.01, labels=True, mask=mask),
        "mesh_statistics, 64 × 64": tasks.mesh("", frame, 64, mask),
        "trail_scan along columns": tasks.trail("", frame, "+y", 20, mask),
        "trail_scan along rows": tasks.trail("", frame, "+x", 20, mask),
        "shadow_search, radius 11": tasks.shadow("", frame, 11, mask),
        "streak_search, length 48": tasks.streak("", frame, 48, 30, mask),
    }


def _add_all(picture: Picture, cases: dict[float, dict[str, Case]]) -> None:
    """A line for each task."""
    for label in next(iter(cases.values())):
        picture.add(label, {x: of_x[label] for x, of_x in cases.items()})


def masked_others() -> Picture:
    title = "The other kernels on float32, by masked pixels"
    picture = Picture(title, MASKED, "symlog")
    flat = frames.flat()
    _add_all(picture, {x: _others(flat, mask) for x, mask in _masks().items()})
    picture.add_copy({0: flat})
    return picture


def frame_median() -> Picture:
    title = "Median of float32 per pixel, by size of the frame"
    picture = Picture(title, "side of a square frame, pixels", y="ns/pixel")
    for size in (3, 9, 15, 21, 31, 63):
        name = f"{size} × {size}"
        cases = {n: tasks.median(name, frame, size) for n, frame in _squares().items()}
        picture.add(name, cases)
    picture.add_copy(_squares())
    return picture


def frame_others() -> Picture:
    title = "The other kernels on float32 per pixel, by size of the frame"
    picture = Picture(title, "side of a square frame, pixels", y="ns/pixel")
    _add_all(picture, {n: _others(frame) for n, frame in _squares().items()})
    picture.add_copy(_squares())
    return picture


@cache
def _squares() -> dict[float, np.ndarray]:
    """Cut from one frame, so that small ones hold no more hot pixels than large ones."""
    largest = frames.flat(shape=(max(SIDES), max(SIDES)))
    return {side: largest[:side, :side].copy() for side in SIDES}


def threads() -> Picture:
    picture = Picture("Gain by threads, float32", "threads", "linear", "gain")
    flat = frames.flat()
    numbers = range(1, max(4, default_threads()) + 1)
    medians = {f"median {n} × {n}": tasks.median("", flat, n) for n in (3, 15, 31, 101)}
    for label, case in {**medians, **_others(flat)}.items():
        points = [Point(n, partial(case.run, n), flat.size) for n in numbers]
        picture.lines.append(Line(label, "ours", points))
    return picture


def labels() -> Picture:
    title = "Threshold, label and measure float32, by pixels above the threshold"
    picture = Picture(title, "above the threshold, % of the pixels", "function")
    noise = frames.smooth_noise()
    percent = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 20, 35, 50, 65, 80, 90, 97, 99, 99.7, 99.9)
    for image in (False, True):
        cases = {x: tasks.label("", noise, x / 100, labels=image) for x in percent}
        picture.add("statistics and label image" if image else "statistics", cases)
    for name in ("OpenCV WithStats", "cc3d, labels alone", "scipy, labels alone"):
        picture.add_rival(name, cases)
    picture.add_copy({0: noise})
    return picture


def gaussians() -> Picture:
    picture = Picture("Gaussian smoothing of float32, by width", "sigma, pixels")
    flat = frames.flat()
    for percent in (0, 1):
        mask = frames.scattered(percent / 100) if percent else None
        sigmas = (0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8, 11, 16, 23, 32)
        cases = {sigma: tasks.gaussian("", flat, sigma, mask) for sigma in sigmas}
        picture.add(f"{percent} % masked" if percent else "no mask", cases)
        if not percent:
            picture.add_rival("scipy", cases)
            picture.add_rival("OpenCV", cases)
    picture.add_copy({0: flat})
    return picture


PICTURES = (
    window_masked,
    window_dtype,
    window_rectangle,
    masked_median,
    masked_others,
    frame_median,
    frame_others,
    threads,
    labels,
    gaussians,
)


def measure(picture: Picture, repeats: int) -> dict[str, Any]:
    points = [point for line in picture.lines for point in line.points]
    shortest = iter(take_turns([point.run for point in points], repeats, TURN_S))
    lines = [
        {
            "label": line.label,
            "role": line.role,
            "x": [point.x for point in line.points],
            "pixels": [point.pixels for point in line.points],
            "ms": [next(shortest) / point.share for point in line.points],
        }
        for line in picture.lines
    ]
    words = {key: getattr(picture, key) for key in ("title", "x_label", "x_scale", "y")}
    return {**words, "lines": lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("-k", "--only", default="", help="pictures with this text in their name")
    parser.add_argument("--repeats", type=int, default=7, help="turns of every point")
    options = parser.parse_args()

    limits, pictures = measure_limits(), {}
    for make in PICTURES:
        if options.only in make.__name__:
            start = time.perf_counter()
            pictures[make.__name__] = measure(make(), options.repeats)
            limits = limits.better(measure_limits())
            print(f"{make.__name__}: {time.perf_counter() - start:.0f} s", flush=True)
    record = {**conditions(limits), "repeats": options.repeats, "pictures": pictures}
    options.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
