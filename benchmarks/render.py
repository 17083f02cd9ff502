"""Tables and pictures of what was measured, for the documentation.

    python benchmarks/render.py FOLDER FILE...

Each FILE is the JSON of `fleckcore bench --json`, `benchmarks/scaling.py` or `pytest --benchmark-json`; what it holds
says which. Tables become `bench.md` and `grid.md`, pictures PNG under their names in `scaling.py`.
"""

import argparse
import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PROGRAMS = {"cv2": "OpenCV", "cc3d": "cc3d"}
COLOURS = [
    *(f"C{i}" for i in range(10) if i != 7),
    "navy",
    "limegreen",
    "gold",
]  # grey is for others
MARKERS = "osD^vPX*<>ph8d"

Row = Sequence[str]


# --- Words -------------------------------------------------------------------------------------------------------


def where(record: dict[str, Any]) -> str:
    """On which machine, by which programs."""
    others = ", ".join(
        f"{PROGRAMS.get(name, name)} {version}" for name, version in record["versions"].items()
    )
    return (
        f"fleckcore {record['fleckcore']} on {record['processor']}, {record['isa']}, "
        f"threads by default: {record['threads']}, Python {record['python']}"
        + (f"; {others}" if others else "")
    )


def limits_of(record: dict[str, Any]) -> str:
    limits = record["limits"]
    return (
        f"One thread copies the float32 frame of 4096 × 2048 pixels in {limits['copy_ms']:.2f} ms, reads it in "
        f"{limits['read_ms']:.2f} ms, and takes {limits['compare_float32']:.0f} × 10⁹ minima or maxima of float32 "
        f"a second, {limits['compare_int16']:.0f} × 10⁹ of int16."
    )


def number(value: float) -> str:
    """Three digits."""
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f}" if value < 100 else f"{value:.0f}"


def table(header: Row, rows: Iterable[Row]) -> Iterator[str]:
    """The first column is text, and so is the last."""
    marks = [":--", *["--:"] * (len(header) - 2), ":--"]
    for row in (header, marks, *rows):
        yield "| " + " | ".join(row) + " |"
    yield ""


# --- Tables ------------------------------------------------------------------------------------------------------


def bench_table(record: dict[str, Any]) -> str:
    """Of `fleckcore bench`: a table for each kernel."""
    copy_ms = record["limits"]["copy_ms"]
    lines = [f"{where(record)}. {limits_of(record)}", ""]
    header = (
        "",
        "1 thread, ms",
        "copies",
        "2 threads, ms",
        "gain",
        "MB",
        "others, 1 thread: ms (ratio)",
    )
    kernels: dict[str, list[Row]] = {}
    for row in record["measurements"]:
        kernels.setdefault(row["kernel"], []).append(_bench_row(row, copy_ms))
    for kernel, rows in kernels.items():
        lines += [f"**{kernel}**", "", *table(header, rows)]
    lines.append(
        "A copy is that of the float32 frame; MB is memory beyond the result. Results were compared before the "
        "timing: ≠ differs, ≈ cannot be compared. † run on a part of the frame, and scaled."
    )
    return "\n".join(lines) + "\n"


def _bench_row(row: dict[str, Any], copy_ms: float) -> Row:
    one, two = row["ms"]["1"], row["ms"]["2"]
    others = "; ".join(
        f"{rival['name']} {rival['ms']:.0f}{'†' * (rival['share'] < 1)} ({rival['ms'] / one:.3g}×)"
        + {True: "", False: " ≠", None: " ≈"}[rival["agrees"]]
        for rival in row["rivals"]
    )
    memory = "" if row["extra_mb"] is None else f"{row['extra_mb']:.1f}"
    numbers = (number(one), number(one / copy_ms), number(two), f"{one / two:.2f}", memory)
    return (row["name"], *numbers, others)


def grid_table(record: dict[str, Any]) -> str:
    """Of the pytest-benchmark grid: a line for each case, a column for each number of threads."""
    machine = record["fleckcore"]
    lines = [f"{where(machine)}. {limits_of(machine)}", ""]
    kernels: dict[str, dict[str, dict[Any, dict[str, Any]]]] = {}
    for benchmark in record["benchmarks"]:
        info = benchmark["extra_info"]
        if "case" in info:
            ms = 1e3 * benchmark["stats"]["min"] / info["share"]
            program = info["threads"] if info["program"] == "fleckcore" else info["program"]
            of_case = kernels.setdefault(info["kernel"], {}).setdefault(info["case"], {})
            of_case[program] = {**info, "ms": ms}
    header = ("", "1 thread, ms", "copies", "2 threads, ms", "others, 1 thread: ms")
    for kernel, cases in kernels.items():
        rows = (_grid_row(case, programs) for case, programs in cases.items())
        lines += [f"**{kernel}**", "", *table(header, rows)]
    return "\n".join(lines)


def _grid_row(case: str, programs: dict[Any, dict[str, Any]]) -> Row:
    one, two = programs.get(1), programs.get(2)
    return (
        case,
        number(one["ms"]) if one else "",
        number(one["copies"]) if one else "",
        number(two["ms"]) if two else "",
        "; ".join(
            f"{name} {of['ms']:.0f}" for name, of in programs.items() if isinstance(name, str)
        ),
    )


