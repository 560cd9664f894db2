"""Tables: joining blocks, choosing rows, and saying where a cell stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from layerkit.errors import CellError, DataError, Fault, did_you_mean
from layerkit.ops import Array
from layerkit.parts import Column, Table

NO_CELLS = "mMcSV"
"""NumPy's kinds of times, of complex numbers, of records, and of bytes, of which nothing says what text they are."""


def table_of_arrays(arrays: Mapping[str, Array], source: str, others: Sequence[str] = ()) -> Table:
    """A table whose columns are arrays with one first axis. Raises DataError if they differ, or hold no cells."""
    for name, array in arrays.items():
        if array.dtype.kind in NO_CELLS:
            advice = "np.char.decode makes texts of bytes" if array.dtype.kind == "S" else "write it as one of these"
            message = f'"{name}" holds {array.dtype}; a cell is a number, a boolean or a text: {advice}'
            raise DataError(message, source)
    rows = {name: array.shape[0] for name, array in arrays.items() if array.ndim}
    if len(rows) < len(arrays) or len(set(rows.values())) > 1:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        raise DataError(f"the first axis of each array is the rows, and these differ: {shapes}", source)
    return Table(dict(arrays), range(1, next(iter(rows.values()), 0) + 1), source, others=others)


def table_of_objects(
    rows: Sequence[dict[str, Any]], source: str, columns: Sequence[str] | None = None, first: int = 1
) -> Table:
    """A table from one object a row, the first of which is row number `first`."""
    found = dict.fromkeys(name for row in rows for name in row)
    asked = set(found if columns is None else columns)
    values = {name: [row.get(name) for row in rows] for name in found if name in asked}
    others = [name for name in found if name not in asked]
    return Table(values, range(first, first + len(rows)), source, others=others)


def table_of(x: Any, y: Any = None, weights: Any = None) -> Table:
    """What a Python user holds: columns by name (a mapping, a DataFrame or a list of {column: value}), or an array x.

    y and weights may stand beside. Raises DataError where they are no regular arrays.
    """
    if isinstance(x, list | tuple) and x and all(isinstance(row, Mapping) for row in x):
        x = table_of_objects(x, "data").columns
    if isinstance(x, Mapping) or hasattr(x, "columns"):
        names = x.keys() if isinstance(x, Mapping) else x.columns
        if any(hasattr(each, "__len__") and not isinstance(each, str | tuple) for each in names):
            names = x.column_names  # of pyarrow, whose columns are the arrays
        columns = {str(name): x[name] for name in names}
        if y is not None:
            columns |= dict(table_of(y).columns) if hasattr(y, "columns") or isinstance(y, Mapping) else {"y": y}
    else:
        columns = {"x": x} | ({} if y is None else {"y": y})
    try:
        table = table_of_arrays({name: _array(values) for name, values in columns.items()}, "data")
        beside = table if weights is None else table_of_arrays({"weights": _array(weights)}, "data")
    except (TypeError, ValueError) as error:
        raise DataError(f"these are not regular arrays: {error}", "data") from None
    if len(beside) != len(table):
        found = f"{len(table)} of the data, {len(beside)} of the weights"
        raise DataError(f"the first axis of each array is the rows, and these differ: {found}", "data")
    return table if weights is None else replace(table, weights=beside.columns["weights"])


def _array(values: Any) -> Array:
    """An array of what somebody holds, None where it is masked, and every cell of a mixed list as it is."""
    if hasattr(values, "mask") and hasattr(values, "filled"):
        mask, values = values.mask, values.data
        if np.any(mask) and values.dtype.kind not in NO_CELLS:
            return np.where(mask, None, values.astype(object))
    array = np.asarray(values)
    # NumPy makes texts of the numbers beside texts, and of NaN "nan"
    mixed = array.dtype.kind == "U" and not hasattr(values, "dtype")
    return np.asarray(values, dtype=object) if mixed else array


def joined(blocks: Iterable[Table], source: str) -> Table:
    """All the blocks as one table. Raises DataError if there are no rows."""
    parts = list(blocks)
    if not sum(len(part) for part in parts):
        raise DataError("there are no rows", source)
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(chain.from_iterable(part.columns for part in parts))
    columns = {name: _end_to_end([part.columns.get(name, [None] * len(part)) for part in parts]) for name in names}
    lines = [line for part in parts for line in (() if part.lines is None else part.lines)]
    numbers = [number for part in parts for number in part.numbers]
    weights = None if any(part.weights is None for part in parts) else _end_to_end([part.weights for part in parts])
    return Table(columns, numbers, source, lines or None, parts[0].others, weights)


def _end_to_end(blocks: Sequence[Any]) -> Any:
    """One column from its blocks: an array if each of them is one, or else a list."""
    if all(isinstance(block, np.ndarray) for block in blocks):
        return np.concatenate(blocks)
    return list(chain.from_iterable(blocks))


def chosen(table: Table, rows: Array) -> Table:
    """The table of these rows alone (their indices, from 0), which keep their numbers."""
    columns = {name: _chosen(values, rows) for name, values in table.columns.items()}
    lines = None if table.lines is None else np.asarray(table.lines)[rows]
    weights = None if table.weights is None else table.weights[rows]
    numbers = np.asarray(table.numbers)[rows]
    return Table(columns, numbers, table.source, lines, table.others, weights)  # type: ignore[arg-type]


def _chosen(values: Any, rows: Array) -> Any:
    if isinstance(values, np.ndarray):
        return values[rows]
    return values.at(rows) if hasattr(values, "at") else [values[row] for row in rows]


def column(table: Table, name: str) -> Sequence[Any]:
    """The values of one column. Raises DataError, with the known names, if the table lacks it."""
    if faults := missing_column(table, name):
        raise DataError(faults)
    return table.columns[name]  # type: ignore[no-any-return]


def missing_column(table: Table, name: str) -> list[Fault]:
    """The fault, if there is no such column."""
    if name in table.columns:
        return []
    known = [*table.columns, *table.others]
    return [Fault(table.source, f'there is no column "{name}"; {did_you_mean(name, known)}{comma_advice(known)}')]


def comma_advice(names: Sequence[str]) -> str:
    """What to add to a message where a header's only name holds what other files separate columns with."""
    separated = len(names) == 1 and any(each in names[0] for each in ";\t|")
    return "; what separates columns is the comma, and a number has a point" if separated else ""


def place_of(each: Column) -> str:
    """What stands before a message about a column as a whole."""
    return f'column "{each.column}"'


def cell_fault(table: Table, name: str, error: CellError) -> DataError:
    """The fault of one cell, with its row (the first is row 1, whatever the header) and its line in the file."""
    line = "" if table.lines is None else f" (line {table.lines[error.index]})"
    return DataError(str(error), f'{table.source}, row {table.numbers[error.index]}{line}, column "{name}"')
