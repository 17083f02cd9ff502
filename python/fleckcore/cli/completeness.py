"""``fleckcore completeness``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli.request import Request, Run, search_options
from fleckcore.cli.results import describe_notes
from fleckcore.cli.survey import describe_limits, describe_purity, survey, write_survey
from fleckcore.detection.injection import GRIDS, make_cells
from fleckcore.errors import FleckError

if TYPE_CHECKING:
    from fleckcore.detection.completeness import Completeness
    from fleckcore.frame import Frame

__all__ = ["command"]


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
@search_options
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(tuple(GRIDS)),
    multiple=True,
    help="What to put on the frame; may be repeated. By default flecks, discs and rings.",
)
@click.option(
    "--radii", callback=_numbers, help="Radii in pixels, as 4,16,64. By default 1 to 150."
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
    request: Request,
    *,
    kinds: tuple[str, ...],
    radii: tuple[float, ...] | None,
    depths: tuple[float, ...] | None,
    trials: int | None,
    seed: int,
) -> int:
    """Say which shadows a search of FILES would find, and how much of what it lists is real.

    Known shadows are put on the frame itself, many at a time, and searched for as `fleckcore find` does. Several
    FILES are exposures of one scene; their mean is searched, chip by chip. The folder gets a table
    (.completeness.ecsv) and a picture (.completeness.png).
    """
    grid = {
        "kinds": kinds or None,
        "radii": radii,
        "depths": None if depths is None else tuple(depth / 100 for depth in depths),
    }
    _check_grid(grid)
    run = _Run(request)
    run.measure(grid | {"trials": trials, "seed": seed})
    return run.finish()


def _check_grid(grid: dict[str, Any]) -> None:
    """Refuse what cannot be put on a frame before any work."""
    try:
        make_cells(**grid)
    except FleckError as error:
        raise click.UsageError(str(error)) from None


class _Run(Run):
    def measure(self, how: dict[str, Any]) -> None:
        """Average the files chip by chip, and measure each mean."""
        from fleckcore.io import clean_text

        chips = self._read()
        for frames in chips:
            about = frames[0].meta
            path, alone = Path(str(about.path)), len(chips) == 1
            label = clean_text(str(path)) + ("" if alone else f"[{about.extension}]")
            label += f" and {len(frames) - 1} more" if len(frames) > 1 else ""
            with self.skipping(label):
                result = survey(frames, label, **self.request.of_chip(about.chip), **how)
                self._write(result, label, self.stem(path, "" if alone else f"_chip{about.chip}"))

    def _read(self) -> list[list[Frame]]:
        """Give the frames of every chip and extension, in the order in which they first appear."""
        from fleckcore.io import read

        request = self.request
        chips: dict[tuple[int | None, str], list[Frame]] = {}
        for path in request.files:
            with self.skipping(str(path)):
                for frame in read(path, profile=request.companions.profile, chip=request.chip):
                    key = frame.meta.chip, frame.meta.extension
                    chips.setdefault(key, []).append(frame)
        return list(chips.values())

    def _write(self, result: Completeness, label: str, stem: str) -> None:
        request, meta = self.request, result.cells.meta
        files = write_survey(result, request.output, stem, pictures=request.pictures)
        named = {kind: str(path) for kind, path in files.items()}
        self.note(
            {"input": label, **result.to_json(), "files": named},
            [
                f"{label}: {meta['listed']} feature{'' if meta['listed'] == 1 else 's'}",
                *describe_notes(meta),
                *describe_limits(result),
                *describe_purity(result),
                f"  results: {files['completeness'].with_suffix('')}.*",
            ],
        )
