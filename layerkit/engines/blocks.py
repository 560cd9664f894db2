"""The optimizer over one flat vector: block by block, so that what it computes stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from layerkit.engines.aligned import zeros
from layerkit.engines.checks import PARAMETER, check_updated, checked_slots
from layerkit.engines.expressions import UnfusableError
from layerkit.engines.fusing import A_CALL
from layerkit.engines.recorded import Number, UnrecordableError
from layerkit.engines.tape import Tape
from layerkit.ops import Array
from layerkit.parts import Optimizer

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

BLOCK = 32_768
"""Numbers of one block: few enough for the caches, and so many that calling NumPy costs next to nothing."""
MANY = 500_000
"""From so many numbers on, the blocks are shared among threads."""
SHARED = 2 * BLOCK
"""Numbers of a block then: threads wait for one another between NumPy's calls, and larger blocks need fewer."""
CALLS = 4
"""An optimizer makes about so many for each array that is held."""
FEW = 16
"""Numbers for which a loop is recorded that takes any number of them."""
PIECE = 8192
"""So many numbers are multiplied at once to see that they are finite: too few for BLAS to take threads of its own."""


class Block(NamedTuple):
    """A stretch of the gradient, and of each array that the optimizer reads and writes: PARAMETER, and each slot."""

    gradient: Array
    held: dict[str, Array]

    def parted(self, size: int) -> list[Block]:
        """Blocks of so many numbers, and what is left; at least one."""
        places = [slice(first, first + size) for first in range(0, len(self.gradient), size)] or [slice(None)]
        return [Block(self.gradient[at], {name: array[at] for name, array in self.held.items()}) for at in places]

    @property
    def parts(self) -> tuple[Array, dict[str, Array]]:
        """The parameter, and the slots."""
        return self.held[PARAMETER], {name: array for name, array in self.held.items() if name != PARAMETER}


