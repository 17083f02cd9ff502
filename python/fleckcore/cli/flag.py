"""``fleckcore flag``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleckcore.cli import EXIT_NOTHING_USABLE, EXIT_SOME_QUARANTINED
from fleckcore.errors import FleckError, MetadataError, OutputError
from fleckcore.flag import FORMATS

if TYPE_CHECKING:
    from fleckcore.instruments import Profile

__all__ = ["command"]

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
PROFILE = click.option(
    "--profile", "profile_name", default="acs_wfc", show_default=True, help="Instrument profile."
)
FROM = click.option(
    "--from",
    "form",
    type=click.Choice(FORMATS),
    help="Format of MASK. By default its name and header say.",
)
CHIP = click.option("--chip", type=int, help="CCDCHIP of a list that does not say it.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace an older file.")
VALUE = click.option("--value", type=int, help="Quality bits. By default the profile's bad pixel.")
PATH = click.Path(path_type=Path, dir_okay=False)


def _dates(function: Callable[..., int]) -> Callable[..., int]:
    day = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
    for option in (
        click.option("--simulated", is_flag=True, help="PEDIGREE is MODEL."),
        click.option(
            "--description",
            default="Bad pixels found by fleckcore",
            show_default=True,
            help="DESCRIP.",
        ),
        click.option(
            "--last", type=day, help="Last observation that shows them. By default the birth."
        ),
        click.option(
            "--first", type=day, help="First observation that shows them. By default the birth."
        ),
        click.option(
            "--born", type=day, help="Birth (UTC): USEAFTER. Wanted by bpixtab and snkcfile."
        ),
    ):
        function = option(function)
    return function


@click.group("flag")
def command() -> None:
    """Make, check, apply and convert flags, and say what comes of them.

    A MASK is a file of any format: bpixtab, snkcfile, lsst, eso, boolean, pixinsight, siril or ds9.
    """


@command.command("table")
@click.argument("mask", type=PATH)
@click.argument("output", type=PATH)
@FROM
@CHIP
@VALUE
@PROFILE
@_dates
@OVERWRITE
@AS_JSON
def table(
    mask: Path, output: Path, value: int | None, overwrite: bool, as_json: bool, **given: Any
) -> int:
    """Make a table of bad pixels (BPIXTAB) of MASK, read it again, and check it."""
    from fleckcore.flag import check_table, deliver_table, encode_masks

    profile = _profile(given["profile_name"])
    masks = _read(mask, profile, given["form"], given["chip"])
    made = encode_masks(masks, profile, value=value)
    written = deliver_table(
        output,
        made,
        _about("bpixtab", given, output),
        profile,
        overwrite=overwrite,
        history=[f"Made by fleckcore of {mask.name}"],
    )
    findings = check_table(written, profile)
    lines = [f"{output}: {len(written)} rows, {_counts(masks)}", *map(str, findings)]
    _say(
        as_json,
        lines,
        {"rows": len(written), "pixels": _pixels(masks), "findings": [asdict(f) for f in findings]},
    )
    return EXIT_SOME_QUARANTINED if any(f.severity == "refused" for f in findings) else 0


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=PATH)
@PROFILE
@AS_JSON
def check(files: tuple[Path, ...], profile_name: str, as_json: bool) -> int:
    """Say what is wrong with tables of bad pixels. Exit code 3 where one would be refused."""
    from fleckcore.flag import check_table
    from fleckcore.io.bad_pixels import read_bad_pixels

    refused = broken = 0
    records: list[dict[str, Any]] = []
    for path in files:
        try:
            findings = check_table(read_bad_pixels(path), _profile(profile_name))
        except FleckError as error:
            broken += 1
            records.append({"file": str(path), "error": str(error), "code": error.code})
            _say(as_json, [f"error: {error}"], None)
            continue
        refused += any(one.severity == "refused" for one in findings)
        records.append({"file": str(path), "findings": [asdict(one) for one in findings]})
        _say(
            as_json,
            [f"{path}: {'no fault' if not findings else ''}", *(f"  {one}" for one in findings)],
            None,
        )
    _say(as_json, [], records)
    if broken == len(files):
        return EXIT_NOTHING_USABLE
    return EXIT_SOME_QUARANTINED if refused or broken else 0


@command.command("apply")
@click.argument("table", type=PATH)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for copies."
)
@click.option("--in-place", is_flag=True, help="Change FILES themselves.")
@OVERWRITE
@AS_JSON
def apply(
    table: Path,
    files: tuple[Path, ...],
    output: Path | None,
    in_place: bool,
    overwrite: bool,
    as_json: bool,
) -> int:
    """OR TABLE into the quality planes of FILES as calacs does, into copies or in place; checksums are renewed."""
    from fleckcore.io.bad_pixels import read_bad_pixels

    if (output is None) != in_place:
        raise click.UsageError("give either -o FOLDER or --in-place.")
    bad, records, failed = read_bad_pixels(table), [], 0
    if output is not None:
        from fleckcore.cli.results import prepare_folder

        prepare_folder(output)
    for path in files:
        target = path if output is None else output / path.name
        try:
            records.append(_apply(bad, path, target, overwrite or in_place))
        except OutputError:
            raise
        except FleckError as error:
            failed += 1
            records.append({"file": str(path), "error": str(error), "code": error.code})
            click.echo(f"not used: {error}", err=True)
            continue
        for one in records[-1]["planes"]:
            note = ", no row holds: placeholder 64" if one["placeholder"] else ""
            _say(
                as_json,
                [f"{target}[{one['extension']}]: {one['pixels']} pixels, {one['rows']} rows{note}"],
                None,
            )
    _say(as_json, [], records)
    if failed == len(files):
        return EXIT_NOTHING_USABLE
    return EXIT_SOME_QUARANTINED if failed else 0


def _apply(bad: Any, path: Path, target: Path, overwrite: bool) -> dict[str, Any]:
    from fleckcore.flag import apply_table
    from fleckcore.io.quality import read_quality, write_quality

    applied = [apply_table(bad, plane) for plane in read_quality(path)]
    line = f"fleckcore flag: DQ with the bits of {bad.path.name}"
    write_quality(target, [one.plane for one in applied], history=[line], overwrite=overwrite)
    planes = [
        {
            "extension": one.plane.extension,
            "chip": one.plane.chip,
            "rows": one.rows,
            "pixels": one.pixels,
            "changed": one.changed,
            "placeholder": one.placeholder,
        }
        for one in applied
    ]
    return {"file": str(path), "written": str(target), "planes": planes}


@command.command("convert")
@click.argument("mask", type=PATH)
@click.argument("output", type=PATH)
@click.option("--to", required=True, type=click.Choice(FORMATS), help="Format of OUTPUT.")
@FROM
@CHIP
@click.option("--size", type=int, nargs=2, help="Rows and columns of the image that a list is for.")
@PROFILE
@_dates
@OVERWRITE
@AS_JSON
def convert(
    mask: Path,
    output: Path,
    to: str,
    size: tuple[int, int] | None,
    overwrite: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Write MASK in another format. What is written is read again and compared."""
    from fleckcore.flag import read_masks, write_masks

    profile = _profile(given["profile_name"])
    masks = _read(mask, profile, given["form"], given["chip"], size)
    if given["chip"] is not None:
        masks = {number: one for number, one in masks.items() if number == given["chip"]}
    about = _about(to, given, output) if to in ("bpixtab", "snkcfile") else None
    write_masks(output, masks, to, profile=profile, about=about, overwrite=overwrite)
    number, shape = next((k, one.shape) for k, one in masks.items())
    again = read_masks(
        output, to, profile=profile, chip=number if len(masks) == 1 else None, shape=shape
    )
    if any((again[k] != one).any() for k, one in masks.items()):
        raise OutputError("the file, read again, holds another mask.", code="R01", path=output)
    _say(as_json, [f"{output}: {to}, {_counts(masks)}"], {"format": to, "pixels": _pixels(masks)})
    return 0


