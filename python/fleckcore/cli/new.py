"""``fleckcore new``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli import EXIT_NOTHING_USABLE
from fleckcore.cli.results import can_draw, prepare_folder
from fleckcore.cli.stacks import (
    FITS_ENDINGS,
    Exposures,
    bias_option,
    show_progress,
    unused,
    without_mean_bias,
    write_record,
)
from fleckcore.detection.options import DEFAULTS, Options

if TYPE_CHECKING:
    from astropy.table import QTable

    from fleckcore.frame import Frame
    from fleckcore.track import Changes, Epoch, Registry

__all__ = ["command"]

LIT = ("short_dark", "flat", "unknown")
"""Kinds in which a shadow shows, the best first; of an archive the first that is there before and since is used."""
LEAST_AREA = 8
"""Footprint of what counts as new in darks: a new sink pixel and its trail cover two or three pixels."""
YEAR = 365.25


@click.command("new")
@click.argument("archive")
@click.option(
    "--since",
    required=True,
    help="Date (2017-05-05, 2017-05-05T12:00) or MJD: what was not there before is new.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fleckcore-out"),
    show_default=True,
    help="Folder for the results. It is made when missing; older results of the same name are replaced.",
)
@click.option(
    "--registry",
    "previous",
    type=click.Path(path_type=Path, dir_okay=False),
    help="registry.fits of an earlier run: its features keep their names, and the difference is said.",
)
@click.option(
    "--events",
    "occurrences",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Table (.ecsv or .csv) with the columns kind and mjd: anneals, safings, filter moves. Whether births follow "
    "them more often than by chance is tested.",
)
@click.option(
    "--profile", help="Instrument profile. By default the header decides, else 'generic'."
)
@click.option("--chip", type=int, help="Only this CCDCHIP. By default every chip.")
@click.option(
    "--min-area",
    type=click.IntRange(1),
    help=f"Least number of footprint pixels. By default {LEAST_AREA} in darks, where pixels go bad, else "
    f"{DEFAULTS.min_area}.",
)
@click.option(
    "--limits/--no-limits",
    default=True,
    help="When nothing is new, measure what would have been found: some dozen searches more for each chip.",
)
@bias_option
@click.option("--threads", type=click.IntRange(1), help="Threads. The result is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def command(archive: str, since: str, output: Path, **options: Any) -> int:
    """Say what is new, moved, vanished or changed in ARCHIVE since a date, and when it happened.

    ARCHIVE is a folder with FITS files, at any depth. Of these the short flashed darks are used, else the flats,
    filter by filter: those before the date against those since. The folder gets a registry of all features with their
    names (registry.fits), the events (events.ecsv), a record (new.json) and a picture (new.png) of each chip.
    """
    from fleckcore.track import Registry

    prepare_folder(output)
    split = _mjd(since)
    previous = Registry.read(options["previous"]) if options["previous"] else None
    occurrences = _read_occurrences(options["occurrences"])
    with TemporaryDirectory(prefix=".fleckcore-", dir=output) as room:
        exposures = Exposures(
            _files(Path(archive)),
            options["profile"],
            options["chip"],
            options["bias_level"],
            Path(room),
        )
        found = []
        for frames in exposures.each_chip():
            taken = _Taken.of(frames, split, exposures.left_out)
            if taken:
                found.append(_compare(taken, previous, output, options))
    if not found:
        click.echo(f"error: nothing lit was taken both before and since {since}.", err=True)
        return EXIT_NOTHING_USABLE
    report = _Report(found, previous, occurrences)
    report.write(output, {"archive": archive, "since_mjd": split, "not_used": exposures.left_out})
    click.echo(
        json.dumps(report.record(), allow_nan=False, indent=1)
        if options["as_json"]
        else "\n".join(
            [*report.lines(), f"results: {output / 'registry.fits'}, events.ecsv, new.json"]
        )
    )
    return unused(exposures.left_out)


def _files(archive: Path) -> tuple[Path, ...]:
    if archive.is_file():
        return (archive,)
    return tuple(
        sorted(
            one
            for one in archive.rglob("*")
            if one.name.lower().endswith(FITS_ENDINGS) and one.is_file()
        )
    ) or (archive,)


def _mjd(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a date like 2017-05-05 nor an MJD.", param_hint="--since"
        ) from None
    return (moment - datetime(1858, 11, 17)).total_seconds() / 86400


def _read_occurrences(path: Path | None) -> list[tuple[str, float]]:
    """Read kinds and dates of what was done."""
    if path is None:
        return []
    from astropy.table import Table

    from fleckcore.errors import InputFileError

    try:
        table = Table.read(
            path, format="ascii.ecsv" if path.suffix.lower() == ".ecsv" else "ascii.csv"
        )
        return list(zip(map(str, table["kind"]), map(float, table["mjd"]), strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise InputFileError(
            f"is no table with the columns kind and mjd: {error}", code="I04", path=path
        ) from error


@dataclass(frozen=True)
class _Taken:
    """What there is of one chip before and since: exposures of one kind, by what lights them."""

    kind: str
    before: dict[str, list[Frame]]
    since: dict[str, list[Frame]]
    bias: str

    @classmethod
    def of(
        cls, frames: Sequence[Frame], split: float, left_out: list[dict[str, str]]
    ) -> _Taken | None:
        dated = _usable(frames, left_out)
        for kind in LIT:
            lit, bias = without_mean_bias(
                [frame for frame in dated if frame.meta.kind == kind], frames
            )
            before, since = (
                _by_light([frame for frame in lit if ((frame.meta.mjd or 0.0) < split) == early])
                for early in (True, False)
            )
            both = before.keys() & since.keys()
            if both:
                before, since = (
                    {light: part[light] for light in sorted(both)} for part in (before, since)
                )
                return cls(kind, before, since, bias)
        return None


def _usable(frames: Sequence[Frame], left_out: list[dict[str, str]]) -> list[Frame]:
    """Give frames with a date, each exposure once; say and list the others."""
    kept: dict[Any, Frame] = {}
    for frame in frames:
        key = frame.meta.rootname or (frame.meta.path, frame.meta.extension)
        fault = None
        if frame.meta.mjd is None:
            fault = "M03", "has no date"
        elif key in kept:
            fault = "M02", f"is the same exposure as {kept[key].meta.path}"
        if fault is None:
            kept[key] = frame
            continue
        code, message = fault
        left_out.append({"input": str(frame.meta.path), "code": code, "error": message})
        click.echo(f"not used: {code} {frame.meta.path} {message}", err=True)
    return sorted(kept.values(), key=lambda frame: frame.meta.mjd or 0.0)


def _by_light(frames: Sequence[Frame]) -> dict[str, list[Frame]]:
    from fleckcore.track import light_of

    found: dict[str, list[Frame]] = {}
    for frame in frames:
        found.setdefault(light_of(frame), []).append(frame)
    return found


def _epoch(name: str, lights: dict[str, list[Frame]], threads: int | None) -> Epoch:
    """Make the mean of each light."""
    from fleckcore.calibrate import combine_darks, mean_exposure
    from fleckcore.track import Epoch, mean_light

    means = []
    for frames in lights.values():
        if frames[0].meta.kind.endswith("_dark") and frames[0].meta.unit == "electron":
            total = combine_darks(frames, threads=threads).frame
            means.append(mean_exposure(total, len(frames)))
        else:
            means.append(mean_light(frames, threads))
    every = sorted((frame for part in lights.values() for frame in part), key=_date)
    return Epoch(
        frames=tuple(means),
        name=name,
        first=_date(every[0]),
        last=_date(every[-1]),
        exposures=tuple(every) if len(lights) == 1 else (),
    )


def _date(frame: Frame) -> float:
    return math.nan if frame.meta.mjd is None else frame.meta.mjd


@dataclass(frozen=True)
class _Chip:
    """What came of one chip."""

    chip: int | None
    kind: str
    bias: str
    counts: tuple[int, int]
    span: tuple[float, float, float]
    """First exposure, last before the date, last."""
    found: Changes
    limits: QTable | None
    pixels: int


def _compare(
    taken: _Taken, previous: Registry | None, output: Path, options: dict[str, Any]
) -> _Chip:
    from fleckcore.track import birth_limits, compare_epochs

    threads = options["threads"]
    epochs = [
        _epoch(name, lights, threads)
        for name, lights in (("before", taken.before), ("since", taken.since))
    ]
    dark = taken.kind.endswith("_dark")
    how = replace(
        DEFAULTS,
        shapes="compact" if dark else DEFAULTS.shapes,
        min_area=options["min_area"] or (LEAST_AREA if dark else DEFAULTS.min_area),
    )
    meta = epochs[0].frames[0].meta
    found = compare_epochs(
        epochs[0],
        epochs[1],
        previous=None if previous is None else previous.of_chip(meta.chip),
        options=how,
        threads=threads,
    )
    limits = None
    if options["limits"] and not found.changes:
        with show_progress("what would have been found", shown=not options["as_json"]) as told:
            limits = birth_limits(found, **_tried(how), progress=told)
    if can_draw():
        from fleckcore.report.changes import plot_changes

        name = "new.png" if meta.chip is None else f"new_chip{meta.chip}.png"
        plot_changes(found, output / name, overwrite=True)
    return _Chip(
        chip=meta.chip,
        kind=taken.kind,
        bias=taken.bias,
        counts=tuple(sum(map(len, part.values())) for part in (taken.before, taken.since)),  # type: ignore[arg-type]
        span=(epochs[0].first, epochs[0].last, epochs[1].last),
        found=found,
        limits=limits,
        pixels=int((~found.later.normalised.mask).sum()),
    )


def _tried(how: Options) -> dict[str, Any]:
    """What is put on the frames: in a search of compact features flecks of some sizes, else the usual discs."""
    if how.shapes == "compact":
        return {"kinds": ("fleck",), "radii": (2, 4, 8)}
    return {}


class _Report:
    """What is said of all chips."""

    def __init__(
        self,
        chips: list[_Chip],
        previous: Registry | None,
        occurrences: list[tuple[str, float]],
    ) -> None:
        from fleckcore.track import Registry, find_coincidences

        self.chips = chips
        self.registry = Registry.join([one.found.registry for one in chips])
        self.difference = previous.diff(self.registry) if previous else None
        self.span = min(one.span[0] for one in chips), max(one.span[2] for one in chips)
        born = [
            (event.after, event.before)
            for one in chips
            for event in one.found.changes
            if event.kind == "appeared"
        ]
        self.coincidences = (
            find_coincidences(born, occurrences, span=self.span) if occurrences else ()
        )

    def write(self, output: Path, about: dict[str, Any]) -> None:
        from fleckcore.io.catalogs import write_catalog

        self.about = about
        self.registry.write(output / "registry.fits", overwrite=True)
        write_catalog(self.registry.events, output / "events.ecsv", overwrite=True)
        write_record(output / "new.json", self.record())

    def record(self) -> dict[str, Any]:
        from dataclasses import asdict

        return {
            **self.about,
            "chips": [self._chip_record(one) for one in self.chips],
            "coincidences": [asdict(one) for one in self.coincidences],
            "difference": asdict(self.difference) if self.difference else None,
        }

    def _chip_record(self, one: _Chip) -> dict[str, Any]:
        from fleckcore.detection.catalog import to_rows

        return {
            "chip": one.chip,
            "kind": one.kind,
            "bias": one.bias,
            "exposures": list(one.counts),
            "filters": list(one.found.filters),
            "features": len(one.found.registry),
            "stayed": one.found.stayed,
            "events": [event.to_json() for event in one.found.changes],
            "limits": None if one.limits is None else to_rows(one.limits),
            "pixels": one.pixels,
            "events_per_year_95": self._rate(one) if not one.found.changes else None,
        }

    def _rate(self, one: _Chip) -> float:
        from fleckcore.measure import rate_of_events

        return rate_of_events(0, (one.span[2] - one.span[1]) / YEAR).limit

    def lines(self) -> list[str]:
        found = [line for one in self.chips for line in self._of_chip(one)]
        for one in self.coincidences:
            found.append(
                f"{one.together} of {one.births} births follow {one.kind}; by chance {one.expected:.2g}, "
                f"as many or more with a probability of {one.chance:.2g}"
            )
        if self.difference is not None:
            found += [
                "against the earlier registry:",
                *(f"  {x}" for x in str(self.difference).split("\n")),
            ]
        return found

    def _of_chip(self, one: _Chip) -> list[str]:
        name = "" if one.chip is None else f"chip {one.chip}: "
        head = (
            f"{name}{one.counts[0]} {one.kind} exposures before, {one.counts[1]} since, {one.bias}; "
            f"{one.found.stayed} features stayed, {len(one.found.changes) or 'nothing'} changed"
        )
        if one.found.changes:
            return [head, *(f"  {_describe(event)}" for event in one.found.changes)]
        lines = [f"  nothing new over {one.pixels} pixels"]
        for row in one.limits if one.limits is not None else ():
            depth = float(row["depth_95"])
            limit = (
                f"deeper than {100 * depth:.2g} % would have been found with 95 %"
                if math.isfinite(depth)
                else "is not found with 95 % at any depth that was tried"
            )
            lines.append(f"  a {row['kind']} of {row['radius'].value:g} pixels radius {limit}")
        lines.append(f"  at most {self._rate(one):.2g} events a year (95 %)")
        return [head, *lines]


def _describe(event: Any) -> str:
    when = f"between MJD {event.after:.2f} and {event.before:.2f} ({100 * event.probability:.0f} %)"
    return f"{event.feature}: {event}, {when}; false alarms {event.false_alarms:.1g}"
