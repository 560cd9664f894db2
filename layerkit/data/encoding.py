"""From a table to the arrays that a network takes, and back, as the document's input and output say."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from layerkit.data.coded import Coded
from layerkit.data.tables import cell_fault, column, place_of
from layerkit.declared import shown
from layerkit.document import Document
from layerkit.errors import CellError, DataError, DocumentError, Fault, PartError
from layerkit.memory import STREAM_IT, check_rows_fit
from layerkit.ops import Array
from layerkit.part import naming
from layerkit.parts import Column, Shape, Table


def inputs(document: Document, table: Table) -> Array:
    """x, of (rows, *input shape) and the dtype that the first layer takes."""
    if document.columns:
        return _encoded(table, document.input, document.dtype)
    dtype = document.input.dtype or document.dtype
    return _shaped(column(table, "x"), document.input.shape, dtype, f"{table.source}, x", table)


def targets(document: Document, table: Table, output_shape: Shape) -> Array:
    """t, of (rows, *output shape). Class indices become one-hot rows where the loss is about classes."""
    t = _targets(document, table, output_shape)
    loss = document.loss
    if loss is not None and loss.probabilities and t.size and not (t.min() >= 0.0 and t.max() <= 1.0):
        row, *place = (int(i) for i in np.argwhere((t < 0.0) | (t > 1.0))[0])
        message = f"{type(loss).__name__} takes targets from 0 to 1, and {t[row, *place]:g} is due here"
        if document.output:
            message += '; an output column with "scale": "none" is left as it is'
        raise DataError(message, f"{table.source}, row {table.numbers[row]}")
    return t


def _targets(document: Document, table: Table, output_shape: Shape) -> Array:
    if document.columns:
        if document.output is None:
            raise DocumentError('the document has no "output", so no column says what is due', "output")
        return _encoded(table, document.output, document.dtype, whole=False)
    where = f"{table.source}, y"
    y = array_of(column(table, "y"), where)
    by_class = document.loss is not None and document.loss.labels and output_shape != ()
    if by_class and y.dtype.kind in "iu" and y.shape[1:] == output_shape[:-1]:
        classes = output_shape[-1]
        if y.size and not 0 <= y.min() <= y.max() < classes:
            raise DataError(
                f"holds the class {int(y.max() if y.min() >= 0 else y.min())}; known: 0 to {classes - 1}", where
            )
        return (y[..., None] == np.arange(classes)).astype(document.dtype)
    if y.shape[1:] == () and output_shape == (1,):
        y = y[:, None]
    if by_class and y.shape[1:] in (output_shape[:-1], (*output_shape[:-1], 1)) and y.shape[1:] != output_shape:
        found = f"{y.dtype} {list(y.shape[1:])} a row"
        raise DataError(
            f"class numbers are whole numbers, {list(output_shape[:-1])} a row, and these are {found}", where
        )
    return _shaped(y, output_shape, document.dtype, where, table)


def sample_weights(document: Document, table: Table) -> Array | None:
    """How much each row counts, of (rows,), by the document's column of weights or what Python gave; None otherwise."""
    name = document.training.sample_weights
    if table.weights is not None:
        name, table = "weights", replace(table, columns={"weights": table.weights})
    if name is None:
        return None
    weights = _encoded(table, [_weights(name)], "float64")[:, 0]
    if np.any(weights < 0.0):
        first = int(np.argmax(weights < 0.0))
        raise cell_fault(table, name, CellError(first, f"{weights[first]:g} is not a weight: a number from 0 is due"))
    return weights


def has_targets(document: Document, table: Table) -> bool:
    """Whether the table holds what is due, not inputs alone."""
    names = [each.column for each in document.output or ()] if document.columns else ["y"]
    return bool(names) and all(name in table.columns for name in names)


def labels_of(document: Document, table: Table) -> list[str] | None:
    """The class of each row, for a split that keeps their shares; None where the output isn't one category."""
    outputs: Sequence[Column] = document.output or ()
    if len(outputs) == 1 and outputs[0].classes:
        return [str(value) for value in column(table, outputs[0].column)]
    return None


def decoded(document: Document, y: Array) -> dict[str, Sequence[Any]]:
    """The output columns' values, from what the network gave."""
    values, first = {}, 0
    for each in document.output or ():
        with naming(each, "decode", place_of(each)):
            found = each.decode(y[:, first : first + each.width])
            count = len(found)
        if count != len(y):
            message = f"{type(each).__name__}.decode gives {count} values where {len(y)} are due"
            raise PartError(message, place_of(each))
        values[each.column] = found
        first += each.width
    return values


def in_units(document: Document, y: Array) -> Array:
    """y with every number column in its own units; other columns stay as the network has them."""
    blocks, first = [], 0
    for each in document.output or ():
        block = y[:, first : first + each.width]
        with naming(each, "decode", place_of(each)):
            values = each.decode(block) if each.width == 1 else None
        blocks.append(values[:, None] if isinstance(values, np.ndarray) and values.dtype.kind == "f" else block)
        first += each.width
    return np.concatenate(blocks, axis=1) if blocks else y


