"""A table that the devices hold: of a batch of its rows they are sent the numbers alone, and gather the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from math import prod
from typing import TypeGuard

import jax
import numpy as np

from layerkit.data.batches import Batch, Picked, Rows
from layerkit.engines.aligned import zeros
from layerkit.engines.devices import Devices, rounded
from layerkit.engines.programs import STEPS
from layerkit.engines.stack import Stack
from layerkit.network import Network
from layerkit.ops import Array

NUMBERS = 2**18
"""How many numbers of rows a call is sent at most, unless a single batch has more."""

SHORT = 64
"""How many batches an epoch has at most for its smaller last one to be compiled along with the others."""


class Resident:
    """The last table of which batches came, on every device. Several processes hold none: each has its own rows."""

    def __init__(self, network: Network, devices: Devices, takes_last: bool) -> None:
        self._network, self._devices, self._room, self._takes_last = network, devices, devices.room, takes_last
        self._held: tuple[Rows, Rows] | None = None
        self._numbers: dict[int, Array] = {}

    def takes(self, batch: Batch) -> TypeGuard[Picked]:
        """Whether these are rows of a table that the devices have room for."""
        return isinstance(batch, Picked) and jax.process_count() == 1 and 2 * batch.table.nbytes <= self._room

    def stack(self, batches: Sequence[Batch], first: Picked) -> Stack:
        """The first of these batches, all that are of one table and size, and fit."""
        size, last = first.usual, len(first.table.x) % first.usual
        is_short = len(first.table.x) <= SHORT * size
        if not (self._takes_last and is_short and last and first.size in (size, last)):
            size, last = first.size, 0
        numbers = self._buffer(size)
        own = list(_alike(first.table, (size, last), batches[: len(numbers)]))
        for row, batch in zip(numbers, own):
            row[: batch.size] = batch.numbers
        is_last = None
        if last:
            is_last = np.zeros(len(numbers), bool)
            is_last[: len(own)] = [batch.size == last for batch in own]
        given = self._devices.given(numbers, axis=1)
        return Stack(self._table(first.table), given, [*own], size, is_last, last)

    def _table(self, table: Rows) -> Rows:
        """The table on the devices."""
        if self._held is None or self._held[0] is not table:
            self._held = None
            x, t, weights, _ = table
            dtype = self._network.dtype
            own = Rows(
                _padded(x, self._network.input_dtype),
                _padded(t, dtype),
                None if weights is None else _padded(weights, dtype),
            )
            # nobody else has this memory: a processor leaves it where it is
            self._held = table, jax.device_put(own, self._devices.whole)
        return self._held[1]

    def _buffer(self, size: int) -> Array:
        """The memory of numbers of batches of this size, filled anew for each stack."""
        if size not in self._numbers:
            share = self._devices.share(size)
            rows = share.stop - share.start
            steps = max(1, min(STEPS, NUMBERS // max(rows, 1)))
            self._numbers[size] = zeros(steps * rows, np.dtype("uint32")).reshape(steps, rows)
        return self._numbers[size]


def _alike(table: Rows, sizes: Collection[int], batches: Iterable[Batch]) -> Iterator[Picked]:
    """Those before the first that is of another table, or of none of these sizes."""
    for batch in batches:
        if not isinstance(batch, Picked) or batch.table is not table or batch.size not in sizes:
            return
        yield batch


def _padded(array: Array, dtype: str) -> Array:
    """The rows with zeros below them."""
    rows, shape = rounded(len(array)), array.shape[1:]
    padded = zeros(rows * prod(shape), dtype).reshape(rows, *shape)
    padded[: len(array)] = array
    return padded
