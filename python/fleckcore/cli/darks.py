"""``fleckcore darks``."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli import EXIT_NOTHING_USABLE
from fleckcore.cli.results import prepare_folder
from fleckcore.cli.stacks import Exposures, bias_option, unused, write_record
from fleckcore.errors import MetadataError

if TYPE_CHECKING:
    from fleckcore.calibrate import Combined
    from fleckcore.frame import Frame, FrameMeta
    from fleckcore.traps import TrapModels

__all__ = ["command"]

_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)


@click.command("darks")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fleckcore-darks"),
    show_default=True,
    help="Folder for base_dark.fits, short_dark.fits, a superdark of each day, YYYYMMDDj_drk.fits, and darks.json. "
    "Older ones are replaced.",
)
@click.option(
    "--useafter",
    help="Date from which the first superdark is used, the anneal's. By default that of its day.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="PCTETAB: put trapped charge back first (_dkc.fits).",
)
@click.option("--model", is_flag=True, help="The same with the traps of the instrument's profile.")
@click.option("--hot", type=float, help="Dark current of a hot pixel, e-/s.")
@click.option("--warm", type=float, help="Dark current of a warm pixel, e-/s.")
@click.option("--simulated", is_flag=True, help="The exposures are simulated: PEDIGREE is MODEL.")
@bias_option
@click.option("--profile", help="Instrument profile. By default the header decides.")
@click.option("--chip", type=int, help="Only this CCDCHIP. By default every chip.")
@click.option("--threads", type=click.IntRange(1), help="Threads. The result is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def command(files: tuple[Path, ...], output: Path, **options: Any) -> int:
    """Make the darks of an anneal cycle from FILES, its long and short darks.

    All long darks make the base dark, all short ones the short dark, those of a day its daily dark. A day's superdark
    is the base dark with the hot pixels of that day, less the short dark, in electrons per second.
    """
    if options["table"] is not None and options["model"]:
        raise click.UsageError("say either --table or --model.")
    start = time.perf_counter()
    prepare_folder(output)
    inputs = Exposures(files, options["profile"], options["chip"], options["bias_level"], output)
    with TemporaryDirectory(prefix=".fleckcore-", dir=output) as room:
        with closing(inputs.each_chip()) as chips:
            made = [_Cycle(frames, options, Path(room)) for frames in chips]
        if not made:
            return EXIT_NOTHING_USABLE
        record: dict[str, Any] = {
            "output": str(output),
            "chips": [cycle.record for cycle in made],
            "files": _write(made, output, options),
            "not_used": inputs.left_out,
            "seconds": round(time.perf_counter() - start, 3),
        }
    write_record(output / "darks.json", record)
    click.echo(
        json.dumps(record, allow_nan=False, indent=1)
        if options["as_json"]
        else "\n".join(_describe(record))
    )
    return unused(inputs.left_out)


@dataclass
class _Cycle:
    """The darks of one chip; those of the days wait in ``room``."""

    frames: InitVar[Sequence[Frame]]
    options: dict[str, Any]
    room: Path
    metas: list[FrameMeta] = field(init=False)
    base: Combined = field(init=False)
    short: Combined = field(init=False)
    days: dict[int, Frame] = field(init=False, default_factory=dict)
    record: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self, frames: Sequence[Frame]) -> None:
        from fleckcore.calibrate import DarkLimits, combine_darks, superdark
        from fleckcore.io import put_aside

        self.metas = [frame.meta for frame in frames]
        kinds = {kind: _of(kind, frames) for kind in ("long_dark", "short_dark")}
        threads = self.options["threads"]
        self.base = self._corrected(combine_darks(kinds["long_dark"], threads=threads))
        self.short = self._corrected(combine_darks(kinds["short_dark"], threads=threads))
        limits = DarkLimits(
            **{
                name: self.options[name]
                for name in ("hot", "warm")
                if self.options[name] is not None
            }
        )
        told = {}
        for day, exposed in _by_day(kinds["long_dark"]).items():
            daily = self._corrected(combine_darks(exposed, threads=threads))
            made = superdark(self.base.frame, daily.frame, self.short.frame, limits=limits)
            self.days[day] = put_aside(made.frame, self.room / f"{made.frame.meta.chip}-{day}")
            told[_date(day).strftime("%Y-%m-%d")] = {"exposures": len(exposed), **made.record}
        meta = self.base.frame.meta
        self.record = {
            "chip": meta.chip,
            "base": self.base.record,
            "short": self.short.record,
            "days": told,
            "other_kinds": sum(meta.kind not in kinds for meta in self.metas),
        }

    def _corrected(self, combined: Combined) -> Combined:
        """Put trapped charge back, in the mean exposure: the sum never passed through the register."""
        from dataclasses import replace

        from fleckcore.calibrate import correct_cte
        from fleckcore.instruments import load_profile, model_traps
        from fleckcore.io.pctetab import read_pctetab

        if self.options["table"] is None and not self.options["model"]:
            return combined
        frame, count = combined.frame, len(combined.record["frames"])
        known = load_profile(frame.meta.profile)
        if frame.meta.mjd is None:
            raise MetadataError("no date, and traps grow.", code="M07", path=frame.meta.path)
        table = self.options["table"]
        models: TrapModels = (
            model_traps(known, frame.meta.mjd) if table is None else read_pctetab(table)
        )
        noise = {
            area.amplifier: (area.read_noise_e or 0.0) / count**0.5 for area in frame.meta.areas
        }
        mean = frame.replace(
            data=frame.data / count, error=None if frame.error is None else frame.error / count
        )
        fixed, told = correct_cte(mean, models, read_noise_e=noise, threads=self.options["threads"])
        error = None if fixed.error is None else fixed.error * count
        total = fixed.replace(data=fixed.data * count, error=error)
        return replace(combined, frame=total, record={**combined.record, "cte": told})


def _of(kind: str, frames: Sequence[Frame]) -> list[Frame]:
    found = [frame for frame in frames if frame.meta.kind == kind]
    if len(found) < 2:
        raise MetadataError(
            f"{len(found)} exposures are a {kind}, wanted 2 or more.",
            code="M07",
            advice="Give the long and the short flashed darks of a cycle.",
        )
    return found


def _by_day(frames: Sequence[Frame]) -> dict[int, list[Frame]]:
    """Group exposures by the day of their date; a day needs two to tell cosmic rays."""
    days: dict[int, list[Frame]] = {}
    for frame in frames:
        if frame.meta.mjd is not None:
            days.setdefault(int(frame.meta.mjd), []).append(frame)
    return {day: found for day, found in sorted(days.items()) if len(found) > 1}


def _date(mjd: float) -> datetime:
    return _MJD_ZERO + timedelta(days=mjd)


def _write(made: list[_Cycle], output: Path, options: dict[str, Any]) -> list[str]:
    from fleckcore import __version__
    from fleckcore.io.products import write_frames
    from fleckcore.io.references import Reference, write_reference

    names = []
    for name, frames in (
        ("base_dark.fits", [cycle.base.frame for cycle in made]),
        ("short_dark.fits", [cycle.short.frame for cycle in made]),
    ):
        write_frames(output / name, frames, overwrite=True)
        names.append(name)
    corrected = options["table"] is not None or options["model"]
    first, last = _interval(made)
    for number, day in enumerate(list(made[0].days)):
        begins = _date(min(meta.mjd for meta in made[0].metas if meta.mjd and int(meta.mjd) == day))
        useafter = (
            _given_date(options["useafter"]) if number == 0 and options["useafter"] else begins
        )
        about = Reference(
            kind="cte_dark" if corrected else "dark",
            useafter=useafter,
            first=first,
            last=last,
            description=("CTE corrected " if corrected else "")
            + f"superdark of {_date(day):%Y-%m-%d}",
            simulated=options["simulated"],
        )
        target = output / f"{_date(day):%Y%m%d}j_{'dkc' if corrected else 'drk'}.fits"
        history = [
            f"fleckcore {__version__} darks: base dark of {len(made[0].base.record['frames'])} exposures,",
            f"short dark of {len(made[0].short.record['frames'])}, hot pixels of the day.",
            *(str(frame["name"]) for frame in made[0].base.record["frames"]),
        ]
        write_reference(
            target,
            [cycle.days.pop(day) for cycle in made],
            about,
            selection=[("CCDAMP", "ABCD", "CCD amplifiers"), ("CCDGAIN", 2.0, "CCD gain (e-/DN)")],
            history=history,
            overwrite=True,
        )
        names.append(target.name)
    return names


def _interval(made: list[_Cycle]) -> tuple[datetime, datetime]:
    dates = [meta.mjd for cycle in made for meta in cycle.metas if meta.mjd is not None]
    if not dates:
        raise MetadataError("no exposure has a date.", code="M03")
    return _date(min(dates)), _date(max(dates))


def _given_date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise click.BadParameter(
            f"{text!r}, wanted like 2017-05-05.", param_hint="--useafter"
        ) from None


def _describe(record: dict[str, Any]) -> list[str]:
    lines = []
    for chip in record["chips"]:
        long, short = len(chip["base"]["frames"]), len(chip["short"]["frames"])
        lines.append(f"chip {chip['chip']}: base dark of {long} exposures, short dark of {short}")
        for date, day in chip["days"].items():
            lines.append(
                f"  {date}: {day['hot']} hot and {day['warm']} warm pixels; {day['born']} became hot, "
                f"{day['healed']} healed; median {day['median_e_s']:.5f} e-/s"
            )
    return [*lines, f"  results: {record['output']} ({record['seconds']:.1f} s)"]
