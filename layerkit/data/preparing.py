"""From a document's rows to what a run takes: columns fitted, rows split, encoded, and weighted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias
from zlib import crc32

import numpy as np

from layerkit.data import encoding, fitting
from layerkit.data.batches import InMemory, Rows, Source
from layerkit.data.packing import packed
from layerkit.data.reading import File, InOrder, Tables
from layerkit.data.splitting import Drawn, Exact, Nothing, Side, Split
from layerkit.data.streaming import Streamed
from layerkit.data.weighting import Tally
from layerkit.document import Document
from layerkit.errors import DataError
from layerkit.inputs import DataFile
from layerkit.memory import check_rows_fit
from layerkit.parts import Table

Encode: TypeAlias = Callable[[Table], Rows]


class Prepared(NamedTuple):
    """The document with its columns fitted, its training rows, and its validation rows if it keeps any."""

    document: Document
    training: Source
    validation: Source | None
    held_out: tuple[int, int] | None = None
    """By what the rows that a fraction holds out are known again: a checksum of their inputs, and one of their targets.
    """


def prepare(document: Document, tables: Tables, folder: Path) -> Prepared:
    """Fit what isn't fitted on the training rows, and encode all rows, so that every faulty cell is found now.

    `folder` is where a validation file is. Raises DataError and DocumentError.
    """
    buffer = _buffer(document)
    tables = _held(tables, document)
    training, held_out = _sides(document, tables)
    path = document.training.validation
    file = _held(File(folder / path, document), document) if isinstance(path, str) else None
    if not fitting.fitted(document):
        document = fitting.fit(document, training)
    if buffer is not None and isinstance(tables, File):
        return _streamed(document, training, held_out, file, buffer)
    tally = Tally(document)
    rows = tally.weighted(tally.add(_gathered(training, encoder(document, weights=True))))
    kept = held_out or file
    if kept is None:
        return Prepared(document, InMemory(rows), None)
    validation = _gathered(kept, encoder(document))
    return Prepared(document, InMemory(rows), InMemory(validation), _checksums(validation) if held_out else None)


def fitted_on(document: Document, tables: Tables) -> Document:
    """The document with its columns fitted on the training rows among these."""
    return fitting.fit(document, _sides(document, _held(tables, document))[0])


def encoder(document: Document, weights: bool = False) -> Encode:
    """What makes rows of a table; with how much each counts, if that is asked for."""
    shape = fitting.network_of(document).output_shape

    def encode(table: Table) -> Rows:
        x, t = encoding.inputs(document, table), encoding.targets(document, table, shape)
        return Rows(x, t, encoding.sample_weights(document, table) if weights else None)

    return encode


def _buffer(document: Document) -> int | None:
    data = document.training.data
    return data.buffer if isinstance(data, DataFile) else None


def _held(tables: Tables, document: Document) -> Tables:
    """The tables in memory, unless a buffer is declared."""
    return packed(tables, document) if _buffer(document) is None else tables


def _sides(document: Document, tables: Tables) -> tuple[Side, Side | None]:
    """The training rows, and the rows that the document's fraction holds out."""
    fraction, seed = document.training.validation, document.training.seed
    if not isinstance(fraction, float):
        return Side(tables, Nothing(), False), None
    split: Split
    if isinstance(tables, InOrder):
        split = Exact(seed, fraction, _classes(document, tables))
        sides = Side(tables, split, False), Side(tables, split, True)
        _check_sides([len(side.places(0, len(tables))) for side in sides], document, tables)
        return sides
    split = Drawn(seed, fraction, document)
    return Side(tables, split, False), Side(tables, split, True)


def _classes(document: Document, tables: InOrder) -> np.ndarray:
    labels = [encoding.labels_of(document, table) for table in tables]
    if labels[0] is None:
        return np.zeros(len(tables), dtype=np.int64)
    # not by NumPy, which would give each the room of the longest
    names = [*chain.from_iterable(each or () for each in labels)]
    places = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.fromiter(map(places.__getitem__, names), np.int64, len(names))


def _check_sides(counts: list[int], document: Document, tables: Tables) -> None:
    if not all(counts):
        message = f"validation {document.training.validation} of {sum(counts)} rows leaves one side without a row"
        raise DataError(message, tables.source)


def _gathered(tables: Iterable[Table], encode: Encode) -> Rows:
    """All rows, encoded into arrays that are made once."""
    tables = list(tables)  # what they hold is packed
    count, at = sum(len(table) for table in tables), 0
    whole: Rows | None = None
    for table in tables:
        rows = encode(table)
        if len(table) == count:
            return rows
        if whole is None:
            arrays = [array for array in rows[:3] if array is not None]
            check_rows_fit(sum(array[:1].nbytes for array in arrays) * count, table.source)
            x, t, weights = (
                None if array is None else np.empty((count, *array.shape[1:]), array.dtype) for array in rows[:3]
            )
            whole = Rows(x, t, weights)
        for array, part in zip(whole[:3], rows[:3], strict=True):
            if array is not None:
                array[at : at + len(table)] = part
        at += len(table)
    assert whole is not None
    return whole


def _streamed(document: Document, training: Side, held_out: Side | None, file: Tables | None, buffer: int) -> Prepared:
    """Both sides, once every row has been encoded, counted, and let go of."""
    weigh, encode, tally, count = encoder(document, weights=True), encoder(document), Tally(document), 0
    known: tuple[int, int] | None = None
    for table in training.tables:
        tally.add(weigh(training.of(table)))
        if held_out is not None:
            rows = encode(held_out.of(table))
            count, known = count + len(rows.x), _checksums(rows, known or (0, 0))
    validation = None
    if held_out is not None:
        _check_sides([tally.rows, count], document, training.tables)
        validation = Streamed(held_out, encode, buffer, count)
    if file is not None:
        every = Side(file, Nothing(), False)
        validation = Streamed(every, encode, buffer, sum(len(encode(table).x) for table in every))
    streamed = Streamed(training, lambda table: tally.weighted(weigh(table)), buffer, tally.rows)
    return Prepared(document, streamed, validation, known)


def _checksums(rows: Rows, before: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Of the inputs and of the targets of rows, after those that gave `before`."""
    x, t = (np.ascontiguousarray(array) for array in (rows.x, rows.t))
    return crc32(x.data, before[0]), crc32(t.data, before[1])
