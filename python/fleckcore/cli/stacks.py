"""What commands that combine exposures share: reading, bias, progress and the record."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleckcore.errors import FleckError

if TYPE_CHECKING:
    from fleckcore.frame import Frame

__all__ = ["read_exposures", "show_progress", "unused", "write_record"]


def read_exposures(
    files: tuple[Path, ...],
    *,
    profile: str | None,
    chip: int | None,
    left_out: list[dict[str, str]],
) -> dict[int | None, list[Frame]]:
    """Read the chips of all files, raw ones in electrons; what cannot be used is said and listed."""
    from fleckcore.io import clean_text

    chips: dict[int | None, list[Frame]] = {}
    for path in files:
        try:
            for frame in _read(path, profile, chip):
                chips.setdefault(frame.meta.chip, []).append(frame)
        except FleckError as error:
            message = clean_text(str(error))
            left_out.append({"input": clean_text(str(path)), "code": error.code, "error": message})
            click.echo(f"not used: {message}", err=True)
    return chips


def _read(path: Path, profile: str | None, chip: int | None) -> list[Frame]:
    from fleckcore.calibrate import measure_bias, subtract_bias, to_electrons
    from fleckcore.io import read

    frames = []
    for frame in read(path, profile=profile, chip=chip, trim=False):
        raw = frame.meta.x_offset < 0 and frame.meta.unit == "DN"
        if raw:
            frames.append(to_electrons(subtract_bias(frame, measure_bias(frame))))
        else:
            frames.extend(read(path, profile=profile, chip=frame.meta.chip))
    return frames


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
