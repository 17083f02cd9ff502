"""What commands that combine exposures share: reading, bias, progress and the record."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from fleckcore.errors import FleckError

if TYPE_CHECKING:
    from fleckcore.frame import Frame

__all__ = ["BiasFit", "bias_option", "read_exposures", "show_progress", "unused", "write_record"]


BiasFit = Literal["constant", "line", "none"]

bias_option = click.option(
    "--bias-level",
    type=click.Choice(get_args(BiasFit)),
    default="constant",
    show_default=True,
    help="Of raw exposures with overscan: how each amplifier's level is taken from its prescan before its gain makes "
    "electrons. none: keep DN.",
)


def read_exposures(
    files: tuple[Path, ...],
    *,
    profile: str | None,
    chip: int | None,
    bias_level: BiasFit,
    left_out: list[dict[str, str]],
) -> dict[int | None, list[Frame]]:
    """Read the chips of all files, raw ones in electrons; what cannot be used is said and listed."""
    from fleckcore.io import clean_text

    chips: dict[int | None, list[Frame]] = {}
    for path in files:
        try:
            for frame in _read(path, profile, chip, bias_level):
                chips.setdefault(frame.meta.chip, []).append(frame)
        except FleckError as error:
            message = clean_text(str(error))
            left_out.append({"input": clean_text(str(path)), "code": error.code, "error": message})
            click.echo(f"not used: {message}", err=True)
    return chips


def _read(path: Path, profile: str | None, chip: int | None, fit: BiasFit) -> Sequence[Frame]:
    from fleckcore.calibrate import measure_bias, subtract_bias, to_electrons
    from fleckcore.io import read

    trimmed = read(path, profile=profile, chip=chip)
    if fit == "none":
        return trimmed
    return [
        to_electrons(subtract_bias(raw, measure_bias(raw, fit=fit)))
        if raw.meta.x_offset < 0 and raw.meta.unit == "DN"
        else frame
        for raw, frame in zip(
            read(path, profile=profile, chip=chip, trim=False), trimmed, strict=True
        )
    ]


@contextmanager
def show_progress(label: str, *, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, told the rows that are done and how many there are."""
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def unused(left_out: list[dict[str, str]]) -> int:
    """Give the exit code of a run that used some of its inputs."""
    from fleckcore.cli import EXIT_SOME_QUARANTINED

    return EXIT_SOME_QUARANTINED if left_out else 0


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write what was done, in numbers."""
    from fleckcore.io import atomic_write

    with atomic_write(path, overwrite=True) as file:
        file.write(json.dumps(record, allow_nan=False, indent=1).encode())
