"""The optimizer over one flat vector: block by block, so that what it computes stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from layerkit.engines.aligned import zeros
from layerkit.engines.checks import checked_slots
from layerkit.engines.recorded import Number
from layerkit.engines.tape import Tape
from layerkit.ops import Array
from layerkit.parts import Optimizer

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

BLOCK = 32_768
"""Numbers of one block: few enough for the caches, and so many that calling NumPy costs next to nothing."""
MANY = 500_000
"""From so many numbers on, the blocks are shared among threads."""
PIECE = 8192
"""So many numbers are multiplied at once to see that they are finite: too few for BLAS to take threads of its own."""
PARAMETER = ""
"""The name of the parameters' own vector, among those of the slots."""


class Block(NamedTuple):
    """One stretch of all that the optimizer reads, and of where it writes: PARAMETER, and each slot."""

    gradient: Array
    old: dict[str, Array]
    new: dict[str, Array]

    def arrays(self) -> list[Array]:
        """Each of them."""
        return [self.gradient, *self.old.values(), *self.new.values()]

    def written(self) -> list[tuple[Array, Array]]:
        """What an update writes, as `finite` takes it."""
        return paired([*self.new.values()])


class BlockedUpdate:
    """The updates of one vector by one optimizer. Nothing is changed by one that gives what isn't finite.

    There are two of each array: what one update reads, the next one writes.
    """

    def __init__(
        self, optimizer: Optimizer | None, vector: Array, gradient: Array, slots: dict[str, Array], threads: int = 1
    ) -> None:
        first = {PARAMETER: vector, **slots}
        self.turns = first, {name: zeros(len(array), array.dtype) for name, array in first.items()}
        """The vector and the slots, twice."""
        self.turn = 0
        """Which of the two holds what the last update left."""
        self._threads = threads if len(vector) >= MANY else 1
        self._pool: ThreadPoolExecutor | None = None
        self._now = Number(np.float64(1)), Number(np.float64(1))
        stretches = [list(_stretches(gradient, *turn)) for turn in (self.turns, self.turns[::-1])]
        recordings = [_Recording(optimizer, self._now) for _ in range(self._threads)] if optimizer else []
        self._works = [self._shared_out(blocks, optimizer, recordings) for blocks in stretches] if optimizer else []

    def __call__(self, step: int, factor: float) -> bool:
        """Take the step; False, and nothing changed, if that gives what isn't finite."""
        # NumPy's own floats, as in an array: where Python's would raise, they are infinite
        self._now[0].value, self._now[1].value = np.float64(step), np.float64(factor)
        works = self._works[self.turn]
        done = works[0]() if len(works) == 1 else all(self._on_threads(works))
        if done:
            self.turn = 1 - self.turn
        return done

    @property
    def held(self) -> dict[str, Array]:
        """The vector and the slots as the last update left them."""
        return self.turns[self.turn]

    @property
    def refused(self) -> dict[str, Array]:
        """What an update that gave False would have made of them."""
        return self.turns[1 - self.turn]

    def _shared_out(
        self, blocks: Sequence[Block], optimizer: Optimizer, recordings: Sequence[_Recording]
    ) -> list[Callable[[], bool]]:
        """For each thread, what updates its blocks and says whether all is finite."""
        share = -(-len(blocks) // self._threads) or 1
        shares = [blocks[first : first + share] for first in range(0, len(blocks), share)]
        return [self._work(own, optimizer, recorded) for own, recorded in zip(shares, recordings)]

    def _work(self, blocks: Sequence[Block], optimizer: Optimizer, recorded: _Recording) -> Callable[[], bool]:
        calls = [(block, recorded(block)) for block in blocks]
        plain = [_plain(block, optimizer, self._now) for block in blocks]
        updates = [_playing(own, block, each) if own else each for (block, own), each in zip(calls, plain, strict=True)]

        def work() -> bool:
            recorded.set_numbers()
            done = [update() for update in updates]  # all of them: what isn't done couldn't be undone
            return all(done)

        return work

    def _on_threads(self, works: Sequence[Callable[[], bool]]) -> list[bool]:
        """Do all the work. NumPy lets go of the interpreter while it computes, so threads help."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(len(works) - 1)

        def quiet(work: Callable[[], bool]) -> bool:
            with np.errstate(all="ignore"):  # which each thread has of its own
                return work()

        others = [self._pool.submit(quiet, work) for work in works[1:]]
        return [works[0](), *(other.result() for other in others)]


def _stretches(gradient: Array, old: dict[str, Array], new: dict[str, Array]) -> Iterator[Block]:
    for first in range(0, len(gradient), BLOCK):
        at = slice(first, first + BLOCK)
        own, written = ({name: array[at] for name, array in each.items()} for each in (old, new))
        yield Block(gradient[at], own, written)


def _parted(arrays: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
    """The parameter, and the slots."""
    return arrays[PARAMETER], {name: array for name, array in arrays.items() if name != PARAMETER}


class _Recording:
    """The optimizer's calls on a tape, for each size of a block. A thread's blocks share what lies between them."""

    def __init__(self, optimizer: Optimizer, now: tuple[Number, Number]) -> None:
        self._optimizer, self._now = optimizer, now
        self._tapes: dict[int, tuple[Tape, Block] | None] = {}

    def __call__(self, block: Block) -> list[Callable[[], object]] | None:
        """What to play to update this block; None if the optimizer can't be recorded."""
        size = len(block.gradient)
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

        own = Block(np.ones_like(block.gradient), blank(block.old), blank(block.new))
        tape = Tape()
        step, factor = map(tape.watch_number, self._now)
        parameter, slots = _parted({name: tape.watch(array) for name, array in own.old.items()})
        new_parameter, new_slots = self._optimizer.at(factor).update(parameter, tape.watch(own.gradient), slots, step)
        for name, values in {PARAMETER: new_parameter, **checked_slots(self._optimizer, new_slots)}.items():
            tape.into(values, own.new[name])
        tape.finish([*own.new.values()])
        return tape, own


def _plain(block: Block, optimizer: Optimizer, now: tuple[Number, Number]) -> Callable[[], bool]:
    written = block.written()
    parameter, slots = _parted(block.old)

    def work() -> bool:
        step, factor = (float(number.value) for number in now)
        new_parameter, new_slots = optimizer.at(factor).update(parameter, block.gradient, slots, step)
        for name, values in {PARAMETER: new_parameter, **checked_slots(optimizer, new_slots)}.items():
            block.new[name][...] = values
        return finite(written)

    return work


def _playing(calls: Sequence[Callable[[], object]], block: Block, plain: Callable[[], bool]) -> Callable[[], bool]:
    written = block.written()

    def work() -> bool:
        try:
            for call in calls:
                call()
        except Exception:
            return plain()  # values decide what the update is
        return finite(written)

    return work


def paired(arrays: Sequence[Array]) -> list[tuple[Array, Array]]:
    """Arrays of one size in flat pieces, two by two; the last one of an odd number is its own partner."""
    flat = [array.reshape(-1) for array in arrays]
    partners = zip(flat[::2], [*flat[1::2], flat[-1]], strict=False)
    pieces = [slice(first, first + PIECE) for first in range(0, flat[0].size, PIECE)]
    return [(left[piece], right[piece]) for left, right in partners for piece in pieces]


def finite(pairs: Sequence[tuple[Array, Array]]) -> bool:
    """Whether every number of these arrays is one."""
    # a product is finite only where both its factors are, and BLAS sums products faster than anything tests numbers;
    # only a sum that overflows needs the second look
    total = sum([left.dot(right) for left, right in pairs])
    return isfinite(total) or all(np.isfinite(each).all() for pair in pairs for each in pair)
