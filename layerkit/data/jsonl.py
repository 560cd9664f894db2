"""JSON lines."""

import io
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json

from layerkit import jsontext
from layerkit.data.tables import table_of_objects
from layerkit.errors import DataError, LayerkitError
from layerkit.files import regular_file
from layerkit.parts import Reader, Table

BLOCK = 2**20
"""Bytes."""
LONGEST_LINE = 2**24
"""Bytes: a file in which nothing ends is not held whole."""


class JSONLines(Reader):
    """One JSON object a line, in UTF-8; a column that a row lacks is empty there.

    layerkit.jsontext decides what is right. Lines that are plainly so are parsed block by block, which is much faster.
    """

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        source, rows_before, lines_before = str(path), 0, 0
        with regular_file(path).open("rb") as file:
            for content in _whole_lines(file):
                if len(content) >= LONGEST_LINE:
                    message = f"a line has {LONGEST_LINE - BLOCK:,} bytes or more"
                    raise DataError(message, f"{source}, from line {lines_before + 1} on")
                rows = _quick(content)
                lines: Sequence[int] = range(lines_before + 1, lines_before + len(rows or ()) + 1)
                if rows is None:
                    rows, lines = _careful(content, lines_before, source)
                yield replace(table_of_objects(rows, source, columns, rows_before + 1), lines=lines)
                rows_before += len(rows)
                lines_before += _line_ends(content)


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The file after its byte order mark, cut where a line ends."""
    content = file.read(BLOCK).removeprefix(BOM_UTF8)
    while content:
        yield content if content.endswith(b"\n") else content + file.readline(LONGEST_LINE - len(content))
        content = file.read(BLOCK)


def _quick(content: bytes) -> list[dict[str, Any]] | None:
    """The rows of some lines; None where the other way should look at them."""
    text = content.replace(b"\r\n", b"\n").removesuffix(b"\n")
    rows = text.count(b"{")
    # one object a line, and nothing inside that could hold another
    whole = text.startswith(b"{") and text.endswith(b"}") and text.count(b"}\n{") == text.count(b"\n") == rows - 1
    if not whole or text.count(b"}") != rows or b"[" in text or b"\r" in text:
        return None
    try:
        objects: list[dict[str, Any]] = from_json(b"[%s]" % text.replace(b"\n", b","), allow_inf_nan=False)
    except ValueError:
        return None
    # a colon for each field: none stands twice. What is too large for a float is infinite by now
    unique = text.count(b":") == sum(map(len, objects))
    return objects if unique and not any(inf in row.values() or -inf in row.values() for row in objects) else None


def _careful(content: bytes, before: int, source: str) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows of some lines, with `before` lines before them, and the line of each. Raises DataError."""
    try:
        decoded = content.decode()
    except UnicodeDecodeError as error:
        line = before + 1 + _line_ends(content[: error.start])
        raise DataError(
            f"this is not UTF-8: {error.reason}; save the file as UTF-8", f"{source}, line {line}"
        ) from None
    rows, lines = [], []
    for line, text in enumerate(io.StringIO(decoded, newline=None), start=before + 1):
        if text.strip():
            rows.append(_row(text, f"{source}, line {line}"))
            lines.append(line)
    return rows, lines


def _line_ends(content: bytes) -> int:
    return content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")


def _row(text: str, where: str) -> dict[str, Any]:
    try:
        row = jsontext.parse(text, "")
    except LayerkitError as error:
        raise DataError(error.faults[0].message, where) from None
    if not isinstance(row, dict):
        raise DataError("each line holds one JSON object, {column: value}", where)
    return row