@command.command("preview")
@click.argument("mask", type=PATH)
@FROM
@CHIP
@VALUE
@PROFILE
@AS_JSON
def preview_command(
    mask: Path,
    form: str | None,
    chip: int | None,
    value: int | None,
    profile_name: str,
    as_json: bool,
) -> int:
    """Say what flagging MASK will do: bits, cosmic-ray rejection, drizzle, pixels lost. Exit code 3: illegal bits."""
    from fleckcore.flag import preview

    profile = _profile(profile_name)
    seen = preview(_read(mask, profile, form, chip), profile, value=value)
    lines = [f"value {seen.value}: {seen.bits}", *(f"problem: {text}" for text in seen.problems)]
    lines += [
        f"chip {one.chip}: {one.pixels} pixels, {100 * one.share:.5f} % of the chip"
        for one in seen.chips
    ]
    lines += [str(one) for one in (*seen.rejection, *seen.drizzled)]
    _say(as_json, lines, asdict(seen))
    return EXIT_SOME_QUARANTINED if seen.problems else 0


@command.command("coverage")
@click.argument("mask", type=PATH)
@FROM
@CHIP
@PROFILE
@click.option(
    "--pattern",
    default="ACS-WFC-DITHER-LINE",
    show_default=True,
    help="Pattern that the profile knows.",
)
@click.option(
    "--points",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Exposures of the pattern.",
)
@click.option(
    "--offset",
    "offsets",
    type=float,
    nargs=2,
    multiple=True,
    help="Columns and rows of an exposure, instead of a pattern; again for each.",
)
@click.option("--picture", type=PATH, help="Draw it: .png, .pdf or .svg.")
@OVERWRITE
@AS_JSON
def coverage_command(
    mask: Path,
    form: str | None,
    chip: int | None,
    profile_name: str,
    pattern: str,
    points: int,
    offsets: tuple[tuple[float, float], ...],
    picture: Path | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Count the pixels of the sky that no exposure of a dither sees once the pixels of MASK are flagged."""
    from fleckcore.flag import coverage, dither_offsets

    profile = _profile(profile_name)
    masks = _read(mask, profile, form, chip)
    order = [one.id for one in profile.chips if one.id in masks] or list(masks)
    steps = offsets or dither_offsets(profile, pattern, points)
    gap = profile.flagging.chip_gap if profile.flagging and len(masks) > 1 else 0.0
    found = coverage({number: masks[number] for number in order}, steps, gap=gap)
    numbers = {
        "offsets": found.offsets,
        "uncovered": found.uncovered,
        "uncovered_though_seen_again": found.uncovered_twice,
        "in_gap": found.in_gap,
        "good_once": found.good_once,
    }
    if picture is not None:
        from fleckcore.report.coverage import plot_coverage

        plot_coverage(found, picture, overwrite=overwrite)
    lines = [
        f"{len(found.offsets)} exposures, chips {', '.join(map(str, order))}",
        f"seen on flagged pixels alone: {found.uncovered}, of these by several exposures: {found.uncovered_twice}",
        f"in a gap that no exposure fills: {found.in_gap}",
        f"seen on one good pixel, where cosmic rays stay: {found.good_once}",
    ]
    _say(as_json, lines, numbers)
    return 0


def _profile(name: str) -> Profile:
    from fleckcore.instruments import load_profile

    return load_profile(name)


def _read(
    path: Path,
    profile: Profile,
    form: str | None,
    chip: int | None,
    size: tuple[int, int] | None = None,
) -> dict[int, Any]:
    from fleckcore.flag import read_masks

    return read_masks(path, form or _guess(path), profile=profile, chip=chip, shape=size)


def _guess(path: Path) -> str:
    """Tell a format where a name or a header does; maps and lists of text look alike."""
    by_name = {".ecsv": "lsst", ".reg": "ds9"}
    if path.suffix.lower() in by_name:
        return by_name[path.suffix.lower()]
    by_type = {"BAD PIXELS": "bpixtab", "SINK PIXELS": "snkcfile"}
    by_value = {0: "eso", 1: "boolean"}
    if path.name.lower().endswith((".fits", ".fits.gz", ".fit")):
        from fleckcore.io.blocks import open_blocks

        hdus = open_blocks(path).hdus
        kind = by_type.get(str(hdus[0].header.get("FILETYPE", "")).strip().upper())
        value: Any = next((h.header["BADVALUE"] for h in hdus if "BADVALUE" in h.header), None)
        if kind or value in by_value:
            return kind or by_value[value]
    raise MetadataError("nothing tells the format.", code="M07", path=path, advice="Give --from.")


def _about(form: str, given: Mapping[str, Any], path: Path) -> Any:
    from fleckcore.io.references import Reference

    born: datetime | None = given["born"]
    if born is None:
        raise click.UsageError(f"{form} {path.name} wants --born, the date from which it is used.")
    return Reference(
        kind="bad_pixels",
        useafter=born,
        first=given["first"] or born,
        last=given["last"] or max(born, given["first"] or born),
        description=given["description"],
        simulated=given["simulated"],
    )


def _pixels(masks: Mapping[int, Any]) -> dict[str, int]:
    return {str(chip): int(mask.sum()) for chip, mask in masks.items()}


def _counts(masks: Mapping[int, Any]) -> str:
    return ", ".join(f"{count} pixels of chip {chip}" for chip, count in _pixels(masks).items())


def _say(as_json: bool, lines: list[str], record: Any) -> None:
    """Print lines, or the record as JSON where it is wanted."""
    if not as_json:
        for line in lines:
            click.echo(line.rstrip())
    elif record is not None:
        click.echo(json.dumps(record, allow_nan=False, indent=1))
