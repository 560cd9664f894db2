"""Rows as a network takes them, and the seeded order of each epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from sys import maxsize
from typing import NamedTuple, TypeAlias

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Shape
from layerkit.random import Random

TOGETHER = 2**11
"""So many random numbers take hardly longer than one: NumPy's calls do."""

Share: TypeAlias = Callable[[int], slice]
"""Which of so many rows one process takes, where several train together."""


def everything(rows: int) -> slice:
    """The share of a process that trains alone."""
    return slice(0, rows)


class Rows(NamedTuple):
    """Rows as the network takes them: x of (rows, *input shape), and t of (rows, *output shape)."""

    x: Array
    t: Array
    weights: Array | None = None
    """How much each row counts in training, of (rows,); None where all count 1."""
    total: int | None = None
    """How many rows the batch has of which these are one process's share; None where they are all."""

    @property
    def size(self) -> int:
        """How many rows the batch has, in all processes."""
        return len(self.x) if self.total is None else self.total

    @property
    def nbytes(self) -> int:
        """The bytes of x and t."""
        return int(self.x.nbytes + self.t.nbytes)

    @property
    def kind(self) -> tuple[Shape, bool]:
        """The shape of x, and whether the rows have weights."""
        return self.x.shape, self.weights is not None

    def gathered(self) -> Rows:
        """The rows themselves."""
        return self

    def into(self, x: Array, t: Array) -> None:
        """Copy the rows to these arrays."""
        np.copyto(x, self.x)
        np.copyto(t, self.t)

    def at(self, rows: Array | slice, total: int | None = None) -> Rows:
        """These rows alone; as the share of a batch of `total`, if they are one."""
        return Rows(self.x[rows], self.t[rows], None if self.weights is None else self.weights[rows], total)


class Picked(NamedTuple):
    """Some rows of a table, by their numbers: whoever holds the table needs no more."""

    table: Rows
    """Arrays in C order, of the dtypes that the network takes."""
    numbers: Array
    size: int
    """How many rows the batch has, in all processes."""
    usual: int
    """How many all batches of its epoch have but the last."""

    @property
    def weights(self) -> Array | None:
        """How much each row counts in training, of (rows,); None where all count 1."""
        return None if self.table.weights is None else self.table.weights[self.numbers]

    @property
    def nbytes(self) -> int:
        """The bytes of the numbers."""
        return int(self.numbers.nbytes)

    @property
    def kind(self) -> tuple[Shape, bool]:
        """The shape of x, and whether the rows have weights."""
        return (len(self.numbers), *self.table.x.shape[1:]), self.table.weights is not None

    def gathered(self) -> Rows:
        """The rows themselves, anew at each call."""
        return self.table.at(self.numbers, self.size)

    def into(self, x: Array, t: Array) -> None:
        """Gather the rows in these arrays, a third of the time that it takes to copy them there afterwards."""
        self.table.x.take(self.numbers, 0, x, "clip")  # "raise" would gather them elsewhere first
        self.table.t.take(self.numbers, 0, t, "clip")


Batch: TypeAlias = Rows | Picked
"""The rows of a step, or one process's share of them."""


class Source(ABC):
    """Where the rows of a run come from: in memory, or a file that is read again for each epoch."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many rows there are."""

    @property
    @abstractmethod
    def at_once(self) -> int:
        """How many rows may be taken before the first of them is used."""

    @abstractmethod
    def batches(self, size: int, seed: int, step: int, share: Share = everything) -> Iterator[Batch]:
        """The batches of the epoch that holds `step` (from 0), from that step's on. The last may be smaller.

        Every row comes once an epoch, in an order that seed and epoch alone decide. Of each batch, only the `share` of
        its rows is gathered.
        """

    def epochs(self, size: int, seed: int, step: int, share: Share = everything) -> Iterator[Batch]:
        """The batches from that step's on, an epoch after the other, without end."""
        per_epoch = steps_per_epoch(self.count, size)
        while True:
            yield from self.batches(size, seed, step, share)
            step += per_epoch - step % per_epoch

    @abstractmethod
    def blocks(self, size: int) -> Iterator[Rows]:
        """All rows once, in the order that they stand in, at most `size` at a time."""


