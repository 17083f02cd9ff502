"""``fleckcore demo``."""

from __future__ import annotations

import time
from collections import Counter
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleckcore import simulate
from fleckcore.cli.results import can_draw, describe, prepare_folder, write_results
from fleckcore.detection.search import DEFAULTS, Options, search
from fleckcore.io import read, write_image

if TYPE_CHECKING:
    from fleckcore.detection.catalog import Catalog
    from fleckcore.frame import Frame

__all__ = ["command"]

FLAT = "ESIS1_04803.fit.gz"
FLAT_BIAS = 3675.0
"""Mean level in DN of the flat's blank columns, both sides."""
LINES_SHOWN = 13
"""Of a search; of more, only the first."""


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
    """Search a real flat, a simulated flat and a simulated Hubble chip pair, and say what was found."""
    start = time.monotonic()
    prepare_folder(output)
    click.echo("A real flat of a rocket-borne camera (NASA MSFC, ESIS), with small flecks of dust:")
    with as_file(files("fleckcore") / "demo_data" / FLAT) as path:
        (frame,) = read(path)
        _search(frame, output, "esis_flat", bias=FLAT_BIAS)
    _search_simulated_flat(output)
    _search_short_dark(output)
    click.echo(f"\nDone in {time.monotonic() - start:.0f} s. Results: {output.resolve()}")
    if can_draw():
        click.echo("Look first at simulated_flat.png, then at esis_flat.png.")
    else:
        click.echo("For pictures: pip install 'fleckcore[report]'")


def _search_simulated_flat(output: Path) -> None:
    click.echo(
        "\nA simulated flat of any camera, with six shadows of dust far out of focus (30 to 100 pixels"
    )
    click.echo(
        "in radius, 0.5 to 3 % deep; two overlap, one is cut by the edge) and five flecks in focus:"
    )
    scene = simulate.vignetted_flat()
    path = output / "simulated_flat.fits"
    cards = (
        ("HIERARCH SIMULATED", True, "no light fell on a detector"),
        ("IMAGETYP", "FLAT", "image type"),
        ("DATE-OBS", "2000-01-01", "of no meaning"),
        ("BUNIT", "ELECTRONS", "brightness units"),
    )
    write_image(path, scene.frame.data, cards, overwrite=True)
    (frame,) = read(path)
    click.echo(_verdict(scene, _search(frame, output, "simulated_flat")))


def _search_short_dark(output: Path) -> None:
    click.echo(
        "\nA simulated Hubble ACS/WFC short dark, flash-lit, with the three flecks of May 2017"
    )
    click.echo(
        "and 100 freckles a chip (5 x 5 pixels that lose 5 to 50 %), searched with --shapes compact:"
    )
    scenes = [simulate.short_dark(chip=chip, seed=chip) for chip in (1, 2)]
    path = output / "simulated_short_dark.fits"
    simulate.write(scenes, path, overwrite=True)
    for frame, scene in zip(read(path), scenes, strict=True):
        stem = f"simulated_short_dark_chip{frame.meta.chip}"
        catalog = _search(frame, output, stem, options=Options(shapes="compact"))
        click.echo(_verdict(scene, catalog))


def _search(
    frame: Frame,
    output: Path,
    stem: str,
    *,
    bias: float | None = None,
    options: Options = DEFAULTS,
) -> Catalog:
    result = search(frame, bias=bias, options=options)
    write_results(frame, result, output, stem, pictures=can_draw())
    lines = describe(f"  {stem}", result.catalog)
    click.echo("\n".join([*lines[:7], "  ..."] if len(lines) > LINES_SHOWN else lines))
    return result.catalog


def _verdict(scene: simulate.Scene, catalog: Catalog) -> str:
    """Say how many of the known shadows were found, by kind, and how many are none of them."""
    found = simulate.match_truth(scene.truth, catalog["x_centroid"], catalog["y_centroid"])
    there = Counter(item.kind for item in scene.truth)
    hits = Counter(
        item.kind for item, match in zip(scene.truth, found, strict=True) if match is not None
    )
    parts = [f"{hits[kind]} of {n} {kind}{'' if n == 1 else 's'}" for kind, n in there.items()]
    false = len(catalog) - hits.total()
    return f"  -> known: {', '.join(parts)} found; {false} false alarm{'' if false == 1 else 's'}"
