"""``fleckcore find``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleckcore.cli.request import Request, Run, search_options
from fleckcore.cli.results import describe, to_json, write_results
from fleckcore.cli.survey import brief_survey, describe_limits, write_survey
from fleckcore.detection.search import search

if TYPE_CHECKING:
    from fleckcore.frame import Frame

__all__ = ["command"]


@click.command("find")
@search_options
@click.option("--bright", is_flag=True, help="Search bright features instead of shadows.")
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
def command(request: Request, *, with_completeness: bool, together: bool) -> int:
    """Find dust flecks and other compact shadows (1 to some 40 pixels) in FILES.

    FILES are flats, flashed darks or other evenly lit frames in FITS (plain, .gz or .fz). For each chip the folder
    gets a catalogue (.ecsv), DS9 regions (.reg), a label mask (_mask.fits) and pictures (.png). Positions in the
    catalogue are 0-based pixel centres of the trimmed frame; DS9 and FITS viewers show them one higher.
    """
    if with_completeness and request.options.bright:
        raise click.UsageError("--completeness knows shadows only, not --bright.")
    if together and (with_completeness or request.companions.reference_given is not None):
        raise click.UsageError("--together knows neither --completeness nor --reference.")
    run = _Run(request)
    if together:
        run.search_together()
        return run.finish()
    with _progress(request.files, shown=not request.as_json) as paths:
        for path in paths:
            run.search_file(path, with_completeness=with_completeness)
    return run.finish()


class _Run(Run):
    def search_file(self, path: Path, *, with_completeness: bool) -> None:
        from fleckcore.io import clean_text, read

        with self.skipping(str(path)):
            frames = read(path, profile=self.request.companions.profile, chip=self.request.chip)
            for frame in frames:
                alone = len(frames) == 1
                label = clean_text(str(path)) + ("" if alone else f"[{frame.meta.extension}]")
                suffix = "" if alone else f"_chip{frame.meta.chip}"
                with self.skipping(label):
                    self._search_frame(frame, label, path, suffix, with_completeness)

    def search_together(self) -> None:
        """Search the same chip of all files at once; files that cannot be read are left out."""
        from fleckcore.io import read

        request = self.request
        chips: dict[tuple[int | None, str], list[Frame]] = {}
        for path in request.files:
            with self.skipping(str(path)):
                for frame in read(path, profile=request.companions.profile, chip=request.chip):
                    chips.setdefault((frame.meta.chip, frame.meta.extension), []).append(frame)
        for frames in chips.values():
            with self.skipping(str(frames[0].meta.path)):
                self._search_all(frames, alone=len(chips) == 1)

    def _search_all(self, frames: list[Frame], *, alone: bool) -> None:
        from fleckcore.detection.joint import search_all
        from fleckcore.io import clean_text

        request, about = self.request, frames[0].meta
        assert about.path is not None
        result = search_all(
            frames,
            bias=request.companions.bias(about.chip),
            options=request.options,
            threads=request.threads,
        )
        chip = "" if alone else f"_chip{about.chip}"
        stem = self.stem(about.path, f"{chip}_together")
        files = write_results(result.frame, result, request.output, stem, pictures=request.pictures)
        label = clean_text(str(about.path)) + ("" if alone else f"[{about.extension}]")
        label += f" and {len(frames) - 1} more" if len(frames) > 1 else ""
        lines, record = describe(label, result.catalog), to_json(label, result.catalog, files)
        self.note(record, [*lines, f"  results: {files['catalog'].with_suffix('')}.*"])

    def _search_frame(
        self, frame: Frame, label: str, path: Path, suffix: str, with_completeness: bool
    ) -> None:
        request = self.request
        how = request.of_chip(frame.meta.chip)
        result = search(frame, **how)
        stem = self.stem(path, suffix)
        files = write_results(frame, result, request.output, stem, pictures=request.pictures)
        lines, record = describe(label, result.catalog), to_json(label, result.catalog, files)
        if with_completeness:
            survey = brief_survey(frame, label, **how)
            more = write_survey(survey, request.output, stem, pictures=request.pictures)
            lines += describe_limits(survey)
            record["completeness"] = survey.to_json()
            record["files"] |= {kind: str(path) for kind, path in more.items()}
        self.note(record, [*lines, f"  results: {files['catalog'].with_suffix('')}.*"])


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
