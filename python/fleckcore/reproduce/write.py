"""The reproduction as files: figures, tables, claims, and every number."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fleckcore.io import atomic_write
from fleckcore.report.panels import plot_panels
from fleckcore.reproduce.claims import Verdict
from fleckcore.reproduce.story import Story

__all__ = ["claims_table", "to_record", "write_reproduction"]

TRUTH = (
    "Everything here was measured on simulated exposures, in which the flecks of the report were planted. Where a "
    "measurement agrees with the report, that proves the measurement; of the sky it says nothing."
)


def write_reproduction(
    story: Story,
    verdicts: Sequence[Verdict],
    folder: Path,
    *,
    told: Callable[[str, int, int], object] | None = None,
) -> list[str]:
    """Write ``figure_NN.png``, ``table_1.csv``, ``claims.md`` and ``reproduction.json``; older ones are replaced.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    MissingExtraError
        ``R17`` without matplotlib.
    OutputError
        ``R01``, ``R08``: a file cannot be written.
    """
    names = []
    figures = sorted(story.figures, key=lambda figure: figure.number)
    for count, figure in enumerate(figures, 1):
        names.append(f"figure_{figure.number:02d}.png")
        plot_panels(figure, folder / names[-1], overwrite=True)
        if told:
            told("figures", count, len(figures))
    for name, rows in story.tables.items():
        names.append(f"{name}.csv")
        _write(folder / names[-1], _as_csv(rows))
    names.append("claims.md")
    _write(folder / names[-1], claims_table(verdicts))
    names.append("reproduction.json")
    record = to_record(story, verdicts)
    _write(folder / names[-1], json.dumps(record, indent=1, allow_nan=False))
    return names


def claims_table(verdicts: Sequence[Verdict]) -> str:
    """Give the claims as a table in Markdown."""
    agree = sum(verdict.agrees for verdict in verdicts)
    lines = [
        "# Claims of ACS ISR 2018-03, measured again",
        "",
        TRUTH,
        "",
        f"{agree} of {len(verdicts)} claims agree.",
        "",
        "| # | section | claim | the report | measured | agrees | why |",
        "|---|---|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        claim = verdict.claim
        pairs = list(zip(claim.checks, verdict.measured, strict=True))
        said = "<br>".join(f"{check.quantity}: {check}" for check, _ in pairs)
        seen = "<br>".join("not measured" if value is None else str(value) for _, value in pairs)
        answer = "yes" if verdict.agrees else "**no**"
        lines.append(
            f"| {claim.number} | {claim.section} | {claim.text} | {said} | {seen} | {answer} | {claim.why} |"
        )
    return "\n".join(lines) + "\n"


def to_record(story: Story, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Give everything but the pictures as plain values; what is no number is None."""
    return {
        "truth": TRUTH,
        "claims": [
            {
                "number": verdict.claim.number,
                "section": verdict.claim.section,
                "claim": verdict.claim.text,
                "agrees": verdict.agrees,
                "why": verdict.claim.why,
            }
            for verdict in verdicts
        ],
        "measured": {
            name: {
                "value": _finite(measured.value),
                "error": _finite(measured.error),
                "unit": measured.unit,
            }
            for name, measured in sorted(story.measured.items())
        },
        "tables": story.tables,
        "figures": {
            str(figure.number): figure.caption
            for figure in sorted(story.figures, key=lambda figure: figure.number)
        },
    }


def _finite(value: float) -> float | None:
    return value if value - value == 0 else None


def _as_csv(rows: Sequence[dict[str, Any]]) -> str:
    names = list(rows[0]) if rows else []
    lines = [",".join(names)]
    lines += [",".join(str(row[name]) for name in names) for row in rows]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    with atomic_write(path, overwrite=True) as file:
        file.write(text.encode())
