"""Few arrays for many calls: one takes the memory of another that nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from layerkit.engines.aligned import zeros
from layerkit.engines.calls import Call, placed, root_of
from layerkit.ops import Array

SMALL = 1024
"""Arrays of fewer numbers keep their own memory: NumPy takes longer to see that an overlap is harmless."""


def needed_for(calls: Iterable[Call], roots: set[int]) -> list[Call]:
    """The calls that fill the arrays with these roots, or what goes into those."""
    needed, chosen = set(roots), []
    for call in reversed([*calls]):
        if id(root_of(call.out)) in needed:
            needed.update(id(root_of(array)) for array in call.arrays())
            chosen.append(call)
    return chosen[::-1]


def sharing_memory(calls: Sequence[Call], kept: Sequence[Array]) -> Iterator[Call]:
    """The same calls over fewer arrays: one takes the memory of another that nobody needs any more."""
    ends = {id(root_of(array)): number for number, call in enumerate(calls) for array in call.arrays()}
    staying = {id(root_of(array)) for array in kept}
    movable = {id(call.out) for call in calls if call.out.base is None and call.out.size >= SMALL} - staying
    moved: dict[int, Array] = {}
    free: dict[tuple[Any, int], list[Array]] = {}

    for number, call in enumerate(calls):
        given = placed(call.given(), moved)
        over = {id(root_of(array)) for array in call.arrays() if ends[id(root_of(array))] == number} & moved.keys()
        # only what works element by element may fill an array that it still reads
        if call.is_elementwise:
            _release(over, moved, free)
        out = call.out
        if id(out) in movable:
            pool = free.get((out.dtype, out.size))
            moved[id(out)] = pool.pop() if pool else zeros(out.size, out.dtype)
            yield call._replace(**given, out=moved[id(out)].reshape(out.shape))
        else:
            yield call._replace(**given)
        if not call.is_elementwise:
            _release(over, moved, free)
        if id(out) in moved and id(out) not in ends:
            _release({id(out)}, moved, free)


def _release(roots: Iterable[int], moved: dict[int, Array], free: dict[tuple[Any, int], list[Array]]) -> None:
    for root in roots:
        memory = moved[root]
        free.setdefault((memory.dtype, memory.size), []).append(memory)
