"""``fleckcore tune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleckcore.cli import EXIT_NOTHING_USABLE, EXIT_SOME_QUARANTINED
from fleckcore.errors import FleckError

if TYPE_CHECKING:
    from fleckcore.bench.tuning import Trial, Tuned
    from fleckcore.frame import Frame

__all__ = ["command"]

BUSY = 0.1
"""Times that waver by more say little."""


@click.command("tune")
@click.argument(
    "files", metavar="[FRAMES]...", nargs=-1, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the profile here; by default where later runs look for it.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="About how long to measure; each value has four turns at least.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Measure with so many; by default their number is one of the choices.",
)
def command(
    files: tuple[Path, ...], output: Path | None, seconds: float, threads: int | None
) -> int:
    """Measure how the kernels run fastest on this machine, and write a profile that later runs use.

    FRAMES are FITS files like those that you search; the first four chips are used. Without any, a flat is made.
    Results stay the same bytes with any profile: only the time they take changes. Close other programs meanwhile.
    """
    from fleckcore.bench.tuning import tune

    frames, failed = _read(files)
    if failed and not frames:
        return EXIT_NOTHING_USABLE
    tuned = tune(
        frames,
        seconds=seconds,
        threads=threads,
        output=output,
        progress=lambda about: click.echo(f"measuring: {about}", err=True),
    )
    click.echo(_table(tuned))
    click.echo(_where(tuned, named=output is not None))
    return EXIT_SOME_QUARANTINED if failed else 0


def _read(files: tuple[Path, ...]) -> tuple[list[Frame], int]:
    """As many frames as are measured on, and how many files could not be used."""
    from fleckcore.bench.tuning import MOST_FRAMES
    from fleckcore.io import clean_text, read

    frames: list[Frame] = []
    failed = 0
    for path in files:
        if len(frames) >= MOST_FRAMES:
            break
        try:
            frames += read(path)
        except FleckError as error:
            failed += 1
            click.echo(f"not used: {clean_text(str(error))}", err=True)
    return frames, failed


def _table(tuned: Tuned) -> str:
    from fleckcore.io import clean_text
    from fleckcore.kernels import machine

    here = machine()
    n = tuned.threads
    with_threads = f", {n} thread{'s' * (n > 1)}" if n else ""
    head = [
        f"fleckcore {here['fleckcore']} on {here['processor']}{with_threads}. Measured on:",
        *(f"  {clean_text(name)}" for name in tuned.frames),
        "Shortest times in ms. A choice changes only where that gains clearly more than the times waver.",
        "",
    ]
    rows = [("", "default", "ms", "fastest", "ms", "ratio", ""), *map(_row, tuned.trials)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i in (0, 6) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(head + lines)


def _row(trial: Trial) -> tuple[str, ...]:
    default = (trial.about, str(trial.default), f"{trial.ms[trial.default]:.1f}")
    if trial.best == trial.default:
        return (*default, "the same", "", "", "")
    verdict = "chosen" if trial.pays else f"not clear: times waver by {100 * trial.wavers:.1f} %"
    return (*default, str(trial.best), f"{trial.ms[trial.best]:.1f}", f"{trial.gain:.2f}", verdict)


def _where(tuned: Tuned, *, named: bool) -> str:
    changed = len(tuned.choices)
    what = (
        f"{changed} of {len(tuned.trials)} choices changed"
        if changed
        else "no choice changed: none is clearly faster here"
    )
    worst = max((trial.wavers for trial in tuned.trials), default=0.0)
    lines = []
    if worst > BUSY:
        lines.append(
            f"\nThe machine was busy: times wavered by up to {100 * worst:.0f} %. Tune again when it is quiet."
        )
    lines += [f"\n{what}; written to {tuned.path}"]
    if named:
        lines.append(f"Later runs use it with FLECKCORE_TUNING={tuned.path.resolve()}")
    else:
        lines.append("Later runs use it. To ignore it: FLECKCORE_TUNING=off, or delete the file.")
    return "\n".join(lines)
