"""``fleckcore demo``."""

from __future__ import annotations

import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleckcore import simulate
from fleckcore.cli.results import can_draw, describe, prepare_folder, write_results
from fleckcore.detection.search import search
from fleckcore.io import read

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog
    from fleckcore.frame import Frame

__all__ = ["command"]

FLAT = "ESIS1_04803.fit.gz"
FLAT_BIAS = 3675.0
"""Mean level in DN of the flat's blank columns, both sides."""


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fleckcore-demo"),
    show_default=True,
    help="Folder for the results. It is made when missing.",
)
def command(output: Path) -> None:
    """Search a real flat and a simulated Hubble chip pair, and say what was found."""
    start = time.monotonic()
    prepare_folder(output)
    click.echo("A real flat of a rocket-borne camera (NASA MSFC, ESIS), with small flecks of dust:")
    with as_file(files("fleckcore") / "demo_data" / FLAT) as path:
        (frame,) = read(path)
        _search(frame, output, "esis_flat", bias=FLAT_BIAS)

    click.echo(
        "\nA simulated Hubble ACS/WFC short dark, flash-lit, with the three flecks of May 2017"
    )
    click.echo("and 100 freckles a chip (5 x 5 pixels that lose 5 to 50 %):")
    scenes = [simulate.short_dark(chip=chip, seed=chip) for chip in (1, 2)]
    simulate.write(scenes, output / "simulated_short_dark.fits", overwrite=True)
    for frame, scene in zip(read(output / "simulated_short_dark.fits"), scenes, strict=True):
        catalog = _search(frame, output, f"simulated_short_dark_chip{frame.meta.chip}")
        click.echo(_verdict(scene, catalog))

    click.echo(f"\nDone in {time.monotonic() - start:.0f} s. Results: {output.resolve()}")
    if can_draw():
        click.echo("Look first at esis_flat.png and simulated_short_dark_chip2.png.")
    else:
        click.echo("For pictures: pip install 'fleckcore[report]'")


def _search(frame: Frame, output: Path, stem: str, *, bias: float | None = None) -> Catalog:
    result = search(frame, bias=bias)
    write_results(frame, result, output, stem, pictures=can_draw())
    lines = describe(f"  {stem}", result.catalog)
    click.echo("\n".join([*lines[:7], "  ..."] if len(lines) > 8 else lines))
    return result.catalog


def _verdict(scene: simulate.Scene, catalog: Catalog) -> str:
    found = simulate.match_truth(scene.truth, catalog["x_centroid"], catalog["y_centroid"])
    parts = []
    for kind in ("fleck", "freckle"):
        hits = [
            match is not None
            for item, match in zip(scene.truth, found, strict=True)
            if item.kind == kind
        ]
        parts.append(f"{sum(hits)} of {len(hits)} {kind}s found")
    false = len(catalog) - sum(match is not None for match in found)
    return f"  -> {', '.join(parts)}, {false} false alarm{'' if false == 1 else 's'}"
