"""Batches as JAX's loop takes them: the different ones of a call in one stack, and each step's place in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from layerkit.data.batches import Rows
from layerkit.engines.devices import Devices
from layerkit.engines.programs import STEPS
from layerkit.network import Network, equal_weights
from layerkit.ops import Array

LARGEST = 4 * 2**20
"""The bytes of a stack, unless a single batch has more."""


@dataclass(frozen=True)
class Stack:
    """The batches of some steps: step i takes the first `size` rows of rows[places[i]]."""

    rows: Rows
    """On the devices; the weights, if there are any, are those by which a step sums its rows' losses."""
    places: Array
    count: int
    size: int
    different: Sequence[Rows]

    def batch(self, step: int) -> Rows:
        """The batch of a step, counted from 0."""
        return self.different[int(self.places[step])]


class Stacks:
    """Makes stacks. Batches of one size give stacks of one shape, however many they are: one program is compiled.

    A stack of the very batches of the stack before it is on the devices already: whoever trains on all rows at once
    sends them there once.
    """

    def __init__(self, network: Network, devices: Devices) -> None:
        self._network, self._devices = network, devices
        self._at_first, self._in_order = devices.everywhere(
            [np.zeros(STEPS, np.uint32), np.arange(STEPS, dtype=np.uint32)]
        )
        self._buffers: dict[int, Rows] = {}
        self._last: tuple[Sequence[Rows], Rows] | None = None

    def of(self, batches: Sequence[Rows]) -> Iterator[Stack]:
        """The batches in stacks, each as long as batches are of one size, and fit."""
        first = 0
        while first < len(batches):
            stack = self._first(batches[first : first + STEPS])
            yield stack
            first += stack.count

    def _first(self, batches: Sequence[Rows]) -> Stack:
        size = len(batches[0].x)
        if _all_one(batches):
            return Stack(self._placed(batches[:1], size), self._at_first, len(batches), size, batches[:1])
        ids = [id(batch) for batch in batches]
        different = list(dict(zip(ids, batches)).values())
        fitting = different[: len(self._buffer(size).x)]
        alike = next((i for i, batch in enumerate(fitting) if len(batch.x) != size), len(fitting))
        if alike < len(different):
            ids, different = ids[: ids.index(id(different[alike]))], different[:alike]
        places = self._in_order
        if len(different) < len(ids):
            place_of = {id(batch): place for place, batch in enumerate(different)}
            places = np.zeros(STEPS, np.uint32)
            places[: len(ids)] = [place_of[each] for each in ids]
        return Stack(self._placed(different, size), places, len(ids), size, different)

    def _placed(self, different: Sequence[Rows], size: int) -> Rows:
        """The different batches on the devices."""
        if self._last is not None:
            before, rows = self._last
            if len(before) == len(different) and all(map(lambda a, b: a is b, before, different)):
                return rows
        buffer = self._buffer(size)
        share = self._devices.share(size)
        own = len(range(size)[share])
        for name in ("x", "t"):
            arrays = [getattr(batch, name)[share] for batch in different]
            np.stack(arrays, out=getattr(buffer, name)[: len(different), :own])
        weighted = any(batch.weights is not None for batch in different)
        if weighted:
            equal = equal_weights(size, np, self._network.dtype)
            for row, batch in zip(np.asarray(buffer.weights), different):
                row[:own] = (equal if batch.weights is None else equal * batch.weights)[share]
        used = buffer if weighted else buffer._replace(weights=None)
        rows = Rows(*(array if array is None else self._devices.shared(array, axis=1) for array in used))
        self._last = (different, rows)
        return rows

    def _buffer(self, size: int) -> Rows:
        """The memory of stacks of batches of this size, filled anew for each: nothing computes while it is filled."""
        if size not in self._buffers:
            network, share = self._network, self._devices.share(size)
            rows = share.stop - share.start
            kinds = {
                "x": ((rows, *network.input_shape), np.dtype(network.input_dtype)),
                "t": ((rows, *network.output_shape), np.dtype(network.dtype)),
                "weights": ((rows,), np.dtype(network.dtype)),
            }
            batch = sum(prod(shape) * dtype.itemsize for shape, dtype in kinds.values())
            capacity = max(1, min(STEPS, LARGEST // batch))
            self._buffers[size] = Rows(
                **{name: _zeros((capacity, *shape), dtype) for name, (shape, dtype) in kinds.items()}
            )
        return self._buffers[size]


def _all_one(batches: Sequence[Rows]) -> bool:
    """Whether all are one object, or equal numbers: the comparison of lists looks for identity first, and is fast."""
    if batches[0] is not batches[-1]:
        return False
    try:
        return batches == [batches[0]] * len(batches)
    except ValueError:  # the truth of an array: some are different
        return False


def _zeros(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Zeros at an address from where XLA's processor reads without a copy."""
    size = prod(shape) * dtype.itemsize
    room = np.zeros(size + 63, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size].view(dtype).reshape(shape)
