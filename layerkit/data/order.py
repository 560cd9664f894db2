"""The order of an epoch over a file, a buffer of rows at a time, and what of it one process needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerkit.data.batches import Share, shuffled, steps_per_epoch
from layerkit.ops import Array


class Order:
    """Rows are counted from 0 as they come into the buffers; those of one buffer are shuffled among themselves.

    What is needed is the `share` of each batch of `size`, from the batch `first` on.
    """

    def __init__(self, rows: int, buffer: int, size: int, seed: int, epoch: int, first: int, share: Share) -> None:
        self._rows, self._buffer, self._size, self._first, self._share = rows, buffer, size, first, share
        self._seed, self._epoch = seed, epoch
        self._found: dict[int, tuple[Array, Array]] = {}

    def batches(self) -> Iterator[tuple[int, int]]:
        """How many rows of each batch are needed, and how many it has."""
        for start in range(self._first * self._size, self._rows, self._size):
            total = min(self._size, self._rows - start)
            yield len(range(total)[self._share(total)]), total

    def buffers(self) -> Iterator[tuple[Array, Array]]:
        """The rows that are needed of each buffer, as they come; and the places among them of the epoch's order."""
        for number in range(steps_per_epoch(self._rows, self._buffer)):
            yield self._needed(number)

    def between(self, start: int, stop: int) -> Array:
        """Those of the rows from `start` to `stop` that are needed, counted from `start`."""
        found = [np.zeros(0, np.int64)]
        for number in range(start // self._buffer, steps_per_epoch(stop, self._buffer)):
            rows, _ = self._needed(number)
            found.append(rows[slice(*np.searchsorted(rows, (start, stop)))])
        return np.concatenate(found) - start

    def _needed(self, number: int) -> tuple[Array, Array]:
        """What is needed of a buffer; kept for a while, because a piece may end in the next one."""
        if number not in self._found:
            if len(self._found) == 2:
                del self._found[min(self._found)]
            self._found[number] = self._find_needed(number)
        return self._found[number]

    def _find_needed(self, number: int) -> tuple[Array, Array]:
        start, stop = number * self._buffer, min((number + 1) * self._buffer, self._rows)
        if stop <= self._first * self._size:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        order = shuffled(self._seed, self._epoch, stop - start, f"buffer {number}")
        order = order[self._is_needed(np.arange(start, stop))]
        needed = np.zeros(stop - start, dtype=bool)
        needed[order] = True
        return np.flatnonzero(needed) + start, (np.cumsum(needed) - 1)[order]

    def _is_needed(self, places: Array) -> Array:
        """Whether what stands at each place of the epoch's order is needed."""
        batch, place = np.divmod(places, self._size)
        last = steps_per_epoch(self._rows, self._size) - 1
        full, rest = self._share(self._size), self._share(self._rows - last * self._size)
        start, stop = (np.where(batch == last, *each) for each in ((rest.start, full.start), (rest.stop, full.stop)))
        found: Array = (batch >= self._first) & (start <= place) & (place < stop)
        return found
