"""What a document learns of its data before anything is trained: its columns, and with them its network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

from pydantic_core import PydanticCustomError

from layerkit.building import build
from layerkit.data.tables import cell_fault, column, place_of
from layerkit.document import Document
from layerkit.errors import CellError, DataError, DocumentError, Fault, PartError
from layerkit.network import Network
from layerkit.part import naming
from layerkit.parts import Column, Shape, Table


def fit(document: Document, tables: Iterable[Table]) -> Document:
    """The document with its columns fitted on these tables, which are gone through once, or twice if they must be.

    An output of one unit tells two categories apart.
    """
    if not document.columns:
        return document
    inputs, outputs = document.input, document.output or ()
    units, asked = None, False
    for table in tables:
        inputs = _fitted(table, inputs)
        if outputs and not asked:
            units, asked = _units(document, inputs), True
        if outputs and units is not None:
            outputs = _fitted(table, outputs, units or None)
    document = document.model_copy(update={"input": inputs})
    if document.output is not None:
        if units is None:
            units = network_of(document).output_shape[-1] if len(document.output) == 1 else 0
            for table in tables:
                outputs = _fitted(table, outputs, units or None)
        document = document.model_copy(update={"output": outputs})
        network_of(document)
    return document


def _units(document: Document, inputs: Sequence[Column]) -> int | None:
    """The units of an output that stands alone, 0 of several; None while the inputs' width may still decide."""
    if len(document.output or ()) != 1:
        return 0
    try:
        return int(network_of(document.model_copy(update={"input": inputs})).output_shape[-1])
    except DocumentError:
        return None


def fitted(document: Document) -> bool:
    """Whether everything that comes from data is known."""
    return not document.columns or all(_asked(each, "fitted") for each in (*document.input, *(document.output or ())))


def network_of(document: Document) -> Network:
    """The document's network. Raises DocumentError with every fault; the columns must be fitted."""
    shape: Shape = (sum(map(_width, document.input)),) if document.columns else document.input.shape
    slots = 0
    if document.optimizer is not None:
        with naming(document.optimizer, "slots", "optimizer"):
            slots = len(document.optimizer.slots)
    integers = (
        all(_asked(each, "whole") for each in document.input) if document.columns else document.input.dtype == "int64"
    )
    network = build(document.layers, shape, document.dtype, document.loss, slots, integers)
    if document.output is not None and all(_asked(each, "fitted") for each in document.output):
        _check_names(document.output)
        due = sum(map(_width, document.output))
        if network.output_shape != (due,):
            names = [name for each in document.output for name in each.names]
            shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
            message = f"gives {list(network.output_shape)} a row where the output takes {due} ({shown})"
            raise DocumentError(f"{message}: give it {due} units", f"layers[{len(document.layers) - 1}]")
    return network


def _asked(each: Column, name: str) -> Any:
    """A property of a column's own. Raises PartError where asking for it fails."""
    with naming(each, name, place_of(each)):
        return getattr(each, name)


def _width(each: Column) -> int:
    with naming(each, "width", place_of(each)):
        return index(each.width)


def _check_names(columns: Sequence[Column]) -> None:
    """Raise unless all that predictions are called differs: each number of each column, and its value beside them."""
    called: dict[str, Column] = {}
    for each in columns:
        with naming(each, "names", place_of(each)):
            names = [*map(str, each.names)]
        if len(names) != _width(each):
            message = (
                f"{type(each).__name__}.names are {len(names)} ({', '.join(names)}) where its width is {each.width}"
            )
            raise PartError(message, place_of(each))
        for name in [*([each.column] if _asked(each, "shows_value") else []), *names]:
            if name in called:
                message = f'a prediction would be called "{name}" twice, for the column "{called[name].column}", too'
                raise DocumentError(message, place_of(each))
            called[name] = each


def _fitted(table: Table, columns: Sequence[Column], units: int | None = None) -> tuple[Column, ...]:
    """The columns, fitted. Raises DataError with the first fault of each."""
    fitted_columns: list[Column] = []
    faults: list[Fault] = []
    for each in columns:
        try:
            with naming(each, "fit", place_of(each)):
                found = each.fit(column(table, each.column), units)
            if type(found) is not type(each):
                name = type(each).__name__
                raise PartError(
                    f"{name}.fit gives a {type(found).__name__} where a fitted {name} is due", place_of(each)
                )
            fitted_columns.append(found)
        except CellError as error:
            faults.extend(cell_fault(table, each.column, error).faults)
        except DataError as error:
            faults.extend(error.faults)
        except PydanticCustomError as error:
            raise DocumentError(str(error), place_of(each)) from None
    if faults:
        raise DataError(faults)
    return tuple(fitted_columns)
