"""The commands: parsing, progress and exit codes; no pixel arithmetic."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

import click

from fleckcore._version import __version__
from fleckcore.errors import FleckError, OutputError

__all__ = ["cli", "main"]

COMMANDS = {
    "find": "Find dust flecks and other compact shadows in calibration frames.",
    "changes": "Find what appeared, vanished or moved from one night to another.",
    "new": "Say what is new, moved or gone in an archive since a date, when that was, or what would have been seen.",
    "combine": "Make one exposure of many, without cosmic rays.",
    "darks": "Make base, short and daily darks and superdarks of a cycle.",
    "completeness": "Say which shadows a search of a frame would find, and how much of what it lists is real.",
    "cte": "Put back the charge that traps delayed while exposures were read out.",
    "flag": "Make, check, apply and convert flags for a pipeline, and say what comes of them.",
    "simulate": "Write the exposures of a simulated detector, with everything that is on them known.",
    "reproduce": "Repeat the report on the flecks of 2017 on a simulated detector, claim by claim.",
    "bench": "Measure the kernels on this machine, beside other programs that are installed.",
    "tune": "Measure how the kernels run fastest on this machine, and write a profile that later runs use.",
    "demo": "Search a real flat, a simulated flat and a simulated Hubble chip pair, and say what was found.",
}

EXIT_SOME_QUARANTINED = 3
EXIT_NOTHING_USABLE = 4
EXIT_OUTPUT = 5
EXIT_INTERRUPTED = 130


class _Commands(click.Group):
    """Imports a command's module when that command runs, so that --help stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (as above)
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"fleckcore.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (as above)
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fleckcore")
def cli() -> None:
    """Find, measure, date and flag what sits in front of a detector.

    Exit codes: 0 all good, 2 usage, 3 finished but some inputs could not be used, 4 nothing usable, 5 results could
    not be written, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        code = _run(arguments)
    sys.exit(code)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """In a line, without the place in our source."""
    click.echo(f"warning: {message}", err=True)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except OutputError as error:
        click.echo(f"error: {error}", err=True)
        return EXIT_OUTPUT
    except FleckError as error:
        click.echo(f"error: {error}", err=True)
        return EXIT_NOTHING_USABLE
