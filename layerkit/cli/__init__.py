"""The command line: one file a verb, imported only when the verb is called."""

from __future__ import annotations

import gc
import io
import os
import sys
from contextlib import suppress
from errno import EFBIG, EIO, ENOSPC
from importlib import import_module
from typing import Any

import click

from layerkit.starting import keep_standard_streams

VERBS = {
    "train": "Train a model until its document's goal, and save it.",
    "predict": "The model's output for each row of data.",
    "evaluate": "Loss and metrics over data.",
    "explain": "Every number of one forward pass, one backward pass and one step.",
    "show": "Stages, shapes, parameters, and how far it is trained.",
    "plot": "Draw loss and metrics from the saved history.",
    "check": "Find every fault in a document, its data and its saved file.",
    "plugins": "List every installed part.",
    "check-plugin": "Run the conformance checks of an installed part.",
    "new-plugin": "Write a package with a part of your own.",
    "schema": "Print the JSON Schema of a document, for an editor.",
}


class Verbs(click.Group):
    """A group that imports a verb's file when the verb is called, and lists them from VERBS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"layerkit.cli.{name.replace('-', '_')}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from layerkit.errors import did_you_mean

            ctx.fail(f'there is no verb "{args[0]}"; {did_you_mean(args[0], VERBS)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"layerkit {version('layerkit')}")
        ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def layerkit() -> None:
    """Neural networks as documents: MODEL is a document (.json) or a saved file (.safetensors)."""


def main() -> None:
    """Run the command line: results on stdout, notices and errors on stderr; 0 done, 1 the run failed, 2 usage."""
    keep_standard_streams()
    code = _run()
    gc.freeze()  # or the interpreter looks through all of them once more, only to leave
    sys.exit(code)


def _run() -> int:
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # where an encoding lacks a character of somebody's data
        code = layerkit.main(prog_name="layerkit", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        with suppress(OSError):  # of a full disk
            error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        from layerkit.cli.common import silence_lost_outputs

        silence_lost_outputs()
        return 1
    except Exception as error:
        if os.environ.get("LAYERKIT_DEBUG") == "1":
            from traceback import print_exc  # which imports much for few

            with suppress(OSError):
                print_exc()
        return _say(error)


def _say(error: Exception) -> int:
    """Print an error for people; the exit code."""
    from layerkit.cli.common import aside, plain
    from layerkit.errors import LayerkitError

    if isinstance(error, LayerkitError):
        for fault in error.faults:
            aside(f"error: {plain(fault)}")
        return error.exit_code
    if isinstance(error, MemoryError):
        aside("error: this machine's memory is not enough for this")
        return 1
    if isinstance(error, OSError) and error.filename is None and error.errno in (ENOSPC, EFBIG, EIO):
        aside(f"error: the output can't be written: {error.strerror}")
        return 1
    name = type(error).__name__
    aside(f"error: {name}: {plain(error)} (LAYERKIT_DEBUG=1 shows where; please report it)")
    return 1
