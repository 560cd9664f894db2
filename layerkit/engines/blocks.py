"""The optimizer over one flat vector: block by block, so that what it computes stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from layerkit.engines.recorded import Number
from layerkit.engines.tape import SMALL, Tape
from layerkit.ops import Array
from layerkit.parts import Optimizer

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

BLOCK = 32_768
"""Numbers of one block: with gradient, slots and what lies between them, a fraction of a core's own cache."""
MANY = 500_000
"""From so many numbers on, the blocks are shared among threads."""


class Block(NamedTuple):
    """One stretch of all that the optimizer reads, and of where it writes.

    `new_parameter` is the parameter itself; before it is written, it is copied to `parameter`, which is read.
    """

    parameter: Array
    gradient: Array
    slots: dict[str, Array]
    new_parameter: Array
    new_slots: dict[str, Array]

    def arrays(self) -> list[Array]:
        """Each of them."""
        own = [self.parameter, self.gradient, self.new_parameter]
        return [*own, *self.slots.values(), *self.new_slots.values()]


class BlockedUpdate:
    """The updates of one vector by one optimizer. Nothing is changed by one that gives what isn't finite."""

    def __init__(
        self, optimizer: Optimizer | None, vector: Array, gradient: Array, slots: dict[str, Array], threads: int = 1
    ) -> None:
        self.slots = slots
        """The slots as the last update left them; which arrays hold them changes with each."""
        self.refused: dict[str, Array] = {}
        """What an update that gave False would have made of the vector ("") and of each slot."""
        # the vector is written where it lies, and kept for the case that this must be undone; slots change places
        self._vector, self._kept = vector, np.empty_like(vector)
        self._new_slots = {name: np.empty_like(array) for name, array in slots.items()}
        self._threads = threads if len(vector) >= MANY else 1
        self._pool: ThreadPoolExecutor | None = None
        self._now = Number(np.float64(1)), Number(np.float64(1))
        turns = ((slots, self._new_slots), (self._new_slots, slots))
        # what one update reads, the next one writes
        stretches = [list(self._stretches(gradient, *turn)) for turn in turns]
        self._works = [self._shared_out(blocks, optimizer) for blocks in stretches] if optimizer else []

    def __call__(self, step: int, factor: float) -> bool:
        """Take the step; False, and nothing changed, if that gives what isn't finite."""
        # NumPy's own floats, as in an array: where Python's would raise, they are infinite
        self._now[0].value, self._now[1].value = np.float64(step), np.float64(factor)
        if not all(self._each(self._works[0])):
            self.refused = {"": self._vector.copy(), **self._new_slots}
            np.copyto(self._vector, self._kept)
            return False
        self.slots, self._new_slots = self._new_slots, self.slots
        self._works.reverse()
        return True

    def _stretches(self, gradient: Array, slots: dict[str, Array], new_slots: dict[str, Array]) -> Iterator[Block]:
        for first in range(0, len(gradient), BLOCK):
            at = slice(first, first + BLOCK)
            own, new = ({name: array[at] for name, array in each.items()} for each in (slots, new_slots))
            yield Block(self._kept[at], gradient[at], own, self._vector[at], new)

    def _shared_out(self, blocks: Sequence[Block], optimizer: Optimizer) -> list[Callable[[], bool]]:
        """For each thread, what updates its blocks and says whether all is finite."""
        share = -(-len(blocks) // self._threads) or 1
        return [self._work(blocks[first : first + share], optimizer) for first in range(0, len(blocks), share)]

    def _work(self, blocks: Sequence[Block], optimizer: Optimizer) -> Callable[[], bool]:
        recorded = _Recording(optimizer, self._now)
        calls = [(block, recorded(block)) for block in blocks]
        updates = [_playing(own, block) if own else self._plain(block, optimizer) for block, own in calls]

        def work() -> bool:
            recorded.set_numbers()
            done = [update() for update in updates]  # all of them: what isn't done couldn't be undone
            return all(done)

        return work

    def _plain(self, block: Block, optimizer: Optimizer) -> Callable[[], bool]:
        def work() -> bool:
            np.copyto(block.parameter, block.new_parameter)
            step, factor = (float(number.value) for number in self._now)
            parameter, slots = optimizer.at(factor).update(block.parameter, block.gradient, block.slots, step)
            block.new_parameter[...] = parameter
            for name, values in slots.items():
                block.new_slots[name][...] = values
            return _all_finite(block)

        return work

    def _each(self, works: Sequence[Callable[[], bool]]) -> list[bool]:
        """Do all the work. NumPy lets go of the interpreter while it computes, so threads help."""
        if len(works) == 1:
            return [work() for work in works]
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(len(works) - 1)

        def quiet(work: Callable[[], bool]) -> bool:
            with np.errstate(all="ignore"):  # which each thread has of its own
                return work()

        others = [self._pool.submit(quiet, work) for work in works[1:]]
        return [works[0](), *(other.result() for other in others)]


class _Recording:
    """The optimizer's calls on a tape, for each size of a block. A thread's blocks share what lies between them."""

    def __init__(self, optimizer: Optimizer, now: tuple[Number, Number]) -> None:
        self._optimizer, self._now = optimizer, now
        self._tapes: dict[int, tuple[Tape, Block] | None] = {}

    def __call__(self, block: Block) -> list[Callable[[], object]] | None:
        """What to play to update this block; None for a small one, or if the optimizer can't be recorded."""
        size = len(block.parameter)
        if size < SMALL:
            return None
        if size not in self._tapes:
            try:
                self._tapes[size] = self._record(block)
            except Exception:
                # it looks at numbers, or it fails: the plain call works, or says what is wrong
                self._tapes[size] = None
        found = self._tapes[size]
        return found and found[0].over(list(zip(found[1].arrays(), block.arrays(), strict=True)))

    def set_numbers(self) -> None:
        """Work out the numbers of this step, once for all blocks."""
        for found in self._tapes.values():
            if found:
                found[0].set_numbers()

    def _record(self, block: Block) -> tuple[Tape, Block]:
        def blank(arrays: dict[str, Array]) -> dict[str, Array]:
            return {name: np.ones_like(array) for name, array in arrays.items()}

        one = block.parameter
        own = Block(np.ones_like(one), np.ones_like(one), blank(block.slots), np.ones_like(one), blank(block.new_slots))
        tape = Tape()
        step, factor = map(tape.watch_number, self._now)
        slots = {name: tape.watch(array) for name, array in own.slots.items()}
        optimizer = self._optimizer.at(factor)
        parameter, new = optimizer.update(tape.watch(own.parameter), tape.watch(own.gradient), slots, step)
        tape.into(parameter, own.new_parameter)
        for name, values in new.items():
            tape.into(values, own.new_slots[name])
        tape.finish([own.new_parameter, *own.new_slots.values()])
        return tape, own


def _playing(calls: Sequence[Callable[[], object]], block: Block) -> Callable[[], bool]:
    def work() -> bool:
        np.copyto(block.parameter, block.new_parameter)
        for call in calls:
            call()
        return _all_finite(block)

    return work


def _all_finite(block: Block) -> bool:
    return finite(block.new_parameter) and all(map(finite, block.new_slots.values()))


def finite(array: Array) -> bool:
    """Whether every number is one."""
    # one sum is far cheaper than a test of each number, and a product with itself cheaper still until BLAS takes
    # threads for it; only one that overflows needs the second look
    flat = array.reshape(-1)
    total = flat @ flat if flat.size < 8192 else np.add.reduce(flat)
    return isfinite(total) or bool(np.isfinite(flat).all())
