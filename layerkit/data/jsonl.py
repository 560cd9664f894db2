"""JSON lines."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from layerkit import jsontext
from layerkit.data.tables import table_of_objects
from layerkit.errors import DataError, LayerkitError
from layerkit.files import regular_file
from layerkit.parts import Reader, Table

BLOCK = 8192


class JSONLines(Reader):
    """One JSON object a line, in UTF-8; a column that a row lacks is empty there."""

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        with regular_file(path).open(encoding="utf-8-sig") as file:
            rows = _rows(file, str(path))
            first = 1
            try:
                while block := list(islice(rows, BLOCK)):
                    table = table_of_objects([row for _, row in block], str(path), columns, first)
                    yield replace(table, lines=[line for line, _ in block])
                    first += len(block)
            except UnicodeDecodeError as error:
                raise DataError(f"this is not UTF-8: {error.reason}", str(path)) from None


def _rows(file: Iterator[str], source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            row = jsontext.parse(text, "")
        except LayerkitError as error:
            raise DataError(error.faults[0].message, f"{source}, line {line}") from None
        if not isinstance(row, dict):
            raise DataError("each line holds one JSON object, {column: value}", f"{source}, line {line}")
        yield line, row
