"""From a table to the arrays that a network takes, and back, as the document's input and output say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import PydanticCustomError

from layerkit import registry
from layerkit.data.tables import WEIGHTS, cell_fault, column, joined, missing_column, table_of_arrays, table_of_objects
from layerkit.document import Document
from layerkit.errors import CellError, DataError, DocumentError, Fault
from layerkit.inputs import DataFile, InlineArrays
from layerkit.network import Network, build
from layerkit.ops import Array
from layerkit.part import find_class
from layerkit.parts import Column, Reader, Shape, Table


def read_file(path: Path, document: Document, targets: bool = True) -> Table:
    """The columns of a data file that the document needs; without `targets`, only those of its input."""
    suffix = path.suffix.removeprefix(".").lower()
    known = sorted({part.name for part in registry.installed() if part.kind == "reader"})
    if suffix not in known:
        raise DataError(f'no reader for "{path.suffix}" is installed; known suffixes: {", ".join(known)}', str(path))
    reader = find_class(["reader"], suffix)()
    assert isinstance(reader, Reader)
    table = joined(reader.blocks(path, _names(document, targets)), str(path))
    if not document.columns:
        _check_arrays(table)
    faults = [fault for name in _names(document, False) for fault in missing_column(table, name)]
    if faults:
        raise DataError(faults)
    return table


def read_own(document: Document, folder: Path) -> Table:
    """The document's own training data. Raises DocumentError if it names none."""
    data = document.training.data
    if data is None:
        raise DocumentError("the document names no data: give --data, or write training.data", "training.data")
    if isinstance(data, DataFile):
        return read_file(folder / data.path, document)
    if isinstance(data, InlineArrays):
        arrays = {"x": data.x} | ({} if data.y is None else {"y": data.y})
        arrays = {name: _array(values, f"training.data.{name}") for name, values in arrays.items()}
        return joined([table_of_arrays(arrays, "training.data")], "training.data")
    return joined([table_of_objects(data, "training.data")], "training.data")


def fit(document: Document, table: Table) -> Document:
    """The document with its columns fitted on this table. An output of one unit tells two categories apart."""
    if not document.columns:
        return document
    inputs = _fitted(table, document.input)
    document = document.model_copy(update={"input": inputs})
    if document.output is not None:
        units = network_of(document).output_shape[-1] if len(document.output) == 1 else None
        outputs = _fitted(table, document.output, units)
        document = document.model_copy(update={"output": outputs})
        network_of(document)
    return document


def fitted(document: Document) -> bool:
    """Whether everything that comes from data is known."""
    return not document.columns or all(each.fitted for each in (*document.input, *(document.output or ())))


def network_of(document: Document) -> Network:
    """The document's network. Raises DocumentError with every fault; the columns must be fitted."""
    shape: Shape = (sum(each.width for each in document.input),) if document.columns else document.input.shape
    slots = len(document.optimizer.slots) if document.optimizer else 0
    integers = all(each.whole for each in document.input) if document.columns else document.input.dtype == "int64"
    network = build(document.layers, shape, document.dtype, document.loss, slots, integers)
    if document.output is not None and all(each.fitted for each in document.output):
        due = sum(each.width for each in document.output)
        if network.output_shape != (due,):
            raise DocumentError(
                f"gives {list(network.output_shape)} a row where the output columns "
                f"({', '.join(each.column for each in document.output)}) take {due}: give it {due} units",
                f"layers[{len(document.layers) - 1}]",
            )
    return network


def inputs(document: Document, table: Table) -> Array:
    """x, of (rows, *input shape) and the dtype that the first layer takes."""
    if document.columns:
        x = _encoded(table, document.input)
        return x if x.dtype == np.int64 else x.astype(document.dtype)
    dtype = document.input.dtype or document.dtype
    return _shaped(column(table, "x"), document.input.shape, dtype, f"{table.source}, x")


def targets(document: Document, table: Table, output_shape: Shape) -> Array:
    """t, of (rows, *output shape). Class indices become one-hot rows where the loss is about classes."""
    if document.columns:
        if document.output is None:
            raise DocumentError('the document has no "output", so no column says what is due', "output")
        return _encoded(table, document.output).astype(document.dtype)
    where = f"{table.source}, y"
    y = _array(column(table, "y"), where)
    classes = output_shape[-1]
    if document.loss is not None and document.loss.labels and y.dtype.kind in "iu" and y.shape[1:] == output_shape[:-1]:
        if y.size and not 0 <= y.min() <= y.max() < classes:
            raise DataError(
                f"holds the class {int(y.max() if y.min() >= 0 else y.min())}; known: 0 to {classes - 1}", where
            )
        return np.eye(classes, dtype=document.dtype)[y]
    if y.shape[1:] == () and output_shape == (1,):
        y = y[:, None]
    return _shaped(y, output_shape, document.dtype, where)


