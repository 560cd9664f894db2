"""Where rows come from: a data file, or tables in memory. Either can be gone through again and again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from layerkit import registry
from layerkit.data.encoding import array_of, names_of
from layerkit.data.tables import chosen, missing_column, table_of, table_of_arrays, table_of_objects
from layerkit.document import Document
from layerkit.errors import MOST_LISTED, DataError, DocumentError, Fault, PartError
from layerkit.files import regular_file
from layerkit.inputs import DataFile, InlineArrays
from layerkit.ops import Array
from layerkit.part import find_class, naming
from layerkit.parts import Reader, Table

GAP = 2**16
"""Bytes. Rows that nobody asked for are read where they are fewer, for another read would take longer."""


class Tables(ABC):
    """The rows of one source, in order, a block at a time; the first row has the number 1."""

    source: str

    @abstractmethod
    def __iter__(self) -> Iterator[Table]:
        """All the rows once. Raises DataError."""


class InOrder(Tables):
    """Tables in memory, one after the other."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self.source = tables[0].source
        self._tables = tables

    def __iter__(self) -> Iterator[Table]:
        return iter(self._tables)

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables)


class File(Tables):
    """The columns of a data file that a document needs, read anew each time.

    Raises DataError where the file has no rows, lacks a column of the document's input, or changed since it was opened.
    """

    def __init__(self, path: Path, document: Document, targets: bool = True) -> None:
        self.path, self.source = path, str(path)
        self._reader = _reader_of(path)
        self._wanted, self._needed = names_of(document, targets), names_of(document, False)
        self._takes_arrays = not document.columns
        self._stamp = self._stamp_now()
        try:
            path.open("rb").close()
        except OSError as error:
            raise DataError(f"can't be opened: {error.strerror}", self.source) from None

    def __iter__(self) -> Iterator[Table]:
        rows = 0
        try:
            for table in self._blocks():
                self._check_unchanged()
                if len(table):
                    yield self._filled_up(table)
                    rows += len(table)
        except DataError:
            self._check_unchanged()  # rather than say of the new content what was read as the old
            raise
        self._check_unchanged()
        if not rows:
            self._known_names()  # which says so where it is a column that is missing
            raise DataError("there are no rows", self.source)

    @cached_property
    def arrays(self) -> Mapping[str, Any] | None:
        """The columns as arrays whose slices are read alone; None where the file has to be read in order."""
        self._check_unchanged()
        with naming(self._reader, "arrays", self.source):
            return self._reader.arrays(self.path, self._wanted) or None

    @property
    def length(self) -> int:
        """How many rows there are, where the file has `arrays`."""
        return len(next(iter((self.arrays or {}).values()), ()))

    def rows(self, places: Array) -> Table:
        """The rows at these places, ascending and counted from 0, where the file has `arrays`."""
        self._check_unchanged()
        columns = {name: _sliced(array, places) for name, array in (self.arrays or {}).items()}
        return Table(columns, places + 1, self.source)

    def _blocks(self) -> Iterator[Table]:
        with naming(self._reader, "blocks", self.source):
            try:
                for table in self._reader.blocks(self.path, self._wanted):
                    _check_table(table, self._reader, self.source)
                    yield table
            except OSError as error:
                raise DataError(f"can't be read: {error.strerror or error}", self.source) from None

    @cached_property
    def _known(self) -> set[str]:
        return self._known_names()

    def _known_names(self) -> set[str]:
        """The columns that any row has. Raises DataError unless those of the input are among them."""
        names: set[str] = set()
        others: set[str] = set()
        last = Table({}, (), self.source)
        for table in self._blocks():
            names |= set(table.columns)
            others |= set(table.others)
            if names >= set(self._wanted):
                break
            last = table
        else:
            whole = replace(last, columns=dict.fromkeys(names, ()), others=sorted(others))
            if self._takes_arrays and "x" not in names and last.lines is not None:
                raise DataError(
                    "this file holds named columns where the document's input is an array; "
                    'an input of columns is "input": [{"column": name}, …]',
                    self.source,
                )
            missing = [name for name in self._needed if name not in names]
            if missing and (names or others):
                faults = [fault for name in missing[:MOST_LISTED] for fault in missing_column(whole, name)]
                if more := missing[MOST_LISTED:]:
                    faults.append(Fault(self.source, f"and {len(more):,} more columns are not there"))
                raise DataError(faults)
        return names

    def _filled_up(self, table: Table) -> Table:
        """The table with empty cells for columns that only rows of other blocks have."""
        if table.columns.keys() >= set(self._wanted):
            return table
        empty = {name: [None] * len(table) for name in self._known if name not in table.columns}
        return replace(table, columns={**table.columns, **empty})

    def _stamp_now(self) -> tuple[int, int, int]:
        status = regular_file(self.path).stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _check_unchanged(self) -> None:
        if self._stamp_now() != self._stamp:
            raise DataError("the file changed while it was being used: begin again with one that stays", self.source)


