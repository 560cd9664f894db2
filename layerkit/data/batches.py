"""Rows as a network takes them, and the seeded order of each epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from layerkit.ops import Array
from layerkit.random import Random


class Rows(NamedTuple):
    """Rows as the network takes them: x of (rows, *input shape), and t of (rows, *output shape)."""

    x: Array
    t: Array
    weights: Array | None = None
    """How much each row counts in training, of (rows,); None where all count 1."""

    def at(self, rows: Array | slice) -> Rows:
        """These rows alone."""
        return Rows(self.x[rows], self.t[rows], None if self.weights is None else self.weights[rows])


class Source(ABC):
    """Where the rows of a run come from: in memory, or a file that is read again for each epoch."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def batches(self, size: int, seed: int, step: int) -> Iterator[Rows]:
        """The batches of the epoch that holds `step` (from 0), from that step's on. The last may be smaller.

        Every row comes once an epoch, in an order that seed and epoch alone decide.
        """

    @abstractmethod
    def blocks(self, size: int) -> Iterator[Rows]:
        """All rows once, in the order that they stand in, at most `size` at a time."""


class InMemory(Source):
    """Rows that are all in memory, in an order that is a permutation of all of them."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @property
    def count(self) -> int:
        return len(self.rows.x)

    def batches(self, size: int, seed: int, step: int) -> Iterator[Rows]:
        per_epoch = steps_per_epoch(self.count, size)
        epoch, first = divmod(step, per_epoch)
        if per_epoch == 1:
            # one batch of all rows: their order changes nothing
            yield self.rows
            return
        order = shuffled(seed, epoch, self.count, "epoch")
        for number in range(first, per_epoch):
            yield self.rows.at(order[number * size : (number + 1) * size])

    def blocks(self, size: int) -> Iterator[Rows]:
        for first in range(0, self.count, size):
            yield self.rows.at(slice(first, first + size))


def shuffled(seed: int, turn: int, rows: int, purpose: str) -> Array:
    """The indices 0 to rows - 1 in an order that the seed, the turn and the purpose alone decide."""
    keys = Random(np, np.float64, seed, turn, purpose).uniform((rows,))
    order = np.argsort(keys)
    ordered = keys[order]
    # without equal keys, and there are hardly ever any, every sort gives one order, and NumPy's own choice is fastest
    return order if np.all(ordered[1:] > ordered[:-1]) else np.argsort(keys, kind="stable")


def regrouped(blocks: Iterable[Rows], size: int) -> Iterator[Rows]:
    """The same rows in the same order, `size` at a time; the last may be fewer."""
    kept: list[Rows] = []
    count = 0
    for block in blocks:
        first, rows = 0, len(block.x)
        while count + rows - first >= size:
            stop = first + size - count
            yield _end_to_end([*kept, block.at(slice(first, stop))])
            kept, count, first = [], 0, stop
        if first < rows:
            kept.append(block.at(slice(first, rows)))
            count += rows - first
    if kept:
        yield _end_to_end(kept)


def _end_to_end(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    weights = None if parts[0].weights is None else np.concatenate([part.weights for part in parts])
    return Rows(np.concatenate([part.x for part in parts]), np.concatenate([part.t for part in parts]), weights)


def steps_per_epoch(rows: int, size: int) -> int:
    """How many batches cover the rows once."""
    return -(-rows // size)