# --- Pictures ----------------------------------------------------------------------------------------------------


def draw(picture: dict[str, Any], record: dict[str, Any], path: Path) -> None:
    """Ours in colours, others grey and dashed, the copy black; the names in the order of the lines' right ends."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5.2))
    axes = figure.subplots()
    own = (line for line in picture["lines"] if line["role"] == "ours")
    colours = {line["label"]: colour for line, colour in zip(own, COLOURS, strict=False)}
    for line, marker in zip(picture["lines"], MARKERS, strict=False):
        _line(axes, line, picture["y"], colours.get(line["label"], "0.5"), marker)
    _scales(axes, picture)
    axes.set_title(picture["title"], loc="left", fontweight="bold")
    handles = sorted(axes.get_lines(), key=lambda line: -line.get_ydata()[-1])
    axes.legend(
        handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9
    )
    axes.text(
        0, -0.13, caption(record), transform=axes.transAxes, fontsize=7.5, color="0.35", va="top"
    )
    figure.savefig(path, dpi=110, bbox_inches="tight", pil_kwargs={"optimize": True})


def _line(axes: Any, line: dict[str, Any], unit: str, colour: str, marker: str) -> None:
    values, label = heights(line, unit), line["label"]
    if line["role"] == "limit" and len(values) == 1:
        axes.axhline(values[0], color="black", lw=1.5, label=label)
    elif line["role"] == "limit":
        axes.plot(line["x"], values, color="black", lw=1.5, label=label)
    elif line["role"] == "theirs":
        style = {"color": colour, "ls": "--", "lw": 1, "marker": marker, "mfc": "white", "ms": 5}
        axes.plot(line["x"], values, label=label, **style)
    else:
        axes.plot(line["x"], values, color=colour, lw=1.5, marker=marker, ms=4, label=label)


def heights(line: dict[str, Any], unit: str) -> list[float]:
    if unit == "ns/pixel":
        return [1e6 * ms / pixels for ms, pixels in zip(line["ms"], line["pixels"], strict=True)]
    if unit == "gain":
        return [line["ms"][0] / ms for ms in line["ms"]]
    return line["ms"]


LEAST_APART = 0.0625  # figures below an axis, of its length
X_SCALES: dict[str, dict[str, Any]] = {
    "linear": {},
    "log": {},
    "symlog": {"linthresh": 0.001, "linscale": 0.3},  # with 0, below the least masked fraction
    "function": {  # as much room close to 100 % as close to 0
        "functions": (
            lambda x: np.log((share := np.clip(x / 100, 1e-9, 1 - 1e-9)) / (1 - share)),
            lambda y: 100 / (1 + np.exp(-y)),
        )
    },
}
Y_LABELS = {
    "ms": "milliseconds for 4096 × 2048 pixels, one thread",
    "ns/pixel": "nanoseconds per pixel, one thread",
    "gain": "times as fast as one thread",
}


def _scales(axes: Any, picture: dict[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    at = sorted({x for line in picture["lines"] if line["role"] == "ours" for x in line["x"]})
    if picture["y"] == "gain":
        axes.plot(at, at, color="black", lw=1.5, label="as many times as threads")
    else:
        axes.set_yscale("log")
        axes.set_xscale(picture["x_scale"], **X_SCALES[picture["x_scale"]])
    if picture["x_scale"] == "symlog":
        axes.set_xlim(-at[1] / 3, 1.3 * at[-1])
    elif picture["x_scale"] == "function":
        axes.set_xlim(0.7 * at[0], 100 - 0.7 * (100 - at[-1]))
    axes.grid(axis="both", which="major", color="0.85")
    axes.grid(axis="y", which="minor", color="0.93")
    axes.set_axisbelow(True)
    axes.set_xticks(_few(axes, at))
    axes.xaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(_two_or_five))
    axes.tick_params(axis="y", which="minor", labelsize=7, labelcolor="0.35")
    axes.set_xlabel(picture["x_label"])
    axes.set_ylabel(Y_LABELS[picture["y"]])


def _two_or_five(value: float, _: Any) -> str:
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _few(axes: Any, at: list[float]) -> list[float]:
    """Both ends, and between them those that leave room for their figures."""
    where = {x: axes.get_xaxis_transform().transform((x, 0))[0] / axes.bbox.width for x in at}
    chosen = [at[0]]
    for x in at[1:-1]:
        if min(where[x] - where[chosen[-1]], where[at[-1]] - where[x]) > LEAST_APART:
            chosen.append(x)
    return [*chosen, at[-1]]


def caption(record: dict[str, Any]) -> str:
    text = f"{where(record)}. Shortest of {record['repeats']} turns or more. {limits_of(record)}"
    return "\n".join(textwrap.wrap(text, 125))


# -----------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args()

    options.folder.mkdir(parents=True, exist_ok=True)
    for file in options.files:
        record = json.loads(file.read_text(encoding="utf-8"))
        if "measurements" in record:
            (options.folder / "bench.md").write_text(bench_table(record), encoding="utf-8")
        elif "benchmarks" in record:
            (options.folder / "grid.md").write_text(grid_table(record), encoding="utf-8")
        else:
            for name, picture in record["pictures"].items():
                draw(picture, record, options.folder / f"{name}.png")


if __name__ == "__main__":
    main()
