"""``fleckcore cte``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli import EXIT_NOTHING_USABLE, EXIT_SOME_QUARANTINED
from fleckcore.cli.results import prepare_folder
from fleckcore.errors import FleckError, OutputError

if TYPE_CHECKING:
    from fleckcore.frame import Frame
    from fleckcore.instruments import Profile
    from fleckcore.traps import TrapModels

__all__ = ["command"]

ENDING = "_cte.fits"


@click.command("cte")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fleckcore-out"),
    show_default=True,
    help="Folder for the corrected files, NAME_cte.fits. Older ones of the same name are replaced.",
)
@click.option("--table", type=click.Path(path_type=Path), help="PCTETAB with the traps.")
@click.option(
    "--model",
    is_flag=True,
    help="Take the traps from the instrument's profile instead, for the date of each file.",
)
@click.option("--profile", help="Instrument profile. By default the header decides.")
@click.option("--threads", type=click.IntRange(1), help="Threads. The result is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def command(
    files: tuple[Path, ...],
    output: Path,
    *,
    table: Path | None,
    model: bool,
    profile: str | None,
    threads: int | None,
    as_json: bool,
) -> int:
    """Put back the charge that traps delayed while FILES were read out.

    FILES are exposures in electrons without overscan (blv_tmp, flt), before dark and flash are subtracted. What is
    written keeps every header, with HISTORY of what was done; a record in numbers lies beside it, NAME_cte.json.
    """
    if (table is None) != model:
        raise click.UsageError("say either --table or --model.")
    from fleckcore.instruments import load_profile
    from fleckcore.io import clean_text
    from fleckcore.io.pctetab import read_pctetab

    known = None if profile is None else load_profile(profile)
    models = None if table is None else read_pctetab(table)
    prepare_folder(output)
    records: list[dict[str, Any]] = []
    for number, path in enumerate(files, start=1):
        try:
            record = _correct(path, output, models, known, threads)
            if not as_json:
                click.echo("\n".join(_describe(record, number, len(files))))
        except OutputError:
            raise
        except FleckError as error:
            message = clean_text(str(error))
            record = {"input": clean_text(str(path)), "code": error.code, "error": message}
            click.echo(f"not used: {message}", err=True)
        records.append(record)
    if as_json:
        click.echo(json.dumps(records, allow_nan=False, indent=1))
    failed = ["error" in record for record in records]
    return EXIT_NOTHING_USABLE if all(failed) else EXIT_SOME_QUARANTINED if any(failed) else 0


def _correct(
    path: Path,
    output: Path,
    models: TrapModels | None,
    profile: Profile | None,
    threads: int | None,
) -> dict[str, Any]:
    from fleckcore import __version__
    from fleckcore.calibrate import correct_cte
    from fleckcore.instruments import load_profile, model_traps
    from fleckcore.io import atomic_write, clean_text, read, safe_name
    from fleckcore.io.exposures import write_exposure

    start = time.perf_counter()
    frames, chips, used = [], [], models
    for frame in read(path, profile=profile):
        known = profile or load_profile(frame.meta.profile)
        if used is None:
            used = model_traps(known, _date(frame))
        corrected, record = correct_cte(frame, used, profile=known, threads=threads)
        frames.append(corrected)
        chips.append({"chip": frame.meta.chip, "extension": frame.meta.extension, **record})
    assert used is not None
    target = output / (safe_name(path.name.partition(".fit")[0]) + ENDING)
    if target.resolve() == path.resolve():
        raise OutputError(
            "would replace its input.", code="R08", path=target, advice="Choose another -o."
        )
    scale = used.parallel.scale(chips[0]["mjd"])
    write_exposure(
        target,
        frames,
        like=path,
        profile=profile,
        cards=[
            ("FILENAME", target.name, "name of file"),
            ("PCTECORR", "COMPLETE", "cte correction"),
            ("PCTETAB", used.name, "traps of the cte correction"),
            ("PCTEFRAC", scale, "scale of the traps"),
        ],
        history=[f"fleckcore {__version__} cte: charge put back with the traps of {used.name}"],
        overwrite=True,
    )
    seconds = round(time.perf_counter() - start, 3)
    result = {
        "input": clean_text(str(path)),
        "output": str(target),
        "chips": chips,
        "seconds": seconds,
    }
    with atomic_write(target.with_suffix(".json"), overwrite=True) as file:
        file.write(json.dumps(result, allow_nan=False, indent=1).encode())
    return result


def _date(frame: Frame) -> float:
    from fleckcore.errors import MetadataError

    if frame.meta.mjd is None:
        raise MetadataError("no date, and traps grow.", code="M07", path=frame.meta.path)
    return frame.meta.mjd


def _describe(record: dict[str, Any], number: int, count: int) -> list[str]:
    lines = [f"{record['input']} ({number} of {count}, {record['seconds']:.1f} s)"]
    for chip in record["chips"]:
        for letter, told in chip["amplifiers"].items():
            moved = ", ".join(
                f"{name} {told[name]['moved_e']:.0f} e-"
                for name in ("serial", "parallel")
                if name in told
            )
            lines.append(f"  chip {chip['chip']}, amplifier {letter}: {moved} put back")
    return [*lines, f"  result: {record['output']}"]