def names_of(document: Document, targets: bool) -> list[str]:
    """The columns that the document needs of its data; without `targets`, only those of its input."""
    weights = [document.training.sample_weights] if targets and document.training.sample_weights else []
    if not document.columns:
        return ["x", *(["y"] if targets else []), *weights]
    columns = [each.column for each in (*document.input, *((document.output or ()) if targets else ()))]
    return list(dict.fromkeys([*columns, *weights]))


def columns_of(document: Document) -> list[Column]:
    """Every column that takes cells of the data, the weights' among them."""
    name = document.training.sample_weights
    weights = [] if name is None else [_weights(name)]
    return [*(document.input if document.columns else ()), *(document.output or ()), *weights]


def _weights(name: str) -> Column:
    from layerkit.builtin.number import Number  # few documents weigh their rows

    return Number(column=name, scale="none")


def _encoded(table: Table, columns: Sequence[Column], dtype: str, whole: bool = True) -> Array:
    """The columns side by side, in `dtype`, or in int64 if all are whole numbers and `whole` is asked for.

    Raises DataError with the first fault of each.
    """
    dtype = "int64" if whole and all(each.whole for each in columns) else dtype
    _check_fits(table, columns, np.dtype(dtype).itemsize)
    encoded = np.empty((len(table), sum(each.width for each in columns)), dtype)
    faults: list[Fault] = []
    at = 0
    for each in columns:
        try:
            with naming(each, "encode", place_of(each)):
                values = _of_each(each, column(table, each.column))
            into = encoded[:, at : at + each.width]
            if getattr(values, "shape", None) != into.shape:
                found = list(values.shape) if hasattr(values, "shape") else type(values).__name__
                message = f"{type(each).__name__}.encode gives {found} where {list(into.shape)} is due"
                raise PartError(message, place_of(each))
            with np.errstate(over="ignore"):
                into[...] = values
            _check_finite(each, into, values)
        except CellError as error:
            faults.extend(cell_fault(table, each.column, error).faults)
        except DataError as error:
            faults.extend(error.faults)
        at += each.width
    if faults:
        raise DataError(faults)
    return encoded


def _check_fits(table: Table, columns: Sequence[Column], itemsize: int) -> None:
    """Raise DataError where what the columns make of so many rows is more than memory holds."""
    widest = max(columns, key=lambda each: each.width)
    # what encode makes of one column, in float64, stands beside them all
    size = len(table) * (sum(each.width for each in columns) * itemsize + widest.width * 8)
    wide = f'"{widest.column}" makes {widest.width:,} numbers of a cell; a category with "encoding": "index" makes one'
    check_rows_fit(size, table.source, wide if widest.width > 1 else STREAM_IT)


def _of_each(column: Column, cells: Sequence[Any]) -> Array:
    """What the column makes of each cell: once of those that are the same, if none is refused."""
    if isinstance(cells, Coded):
        different, places = cells.different()
        with suppress(CellError):  # whose row is that of the cells themselves
            values = column.encode(different)
            if getattr(values, "shape", ())[:1] == (len(different),):
                return values[places]
    return column.encode(cells)


def _check_finite(column: Column, encoded: Array, values: Array) -> None:
    """Raise CellError at the first value that is too large for the dtype that it was put into, PartError at NaN."""
    if encoded.dtype.kind == "f" and not np.isfinite(encoded).all():
        row, place = (int(i) for i in np.argwhere(~np.isfinite(encoded))[0])
        if not np.isfinite(values[row, place]):
            raise PartError(f"{type(column).__name__}.encode gives {values[row, place]}", place_of(column))
        advice = 'scale the column, or give the model "dtype": "float64"'
        raise CellError(row, f"{values[row, place]:g} is too large for float32: {advice}")


def array_of(values: Any, where: str) -> Array:
    """Numbers as an array. Raises DataError where they are no numbers, or rows of different lengths."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        raise DataError("the rows differ in length", where) from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"holds {_first_odd(values)}", where)
    return array


def _shaped(values: Any, shape: Shape, dtype: str, where: str, table: Table) -> Array:
    array = array_of(values, where)
    if array.shape[1:] != shape:
        raise DataError(f"a row has the shape {list(array.shape[1:])} where {list(shape)} is due", where)
    if dtype == "int64" and array.dtype.kind not in "biu":
        raise DataError("holds fractions where whole numbers are due", where)
    with np.errstate(over="ignore"):  # what is too large is said below
        # in one order, so that sums have the same bits however the rows came
        cast = np.asarray(array, dtype, order="C")
    if not np.all(np.isfinite(cast)):
        row, *place = (int(i) for i in np.argwhere(~np.isfinite(cast))[0])
        value, whole = array[row, *place], "".join(f"[{i}]" for i in (table.numbers[row] - 1, *place))
        too_large = f'too large for {dtype}: give the model "dtype": "float64"'
        raise DataError(f"{value} is {too_large if np.isfinite(value) else 'not a finite number'}", f"{where}{whole}")
    return cast


def _first_odd(values: Any) -> str:
    if isinstance(values, list | tuple):
        return next((odd for odd in map(_first_odd, values) if odd), "")
    if isinstance(values, np.ndarray):
        return f"what is not a number: an array of {values.dtype}"
    if isinstance(values, int) and not -(2**63) <= values < 2**64:
        return f"{shown(values)}, which is beyond 64 bits; with .0 at its end it is a float"
    return "" if isinstance(values, int | float) else f"what is not a number: {values!r:.60}"
