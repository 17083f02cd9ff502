"""``fleckcore bench``."""

from __future__ import annotations

from pathlib import Path

import click

from fleckcore.cli.results import can_draw

__all__ = ["command"]


@click.command("bench")
@click.option(
    "-k", "--only", default="", metavar="TEXT", help="Only what has this text in its name."
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=11,
    show_default=True,
    help="Turns of each program.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all figures here.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw them into this PNG or SVG.",
)
def command(only: str, repeats: int, json_path: Path | None, picture: Path | None) -> None:
    """Measure the kernels on this machine, beside the other programs that are installed.

    Frames have 4096 x 2048 pixels and are made from a seed. Programs take turns on the same input, results are
    compared first, and of every time the shortest counts. Compared where installed: scipy, OpenCV, sep, photutils
    and connected-components-3d.
    """
    from fleckcore import bench

    if picture and not can_draw():
        raise click.UsageError("--picture needs matplotlib: pip install 'fleckcore[report]'")
    chosen = (case for case in bench.cases() if only in f"{case.kernel}: {case.name}")
    limits = bench.measure_limits()
    measurements = []
    for measurement in bench.measure_all(chosen, repeats):
        measurements.append(measurement)
        click.echo(f"{measurement.kernel}: {measurement.name}", err=True)
        limits = limits.better(bench.measure_limits(repeats=3))
    click.echo(bench.text_of(measurements, limits), nl=False)
    if json_path:
        json_path.write_text(bench.json_of(measurements, limits), encoding="utf-8")
    if picture:
        bench.draw(measurements, limits, picture)
