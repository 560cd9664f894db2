"""Rows of a file that is read again for each epoch: what is held is a buffer of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat, tee

from layerkit.data.batches import Rows, Share, Source, everything, regrouped, shuffled, steps_per_epoch
from layerkit.data.order import Order
from layerkit.data.reading import File
from layerkit.data.splitting import Side
from layerkit.data.tables import chosen
from layerkit.ops import Array
from layerkit.parts import Table

AT_ONCE = 2**15
"""Rows that may be in memory beside those of a buffer."""
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

    @property
    def at_once(self) -> int:
        return AT_ONCE

    def blocks(self, size: int) -> Iterator[Rows]:
        return regrouped(map(self._encode, self._side), repeat(size))

    def batches(self, size: int, seed: int, step: int, share: Share = everything) -> Iterator[Rows]:
        epoch, first = divmod(step, steps_per_epoch(self.count, size))
        order = Order(self.count, self._buffer, size, seed, epoch, first, share)
        needed = regrouped(self._needed(seed, epoch, order), (len(rows) for rows, _ in order.buffers()))
        ordered = (rows.at(places) for rows, (_, places) in zip(needed, order.buffers()))
        totals, owns = tee(order.batches())
        for rows, (_, total) in zip(regrouped(ordered, (own for own, _ in owns)), totals):
            yield rows._replace(total=total)

    def _needed(self, seed: int, epoch: int, order: Order) -> Iterator[Rows]:
        """The rows that are needed, as they come from the file; no others are encoded."""
        at, empty = 0, True
        for count, read in self._pieces(seed, epoch):
            rows = order.between(at, at + count)
            at += count
            # of the last piece even where nothing is needed, for no rows have a shape too
            if len(rows) or (empty and at == self.count):
                yield self._encode(read(rows))
                empty = False

    def _pieces(self, seed: int, epoch: int) -> Iterator[tuple[int, Callable[[Array], Table]]]:
        """How many rows each piece has, and what reads some of them."""
        side, file = self._side, self._side.tables
        if not (isinstance(file, File) and file.arrays):
            for table in side:
                yield len(table), partial(_some, table)
            return
        rows, size = file.length, max(self._buffer // PER_BUFFER, SMALLEST_PIECE)
        for piece in shuffled(seed, epoch, -(-rows // size), "pieces"):
            places = side.places(int(piece) * size, min((int(piece) + 1) * size, rows))
            yield len(places), partial(_read, file, places)


def _some(table: Table, rows: Array) -> Table:
    return table if len(rows) == len(table) else chosen(table, rows)


def _read(file: File, places: Array, rows: Array) -> Table:
    return file.rows(places[rows])
