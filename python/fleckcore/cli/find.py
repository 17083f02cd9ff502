"""``fleckcore find``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli import EXIT_NOTHING_USABLE, EXIT_SOME_QUARANTINED
from fleckcore.cli.companions import Companions
from fleckcore.cli.results import (
    can_draw,
    describe,
    prepare_folder,
    result_paths,
    to_json,
    write_results,
)
from fleckcore.cli.survey import brief_survey, describe_limits, write_survey
from fleckcore.detection.normalise import METHODS
from fleckcore.detection.search import DEFAULTS, Options, search
from fleckcore.errors import FleckError, MissingExtraError, OutputError
from fleckcore.kernels import build_config

if TYPE_CHECKING:
    from fleckcore.frame import Frame

__all__ = ["command", "make_settings", "stem_of"]


@click.command("find")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
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
    help="Bias frame (a file) or level (a number), subtracted first. Without it a pedestal makes shadows look "
    "shallower than they are.",
)
@click.option(
    "--normalise",
    type=click.Choice(METHODS),
    default=DEFAULTS.normalise,
    show_default=True,
    help="How the undisturbed light is divided out. ratio: over a large-window median, which suits every lit frame. "
    "literal: the published 15x15 recipe with its own thresholds, which loses small flecks. difference: against "
    "--reference. none: the frame is normalised already.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="Frame from before, for --normalise difference.",
)
@click.option(
    "--window",
    type=int,
    default=DEFAULTS.window,
    show_default=True,
    help="Median window in pixels, odd: larger than the features (here up to 40 across), small enough to follow "
    "vignetting.",
)
@click.option(
    "--shapes",
    type=click.Choice(["all", "compact"]),
    default=DEFAULTS.shapes,
    show_default=True,
    help="compact: up to some 15 pixels radius; all: large discs and rings too.",
)
@click.option("--bright", is_flag=True, help="Search bright features instead of shadows.")
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULTS.false_alarms,
    show_default=True,
    help="Expected number of features in a frame of pure Gaussian noise; sets the threshold.",
)
@click.option(
    "--min-depth",
    type=click.FloatRange(0, 1),
    default=DEFAULTS.min_depth,
    show_default=True,
    help="Least loss in the deepest pixel of a feature of up to some 3 pixels across; below it pixels merely differ "
    "in sensitivity.",
)
@click.option(
    "--min-area",
    type=click.IntRange(1),
    default=DEFAULTS.min_area,
    show_default=True,
    help="Least number of pixels in a footprint; single pixels count by default.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads. By default FLECKCORE_NUM_THREADS, else what this process may use. The result is the same.",
)
@click.option(
    "--pictures/--no-pictures",
    default=None,
    help="Draw the features and a sheet of thumbnails. By default when the extra 'report' is installed.",
)
@click.option(
    "--completeness",
    "with_completeness",
    is_flag=True,
    help="Also say which discs the search would find, by a dozen searches more; `fleckcore completeness` does it at "
    "length.",
)
@click.option(
    "--together",
    is_flag=True,
    help="FILES show one detector, through other filters or again: search them at once, chip by chip, into one list "
    "with the depth of each row in each file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def command(
    files: tuple[Path, ...],
    output: Path,
    profile: str | None,
    chip: int | None,
    bias: str | None,
    reference: Path | None,
    threads: int | None,
    pictures: bool | None,
    with_completeness: bool,
    together: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Find dust flecks and other compact shadows (1 to some 40 pixels) in FILES.

    FILES are flats, flashed darks or other evenly lit frames in FITS (plain, .gz or .fz). For each chip the folder
    gets a catalogue (.ecsv), DS9 regions (.reg), a label mask (_mask.fits) and pictures (.png). Positions in the
    catalogue are 0-based pixel centres of the trimmed frame; DS9 and FITS viewers show them one higher.
    """
    if pictures and not can_draw():
        raise click.UsageError(str(MissingExtraError("matplotlib", "report")))
    settings = make_settings(options, reference)
    if with_completeness and settings.bright:
        raise click.UsageError("--completeness knows shadows only, not --bright.")
    if together and (with_completeness or reference is not None):
        raise click.UsageError("--together knows neither --completeness nor a reference.")
    prepare_folder(output)
    run = _Run(
        output=output,
        reading={"profile": profile, "chip": chip},
        options=settings,
        companions=Companions(profile, bias, reference),
        threads=threads,
        pictures=can_draw() if pictures is None else pictures,
        with_completeness=with_completeness,
        as_json=as_json,
        inputs={path.resolve() for path in files},
    )
    run.companions.check(chip)
    if together:
        run.search_together(files)
        return run.finish()
    with _progress(files, shown=not as_json) as paths:
        for path in paths:
            run.search_file(path)
    return run.finish()


def make_settings(options: dict[str, Any], reference: Path | None) -> Options:
    """Give the options of the search; what cannot be meant is a usage error, before any work."""
    if options["normalise"] == "difference" and reference is None:
        raise click.UsageError("--normalise difference needs --reference.")
    try:
        build_config()  # reads FLECKCORE_NUM_THREADS and FLECKCORE_ISA
        return Options(**options)
    except (FleckError, ValueError) as error:
        raise click.UsageError(str(error)) from None


