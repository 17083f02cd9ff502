"""Measurements as text, as JSON and as a picture."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fleckcore._version import __version__
from fleckcore.bench.limits import Limits
from fleckcore.bench.measure import Measurement
from fleckcore.bench.rivals import versions
from fleckcore.kernels import build_config, default_threads, processor

__all__ = ["conditions", "draw", "json_of", "text_of"]

THREADS_DRAWN = ((1, "tab:blue", "fleckcore, 1 thread"), (2, "white", "fleckcore, 2 threads"))


def conditions(limits: Limits) -> dict[str, Any]:
    """What ran where."""
    return {
        "fleckcore": __version__,
        "processor": processor(),
        "isa": build_config()["isa"],
        "tuning": build_config()["tuning"],
        "threads": default_threads(),
        "python": platform.python_version(),
        "versions": versions(),
        "limits": asdict(limits),
    }


def json_of(measurements: Sequence[Measurement], limits: Limits) -> str:
    """Everything, for comparison with another run."""
    rows = [asdict(m) for m in measurements]
    return json.dumps({**conditions(limits), "measurements": rows}, indent=1) + "\n"


def text_of(measurements: Sequence[Measurement], limits: Limits) -> str:
    """A table; times are the shortest, in milliseconds."""
    where = conditions(limits)
    head = (
        f"fleckcore {where['fleckcore']} on {where['processor']}, {where['isa']}, tuning: "
        f"{where['tuning'] or 'defaults'}. Shortest times in ms.\n"
        f"By one thread, a copy of the float32 frame takes {limits.copy_ms:.2f}, reading it {limits.read_ms:.2f}; "
        f"10^9 minima or maxima a second:\n"
        f"{limits.compare_float32:.0f} of float32, {limits.compare_int16:.0f} of int16. Rivals use one thread.\n"
    )
    header = (
        "",
        "1 thread",
        "copies",
        "2 threads",
        "gain",
        "MB",
        "rival",
        "its ms",
        "ratio",
        "same",
    )
    rows: list[tuple[str, ...]] = [header]
    for m in measurements:
        rows += _rows(m, limits.copy_ms)
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [_line(row, widths) for row in rows]
    note = "\n+ run on a part of the frame and scaled; 'same': results compared before the timing, - not comparable."
    return head + "\n".join(lines) + note + "\n"


def _rows(m: Measurement, copy_ms: float) -> list[tuple[str, ...]]:
    one, two = m.ms.get(1), m.ms.get(2)
    own = (
        f"{m.kernel}: {m.name}",
        "" if one is None else f"{one:.1f}",
        "" if one is None else f"{one / copy_ms:.1f}",
        "" if two is None else f"{two:.1f}",
        "" if one is None or two is None else f"{one / two:.2f}",
        "" if m.extra_mb is None else f"{m.extra_mb:.1f}",
    )
    empty = ("",) * len(own)
    rows = []
    for i, rival in enumerate(m.rivals):
        ratio = "" if one is None else f"{rival.ms / one:.3g}"
        same = "-" if rival.agrees is None else "yes" if rival.agrees else "NO"
        mark = "+" if rival.share < 1 else ""
        rows.append(
            (own if i == 0 else empty)
            + (f"{rival.name} {rival.version}", f"{rival.ms:.0f}{mark}", ratio, same)
        )
    return rows or [(*own, "", "", "", "")]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    left = {0, 6}
    cells = [
        c.ljust(w) if i in left else c.rjust(w)
        for i, (c, w) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def draw(measurements: Sequence[Measurement], limits: Limits, path: Path) -> None:
    """Bars of ours and of the rivals, on a logarithmic axis of milliseconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.5 + 0.24 * len(measurements)), layout="constrained")
    axes = figure.subplots()
    for y, m in enumerate(measurements):
        for threads, inside, label in THREADS_DRAWN:
            if threads in m.ms:
                axes.plot(m.ms[threads], y, "o", color="tab:blue", mfc=inside, ms=5, label=label)
        rivals = sorted(m.rivals, key=lambda rival: rival.ms)
        for rival in rivals:
            axes.plot(rival.ms, y, "x", color="tab:red", label="others, 1 thread, named from left")
        if rivals:  # side by side at the last of them: names of neighbours would cover each other
            names = "; ".join(rival.name for rival in rivals)
            at = rivals[-1].ms, y
            axes.annotate(names, at, xytext=(5, -3), textcoords="offset points", fontsize=7)
    axes.axvline(limits.copy_ms, color="0.6", lw=1, label="copy of the float32 frame")
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds for a frame of 4096 x 2048 pixels, shortest of many")
    axes.set_yticks(
        range(len(measurements)), [f"{m.kernel}: {m.name}" for m in measurements], fontsize=7
    )
    axes.set_ylim(len(measurements), -1)
    axes.set_xlim(right=3 * axes.get_xlim()[1])  # room for the names
    axes.grid(axis="x", which="both", alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys(), fontsize=7, loc="lower right")
    figure.savefig(path, dpi=130)