def some(tables: Tables) -> Tables:
    """The tables. Raises DataError if they are in memory and have no rows; a file says so when it is read."""
    if isinstance(tables, InOrder) and not len(tables):
        raise DataError("there are no rows", tables.source)
    return tables


def _check_table(table: Table, reader: Reader, source: str) -> None:
    """Raise PartError unless a reader's block is a table whose columns have one length."""
    gives = f"{type(reader).__name__}.blocks gives"
    if not isinstance(table, Table):
        raise PartError(f"{gives} a {type(table).__name__} where a layerkit.Table is due", source)
    for name, values in table.columns.items():
        if len(values) != len(table):
            raise PartError(f'{gives} {len(values)} cells of "{name}" for {len(table)} rows', source)


def own(document: Document, folder: Path, targets: bool = True) -> Tables:
    """The document's own training data; of a file, not the `targets` where they aren't needed.

    Raises DocumentError if it names none.
    """
    data = document.training.data
    if data is None:
        raise DocumentError(
            "the document names no data: write training.data, or give rows, as --data does", "training.data"
        )
    if isinstance(data, DataFile):
        return File(folder / data.path, document, targets)
    if isinstance(data, InlineArrays):
        arrays = {"x": data.x} | ({} if data.y is None else {"y": data.y})
        arrays = {name: array_of(values, f"training.data.{name}") for name, values in arrays.items()}
        table = table_of_arrays(arrays, "training.data")
    else:
        table = table_of_objects(data, "training.data", names_of(document, targets))
    return some(InOrder([table]))


def given(document: Document, folder: Path, x: Any, y: Any = None, weights: Any = None, targets: bool = True) -> Tables:
    """What somebody who holds the model gives as rows: a file, arrays, columns, or None for the document's own data.

    Raises DataError where y or weights stand beside a file.
    """
    if x is None or isinstance(x, str | Path):
        if y is not None or weights is not None:
            raise DataError("y and weights stand beside arrays or columns; a file has its own", "data")
        return own(document, folder, targets) if x is None else File(Path(x), document, targets)
    if isinstance(x, Tables):
        return x
    if isinstance(x, Table):
        return InOrder([x])
    if not document.columns and hasattr(x, "columns"):
        x = np.asarray(x)  # a DataFrame, where the names of its columns mean nothing
    return InOrder([table_of(x, y, weights)])


def row_of(tables: Tables, row: int) -> Table:
    """One row, counted from 0. Raises DataError if there is none."""
    left = row
    for table in tables:
        if left < len(table):
            return chosen(table, np.array([left]))
        left -= len(table)
    raise DataError(f"there is no row {row}; the rows are 0 to {row - left - 1}", tables.source)


def _sliced(array: Any, places: Array) -> Array:
    """The rows of an array at these places, ascending, by slices that leave out large gaps."""
    gap = GAP // max(prod(array.shape[1:]) * array.dtype.itemsize, 1) + 1
    runs = np.split(places, np.flatnonzero(np.diff(places) > gap) + 1)
    found = [_chosen(array[run[0] : run[-1] + 1], run - run[0]) for run in runs if len(run)] or [array[:0]]
    return found[0] if len(found) == 1 else np.concatenate(found)


def _chosen(array: Array, rows: Array) -> Array:
    return array if len(rows) == len(array) else array[rows]


def _reader_of(path: Path) -> Reader:
    suffix = path.suffix.removeprefix(".").lower()
    known = sorted({part.name for part in registry.installed() if part.kind == "reader"})
    if suffix not in known:
        raise DataError(f'no reader for "{path.suffix}" is installed; known suffixes: {", ".join(known)}', str(path))
    reader = find_class(["reader"], suffix)()
    assert isinstance(reader, Reader)
    return reader
