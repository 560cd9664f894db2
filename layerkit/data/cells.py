"""Cells that stand in a block of bytes until somebody wants them, as texts or as numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from layerkit.data.numerals import COMMA, LINE_FEED, QUOTE, RETURN, Parse, by_json, ends_in
from layerkit.ops import Array

IN_NUMBERS = b"0123456789+-.eE,\n\r"


class UnusualRowsError(ValueError):
    """A block has blank lines, rows of different lengths, cells of great length, or bytes that are not UTF-8."""


class UnusualQuotesError(ValueError):
    """A block has quotes elsewhere than around whole cells."""


class Block:
    """Whole rows of CSV in bytes, each of `width` cells, of which the `wanted` are ever looked at.

    Columns of one kind are cut out together, and read as one by something in C: numbers by `parse`, texts by the csv
    module.
    """

    def __init__(self, content: bytes, width: int, wanted: Sequence[int], parse: Parse = by_json) -> None:
        self._parse = parse
        self._content = content if content.endswith(b"\n") else content + b"\n"
        self._bytes = np.frombuffer(self._content, np.uint8)
        self._quoted = b'"' in self._content
        self._ends = _cell_ends(self._content, self._bytes, width)
        _check_lines(self._content)
        self._texts: dict[int, Sequence[str]] = {}
        self._numbers: Mapping[int, Array] | None = None
        number_like = {i: _is_number_like(self._first(i)) for i in wanted}
        self._number_like = [i for i in wanted if number_like[i]]
        self._others = [i for i in wanted if not number_like[i]]

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._ends)

    def lines(self, before: int) -> Sequence[int]:
        """The line that each row ends on, with `before` lines before the first."""
        if not self._quoted:
            return range(before + 1, before + self.rows + 1)
        line_ends = np.flatnonzero(self._bytes == LINE_FEED)
        lines: list[int] = (before + 1 + np.searchsorted(line_ends, self._ends[:, -1])).tolist()
        return lines

    def texts(self, column: int) -> Sequence[str]:
        """The cells of a column."""
        if column not in self._texts:
            group = self._number_like if column in self._number_like else self._others
            rows = csv.reader(io.StringIO(self._cut_out(group).decode(), newline=""), strict=True)
            # to the csv module, one empty cell is a row without any
            cells = zip(*rows, strict=True) if len(group) > 1 else [[row[0] if row else "" for row in rows]]
            self._texts |= zip(group, cells, strict=True)
        return self._texts[column]

    def numbers(self, column: int) -> Array | None:
        """The cells of a column as float64, NaN for an empty one; None where they may be no numbers."""
        return self.read().get(column)

    def read(self) -> Mapping[int, Array]:
        """The columns that hold numbers alone. They are read once, now or when the first of them is wanted."""
        if self._numbers is None:
            group = self._number_like
            numbers = self._parsed(group)
            if numbers is None:
                # without the columns in which a later cell is no number
                odd = np.flatnonzero(np.isin(self._bytes, np.frombuffer(IN_NUMBERS, np.uint8), invert=True))
                spoilt = set((np.searchsorted(self._ends.reshape(-1), odd) % self._ends.shape[1]).tolist())
                group = [i for i in group if i not in spoilt]
                numbers = self._parsed(group)
            self._numbers = {} if numbers is None else dict(zip(group, numbers, strict=True))
        return self._numbers

    def _parsed(self, columns: Sequence[int]) -> Array | None:
        content = self._cut_out(columns) if columns else b""
        # where there is anything else, such as a space, float() decides
        fit = content and not content.translate(None, IN_NUMBERS)
        return self._parse(content, self._ends_of(columns)) if fit else None

    def _cut_out(self, columns: Sequence[int]) -> bytes:
        """The rows with these columns alone."""
        rows, width = self._ends.shape
        if len(columns) == width:
            return self._content
        kept = np.zeros(width, dtype=bool)
        kept[list(columns)] = True
        content = self._bytes.copy()
        content[self._ends[:, columns[-1]]] = LINE_FEED
        lengths = np.diff(self._ends.reshape(-1), prepend=-1)
        cut: bytes = content[np.repeat(np.tile(kept, rows), lengths)].tobytes()
        return cut

    def _ends_of(self, columns: Sequence[int]) -> Array:
        """Where each cell ends in the rows with these columns alone."""
        rows, width = self._ends.shape
        if len(columns) == width:
            return self._ends
        lengths = np.diff(self._ends.reshape(-1), prepend=-1).reshape(rows, width)[:, list(columns)]
        ends: Array = np.cumsum(lengths).reshape(lengths.shape) - 1
        return ends

    def _first(self, column: int) -> bytes:
        start = int(self._ends[0, column - 1]) + 1 if column else 0
        return self._content[start : self._ends[0, column]]


class Cells(Sequence[str]):
    """One column of a block: texts, and an array of float64 (NaN for an empty cell) where NumPy asks for one."""

    def __init__(self, block: Block, column: int, rows: Array | None = None) -> None:
        self._block, self._column, self._rows = block, column, rows

    def at(self, rows: Array) -> Cells:
        """These rows alone."""
        return Cells(self._block, self._column, rows if self._rows is None else self._rows[rows])

    def __len__(self) -> int:
        return self._block.rows if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._texts()[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        numbers = self._block.numbers(self._column) if dtype == np.float64 else None
        if numbers is None:
            return np.array(self._texts(), dtype=dtype)
        if self._rows is not None:
            return numbers[self._rows]
        return numbers.copy() if copy else numbers

    def _texts(self) -> Sequence[str]:
        texts = self._block.texts(self._column)
        return texts if self._rows is None else [texts[row] for row in self._rows]


def _cell_ends(content: bytes, characters: Array, width: int) -> Array:
    """Where each cell ends, of (rows, width). Raises UnusualQuotesError and UnusualRowsError."""
    ends = ends_in(characters)
    if b'"' in content:
        quotes = np.flatnonzero(characters == QUOTE)
        _check_quotes(characters, quotes)
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    lengths = np.diff(ends, prepend=-1)
    if len(ends) % width or np.any(lengths > csv.field_size_limit()):
        raise UnusualRowsError
    if width == 1 and np.any((lengths == 1) | ((lengths == 2) & (characters[ends - 1] == RETURN))):
        raise UnusualRowsError  # blank lines, which are no rows
    ends = ends.reshape(-1, width)
    if np.any(characters[ends[:, :-1]] != COMMA) or np.any(characters[ends[:, -1]] != LINE_FEED):
        raise UnusualRowsError
    return ends


def _check_quotes(characters: Array, quotes: Array) -> None:
    """Every second quote opens a cell, the others close one, or two side by side stand for one inside of it."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, characters[opening - 1], LINE_FEED)
    if len(opening) != len(closing) or not np.all(np.isin(before, [COMMA, LINE_FEED, QUOTE])):
        raise UnusualQuotesError
    if not np.all(np.isin(characters[closing + 1], [COMMA, LINE_FEED, RETURN, QUOTE])):
        raise UnusualQuotesError


def _check_lines(content: bytes) -> None:
    """Every line ends as the csv module's do, and all are UTF-8."""
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        raise UnusualRowsError
    if not content.isascii():
        try:
            content.decode()
        except UnicodeDecodeError:
            raise UnusualRowsError from None


def _is_number_like(cell: bytes) -> bool:
    try:
        float(cell.strip() or b"0")
    except ValueError:
        return False
    return True
