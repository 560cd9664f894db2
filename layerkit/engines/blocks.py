"""The optimizer over one flat vector: block by block, so that what it computes stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Optimizer

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

BLOCK = 32_768
"""Numbers of one block: with gradient, slots and what lies between them, a fraction of a core's own cache."""
MANY = 500_000
"""From so many numbers on, the blocks are shared among threads."""


class Block(NamedTuple):
    """Views of one stretch of everything that the optimizer reads, and of where it writes."""

    parameter: Array
    gradient: Array
    slots: dict[str, Array]
    new_parameter: Array
    new_slots: dict[str, Array]


class BlockedUpdate:
    """The updates of one vector. Nothing is changed by one that gives a number that isn't finite."""

    def __init__(self, vector: Array, gradient: Array, slots: dict[str, Array], threads: int) -> None:
        self.slots = slots
        """The slots as the last update left them; which arrays hold them changes with each."""
        self._vector, self._new_vector = vector, np.empty_like(vector)
        self._new_slots = {name: np.empty_like(values) for name, values in slots.items()}
        self._gradient = gradient
        self._blocks = self._cut(slots, self._new_slots)
        self._next_blocks = self._cut(self._new_slots, slots)
        self._threads = threads if len(vector) >= MANY else 1
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, optimizer: Optimizer, step: float) -> bool:
        """Update the vector and the slots; False, and nothing changed, if that isn't finite."""

        if len(self._blocks) == 1:
            return self._whole(optimizer, step)

        def update(block: Block) -> bool:
            parameter, slots = optimizer.update(block.parameter, block.gradient, block.slots, step)
            block.new_parameter[...] = parameter
            for name, values in slots.items():
                block.new_slots[name][...] = values
            return all(map(finite, (block.new_parameter, *block.new_slots.values())))

        if not all(self._each(update, self._blocks)):
            return False
        for _ in self._each(lambda block: np.copyto(block.parameter, block.new_parameter), self._blocks):
            pass
        self.slots, self._new_slots = self._new_slots, self.slots
        self._blocks, self._next_blocks = self._next_blocks, self._blocks
        return True

    def _whole(self, optimizer: Optimizer, step: float) -> bool:
        """The same for a vector that is one block."""
        parameter, slots = optimizer.update(self._vector, self._gradient, self.slots, step)
        if not (finite(parameter) and all(map(finite, slots.values()))):
            self._new_vector, self._new_slots = parameter, dict(slots)
            return False
        self._vector[...] = parameter
        for name, values in slots.items():
            self.slots[name][...] = values
        return True

    @property
    def refused(self) -> dict[str, Array]:
        """What the last update would have made of the vector ("") and of each slot."""
        return {"": self._new_vector, **self._new_slots}

    def _cut(self, slots: dict[str, Array], new_slots: dict[str, Array]) -> list[Block]:
        def at(first: int) -> Block:
            stretch = slice(first, first + BLOCK)
            own = {name: values[stretch] for name, values in slots.items()}
            new = {name: values[stretch] for name, values in new_slots.items()}
            return Block(self._vector[stretch], self._gradient[stretch], own, self._new_vector[stretch], new)

        return [at(first) for first in range(0, len(self._vector), BLOCK)]

    def _each(self, work: Callable[[Block], object], blocks: Sequence[Block]) -> Iterable[object]:
        """What `work` gives for each block. NumPy lets go of the interpreter while it computes, so threads help."""
        if self._threads == 1:
            return map(work, blocks)
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._threads)
        share = -(-len(blocks) // self._threads)
        shares = [blocks[first : first + share] for first in range(0, len(blocks), share)]

        def several(own: Sequence[Block]) -> list[object]:
            with np.errstate(all="ignore"):  # which each thread has of its own
                return [work(block) for block in own]

        return [each for done in self._pool.map(several, shares) for each in done]


def finite(array: Array) -> bool:
    """Whether every number is one."""
    if array.size < 4096:
        # one product is far cheaper than a test of each number; only one that overflows needs the second look
        flat = array.reshape(-1)
        if np.isfinite(flat @ flat):
            return True
    return bool(np.isfinite(array).all())
