"""What every command that searches files can be told, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from fleckcore.cli import EXIT_NOTHING_USABLE, EXIT_SOME_QUARANTINED
from fleckcore.cli.companions import Companions
from fleckcore.cli.results import can_draw, prepare_folder, result_paths
from fleckcore.detection.normalise import METHODS
from fleckcore.detection.options import DEFAULTS, Options
from fleckcore.errors import FleckError, MissingExtraError, OutputError
from fleckcore.kernels import build_config

__all__ = ["Request", "Run", "search_options"]

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path)),
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("fleckcore-out"),
        show_default=True,
        help="Folder for the results. It is made when missing; older results of the same name are replaced.",
    ),
    click.option(
        "--profile", help="Instrument profile. By default the header decides, else 'generic'."
    ),
    click.option("--chip", type=int, help="Only this CCDCHIP. By default every chip."),
    click.option(
        "--bias",
        help="Bias frame (a file) or level (a number), subtracted first. Without it a pedestal makes shadows look "
        "shallower than they are.",
    ),
    click.option(
        "--normalise",
        type=click.Choice(METHODS),
        default=DEFAULTS.normalise,
        show_default=True,
        help="How the undisturbed light is divided out. ratio: over a large-window median, which suits every lit "
        "frame. literal: the published 15x15 recipe with its own thresholds, which loses small flecks. difference: "
        "against --reference. none: the frame is normalised already.",
    ),
    click.option(
        "--reference",
        type=click.Path(path_type=Path),
        help="Frame from before, for --normalise difference.",
    ),
    click.option(
        "--window",
        type=int,
        default=DEFAULTS.window,
        show_default=True,
        help="Median window in pixels, odd: larger than the features (here up to 40 across), small enough to follow "
        "vignetting.",
    ),
    click.option(
        "--shapes",
        type=click.Choice(["all", "compact"]),
        default=DEFAULTS.shapes,
        show_default=True,
        help="compact: up to some 15 pixels radius; all: large discs, rings and streaks too.",
    ),
    click.option(
        "--false-alarms",
        type=float,
        default=DEFAULTS.false_alarms,
        show_default=True,
        help="Expected number of features in a frame of pure Gaussian noise; sets the threshold.",
    ),
    click.option(
        "--min-depth",
        type=float,
        default=DEFAULTS.min_depth,
        show_default=True,
        help="Least loss in the deepest pixel of a feature of up to some 3 pixels across; below it pixels merely "
        "differ in sensitivity.",
    ),
    click.option(
        "--min-area",
        type=int,
        default=DEFAULTS.min_area,
        show_default=True,
        help="Least number of pixels in a footprint; single pixels count by default.",
    ),
    click.option(
        "--max-size",
        type=int,
        default=DEFAULTS.max_size,
        show_default=True,
        help="Largest extent of a compact feature in pixels, streaks excepted; what is larger is counted as 'large', "
        "not listed.",
    ),
    click.option(
        "--unlit-below",
        type=float,
        default=DEFAULTS.unlit_below,
        show_default="1/3",
        help="Pixels with less than this fraction of the typical light are not searched.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1),
        help="Threads. By default FLECKCORE_NUM_THREADS, else what this process may use. The result is the "
        "same.",
    ),
    click.option(
        "--pictures/--no-pictures",
        default=None,
        help="Draw the result. By default when the extra 'report' is installed.",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="Print JSON for programs instead of text."
    ),
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to search, how, and where the results go.

    Attributes
    ----------
    files : tuple of Path
        Inputs.
    output : Path
        Folder for the results.
    chip : int or None
        Only this CCDCHIP.
    companions : Companions
        Bias and reference of the files, and their profile.
    options : Options
        How to search.
    threads : int or None
        For the kernels.
    pictures : bool
        Draw the results.
    as_json : bool
        Print JSON, no text.
    """

    files: tuple[Path, ...]
    output: Path
    chip: int | None
    companions: Companions
    options: Options
    threads: int | None
    pictures: bool
    as_json: bool

    def of_chip(self, chip: int | None) -> dict[str, Any]:
        """Give the arguments with which a frame of a chip is searched."""
        return {
            "bias": self.companions.bias(chip),
            "reference": self.companions.reference(chip),
            "options": self.options,
            "threads": self.threads,
        }


