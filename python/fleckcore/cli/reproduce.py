"""``fleckcore reproduce``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli.results import prepare_folder

if TYPE_CHECKING:
    from fleckcore.reproduce import Verdict

__all__ = ["command"]


@click.command("reproduce")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--scene", default="acs_wfc", show_default=True, help="Name of a scene, or a TOML file."
)
@click.option(
    "--quick", is_flag=True, help="Expose a small part of the campaign: some claims stay open."
)
@click.option("--threads", type=click.IntRange(1), help="Threads. The result is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def command(folder: Path, scene: str, quick: bool, threads: int | None, as_json: bool) -> int:
    """Repeat the report on the flecks of 2017 into FOLDER, on a simulated detector.

    Exposures of the whole campaign are simulated, searched and measured. FOLDER gets every figure and table,
    claims.md, which holds each of its claims against what was measured, and reproduction.json with every number.
    Older ones are replaced. Needs some 8 GB of room there while it runs.
    """
    from fleckcore.reproduce import QUICK, Extent, judge, load_claims, reproduce, write_reproduction

    start = time.perf_counter()
    prepare_folder(folder)
    story = reproduce(
        folder, scene=scene, extent=QUICK if quick else Extent(), threads=threads, told=_tell
    )
    verdicts = judge(load_claims(), story.measured)
    names = write_reproduction(story, verdicts, folder, told=_tell)
    click.echo("", err=True)
    record: dict[str, Any] = {
        "output": str(folder),
        "files": names,
        "agree": sum(verdict.agrees for verdict in verdicts),
        "claims": len(verdicts),
        "seconds": round(time.perf_counter() - start, 1),
    }
    click.echo(json.dumps(record, indent=1) if as_json else "\n".join(_describe(record, verdicts)))
    return 0


def _tell(what: str, done: int, total: int) -> None:
    click.echo(f"\r{what}: {done} of {total}".ljust(60), err=True, nl=False)


def _describe(record: dict[str, Any], verdicts: tuple[Verdict, ...]) -> list[str]:
    lines = [f"{record['agree']} of {record['claims']} claims agree. Not these:"]
    lines += [
        f"  {verdict.claim.number:2}: {verdict.claim.text}"
        for verdict in verdicts
        if not verdict.agrees
    ]
    return [
        *lines,
        f"  results: {record['output']} ({record['seconds']:.0f} s); begin with claims.md",
    ]
