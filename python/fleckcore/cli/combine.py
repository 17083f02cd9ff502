"""``fleckcore combine``."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from fleckcore.calibrate.stack import (
    METHODS,
    Clipping,
    CosmicRays,
    Method,
    Scaling,
    combine,
    is_dark,
)
from fleckcore.cli import EXIT_NOTHING_USABLE
from fleckcore.cli.stacks import Exposures, bias_option, show_progress, unused, write_record

if TYPE_CHECKING:
    from fleckcore.calibrate.stack import Combined
    from fleckcore.frame import Frame
    from fleckcore.io.write import Card

__all__ = ["command"]

_RULES = CosmicRays()
_CLIPPING = Clipping()


@click.command("combine")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("combined.fits"),
    show_default=True,
    help="The file to write; a record in numbers lies beside it, .json.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="acsrej",
    show_default=True,
    help="acsrej: the sum of all exposures without their cosmic rays, as Hubble's ACSREJ makes it. The others give a "
    "typical exposure.",
)
@click.option(
    "--scaling",
    type=click.Choice(["none", "exposure", "level"]),
    default="none",
    show_default=True,
    help="Not of acsrej: combine counts, counts per second, or frames divided by their median (flats).",
)
@click.option(
    "--sigmas",
    default=",".join(f"{sigma:g}" for sigma in _RULES.sigmas),
    show_default=True,
    help="acsrej: a threshold for each iteration.",
)
@click.option(
    "--radius",
    type=float,
    default=_RULES.radius,
    show_default=True,
    help="acsrej: reach of a cosmic ray.",
)
@click.option(
    "--spill",
    type=float,
    default=_RULES.spill,
    show_default=True,
    help="acsrej: threshold of its neighbours, as a fraction; 0 takes them all.",
)
@click.option(
    "--scale-noise",
    type=float,
    default=_RULES.scale_noise,
    show_default=True,
    help="acsrej: noise, per cent of the light.",
)
@click.option(
    "--initial",
    type=click.Choice(["minimum", "median"]),
    default=_RULES.initial,
    show_default=True,
    help="acsrej: first guess.",
)
@click.option(
    "--sky",
    type=click.Choice(["mode", "none"]),
    default="mode",
    show_default=True,
    help="acsrej: level subtracted first.",
)
@click.option(
    "--bad-bits",
    type=int,
    help="Quality bits of pixels that are not used. By default as the method says.",
)
@click.option(
    "--exempt/--no-exempt",
    default=None,
    help="acsrej: whether bit 4 does not count. By default it does not for biases and darks, as in calacs since "
    "10.2.0.",
)
@click.option(
    "--accidents/--no-accidents",
    default=True,
    show_default=True,
    help="acsrej: do also what ACSREJ does without meaning to, so that results are the same to the bit.",
)
@click.option(
    "--low",
    type=float,
    default=_CLIPPING.low,
    show_default=True,
    help="clipped_mean: standard deviations.",
)
@click.option(
    "--high",
    type=float,
    default=_CLIPPING.high,
    show_default=True,
    help="clipped_mean: standard deviations.",
)
@bias_option
@click.option("--profile", help="Instrument profile. By default the header decides.")
@click.option("--chip", type=int, help="Only this CCDCHIP. By default every chip.")
@click.option("--overwrite", is_flag=True, help="Replace an older file.")
@click.option("--threads", type=click.IntRange(1), help="Threads. The result is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")
def command(files: tuple[Path, ...], output: Path, **options: Any) -> int:
    """Make one exposure of FILES, chip by chip.

    FILES are exposures of one kind and instrument. Raw ones with overscan have each amplifier's bias level subtracted
    and are multiplied by its gain first. The stack is read row by row and is never whole in memory.
    """
    start = time.perf_counter()
    inputs = Exposures(
        files, options["profile"], options["chip"], options["bias_level"], output.absolute().parent
    )
    results: list[Combined] = []
    with closing(inputs.each_chip()) as chips:
        for frames in chips:
            results.append(_combine(frames, options))
            paths = [frame.meta.path for frame in frames if frame.meta.path]
    if not results:
        return EXIT_NOTHING_USABLE
    record = _record(results, output, inputs.left_out)
    _write(results, output, record, paths, overwrite=options["overwrite"])
    record["seconds"] = round(time.perf_counter() - start, 3)
    write_record(output.with_suffix(".json"), record)
    if options["as_json"]:
        click.echo(json.dumps(record, allow_nan=False, indent=1))
    else:
        click.echo("\n".join(_describe(record)))
    return unused(inputs.left_out)


def _combine(frames: list[Frame], options: dict[str, Any]) -> Combined:
    meta = frames[0].meta
    with show_progress(f"chip {meta.chip}", shown=not options["as_json"]) as progress:
        return combine(
            frames,
            method=cast(Method, options["method"]),
            rules=_rules(options, dark=is_dark(meta)),
            sky=cast(Literal["mode", "none"], options["sky"]),
            clipping=Clipping(low=options["low"], high=options["high"]),
            scaling=cast(Scaling, options["scaling"]),
            bad_bits=options["bad_bits"],
            threads=options["threads"],
            progress=progress,
        )


def _rules(options: dict[str, Any], *, dark: bool) -> CosmicRays:
    try:
        sigmas = tuple(float(part) for part in options["sigmas"].split(","))
    except ValueError:
        raise click.BadParameter(
            f"{options['sigmas']!r}, wanted numbers with commas.", param_hint="--sigmas"
        ) from None
    exempt = dark if options["exempt"] is None else options["exempt"]
    names = ("radius", "spill", "scale_noise", "initial", "accidents")
    return replace(_RULES, sigmas=sigmas, exempt=exempt, **{name: options[name] for name in names})


def _record(
    results: list[Combined], output: Path, left_out: list[dict[str, str]]
) -> dict[str, Any]:
    from fleckcore.kernels import build_config

    chips = [
        {"chip": result.frame.meta.chip, "kind": result.frame.meta.kind, **result.record}
        for result in results
    ]
    return {"output": str(output), "chips": chips, "not_used": left_out, "build": build_config()}


def _write(
    results: list[Combined],
    output: Path,
    record: dict[str, Any],
    paths: list[Path],
    *,
    overwrite: bool,
) -> None:
    from fleckcore import __version__
    from fleckcore.io.products import combined_cards, write_frames

    first = record["chips"][0]
    names = [frame["name"] for frame in first["frames"]]
    meta = results[0].frame.meta
    cards: list[Card] = [("NCOMBINE", len(names), "number of exposures combined")]
    for keyword, seconds in (("EXPTIME", meta.exposure_s), ("FLASHDUR", meta.flash_s)):
        if seconds is not None:
            cards.append((keyword, float(seconds), "of the combined exposure (seconds)"))
    if first["method"] == "acsrej":
        rejected = sum(frame["rejected"] for frame in first["frames"])
        total = sum(frame["exposure_s"] for frame in first["frames"])
        cards += [
            *combined_cards(paths),
            ("TEXPTIME", total, "total exposure time (seconds)"),
            ("SKYSUM", max(0.0, sum(frame["sky"] for frame in first["frames"])), "total sky level"),
            ("REJ_RATE", rejected / total, "cosmic ray impact rate (pixels/s)"),
            ("CRCORR", "COMPLETE", "combine observations to reject cosmic rays"),
        ]
    history = [
        f"fleckcore {__version__} combine: {first['method']} of {len(names)} exposures",
        *names,
    ]
    planes = [result.frame for result in results]
    write_frames(output, planes, cards=cards, history=history, overwrite=overwrite)


def _describe(record: dict[str, Any]) -> list[str]:
    lines = []
    for chip in record["chips"]:
        name = "" if chip["chip"] is None else f"chip {chip['chip']}: "
        lines.append(f"{name}{chip['method']} of {len(chip['frames'])} exposures ({chip['kind']})")
        if chip["method"] == "acsrej":
            shares = [frame["rejected_fraction"] for frame in chip["frames"]]
            lines.append(
                f"  cosmic rays: {100 * min(shares):.2f} to {100 * max(shares):.2f} % of an exposure's pixels"
            )
        lines.append(f"  pixels of no exposure: {chip['pixels_of_no_frame']}")
    return [*lines, f"  result: {record['output']} ({record['seconds']:.1f} s)"]