def search_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the arguments of a search to a command, which gets them as its first, a `Request`.

    An option of the command's own that has the name of a field of `Options` is one of the search too.
    """
    of_search = {each.name for each in fields(Options)}

    @wraps(command)
    def told(
        *,
        files: tuple[Path, ...],
        output: Path,
        profile: str | None,
        chip: int | None,
        bias: str | None,
        reference: Path | None,
        threads: int | None,
        pictures: bool | None,
        as_json: bool,
        **others: Any,
    ) -> int:
        options = {name: others.pop(name) for name in of_search & others.keys()}
        if pictures and not can_draw():
            raise click.UsageError(str(MissingExtraError("matplotlib", "report")))
        request = Request(
            files=files,
            output=output,
            chip=chip,
            companions=Companions(profile, bias, reference),
            options=_make_options(options, reference),
            threads=threads,
            pictures=can_draw() if pictures is None else pictures,
            as_json=as_json,
        )
        return command(request, **others)

    for option in reversed(_OPTIONS):
        told = option(told)
    return told


def _make_options(given: dict[str, Any], reference: Path | None) -> Options:
    """Give the options of the search; what cannot be meant is a usage error, before any work."""
    if given["normalise"] == "difference" and reference is None:
        raise click.UsageError("--normalise difference needs --reference.")
    try:
        build_config()  # reads FLECKCORE_NUM_THREADS and FLECKCORE_ISA
        return Options(**given)
    except (FleckError, ValueError) as error:
        raise click.UsageError(str(error)) from None


@dataclass
class Run:
    """Carries out a request: checks it before any work, keeps what came of it, and gives the exit code.

    Attributes
    ----------
    request : Request
        What was asked for.
    records : list of dict
        One for each frame that was searched, and for each input that could not be used.
    """

    request: Request
    records: list[dict[str, Any]] = field(default_factory=list)
    _stems: set[str] = field(default_factory=set)
    _taken: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        prepare_folder(self.request.output)
        self.request.companions.check(self.request.chip)
        self._taken |= {path.resolve() for path in self.request.files}

    @contextmanager
    def skipping(self, name: str) -> Iterator[None]:
        """Note what cannot be used, and go on; what cannot be written ends the run."""
        from fleckcore.io import clean_text

        try:
            yield
        except OutputError:
            raise
        except FleckError as error:
            message = clean_text(str(error))
            self.records.append({"input": clean_text(name), "code": error.code, "error": message})
            click.echo(f"not used: {message}", err=True)

    def stem(self, path: Path, suffix: str = "") -> str:
        """Give a name for results, under which no input and no other result of this run lies."""
        from fleckcore.io import safe_name

        first = name = safe_name(_without_endings(path) + suffix)
        number = 2
        while name in self._stems or not self._taken.isdisjoint(self._results(name)):
            name, number = f"{first}_{number}", number + 1
        self._stems.add(name)
        self._taken.update(self._results(name))
        return name

    def note(self, record: dict[str, Any], lines: list[str]) -> None:
        """Keep what came of a frame, and say it."""
        self.records.append(record)
        if not self.request.as_json:
            click.echo("\n".join(lines))

    def finish(self) -> int:
        """Print the JSON that was asked for, and give the exit code."""
        if self.request.as_json:
            click.echo(json.dumps(self.records, allow_nan=False, indent=1))
        failed = ["error" in record for record in self.records]
        if all(failed):
            return EXIT_NOTHING_USABLE
        return EXIT_SOME_QUARANTINED if any(failed) else 0

    def _results(self, stem: str) -> list[Path]:
        return result_paths(self.request.output, stem)


def _without_endings(path: Path) -> str:
    """Give the name of a file without its folder and endings."""
    name = path.name
    for ending in (".gz", ".fz"):
        name = name.removesuffix(ending)
    return name.rsplit(".", 1)[0] if "." in name else name
