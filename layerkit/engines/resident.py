"""A table that the devices hold: of a batch of its rows they are sent the numbers alone, and gather the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

import jax
import numpy as np

from layerkit.data.batches import Batch, Picked, Rows
from layerkit.engines.aligned import zeros
from layerkit.engines.devices import Devices
from layerkit.engines.programs import STEPS
from layerkit.network import Network
from layerkit.ops import Array

NUMBERS = 2**15
"""How many numbers of rows a call is sent at most, unless a single batch has more."""


class Resident:
    """The last table of which batches came, on every device. Several processes hold none: each has its own rows."""

    def __init__(self, network: Network, devices: Devices) -> None:
        self._network, self._devices, self._room = network, devices, devices.room
        self._held: tuple[Rows, Rows] | None = None
        self._numbers: dict[int, Array] = {}

    def takes(self, batch: Batch) -> TypeGuard[Picked]:
        """Whether these are rows of a table that the devices have room for."""
        return isinstance(batch, Picked) and jax.process_count() == 1 and batch.table.nbytes <= self._room

    def table(self, batch: Picked) -> Rows:
        """The table of this batch, on the devices."""
        if self._held is None or self._held[0] is not batch.table:
            self._held = None  # its memory is free before there is another
            x, t, weights, _ = batch.table
            dtype = self._network.dtype
            own = Rows(
                np.asarray(x, self._network.input_dtype),
                np.asarray(t, dtype),
                None if weights is None else np.asarray(weights, dtype),
            )
            self._held = batch.table, self._devices.everywhere(own)
        return self._held[1]

    def numbers(self, batches: Sequence[Batch], first: Picked) -> tuple[Array, int]:
        """The numbers of the first batches' rows, on the devices, and of how many batches: all that are alike, and fit.

        They are in memory that the next ones take: nothing computes by then.
        """
        buffer = self._buffer(first.size)
        own = [batch.numbers for batch in _alike(first, batches[: len(buffer)])]
        np.stack(own, out=buffer[: len(own), : first.size], casting="unsafe")
        return self._devices.given(buffer, axis=1), len(own)

    def _buffer(self, size: int) -> Array:
        if size not in self._numbers:
            share = self._devices.share(size)
            rows = share.stop - share.start
            steps = max(1, min(STEPS, NUMBERS // max(rows, 1)))
            self._numbers[size] = zeros(steps * rows, np.dtype("uint32")).reshape(steps, rows)
        return self._numbers[size]


def _alike(first: Picked, batches: Iterable[Batch]) -> Iterator[Picked]:
    """Those before the first that is of another table, or size."""
    for batch in batches:
        if not isinstance(batch, Picked) or batch.table is not first.table or batch.size != first.size:
            return
        yield batch
