"""Predictions as people and programs want them: labels, probabilities, and a file of either."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from layerkit import jsontext
from layerkit.data.encoding import decoded, in_units
from layerkit.document import Document
from layerkit.errors import DataError
from layerkit.ops import Array

SUFFIXES = (".csv", ".json", ".jsonl", ".npz")


@dataclass(frozen=True)
class Predictions:
    """What a model says of some rows: its outputs, in their own units, and what some of them mean."""

    outputs: Array
    labels: Mapping[str, Sequence[Any]]
    """The value of each row, such as its category, for each output column that isn't one number."""
    names: Sequence[str]
    """What each output is called."""

    @property
    def unsound(self) -> int:
        """How many rows have an output that is not a finite number."""
        fine = np.isfinite(self.outputs.reshape(len(self.outputs), -1)) if len(self.outputs) else self.outputs
        return len(fine) - int(np.sum(np.all(fine, axis=-1)))

    @property
    def columns(self) -> dict[str, Sequence[Any]]:
        """Labels and outputs as the columns of one table."""
        flat = self.outputs.reshape(len(self.outputs), -1) if len(self.outputs) else self.outputs
        return {**self.labels, **dict(zip(self.names, flat.T.tolist()))}

    def to_json(self) -> dict[str, Any]:
        """`{"outputs": names, "predictions": …}`, with `"labels"` where an output is a category."""
        labels: list[Any] = [dict(zip(self.labels, row)) for row in zip(*self.labels.values())]
        if len(self.labels) == 1:
            labels = list(*self.labels.values())
        outputs = {"outputs": list(self.names), "predictions": self.outputs.tolist()}
        return outputs | ({"labels": labels} if self.labels else {})


def contents(blocks: Iterable[Predictions], path: Path) -> Iterator[bytes]:
    """The content of a file of this suffix (see `check_suffix`): csv and jsonl block by block, the others whole."""
    match path.suffix:
        case ".csv":
            for i, block in enumerate(blocks):
                columns = block.columns
                yield _csv([*([] if i else [columns]), *zip(*columns.values())]).encode()
        case ".jsonl":
            for block in blocks:
                columns = block.columns
                rows = (dict(zip(columns, row)) for row in zip(*columns.values()))
                yield "".join(jsontext.dumps(row) + "\n" for row in rows).encode()
        case ".npz":
            content, whole = io.BytesIO(), end_to_end(blocks)
            arrays: dict[str, Any] = {f"labels.{name}": np.array(values) for name, values in whole.labels.items()}
            np.savez(content, outputs=np.array(whole.names, str), predictions=whole.outputs, **arrays)
            yield content.getvalue()
        case _:
            yield jsontext.dumps(end_to_end(blocks).to_json()).encode()


def _csv(rows: Sequence[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if "\r" in text.getvalue():  # which Python may leave without quotes
        text = io.StringIO()
        csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return text.getvalue()


def end_to_end(blocks: Iterable[Predictions]) -> Predictions:
    """The predictions of all rows as one."""
    parts = list(blocks)
    labels = {name: list(chain.from_iterable(part.labels[name] for part in parts)) for name in parts[0].labels}
    return Predictions(np.concatenate([part.outputs for part in parts]), labels, parts[0].names)


def predictions(document: Document, outputs: Array) -> Predictions:
    """From what the last stage gave, by the document's output columns if it has any."""
    values = decoded(document, outputs)
    labels = {each.column: _plain(values[each.column]) for each in document.output or () if each.shows_value}
    count = outputs[0].size if len(outputs) else 0
    names = [name for each in document.output or () for name in each.names] or [f"output {i}" for i in range(count)]
    return Predictions(in_units(document, outputs), labels, names)


def _plain(values: Sequence[Any]) -> list[Any]:
    """The values as JSON and NumPy have them: numbers and texts; anything else as the text that it prints."""
    if all(isinstance(value, str) for value in values):
        return list(values)  # NumPy would give each the room of the longest
    try:
        array = np.asarray(values)
    except ValueError:  # lists of several lengths
        array = np.empty(0, object)
    is_plain = array.ndim == 1 and array.dtype.kind in "biufU"
    plain: list[Any] = (array if is_plain else np.array([*map(str, values)], str)).tolist()
    return plain


def check_suffix(path: Path) -> None:
    """Raise DataError, before anything is computed, unless a file of this suffix can be written."""
    if path.suffix not in SUFFIXES:
        raise DataError(f"predictions are written to {', '.join(SUFFIXES)}", str(path))
