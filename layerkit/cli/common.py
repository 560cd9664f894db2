"""What the verbs share: their options, notices on stderr, and tables as text."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Sequence
from errno import EIO, EPIPE
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from layerkit.model import Model

model_argument = click.argument("model", type=click.Path(path_type=Path))
data_option = click.option(
    "--data", type=click.Path(path_type=Path), metavar="FILE", help="Rows from this file, not the document's own."
)
engine_option = click.option(
    "--engine", metavar="NAME", help="Run on this engine, not the document's own: numpy or jax, or any installed."
)
changes_option = click.option(
    "--set", "changes", multiple=True, metavar="PATH=VALUE", help="Change a field: optimizer.learning_rate=0.05"
)
"""Any number of times; `fields_of` reads them."""
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, or JSON for programs.",
)

_PATH = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[\d{1,9}\])*")


def fields_of(changes: Sequence[str]) -> dict[str, Any]:
    """{"optimizer.learning_rate": 0.05} from PATH=VALUE; a value that isn't JSON is a text.

    Raises UsageError, and DocumentError for a value that no document could hold.
    """
    fields: dict[str, Any] = {}
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals or not _PATH.fullmatch(path):
            raise click.UsageError(f"--set takes PATH=VALUE, such as optimizer.learning_rate=0.05, not {change!r}")
        try:
            json.loads(text)
        except RecursionError:
            pass  # said below
        except ValueError:
            fields[path] = text
            continue
        fields[path] = _json(text, f"--set {path}")
    return fields


def _json(text: str, where: str) -> Any:
    """The value of a JSON text, as strict as a document is. Raises DocumentError."""
    from layerkit import jsontext
    from layerkit.errors import DocumentError

    try:
        return jsontext.parse(text, where)
    except DocumentError as error:
        raise DocumentError(error.faults[0].message, where) from None


def notices_on_stderr() -> None:
    """Print layerkit's notices as lines on stderr, each once, and no other warning."""
    from layerkit.errors import Notice

    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, Notice) and str(message) not in said:
            said.add(str(message))
            aside(f"note: {plain(message)}")

    warnings.simplefilter("always", Notice)
    warnings.showwarning = show  # type: ignore[assignment]


def notice_untrained(model: Model) -> None:
    """Say so where what a model gives is what random numbers give."""
    from layerkit.builtin.initializers import Values, Zeros
    from layerkit.errors import Notice

    drawn = (parameter.initializer for parameter in model.network.parameters.values())
    if not model.step and not all(isinstance(each, Values | Zeros) for each in drawn):
        message = "it was never trained: these are what its random first parameters give"
        warnings.warn(message, Notice, stacklevel=2)


def print_json(value: Any) -> None:
    """One JSON document on stdout; what isn't finite becomes null."""
    from layerkit import jsontext

    click.echo(jsontext.dumps(value, ascii=not is_unicode()))


def is_unicode() -> bool:
    """Whether stdout takes any character; JSON escapes those that it doesn't."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")


LEFT = (EPIPE, EIO)
"""What a system says where nobody reads any more: a pipe's end or a terminal is closed."""


def aside(text: str) -> bool:
    """A line on stderr, where it is no matter if it gets lost; whether somebody is there to read it."""
    try:
        click.echo(text, err=True)
    except OSError as error:
        silence_lost_outputs()
        return error.errno not in LEFT
    return True


def silence_lost_outputs() -> None:
    """Let what goes to a reader that has left, to a closed terminal or a full disk go nowhere from now on."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys: those that move its cursor, end a line, or turn the direction of writing."""


def plain(text: object) -> str:
    """A text that may come from a document or from data, on one line and with nothing that a terminal would obey."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Left-aligned columns, two spaces apart."""
    lines = [list(map(plain, row)) for row in ([header, *rows] if header else rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))] if lines else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def number(value: float) -> str:
    """A figure with as many digits as a reader can check by hand."""
    return f"{value:.10g}"


def plural(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
