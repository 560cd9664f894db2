"""Which calls of a tape become loops, and when: once they have gone over so many numbers that compiling them pays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from layerkit.engines.calls import Call, root_of
from layerkit.engines.loops import Place, is_fusable, loop_of, place_of
from layerkit.ops import Array

WORTH = 2**32
"""NumPy goes over so many numbers in 0.6 seconds; numba's start and the loops of most networks take 0.4 to 2."""
MOST = 200
"""Calls of one loop, for a compiler takes long over a long one; a draw of random numbers has 130."""
ARRAYS = 16
"""That one loop reads, or has to leave filled: of more, a compiler makes no vectors, for any two might overlap."""
SHORT = 64
"""NumPy goes along rows of so few numbers one by one, where an operand is the same for all of them."""
A_CALL = 4096
"""A call of NumPy's takes as long as going over so many numbers."""


class Fusable(Protocol):
    """What may have its calls in loops."""

    @property
    def cost(self) -> int:
        """About what the calls that may go into loops cost at each step, in numbers that NumPy goes over."""

    def fuse(self) -> None:
        """Have them in loops. Raises UnfusableError, and stays as it is."""


class Fuser:
    """Has calls put into loops where many steps are taken, and not before: a short run is soonest done without.

    What is added later, as the step of a batch of another size is, follows at once.
    """

    def __init__(self) -> None:
        self._parts: list[Fusable] = []
        self._gone_over = self._cost = 0

    def add(self, part: Fusable) -> None:
        """Let the calls of this become loops, too."""
        self._parts.append(part)
        self._cost += part.cost

    def count(self) -> None:
        """One more step is going to be taken."""
        self._gone_over += self._cost
        if self._parts and self._gone_over > WORTH:
            for part in self._parts:
                with suppress(Exception):  # nothing goes wrong in calls that stay as they are
                    part.fuse()
            self._parts = []


def fusing(
    calls: Sequence[Call], play: Sequence[Callable[[], object]], kept: Sequence[Array]
) -> list[Callable[[], object]]:
    """The calls to play, of which `play` has each alone, with those of a run as one loop.

    What is in `kept` is needed afterwards. Raises UnfusableError where there is no numba.
    """
    chosen: list[Callable[[], object]] = []
    found, done = [*runs(calls)], 0
    needed = _needed_after([end for _, end in found], calls, kept)
    for first, end in found:
        results = {place_of(call.out): call.out for call in calls[first:end]}
        stores = [(out, out) for out in results.values() if id(root_of(out)) in needed[end]]
        chosen += [*play[done:first], loop_of(calls[first:end], stores).over()]
        done = end
    return [*chosen, *play[done:]]


def runs(calls: Sequence[Call]) -> Iterator[tuple[int, int]]:
    """The stretches of calls that are worth a loop: where each begins, and where it has ended."""
    last = {id(root_of(array)): number for number, call in enumerate(calls) for array in call.arrays()}
    run, first = _Run(last), 0
    for number in range(len(calls) + 1):
        if number == len(calls) or not run.takes(number, calls[number]):
            if number - first > 1 or (number > first and _has_short_rows(calls[first])):
                yield first, number
            run = _Run(last)
            first = number if number < len(calls) and run.takes(number, calls[number]) else number + 1


def _has_short_rows(call: Call) -> bool:
    return call.out.shape[-1] <= SHORT and any(array.size not in (1, call.out.size) for array in call.arrays())


class _Run:
    """Calls that follow one another and that one loop may have."""

    def __init__(self, last: Mapping[int, int]) -> None:
        self._last = last
        """By the root of an array, the number of the last call that reads it."""
        self._size = 0
        self._shape: tuple[int, ...] | None = None
        self._places: dict[int, set[Place]] = {}
        self._filled: set[int] = set()
        self._outside: set[int] = set()
        """What is read and lay there before."""
        self._live: set[int] = set()
        """What was filled and is still to be read."""

    def takes(self, number: int, call: Call) -> bool:
        """Whether the loop may have this call, too. If not, it is done with."""
        if call.out.shape != (self._shape or call.out.shape) or self._size == MOST or not is_fusable(call):
            return False
        self._size, self._shape = self._size + 1, call.out.shape
        read, out = {id(root_of(array)) for array in call.arrays()}, id(root_of(call.out))
        self._outside |= read - self._filled
        self._live = self._live - {root for root in read if self._last[root] == number} | {out}
        self._filled.add(out)
        for array in (*call.arrays(), call.out):
            self._places.setdefault(id(root_of(array)), set()).add(place_of(array))
        # in the memory of a result nothing may lie in another way: a turn of the loop would come to it too late
        apart = all(len(self._places[root]) == 1 for root in (read | {out}) & self._filled)
        return apart and len(self._outside | self._live) <= ARRAYS


def _needed_after(ends: Sequence[int], calls: Sequence[Call], kept: Sequence[Array]) -> dict[int, set[int]]:
    """The roots of what is read later, at each of these ends: by the calls from that number on, or after them all."""
    needed, found = {id(root_of(array)) for array in kept}, {}
    for number in range(len(calls), -1, -1):
        if number < len(calls):
            out = calls[number].out
            if out.size == root_of(out).size:
                needed.discard(id(root_of(out)))
            needed.update(id(root_of(array)) for array in calls[number].arrays())
        if number in ends:
            found[number] = {*needed}
    return found
