"""Comma-separated values."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from layerkit.errors import DataError
from layerkit.files import regular_file
from layerkit.parts import Reader, Table

BLOCK = 8192


class CSV(Reader):
    """RFC 4180 in UTF-8: the first line names the columns; quoted cells may hold commas and line ends."""

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        with regular_file(path).open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            try:
                names = next(lines, [])
                _check_header(names, str(path))
                wanted = [i for i, name in enumerate(names) if columns is None or name in columns]
                others = [name for name in names if columns is not None and name not in columns]
                first = 1
                rows = _rows(lines, len(names), str(path))
                while block := list(islice(rows, BLOCK)):
                    cells = list(zip(*(row for _, row in block), strict=True))
                    chosen = {names[i]: cells[i] for i in wanted}
                    numbers = range(first, first + len(block))
                    yield Table(chosen, numbers, str(path), [line for line, _ in block], others)
                    first += len(block)
            except csv.Error as error:
                raise DataError(f"this is not CSV: {error}", f"{path}, line {lines.line_num}") from None
            except UnicodeDecodeError as error:
                raise DataError(f"this is not UTF-8: {error.reason}", f"{path}, after line {lines.line_num}") from None


def _check_header(names: list[str], source: str) -> None:
    if not names:
        raise DataError("the file is empty: its first line names the columns", source)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the header has the column {', '.join(map(repr, twice))} twice", f"{source}, line 1")


def _rows(lines: Iterator[list[str]], width: int, source: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line that it ends on."""
    for number, row in enumerate((row for row in lines if row), start=1):
        line: int = lines.line_num  # type: ignore[attr-defined]
        if len(row) != width:
            raise DataError(
                f"the row has {len(row)} cells where the header names {width}", f"{source}, row {number} (line {line})"
            )
        yield line, row