class InMemory(Source):
    """Rows that are all in memory, in an order that is a permutation of all of them."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._seed, self._first, self._orders = 0, 0, np.zeros((0, len(rows.x)), np.int64)

    @property
    def count(self) -> int:
        return len(self.rows.x)

    @property
    def at_once(self) -> int:
        return maxsize  # of a batch there are only numbers until it is used

    def batches(self, size: int, seed: int, step: int, share: Share = everything) -> Iterator[Batch]:
        per_epoch = steps_per_epoch(self.count, size)
        epoch, first = divmod(step, per_epoch)
        if per_epoch == 1:
            # one batch of all rows: their order changes nothing
            yield self.rows.at(share(self.count), self.count)
            return
        order = self._order(seed, epoch)
        for number in range(first, per_epoch):
            rows = order[number * size : (number + 1) * size]
            yield Picked(self.rows, rows[share(len(rows))], len(rows), size)

    def epochs(self, size: int, seed: int, step: int, share: Share = everything) -> Iterator[Batch]:
        if steps_per_epoch(self.count, size) > 1:
            return super().epochs(size, seed, step, share)
        # one object for all epochs, so that an engine knows it again
        return repeat(*self.batches(size, seed, step, share))

    def blocks(self, size: int) -> Iterator[Rows]:
        for first in range(0, self.count, size):
            yield self.rows.at(slice(first, first + size))

    def _order(self, seed: int, epoch: int) -> Array:
        """The order of an epoch. The next ones' are worked out with it, where that takes no longer."""
        if seed != self._seed or not self._first <= epoch < self._first + len(self._orders):
            count = max(TOGETHER // self.count, 1)
            found = orders(seed, range(epoch, epoch + count), self.count, "epoch")
            self._seed, self._first, self._orders = seed, epoch, found
        return self._orders[epoch - self._first]


def shuffled(seed: int, turn: int, rows: int, purpose: str) -> Array:
    """The indices 0 to rows - 1 in an order that the seed, the turn and the purpose alone decide."""
    order: Array = orders(seed, range(turn, turn + 1), rows, purpose)[0]
    return order


def orders(seed: int, turns: range, rows: int, purpose: str) -> Array:
    """What `shuffled` gives for each of these turns, of (turns, rows)."""
    steps = np.arange(turns.start, turns.stop).astype(np.uint32)[:, None]
    keys = Random(np, np.float64, seed, steps, purpose).uniform((rows,))
    # the leading bits of each key, then its index: all are different, and NumPy sorts them in a third of argsort's time
    index = np.uint64(2 ** rows.bit_length() - 1)
    numbers = (keys * 2.0**64).astype(np.uint64) & ~index | np.arange(rows, dtype=np.uint64)
    numbers.sort()
    return (numbers & index).view(np.int64)


def regrouped(blocks: Iterable[Rows], sizes: Iterable[int]) -> Iterator[Rows]:
    """The same rows in the same order, as many at a time as `sizes` say; the last may be fewer."""
    source = iter(blocks)
    block, at = next(source, None), 0
    if block is None:
        return
    for size in sizes:
        parts = [block.at(slice(at, at + size))]
        count = len(parts[0].x)
        at += count
        while count < size and (following := next(source, None)) is not None:
            block, at = following, min(size - count, len(following.x))
            parts.append(block.at(slice(0, at)))
            count += at
        if size and not count:
            return
        yield _end_to_end(parts)


def _end_to_end(parts: Sequence[Rows]) -> Rows:
    parts = [part for part in parts if len(part.x)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    weights = None if parts[0].weights is None else np.concatenate([part.weights for part in parts])
    return Rows(np.concatenate([part.x for part in parts]), np.concatenate([part.t for part in parts]), weights)


def steps_per_epoch(rows: int, size: int) -> int:
    """How many batches cover the rows once."""
    return -(-rows // size)
