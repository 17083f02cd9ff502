"""Tables and pictures of what was measured, for the documentation.

    python benchmarks/render.py FOLDER FILE...

Each FILE is the JSON of `fleckcore bench --json`, `benchmarks/scaling.py` or `pytest --benchmark-json`; what it holds
says which. A table is written as Markdown, `bench.md` or `grid.md`, and a picture as PNG under its name in `scaling.py`.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

PROGRAMS = {"cv2": "OpenCV", "cc3d": "cc3d"}
MARKERS = "osD^vPX*<>"

Row = Sequence[str]


# --- Words -------------------------------------------------------------------------------------------------------


def where(record: dict[str, Any]) -> str:
    """On which machine, by which programs."""
    others = ", ".join(
        f"{PROGRAMS.get(name, name)} {version}" for name, version in record["versions"].items()
    )
    return (
        f"fleckcore {record['fleckcore']} on {record['processor']}, {record['isa']}, "
        f"{record['threads']} threads at the most, Python {record['python']}"
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
    """Lines on logarithmic axes: ours filled and coloured, others grey and dashed, the copy a black line below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots()
    handles = [_line(axes, line, i, picture["y"]) for i, line in enumerate(picture["lines"])]
    _scales(axes, picture)
    axes.set_title(picture["title"], loc="left", fontsize=12, fontweight="bold")
    by_height = sorted(handles, key=lambda line: -line.get_ydata()[-1])
    figure.legend(handles=by_height, loc="outside right center", frameon=False, fontsize=9)
    figure.text(0.01, -0.01, caption(picture, record), fontsize=7.5, color="0.35", va="top")
    figure.savefig(path, dpi=110, bbox_inches="tight", pil_kwargs={"optimize": True})


def _line(axes: Any, line: dict[str, Any], number: int, unit: str) -> Any:
    values = heights(line, unit)
    if line["role"] == "limit":
        style = {"color": "black", "lw": 1.5, "ls": "-"}
    elif line["role"] == "theirs":
        style = {
            "color": "0.5",
            "lw": 1,
            "ls": "--",
            "marker": MARKERS[number % len(MARKERS)],
            "mfc": "white",
            "ms": 5,
        }
    else:
        style = {
            "color": f"C{number % 10}",
            "lw": 1.5,
            "marker": MARKERS[number % len(MARKERS)],
            "ms": 4,
        }
    (drawn,) = axes.plot(line["x"], values, label=line["label"], **style)
    return drawn


def heights(line: dict[str, Any], unit: str) -> list[float]:
    if unit == "ns/pixel":
        return [1e6 * ms / pixels for ms, pixels in zip(line["ms"], line["pixels"], strict=True)]
    if unit == "gain":
        return [line["ms"][0] / ms for ms in line["ms"]]
    return line["ms"]


Y_LABELS = {
    "ms": "milliseconds for 4096 × 2048 pixels, one thread",
    "ns/pixel": "nanoseconds per pixel, one thread",
    "gain": "times as fast as one thread",
}


def _scales(axes: Any, picture: dict[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    at = sorted({x for line in picture["lines"] for x in line["x"]})
    if picture["y"] == "gain":
        axes.plot(at, at, color="black", lw=1)
        axes.set_xticks(at)
    elif at[0] == 0:
        axes.set_xscale("symlog", linthresh=at[1], linscale=0.3)
        axes.set_xlim(-at[1] / 4, 1.2 * at[-1])
    else:
        axes.set_xscale("log")
    if picture["y"] != "gain":
        axes.set_yscale("log")
        axes.set_xticks(_few(at), minor=False)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(axis="y", which="minor", color="0.93")
    axes.xaxis.set_major_formatter(plain)
    axes.yaxis.set_major_formatter(plain)
    axes.set_xlabel(picture["x_label"])
    axes.set_ylabel(Y_LABELS[picture["y"]])
    axes.grid(axis="both", which="major", color="0.85")
    axes.set_axisbelow(True)


def _few(at: list[float]) -> list[float]:
    """Those that leave room for their figures."""
    chosen = at[:1]
    for x in at[1:]:
        if chosen[-1] == 0 or x / chosen[-1] > 1.25:
            chosen.append(x)
    return chosen


def caption(picture: dict[str, Any], record: dict[str, Any]) -> str:
    return f"{where(record)}.\nShortest of {record['repeats']} turns or more. {limits_of(record)}"


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
