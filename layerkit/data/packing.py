"""Tables in memory, each cell in a few bytes rather than as an object of Python's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from layerkit.data.coded import Coded
from layerkit.data.encoding import array_of, columns_of
from layerkit.data.reading import InOrder, Tables
from layerkit.document import Document
from layerkit.memory import check_rows_fit
from layerkit.parts import Column, Table

OF_ONE_VALUE = 100
"""Bytes that one of a column's different values takes."""


def packed(tables: Tables, document: Document) -> InOrder:
    """All rows, packed as the document's columns take them. Raises DataError where memory can't hold them."""
    if isinstance(tables, InOrder):
        return tables
    takers = defaultdict[str, list[Column]](list)
    for each in columns_of(document):
        takers[each.column].append(each)
    found, codes, size = [], dict[str, _Codes](), 0
    for table in tables:
        columns = {
            name: _packed(name, values, document, takers[name], codes, table.source)
            for name, values in table.columns.items()
        }
        found.append(replace(table, columns=columns, lines=_lines(table)))
        size += sum(values.nbytes for values in columns.values() if isinstance(values, np.ndarray | Coded))
        check_rows_fit(size + OF_ONE_VALUE * sum(len(each.values) for each in codes.values()), tables.source)
    return InOrder(found)


class _Codes:
    """The values of one column so far, and the place of each."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def of(self, cells: Sequence[Any]) -> Coded:
        places = self._places
        # the type too: 1, 1.0 and true are one key otherwise
        keys = [cell if type(cell) is str else (type(cell), cell) for cell in cells]
        for key in dict.fromkeys(keys):
            if key not in places:
                places[key] = len(self.values)
                self.values.append(key if isinstance(key, str) else key[1])
        return Coded(np.fromiter(map(places.__getitem__, keys), np.int32, len(keys)), self.values)


def _packed(
    name: str, cells: Any, document: Document, takers: Sequence[Column], codes: dict[str, _Codes], source: str
) -> Any:
    if isinstance(cells, np.ndarray) and cells.dtype != object:
        return cells
    if not document.columns and name in ("x", "y"):
        return array_of(cells, f"{source}, {name}")
    values = takers[0].packed(cells) if len(takers) == 1 else cells
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    try:
        return codes.setdefault(name, _Codes()).of(list(values))
    except TypeError:  # lists and objects, which some column may take, have no place in a dictionary
        return values


def _lines(table: Table) -> Any:
    """Eight bytes a line, or none at all for a range."""
    return table.lines if table.lines is None or isinstance(table.lines, range) else np.asarray(table.lines, np.int64)