@dataclass
class _Run:
    output: Path
    reading: dict[str, Any]
    options: Options
    companions: Companions
    threads: int | None
    pictures: bool
    with_completeness: bool
    as_json: bool
    records: list[dict[str, Any]] = field(default_factory=list)
    inputs: set[Path] = field(default_factory=set)
    stems: set[str] = field(default_factory=set)
    searched: int = 0
    quarantined: int = 0

    def search_file(self, path: Path) -> None:
        from fleckcore.io import clean_text, read

        name = clean_text(str(path))
        try:
            frames = read(path, **self.reading)
            for frame in frames:
                self._search_frame(name, frame, alone=len(frames) == 1)
        except OutputError:
            raise
        except FleckError as error:
            self._not_used(name, error)

    def search_together(self, files: tuple[Path, ...]) -> None:
        """Search the same chip of all files at once; files that cannot be read are left out."""
        from fleckcore.io import clean_text, read

        chips: dict[tuple[int | None, str], list[Frame]] = {}
        for path in files:
            try:
                for frame in read(path, **self.reading):
                    chips.setdefault((frame.meta.chip, frame.meta.extension), []).append(frame)
            except FleckError as error:
                self._not_used(clean_text(str(path)), error)
        for frames in chips.values():
            about = frames[0].meta
            name = clean_text(str(about.path))
            try:
                self._search_all(name, frames, alone=len(chips) == 1)
            except OutputError:
                raise
            except FleckError as error:
                self._not_used(name, error)

    def _search_all(self, name: str, frames: list[Frame], *, alone: bool) -> None:
        from fleckcore.detection.joint import search_all
        from fleckcore.io import safe_name

        about = frames[0].meta
        result = search_all(
            frames,
            bias=self.companions.bias(about.chip),
            options=self.options,
            threads=self.threads,
        )
        chip = "" if alone else f"_chip{about.chip}"
        stem = self._unused(safe_name(f"{stem_of(Path(name))}{chip}_together"))
        written = write_results(result.frame, result, self.output, stem, pictures=self.pictures)
        label = name if alone else f"{name}[{about.extension}]"
        label += f" and {len(frames) - 1} more" if len(frames) > 1 else ""
        self._done(describe(label, result.catalog), to_json(label, result.catalog, written))

    def _not_used(self, name: str, error: FleckError) -> None:
        from fleckcore.io import clean_text

        self.quarantined += 1
        message = clean_text(str(error))
        self.records.append({"input": name, "code": error.code, "error": message})
        click.echo(f"not used: {message}", err=True)

    def _search_frame(self, name: str, frame: Frame, *, alone: bool) -> None:
        from fleckcore.io import safe_name

        chip = frame.meta.chip
        given: dict[str, Any] = {
            "bias": self.companions.bias(chip),
            "reference": self.companions.reference(chip),
            "options": self.options,
            "threads": self.threads,
        }
        result = search(frame, **given)
        stem = self._unused(safe_name(stem_of(Path(name)) + ("" if alone else f"_chip{chip}")))
        written = write_results(frame, result, self.output, stem, pictures=self.pictures)
        label = name if alone else f"{name}[{frame.meta.extension}]"
        lines = describe(label, result.catalog)
        record = to_json(label, result.catalog, written)
        if self.with_completeness:
            survey = brief_survey(frame, label, **given)
            files = write_survey(survey, self.output, stem, pictures=self.pictures)
            lines += describe_limits(survey)
            record["completeness"] = survey.to_json()
            record["files"] |= {kind: str(path) for kind, path in files.items()}
        self._done(lines, record)

    def _done(self, lines: list[str], record: dict[str, Any]) -> None:
        self.searched += 1
        self.records.append(record)
        if not self.as_json:
            click.echo("\n".join(lines))
            click.echo(f"  results: {Path(record['files']['catalog']).with_suffix('')}.*")

    def finish(self) -> int:
        if self.as_json:
            click.echo(json.dumps(self.records, allow_nan=False, indent=1))
        if not self.searched:
            return EXIT_NOTHING_USABLE
        return EXIT_SOME_QUARANTINED if self.quarantined else 0

    def _unused(self, stem: str) -> str:
        """A name that no other input of this run has taken, and whose files are not inputs themselves."""
        name, number = stem, 2
        while name in self.stems or not self.inputs.isdisjoint(result_paths(self.output, name)):
            name, number = f"{stem}_{number}", number + 1
        self.stems.add(name)
        return name


def stem_of(path: Path) -> str:
    """Give the name of a file without its folder and endings."""
    name = path.name
    for ending in (".gz", ".fz"):
        name = name.removesuffix(ending)
    return name.rsplit(".", 1)[0] if "." in name else name


@contextmanager
def _progress(files: tuple[Path, ...], *, shown: bool) -> Iterator[Iterable[Path]]:
    """A bar on a terminal when there is more than one file; nothing otherwise."""
    if not (shown and len(files) > 1 and sys.stderr.isatty()):
        yield files
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield bar.track(files, description="searching")
