"""Comma-separated values."""

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from layerkit.cores import cores
from layerkit.data.cells import Block, Cells, UnusualQuotesError, UnusualRowsError
from layerkit.data.numerals import LINE_FEED, QUOTE, by_json, parse_for
from layerkit.data.tables import comma_advice
from layerkit.errors import DataError, named_twice
from layerkit.files import regular_file
from layerkit.parts import Reader, Table

BLOCK = 2**20
"""Bytes. With fewer, calling NumPy for each column would take as long as what it does."""
LONGEST_ROW = 2**24
"""Bytes of a row, or characters: a file in which nothing ends is not held whole."""
csv.field_size_limit(max(csv.field_size_limit(), LONGEST_ROW))  # or it takes a long text for no CSV
ROWS = 8192
MOST_THREADS = 4
"""That read one file. Between their calls of NumPy and pyarrow they take turns: more would hardly help."""


class CSV(Reader):
    """RFC 4180 in UTF-8: the first line names the columns; quoted cells may hold commas and line ends.

    The csv module decides what is right. Rows that are plainly so are cut up block by block, which is much faster; a
    block with anything unusual in it is the module's own.
    """

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        size = regular_file(path).stat().st_size
        with path.open("rb") as file:
            header, at = _header(file, str(path), columns)
            try:
                for content, block in _cut_up(_whole_rows(file, at.offset), header, size):
                    tables: Iterable[Table] = (
                        _careful(io.BytesIO(content), header, at) if block is None else _quick(block, header, at)
                    )
                    at = Place(at.offset + len(content), at.lines + _lines(content), at.rows)
                    for table in tables:
                        yield table
                        at = at._replace(rows=table.numbers[-1])
            except UnusualQuotesError:
                # where the rows end is the module's to say, from here on
                file.seek(at.offset)
                yield from _careful(file, header, at)


class Header(NamedTuple):
    """The columns of a file: the places of those that are wanted, and the names of the others."""

    width: int
    wanted: dict[str, int]
    others: Sequence[str]
    source: str

    def table(self, columns: Sequence[Any], rows: int, before: int, lines: Sequence[int]) -> Table:
        """The table of these columns, one for each that is wanted, with `before` rows before it in the file."""
        numbers = range(before + 1, before + rows + 1)
        return Table(dict(zip(self.wanted, columns, strict=True)), numbers, self.source, lines, self.others)


class Place(NamedTuple):
    """How much of the file is read: bytes, lines, and rows."""

    offset: int
    lines: int
    rows: int


def _header(file: IO[bytes], source: str, columns: Sequence[str] | None) -> tuple[Header, Place]:
    """The header, and the place after it. Raises DataError where it is missing or has a name twice."""
    offset = len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
    file.seek(offset)
    taken: list[str] = []
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")

    def kept() -> Iterator[str]:
        for line in _Texts(text, source, 0):
            taken.append(line)
            yield line

    lines = csv.reader(kept(), strict=True)
    with _readable(lines, source, 0):
        names = next(lines, [])
    text.detach()
    if not names:
        message = "line 1 is blank" if taken else "the file is empty"
        raise DataError(f"{message}, where the columns are named", source)
    twice = [name for name in named_twice(names) if columns is None or name in columns]
    if twice:
        raise DataError(f"the header has the column {', '.join(map(repr, twice))} twice", f"{source}, line 1")
    asked = set(names if columns is None else columns)
    wanted = {name: i for i, name in enumerate(names) if name in asked}
    header = Header(len(names), wanted, [name for name in names if name not in wanted], source)
    return header, Place(offset + len("".join(taken).encode()), len(taken), 0)


def _whole_rows(file: IO[bytes], offset: int) -> Iterator[bytes]:
    """The bytes from `offset` on, cut where a row ends, if quotes stand where they belong.

    Raises UnusualQuotesError where none ends for long.
    """
    file.seek(offset)
    rest = b""
    while content := file.read(BLOCK):
        content = rest + content
        end = _end_of_rows(content)
        if not end and len(content) > LONGEST_ROW:
            raise UnusualQuotesError
        if end:
            yield content[:end]
        rest = content[end:]
    if rest:
        yield rest


