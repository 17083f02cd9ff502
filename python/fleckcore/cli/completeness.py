"""``fleckcore completeness``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli import EXIT_NOTHING_USABLE, EXIT_SOME_QUARANTINED
from fleckcore.cli.companions import Companions
from fleckcore.cli.find import command as find
from fleckcore.cli.find import make_settings, stem_of
from fleckcore.cli.results import can_draw, describe_notes, prepare_folder, result_paths
from fleckcore.cli.survey import describe_limits, describe_purity, survey, write_survey
from fleckcore.detection.injection import GRIDS, make_cells
from fleckcore.errors import FleckError, MissingExtraError, OutputError

if TYPE_CHECKING:
    from fleckcore.frame import Frame

__all__ = ["command"]

OF_FIND_ALONE = {"bright", "pictures", "together", "with_completeness"}


def _numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """Read numbers with commas between."""
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        message = f"{value!r} is not a list of numbers such as 4,16,64."
        raise click.BadParameter(message, context, parameter) from None


@click.command("completeness")
@click.option(
    "--pictures/--no-pictures",
    default=None,
    help="Draw the result. By default when the extra 'report' is installed.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(tuple(GRIDS)),
    multiple=True,
    help="What to put on the frame; may be repeated. By default flecks, discs and rings.",
)
@click.option(
    "--radii", callback=_numbers, help="Radii in pixels, as 4,16,64. By default 1 to 100."
)
@click.option(
    "--depths",
    callback=_numbers,
    help="Greatest losses of light in per cent, as 0.5,1,2. By default 0.2 to 10, of flecks 2 to 100.",
)
@click.option(
    "--trials",
    type=click.IntRange(1, 100_000),
    help="Shadows of each kind, radius and depth. By default 24 up to 16 pixels radius, 5 of larger ones.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides the places."
)
def command(
    files: tuple[Path, ...],
    output: Path,
    profile: str | None,
    chip: int | None,
    bias: str | None,
    reference: Path | None,
    threads: int | None,
    pictures: bool | None,
    as_json: bool,
    kinds: tuple[str, ...],
    radii: tuple[float, ...] | None,
    depths: tuple[float, ...] | None,
    trials: int | None,
    seed: int,
    **options: Any,
) -> int:
    """Say which shadows a search of FILES would find, and how much of what it lists is real.

    Known shadows are put on the frame itself, many at a time, and searched for as `fleckcore find` does. Several
    FILES are exposures of one scene; their mean is searched, chip by chip. The folder gets a table
    (.completeness.ecsv) and a picture (.completeness.png).
    """
    if pictures and not can_draw():
        raise click.UsageError(str(MissingExtraError("matplotlib", "report")))
    grid = {
        "kinds": kinds or None,
        "radii": radii,
        "depths": None if depths is None else tuple(depth / 100 for depth in depths),
    }
    settings = make_settings(options, reference)
    _check_grid(grid)
    prepare_folder(output)
    run = _Run(
        output=output,
        companions=Companions(profile, bias, reference),
        how={"options": settings, "trials": trials, "seed": seed, "threads": threads, **grid},
        pictures=can_draw() if pictures is None else pictures,
        as_json=as_json,
    )
    run.companions.check(chip)
    run.measure_files(files, chip)
    return run.finish()


command.params = [
    *(parameter for parameter in find.params if parameter.name not in OF_FIND_ALONE),
    *command.params,
]  # what a search can be told, a survey of it can


def _check_grid(grid: dict[str, Any]) -> None:
    """Refuse what cannot be put on a frame before any work."""
    try:
        make_cells(**grid)
    except FleckError as error:
        raise click.UsageError(str(error)) from None


@dataclass
class _Run:
    output: Path
    companions: Companions
    how: dict[str, Any]
    pictures: bool
    as_json: bool
    records: list[dict[str, Any]] = field(default_factory=list)
    taken: set[Path] = field(default_factory=set)
    measured: int = 0

    def measure_files(self, files: tuple[Path, ...], chip: int | None) -> None:
        """Average the files chip by chip, and measure each mean."""
        from fleckcore.io import clean_text, safe_name

        self.taken = {path.resolve() for path in files}
        chips = self._read(files, chip)
        for frames in chips:
            about = frames[0].meta
            path = Path(clean_text(str(about.path)))
            alone = len(chips) == 1
            label = str(path) if alone else f"{path}[{about.extension}]"
            label += f" and {len(frames) - 1} more" if len(frames) > 1 else ""
            stem = safe_name(stem_of(path) + ("" if alone else f"_chip{about.chip}"))
            try:
                self._measure(frames, label, stem)
            except OutputError:
                raise
            except FleckError as error:
                self._not_used(label, error)

    def finish(self) -> int:
        if self.as_json:
            click.echo(json.dumps(self.records, allow_nan=False, indent=1))
        if not self.measured:
            return EXIT_NOTHING_USABLE
        failed = any("error" in record for record in self.records)
        return EXIT_SOME_QUARANTINED if failed else 0

    def _read(self, files: tuple[Path, ...], chip: int | None) -> list[list[Frame]]:
        """Give the frames of every chip and extension, in the order in which they first appear."""
        from fleckcore.io import clean_text, read

        chips: dict[tuple[int | None, str], list[Frame]] = {}
        for path in files:
            try:
                for frame in read(path, profile=self.companions.profile, chip=chip):
                    key = frame.meta.chip, frame.meta.extension
                    chips.setdefault(key, []).append(frame)
            except FleckError as error:
                self._not_used(clean_text(str(path)), error)
        return list(chips.values())

    def _measure(self, frames: list[Frame], label: str, stem: str) -> None:
        chip = frames[0].meta.chip
        result = survey(
            frames,
            label,
            bias=self.companions.bias(chip),
            reference=self.companions.reference(chip),
            **self.how,
        )
        name = self._unused(stem)
        files = write_survey(result, self.output, name, pictures=self.pictures)
        self.measured += 1
        named = {kind: str(path) for kind, path in files.items()}
        self.records.append({"input": label, **result.to_json(), "files": named})
        if not self.as_json:
            meta = result.cells.meta
            lines = [f"{label}: {meta['listed']} feature{'' if meta['listed'] == 1 else 's'}"]
            lines += describe_notes(meta) + describe_limits(result) + describe_purity(result)
            click.echo("\n".join(lines))
            click.echo(f"  results: {files['completeness'].with_suffix('')}.*")

    def _not_used(self, name: str, error: FleckError) -> None:
        from fleckcore.io import clean_text

        message = clean_text(str(error))
        self.records.append({"input": name, "code": error.code, "error": message})
        click.echo(f"not used: {message}", err=True)

    def _unused(self, stem: str) -> str:
        """A name whose files are neither inputs nor results of this run."""
        name, number = stem, 2
        while not self.taken.isdisjoint(result_paths(self.output, name)):
            name, number = f"{stem}_{number}", number + 1
        self.taken.update(result_paths(self.output, name))
        return name
