"""``fleckcore simulate``."""

from __future__ import annotations

import json
import time
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleckcore.cli.results import prepare_folder

if TYPE_CHECKING:
    from fleckcore.simulate import Exposure

__all__ = ["command"]

RECORD = "truth.json"
REFERENCES = "jref"


@click.command("simulate")
@click.argument("scene", default="acs_wfc")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the files and for truth.json, which says what is on them.",
)
@click.option(
    "--cycle",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Write the anneal cycle that this day belongs to.",
)
@click.option(
    "--campaign", is_flag=True, help="Write everything from the scene's first day to its last."
)
@click.option("--kinds", help="Only these kinds, with commas: short_dark,flat.")
@click.option("--limit", type=click.IntRange(1), help="Only the first exposures.")
@click.option(
    "--calibrated",
    is_flag=True,
    help="Electrons with error and quality planes instead of raw numbers.",
)
@click.option(
    "--references",
    is_flag=True,
    help="Write reference files for the day of the first exposure to OUTPUT/jref, and name them in the headers.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes. The files are the same.")
@click.option("--overwrite", is_flag=True, help="Replace older files.")
@click.option("--json", "as_json", is_flag=True, help="Print the record instead of text.")
def command(
    scene: str,
    output: Path,
    *,
    cycle: datetime | None,
    campaign: bool,
    kinds: str | None,
    limit: int | None,
    calibrated: bool,
    references: bool,
    workers: int | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Write the exposures of a simulated detector.

    SCENE is the name of a packaged scene or the path of a TOML file. The same scene gives the same bytes,
    whichever of its exposures are written. Every header says SIMULATED.
    """
    if (cycle is None) != campaign:
        raise click.UsageError("say either --cycle or --campaign.")
    from fleckcore.io import atomic_write
    from fleckcore.simulate import (
        Observatory,
        load_scene,
        observe,
        select,
        truth_record,
        write_references,
    )

    start = time.perf_counter()
    loaded = load_scene(scene)
    day = None if cycle is None else cycle.date()
    wanted = [part.strip() for part in kinds.split(",")] if kinds else None
    exposures = select(loaded, cycle=day, kinds=wanted)[:limit]
    prepare_folder(output)
    observatory = Observatory(loaded)
    names: dict[str, str] = {}
    if references and exposures:
        prepare_folder(output / REFERENCES)
        names = write_references(
            observatory, output / REFERENCES, mjd=exposures[0].mjd, overwrite=overwrite
        )
    if not as_json:
        click.echo(f"{loaded.title}: {_count(exposures, day)}")
    written = []
    for item, path in observe(
        loaded,
        exposures,
        output,
        calibrate=calibrated,
        references=names,
        workers=workers,
        overwrite=overwrite,
    ):
        written.append((item, path))
        click.echo(
            f"\r{len(written)} of {len(exposures)}: {path.name} {item.kind:<14}", err=True, nl=False
        )
    click.echo("", err=True)
    record = truth_record(observatory, sorted(written, key=lambda pair: pair[0].index))
    text = json.dumps(record, allow_nan=False, indent=1)
    with atomic_write(output / RECORD, overwrite=True) as file:
        file.write(text.encode())
    if as_json:
        click.echo(text)
    else:
        click.echo(f"{len(written)} files in {time.perf_counter() - start:.0f} s: {output}")
    return 0


def _count(exposures: tuple[Exposure, ...], cycle: date | None) -> str:
    kinds = [item.kind for item in exposures]
    parts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    return ", ".join(parts or ["nothing"]) + (f" of the cycle of {cycle}" if cycle else "")