def sample_weights(document: Document, table: Table) -> Array | None:
    """How much each row counts, of (rows,), by the document's column of weights or what Python gave; None otherwise."""
    name = WEIGHTS if WEIGHTS in table.columns else document.training.sample_weights
    if name is None:
        return None
    from layerkit.builtin.columns import Number  # few documents weigh their rows

    weights = _encoded(table, [Number(column=name, scale="none")])[:, 0]
    if np.any(weights < 0.0):
        first = int(np.argmax(weights < 0.0))
        raise cell_fault(table, name, CellError(first, f"{weights[first]:g} is not a weight: a number from 0 is due"))
    return weights


def has_targets(document: Document, table: Table) -> bool:
    """Whether the table holds what is due, not inputs alone."""
    names = [each.column for each in document.output or ()] if document.columns else ["y"]
    return bool(names) and all(name in table.columns for name in names)


def classes_of(document: Document, table: Table) -> Array:
    """The class of each row, for a split that keeps their shares; all zeros where the output isn't one category."""
    outputs: Sequence[Column] = document.output or ()
    if len(outputs) == 1 and outputs[0].classes:
        values = np.array([str(value) for value in column(table, outputs[0].column)])
        return np.unique(values, return_inverse=True)[1]
    return np.zeros(len(table), dtype=np.int64)


def decoded(document: Document, y: Array) -> dict[str, Sequence[Any]]:
    """The output columns' values, from what the network gave."""
    values, first = {}, 0
    for each in document.output or ():
        values[each.column] = each.decode(y[:, first : first + each.width])
        first += each.width
    return values


def in_units(document: Document, y: Array) -> Array:
    """y with every number column in its own units; categories stay as the network has them."""
    blocks, first = [], 0
    for each in document.output or ():
        block = y[:, first : first + each.width]
        values = each.decode(block)
        blocks.append(values[:, None] if isinstance(values, np.ndarray) and values.dtype.kind == "f" else block)
        first += each.width
    return np.concatenate(blocks, axis=1) if blocks else y


def _names(document: Document, with_targets: bool) -> list[str]:
    weights = [document.training.sample_weights] if with_targets and document.training.sample_weights else []
    if not document.columns:
        return ["x", *(["y"] if with_targets else []), *weights]
    columns = [each.column for each in (*document.input, *((document.output or ()) if with_targets else ()))]
    return list(dict.fromkeys([*columns, *weights]))


def _fitted(table: Table, columns: Sequence[Column], units: int | None = None) -> tuple[Column, ...]:
    """The columns, fitted. Raises DataError with the first fault of each."""
    fitted_columns: list[Column] = []
    faults: list[Fault] = []
    for each in columns:
        try:
            fitted_columns.append(each.fit(column(table, each.column), units))
        except CellError as error:
            faults.extend(cell_fault(table, each.column, error).faults)
        except DataError as error:
            faults.extend(error.faults)
        except PydanticCustomError as error:
            raise DocumentError(str(error), f'column "{each.column}"') from None
    if faults:
        raise DataError(faults)
    return tuple(fitted_columns)


def _encoded(table: Table, columns: Sequence[Column]) -> Array:
    """The columns side by side. Raises DataError with the first fault of each."""
    blocks: list[Array] = []
    faults: list[Fault] = []
    for each in columns:
        try:
            blocks.append(each.encode(column(table, each.column)))
        except CellError as error:
            faults.extend(cell_fault(table, each.column, error).faults)
        except DataError as error:
            faults.extend(error.faults)
    if faults:
        raise DataError(faults)
    return np.concatenate(blocks, axis=1)


def _check_arrays(table: Table) -> None:
    if "x" not in table.columns and table.lines is not None:
        raise DataError(
            "this file holds named columns where the document's input is an array; "
            'an input of columns is "input": [{"column": name}, …]',
            table.source,
        )


def _array(values: Any, where: str) -> Array:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        raise DataError("the rows differ in length", where) from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"holds what is not a number: {_first_odd(values)}", where)
    return array


def _shaped(values: Any, shape: Shape, dtype: str, where: str) -> Array:
    array = _array(values, where)
    if array.shape[1:] != shape:
        raise DataError(f"a row has the shape {list(array.shape[1:])} where {list(shape)} is due", where)
    if dtype == "int64" and array.dtype.kind not in "biu":
        raise DataError("holds fractions where whole numbers are due", where)
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        place = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise DataError(f"{array[tuple(place)]} is not a finite number", f"{where}{''.join(f'[{i}]' for i in place)}")
    return array.astype(dtype, copy=False)


def _first_odd(values: Any) -> str:
    if isinstance(values, list | tuple):
        return next((odd for odd in map(_first_odd, values) if odd), "")
    return "" if isinstance(values, int | float) else repr(values)[:60]
