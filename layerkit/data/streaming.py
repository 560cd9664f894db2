"""Rows of a file that is read again for each epoch: what is held is a buffer of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from layerkit.data.batches import Rows, Source, regrouped, shuffled, steps_per_epoch
from layerkit.data.reading import File
from layerkit.data.splitting import Side
from layerkit.parts import Table

PER_BUFFER = 64
SMALLEST_PIECE = 256
"""Rows. A file of arrays is read in pieces from all over it: 64 to a buffer, but none is smaller than this."""


class Streamed(Source):
    """One side of a file. An epoch's order is made a buffer at a time: the rows in one are shuffled among themselves.

    Where any row can be read by itself, a buffer holds pieces from all over the file, and other ones each epoch.
    """

    def __init__(self, side: Side, encode: Callable[[Table], Rows], buffer: int, count: int | None = None) -> None:
        self._side, self._encode, self._buffer, self._count = side, encode, buffer, count

    @property
    def count(self) -> int:
        if self._count is None:
            self._count = sum(len(table) for table in self._side)
        return self._count

    def blocks(self, size: int) -> Iterator[Rows]:
        return regrouped(map(self._encode, self._side), size)

    def batches(self, size: int, seed: int, step: int) -> Iterator[Rows]:
        epoch, first = divmod(step, steps_per_epoch(self.count, size))
        return regrouped(self._shuffled(seed, epoch, first * size), size)

    def _shuffled(self, seed: int, epoch: int, skip: int) -> Iterator[Rows]:
        """The rows in the epoch's order, a buffer at a time, from the row number `skip` on."""
        buffer, within = divmod(skip, self._buffer)
        for rows in regrouped(self._rows(seed, epoch, buffer * self._buffer), self._buffer):
            order = shuffled(seed, epoch, len(rows.x), f"buffer {buffer}")
            yield rows.at(order[within:])
            buffer, within = buffer + 1, 0

    def _rows(self, seed: int, epoch: int, skip: int) -> Iterator[Rows]:
        """The rows as they come into the buffer, without the first `skip`, which aren't encoded."""
        for count, read in self._pieces(seed, epoch):
            if skip >= count:
                skip -= count
                continue
            rows = self._encode(read())
            yield rows.at(slice(skip, None)) if skip else rows
            skip = 0

    def _pieces(self, seed: int, epoch: int) -> Iterator[tuple[int, Callable[[], Table]]]:
        """How many rows each piece has, and what reads it."""
        side, file = self._side, self._side.tables
        if not (isinstance(file, File) and file.arrays):
            for table in side:
                yield len(table), partial(_itself, table)
            return
        rows, size = file.length, max(self._buffer // PER_BUFFER, SMALLEST_PIECE)
        for piece in shuffled(seed, epoch, -(-rows // size), "pieces"):
            first, stop = int(piece) * size, min((int(piece) + 1) * size, rows)
            yield side.count(first, stop), partial(_read, side, file, first, stop)


def _itself(table: Table) -> Table:
    return table


def _read(side: Side, file: File, first: int, stop: int) -> Table:
    return side.of(file.rows(first, stop))