class BlockedUpdate:
    """The updates of one vector and its slots by one optimizer, in place."""

    def __init__(
        self, optimizer: Optimizer | None, vector: Array, gradient: Array, slots: dict[str, Array], threads: int = 1
    ) -> None:
        self.held = {PARAMETER: vector, **slots}
        """The vector and the slots."""
        self._optimizer = optimizer
        self._now = Number(np.float64(1)), Number(np.float64(1))
        self._pool: ThreadPoolExecutor | None = None
        threads, size = (threads, SHARED) if threads > 1 and len(vector) >= MANY else (1, BLOCK)
        whole = Block(gradient, self.held)
        blocks = -(-len(vector) // size)
        self._shares = whole.parted(max(-(-blocks // threads), 1) * size)
        self._works = [self._work(share.parted(size), optimizer) for share in self._shares] if optimizer else []
        self.cost = (len(vector) + blocks * A_CALL) * CALLS * len(self.held)
        """About what a step costs, in numbers that NumPy goes over."""
        self._locks = [Lock() for _ in self._works[1:]]
        self._halts = 0

    def __call__(self, step: int, factor: float, looks: bool = True) -> bool:
        """Take the step, and say whether all that it gave is finite; True, too, if it doesn't look.

        Where it isn't, or an error is raised, some blocks are changed, and some may not be.
        """
        # NumPy's own floats, as in an array: where Python's would raise, they are infinite
        self._now[0].value, self._now[1].value = np.float64(step), np.float64(factor)
        return self._works[0](looks) if len(self._works) == 1 else self._on_threads(looks)

    @property
    def is_finite(self) -> bool:
        """Whether the vector and the slots are."""
        return finite(paired([*self.held.values()]))

    def _work(self, blocks: Sequence[Block], optimizer: Optimizer) -> Callable[[bool], bool]:
        """What updates these blocks and says whether all is finite, if it looks."""
        recorded = _Recording(optimizer, self._now)
        updates = [recorded(block) or _plain(block, optimizer, self._now) for block in blocks]
        written = [paired([*block.held.values()]) for block in blocks]

        def work(looks: bool) -> bool:
            recorded.set_numbers()
            for update, arrays in zip(updates, written):
                update()
                if looks and not finite(arrays):
                    return False
            return True

        return work

    def fuse(self) -> None:
        """From now on, all calls of the optimizer are one loop. Raises UnfusableError."""
        if self._optimizer:
            self._works = [self._fused(share, self._optimizer) for share in self._shares]

    def _fused(self, share: Block, optimizer: Optimizer) -> Callable[[bool], bool]:
        """What `_work` gives, by a loop over the share's numbers."""
        try:
            tape, own, new = _taped(share.parted(FEW)[0], optimizer, self._now)
            loop = tape.loop([(new[name], own.held[name]) for name in new])
            here = [(own.gradient, share.gradient), *((own.held[name], share.held[name]) for name in new)]
            update = loop.over({id(this): that for this, that in here})
        except Exception as error:  # then it is called, or the call says what is wrong
            raise UnfusableError("the optimizer makes calls that no tape takes, or no loop") from error
        written = paired([*share.held.values()])

        def work(looks: bool) -> bool:
            tape.set_numbers()
            update()
            return not looks or finite(written)

        return work

    def _on_threads(self, looks: bool) -> bool:
        """Do all the work. NumPy lets go of the interpreter while it computes, so threads help."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(len(self._works) - 1)

        def unless_halted(work: Callable[[bool], bool], lock: Lock, halts: int) -> bool:
            with lock, np.errstate(all="ignore"):  # which each thread has of its own
                return halts == self._halts and work(looks)

        given = zip(self._works[1:], self._locks)
        others = [self._pool.submit(unless_halted, work, lock, self._halts) for work, lock in given]
        return all([self._works[0](looks), *(other.result() for other in others)])

    def flush(self) -> None:
        """Make 0 of what is too near it for a normal float: with such, a processor takes ten times as long and more.

        Averages of gradients that have become 0, as below a dead ReLU, would end there and stay.
        """
        for array in self.held.values():
            smallest = np.finfo(array.dtype).smallest_normal
            for first in range(0, len(array), BLOCK):
                block = array[first : first + BLOCK]
                block *= np.abs(block) >= smallest

    def halt(self) -> None:
        """See that nobody writes any more, wherever the last call was interrupted."""
        self._halts += 1
        for lock in self._locks:
            while lock.locked():  # whoever takes it from now on does nothing
                sleep(0.0005)


class _Recording:
    """The optimizer's calls on a tape, for each size of a block. A thread's blocks share what lies between them."""

    def __init__(self, optimizer: Optimizer, now: tuple[Number, Number]) -> None:
        self._optimizer, self._now = optimizer, now
        self._tapes: dict[int, tuple[Tape, Block, dict[str, Array]] | None] = {}

    def __call__(self, block: Block) -> Callable[[], None] | None:
        """What updates this block; None if the optimizer can't be recorded."""
        size = len(block.gradient)
        if size not in self._tapes:
            try:
                self._tapes[size] = self._record(block)
            except Exception:
                # it looks at numbers, or it fails: the plain call works, or says what is wrong
                self._tapes[size] = None
        found = self._tapes[size]
        return found and _playing(*found, block)

    def set_numbers(self) -> None:
        """Work out the numbers of this step, once for all blocks."""
        for found in self._tapes.values():
            if found:
                found[0].set_numbers()

    def _record(self, block: Block) -> tuple[Tape, Block, dict[str, Array]]:
        """The finished tape, what it reads, and what it writes for each array that is held."""
        tape, own, new = _taped(block, self._optimizer, self._now)
        tape.finish([*new.values()])
        if not tape.steady:
            raise UnrecordableError("values may decide a shape, and the update would end halfway")
        return tape, own, new


def _taped(block: Block, optimizer: Optimizer, now: tuple[Number, Number]) -> tuple[Tape, Block, dict[str, Array]]:
    """An update of such a block on a tape, what it reads, and what it writes for each array that is held."""
    own = Block(np.ones_like(block.gradient), {name: np.ones_like(each) for name, each in block.held.items()})
    new = {name: zeros(each.size, each.dtype) for name, each in own.held.items()}
    tape = Tape()
    step, factor = map(tape.watch_number, now)
    parameter, slots = own._replace(held={name: tape.watch(array) for name, array in own.held.items()}).parts
    new_parameter, new_slots = optimizer.at(factor).update(parameter, tape.watch(own.gradient), slots, step)
    for name, values in {PARAMETER: new_parameter, **checked_slots(optimizer, new_slots)}.items():
        tape.into(values, new[name])
    return tape, own, new


def _playing(tape: Tape, own: Block, new: dict[str, Array], block: Block) -> Callable[[], None]:
    """The calls of a tape over this block: they write in place what nobody reads after it, and the rest at the end."""
    in_place = [name for name, array in own.held.items() if tape.may_replace(array, new[name])]
    places = [(own.gradient, block.gradient)]
    places += [(array, block.held[name]) for name, array in own.held.items()]
    places += [(new[name], block.held[name]) for name in in_place]
    calls = tape.over(places)
    calls += [partial(np.copyto, block.held[name], array) for name, array in new.items() if name not in in_place]

    def play() -> None:
        for call in calls:
            call()

    return play


def _plain(block: Block, optimizer: Optimizer, now: tuple[Number, Number]) -> Callable[[], None]:
    def update() -> None:
        step, factor = (float(number.value) for number in now)
        parameter, slots = block.parts
        new_parameter, new_slots = optimizer.at(factor).update(parameter, block.gradient, slots, step)
        found = {PARAMETER: new_parameter, **checked_slots(optimizer, new_slots)}
        for name, values in found.items():
            check_updated(optimizer, name, values, block.held[name])
        # a copy of what isn't a new array: it may lie where another is about to be written
        for name, values in [(name, each if each.base is None else each.copy()) for name, each in found.items()]:
            block.held[name][...] = values

    return update


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
