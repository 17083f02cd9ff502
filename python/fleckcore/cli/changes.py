"""``fleckcore changes``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli import EXIT_NOTHING_USABLE
from fleckcore.cli.companions import Companions
from fleckcore.cli.results import can_draw, prepare_folder
from fleckcore.cli.stacks import (
    FITS_ENDINGS,
    Exposures,
    bias_option,
    unused,
    without_mean_bias,
    write_record,
)
from fleckcore.errors import MetadataError

if TYPE_CHECKING:
    from fleckcore.frame import Frame
    from fleckcore.track import Changes

__all__ = ["command"]

NOT_LIT = ("bias", "unflashed_dark")


@click.command("changes")
@click.argument("earlier")
@click.argument("later")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fleckcore-out"),
    show_default=True,
    help="Folder for the results. It is made when missing; older results of the same name are replaced.",
)
@click.option(
    "--profile", help="Instrument profile. By default the header decides, else 'generic'."
)
@click.option("--chip", type=int, help="Only this CCDCHIP. By default every chip.")
@click.option(
    "--bias",
    help="Bias frame (a file) or level (a number), subtracted first. By default the mean of the biases among the "
    "files of each night; without any, a pedestal makes shadows look shallower than they are.",
)
@bias_option
@click.option("--threads", type=click.IntRange(1), help="Threads. The result is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def command(earlier: str, later: str, output: Path, **options: Any) -> int:
    """Find what appeared, vanished or moved from the night EARLIER to the night LATER.

    Each is a FITS file, a folder with FITS files, or a pattern in quotes such as 'night1/domeflat*'. Of these the
    flats are compared, filter by filter; without flats, all that is not a bias or an unflashed dark. The folder gets
    a table (changes.ecsv), a registry of all features with their names (changes_registry.fits), a record in numbers
    (changes.json) and a picture (changes.png), for each chip if there are several.
    """
    prepare_folder(output)
    companions = Companions(options["profile"], options["bias"], None)
    companions.check(options["chip"])
    with TemporaryDirectory(prefix=".fleckcore-", dir=output) as room:
        nights = [
            Exposures(
                _files(given),
                options["profile"],
                options["chip"],
                options["bias_level"],
                Path(room),
            )
            for given in (earlier, later)
        ]
        chips = list(nights[0].each_chip()), list(nights[1].each_chip())
        records = [
            _compare(*pair, companions, output, "" if len(chips[0]) == 1 else "_chip", options)
            for pair in _paired(*chips)
        ]
    left_out = [one for night in nights for one in night.left_out]
    if not records:
        return EXIT_NOTHING_USABLE
    record = {"earlier": earlier, "later": later, "chips": records, "not_used": left_out}
    write_record(output / "changes.json", record)
    if options["as_json"]:
        click.echo(json.dumps(record, allow_nan=False, indent=1))
    return unused(left_out)


def _files(given: str) -> tuple[Path, ...]:
    """Give the files of a folder or a pattern; else the name itself, which is a file or an error."""
    path = Path(given)
    if path.is_dir():
        return tuple(
            sorted(one for one in path.iterdir() if one.name.lower().endswith(FITS_ENDINGS))
        ) or (path,)
    return tuple(sorted(map(Path, glob(given)))) or (path,)  # noqa: PTH207 (an absolute pattern too)


@dataclass(frozen=True)
class _Night:
    """What one night has of one chip: lit frames, the bias to subtract, and what both were made of."""

    lit: list[Frame]
    bias: Any
    about: str

    @classmethod
    def of(cls, frames: Sequence[Frame], bias: Any) -> _Night:
        flats = [frame for frame in frames if frame.meta.kind == "flat"]
        lit = flats or [frame for frame in frames if frame.meta.kind not in NOT_LIT]
        about = f"{len(lit)} frames"
        if bias is not None:
            return cls(lit, bias, f"{about}, bias as given")
        lit, what = without_mean_bias(lit, frames)
        return cls(lit, None, f"{about}, {what}")


def _paired(
    earlier: list[list[Frame]], later: list[list[Frame]]
) -> list[tuple[list[Frame], list[Frame]]]:
    """Give the frames of both nights, chip by chip; none where a night has none."""
    if not earlier or not later:
        return []
    chips = [{frames[0].meta.chip: frames for frames in night} for night in (earlier, later)]
    if chips[0].keys() != chips[1].keys():
        names = " and ".join(str(sorted(map(str, night))) for night in chips)
        raise MetadataError(f"the nights have chips {names}.", code="M07")
    return [(frames, chips[1][chip]) for chip, frames in chips[0].items()]


def _compare(
    earlier: list[Frame],
    later: list[Frame],
    companions: Companions,
    output: Path,
    suffix: str,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Compare one chip of two nights, write what came of it, and say it."""
    from fleckcore.io.catalogs import write_catalog
    from fleckcore.track import find_changes

    chip = earlier[0].meta.chip
    given = companions.bias(chip)
    nights = [_Night.of(frames, given) for frames in (earlier, later)]
    found = find_changes(
        nights[0].lit,
        nights[1].lit,
        bias=(nights[0].bias, nights[1].bias),
        threads=options["threads"],
    )
    stem = f"changes{suffix}{chip if suffix else ''}"
    table = found.to_table()
    write_catalog(table, output / f"{stem}.ecsv", overwrite=True)
    found.registry.write(output / f"{stem}_registry.fits", overwrite=True)
    files = [f"{stem}.ecsv", f"{stem}_registry.fits"]
    if can_draw():
        from fleckcore.report.changes import plot_changes

        plot_changes(found, output / f"{stem}.png", overwrite=True)
        files.append(f"{stem}.png")
    if not options["as_json"]:
        click.echo("\n".join(_describe(found, nights)))
        click.echo(f"  results: {output / stem}.*")
    return {
        "chip": chip,
        "changes": [one.to_json() for one in found.changes],
        "stayed": found.stayed,
        "filters": list(found.filters),
        "drift": {"dx": found.drift.dx, "dy": found.drift.dy, "features": found.drift.count},
        "frames": [len(night.lit) for night in nights],
        "files": files,
    }


def _describe(found: Changes, nights: list[_Night]) -> list[str]:
    drift = found.drift
    return [
        *(
            f"{name}: {night.about}"
            for name, night in zip(("earlier", "later"), nights, strict=True)
        ),
        f"{found.stayed} features stayed, shifted by {drift.dx:+.2f}, {drift.dy:+.2f} pixels on the whole; "
        f"{len(found.changes) or 'nothing'} changed",
        *(f"  {one}" for one in found.changes),
    ]
