"""Batches as JAX's loop takes them: the different ones of a call in one stack, and each step's place in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import jax
import numpy as np

from layerkit.data.batches import Batch, Rows
from layerkit.engines.aligned import zeros
from layerkit.engines.devices import Devices
from layerkit.engines.programs import STEPS
from layerkit.engines.resident import Resident
from layerkit.engines.stack import Stack
from layerkit.network import Network, equal_weights
from layerkit.ops import Array

LARGEST = 16 * 2**20
"""The bytes of a stack, unless a single batch has more: the more steps a call takes, the less each pays for it."""


class Stacks:
    """Makes stacks. Batches of one size give stacks of one shape, however many they are: one program is compiled.

    A stack of the very batches of the stack before it is on the devices already: whoever trains on all rows at once
    sends them there once.
    """

    def __init__(self, network: Network, devices: Devices, takes_last: bool) -> None:
        self._network, self._devices = network, devices
        self._resident = Resident(network, devices, takes_last)
        self._places: dict[int, Array] = {}
        self._buffers: dict[int, Rows] = {}
        self._last: tuple[Sequence[Batch], Rows] | None = None
        self._call: Stack | None = None
        """That of the last call, if it was one."""

    def of(self, batches: Sequence[Batch]) -> Iterator[Stack]:
        """The batches in stacks, each as long as batches are of one size, and fit."""
        if self._call is not None and _same(self._call.batches, batches):
            yield self._call
            return
        first, given, self._call = 0, [*batches], None
        while first < len(given):
            stack = self._first(given[first : first + STEPS])
            if len(stack.batches) == len(batches):
                self._call = stack
            yield stack
            first += len(stack.batches)

    def _first(self, batches: list[Batch]) -> Stack:
        size = batches[0].size
        if self._resident.takes(batches[0]):
            return self._resident.stack(batches, batches[0])
        capacity = len(self._buffer(size).x)
        cycle = _cycle(batches)
        if cycle < len(batches) and cycle <= capacity and all(batch.size == size for batch in batches[:cycle]):
            different = batches[:cycle]
            return Stack(self._placed(different, size), self._turns(cycle), batches, size)
        fitting = batches[:capacity]
        count = next((i for i, batch in enumerate(fitting) if batch.size != size), len(fitting))
        return Stack(self._placed(batches[:count], size), self._turns(STEPS), batches[:count], size)

    def _turns(self, cycle: int) -> Array:
        """The places of a stack of so many batches, over and over, on the devices."""
        if cycle not in self._places:
            turns = np.resize(np.arange(cycle, dtype=np.uint32), STEPS)
            self._places[cycle] = self._devices.everywhere([turns])[0]
        return self._places[cycle]

    def _placed(self, different: Sequence[Batch], size: int) -> Rows:
        """The different batches on the devices."""
        if self._last is not None:
            before, rows = self._last
            if _same(before, different):
                return rows
        buffer, self._last = self._buffer(size), None
        gathered = [batch.gathered() for batch in different]
        own = len(gathered[0].x)
        for name in ("x", "t"):
            arrays = [getattr(batch, name) for batch in gathered]
            np.stack(arrays, out=getattr(buffer, name)[: len(different), :own])
        weighted = any(batch.weights is not None for batch in gathered)
        if weighted:
            equal = equal_weights(size, np, self._network.dtype)[:own]
            for row, batch in zip(np.asarray(buffer.weights), gathered):
                row[:own] = equal if batch.weights is None else equal * batch.weights
        used = buffer if weighted else buffer._replace(weights=None)
        placed: Rows = jax.tree.map(lambda array: self._devices.shared(array, axis=1), used)
        self._last = (different, placed)
        return placed

    def _buffer(self, size: int) -> Rows:
        """The memory of stacks of batches of this size, filled anew for each: nothing computes while it is filled.

        From where `zeros` begin, XLA's processor reads without a copy.
        """
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
                **{
                    name: zeros(capacity * prod(shape), dtype).reshape(capacity, *shape)
                    for name, (shape, dtype) in kinds.items()
                }
            )
        return self._buffers[size]


def _cycle(batches: Sequence[Batch]) -> int:
    """After how many batches the same objects come again, over and over; all of them where they don't."""
    length = next((i for i in range(1, len(batches)) if batches[i] is batches[0]), len(batches))
    return length if _equal(batches[length:], batches[:-length]) else len(batches)


def _same(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    """Whether these are the same batches; the first and the last tell soonest where they aren't."""
    ends = len(one) == len(other) and one[0] is other[0] and one[-1] is other[-1]
    return ends and _equal(one, other)


def _equal(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    """Whether these are the same batches: the comparison of lists looks for identity first, and is fast."""
    try:
        return one == other
    except ValueError:  # the truth of an array: some are different
        return False