def _end_of_rows(content: bytes) -> int:
    """Where the last line ends that no quotes hold open."""
    if b'"' not in content:
        return content.rfind(b"\n") + 1
    characters = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(characters == LINE_FEED)
    outside = ends[np.searchsorted(np.flatnonzero(characters == QUOTE), ends) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


def _lines(content: bytes) -> int:
    """How many lines there are, whichever way they end."""
    # counting in bytes would take longer than all else
    characters = np.frombuffer(content, np.uint8)
    ends = int(np.count_nonzero(characters == LINE_FEED))
    return ends + (content.count(b"\r") - content.count(b"\r\n") if b"\r" in content else 0)


def _cut_up(contents: Iterable[bytes], header: Header, size: int) -> Iterator[tuple[bytes, Block | None]]:
    """Each content with its block, None where the csv module should look at it; of a large file, several at a time.

    Raises UnusualQuotesError where the module should look at all that follows.
    """
    parse, wanted = parse_for(size), list(header.wanted.values())
    threads = 1 if parse is by_json else min(cores(), MOST_THREADS)

    def cut_up(content: bytes) -> tuple[bytes, Block | None]:
        try:
            block = Block(content, header.width, wanted, parse)
        except UnusualRowsError:
            return content, None
        if threads > 1:
            block.read()
        return content, block

    if threads == 1:
        return map(cut_up, contents)
    from layerkit.data.ahead import ahead

    return ahead(cut_up, contents, threads)


def _quick(block: Block, header: Header, at: Place) -> list[Table]:
    """The rows of a block."""
    columns = [Cells(block, i) for i in header.wanted.values()]
    return [header.table(columns, block.rows, at.rows, block.lines(at.lines))]


def _careful(file: IO[bytes], header: Header, at: Place) -> Iterator[Table]:
    """The rows from here to the end of the file, by the csv module. Raises DataError where it is no CSV."""
    texts = _Texts(io.TextIOWrapper(file, encoding="utf-8", newline=""), header.source, at.lines)
    lines = csv.reader(texts, strict=True)
    rows, before = _rows(texts, lines, header, at), at.rows
    with _readable(lines, header.source, at.lines):
        while block := list(islice(rows, ROWS)):
            cells = list(zip(*(row for _, row in block), strict=True))
            columns = [cells[i] for i in header.wanted.values()]
            yield header.table(columns, len(block), before, [line for line, _ in block])
            before += len(block)


class _Texts:
    """The lines of a text, with `before` lines before it."""

    def __init__(self, text: IO[str], source: str, before: int) -> None:
        self._text, self._source, self._before = text, source, before
        self.held = 0
        """Characters since a row ended, as whoever makes rows of the lines says."""

    def __iter__(self) -> Iterator[str]:
        """Each once. Raises DataError for a row too long to hold, or what is not UTF-8."""
        number = first = self._before
        try:
            for number, line in enumerate(iter(partial(self._text.readline, LONGEST_ROW), ""), start=self._before + 1):
                first = first if self.held else number
                self.held += len(line)
                if self.held >= LONGEST_ROW:
                    advice = "" if first == number else "; is a quote in it closed?"
                    message = f"the row has {LONGEST_ROW:,} characters or more{advice}"
                    raise DataError(message, f"{self._source}, line {first}")
                yield line
        except UnicodeDecodeError as error:
            where = f"{self._source}, line {number + 1 + _lines(error.object[: error.start])}"
            raise DataError(f"this is not UTF-8: {error.reason}; save the file as UTF-8", where) from None


def _rows(texts: _Texts, lines: Any, header: Header, at: Place) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line that it ends on."""
    number = at.rows
    for row in lines:
        texts.held = 0
        if not row:
            continue
        number += 1
        line = at.lines + lines.line_num
        if len(row) != header.width:
            advice = comma_advice([*header.wanted, *header.others])
            message = f"the row has {len(row)} cells where the header names {header.width}{advice}"
            raise DataError(message, f"{header.source}, row {number} (line {line})")
        yield line, row


@contextmanager
def _readable(lines: Any, source: str, before: int) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise DataError(f"this is not CSV: {error}", f"{source}, line {before + lines.line_num}") from None
