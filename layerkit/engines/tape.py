"""The tape: the NumPy calls of a step, recorded once with the arrays that they fill, and played for every batch.

A part is pure and never looks at an array's values, so the calls of one step are those of every step. What is played
again costs neither the parts' own Python nor a new array, and gives the same numbers: it is the same calls, and only
sums are made in another order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from layerkit.engines.calls import Call, flattened, placed, root_of
from layerkit.engines.filling import filling
from layerkit.engines.fusing import A_CALL, fusing
from layerkit.engines.loops import Loop, loop_of
from layerkit.engines.recorded import Condition, Constant, Number, Recorded, RecordedNumber, UnrecordableError
from layerkit.engines.sharing import SMALL, needed_for, sharing_memory
from layerkit.ops import Array, sum_by_index
from layerkit.rehearsal import read_only

_OF_KIND_AND_SHAPE = {np.ndim, np.size, np.isscalar, np.can_cast, np.iscomplexobj, np.isrealobj}
"""Functions whose plain results no values decide."""
_STEADY = {np.where, np.clip, np.astype, np.round, np.asarray, np.zeros_like, np.ones_like, np.full_like}
"""Functions that are no ufuncs, and give the shape of what they are given, too."""
_SHAPED_BY_VALUES = {
    *(np.nonzero, np.flatnonzero, np.argwhere, np.compress, np.extract, np.trim_zeros, np.bincount),
    *(np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values),
    *(np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d),
    *(np.arange, np.zeros, np.ones, np.empty, np.full, np.eye, np.identity, np.tri),
}
"""Functions that give as much as they find, or as they are told."""
_TAKES_PLACES = {operator.getitem, np.take, np.take_along_axis, np.searchsorted, np.isin, sum_by_index}
"""Functions that take whole numbers beside their first argument, and give the same shape whatever these are."""
Content: TypeAlias = tuple[Any, tuple[int, ...], tuple[int, ...], bytes]
"""An array's dtype, shape, strides and bytes."""


class Tape:
    """Calls in their order. A view costs nothing: it stays a view of an array that some call fills."""

    def __init__(self) -> None:
        self._numbers: list[tuple[Number, Callable[[Any, Any], Any], Number, Number]] = []
        self._held: list[tuple[Array, Number]] = []
        self._calls: list[Call] = []
        self._known: dict[Any, tuple[Any, Any]] = {}
        self._constants: dict[int, tuple[Array, Content]] = {}
        self._targets: dict[int, Array] = {}
        self._play: list[Callable[[], object]] = []
        self._kept: Sequence[Array] = ()

    def watch(self, array: Array) -> Recorded:
        """An array whose values change from step to step. The calls that take it are recorded."""
        return Recorded(array, self)

    def watch_number(self, number: Number) -> RecordedNumber:
        """The same for a number."""
        return RecordedNumber(number, self)

    def call_numbers(self, function: Callable[[Any, Any], Any], left: Number, right: Number) -> Number:
        """What a function gives for two numbers, recorded. It is done with the other numbers, before any arrays."""
        out = Number(function(left.value, right.value))
        self._numbers.append((out, function, left, right))
        return out

    def held(self, number: Number, dtype: Any) -> Array:
        """An array without axes that holds the number."""
        self._held.append((np.array(number.value, dtype), number))
        return self._held[-1][0]

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """What NumPy's function gives, recorded unless no watched array goes in, or a view of one comes out."""
        given = [*flattened((args, *kwargs.values()))]
        arrays = [_unwrapped(each) for each in given if isinstance(each, Recorded | Condition | Constant | np.ndarray)]
        numbers = {id(each): each.beside(arrays) for each in given if isinstance(each, RecordedNumber)}
        watched = [each.array for each in given if isinstance(each, Recorded | Condition)] + [*numbers.values()]
        own = [_unwrapped(each) for each in given if isinstance(each, Constant | np.ndarray)]
        args, kwargs = _unwrapped(args, numbers), {name: _unwrapped(each, numbers) for name, each in kwargs.items()}
        if not watched:
            result = function(*args, **kwargs)
            return Constant(result, self) if isinstance(result, np.ndarray) and result.dtype != object else result
        for array in own:
            self._constants.setdefault(id(array), (array, _content(array)))
        self._check_constants(own)
        key = (function, self._identity(args), self._identity(tuple(kwargs.items())))
        if key not in self._known:
            # with what went in, so that no other array gets its place in memory, and with that its identity
            self._known[key] = self._called(function, args, kwargs, watched), (args, kwargs)
        return self._known[key][0]

    def _identity(self, value: Any) -> Any:
        """What tells a call's argument from every other: for a constant and a number, its type and values.

        What is drawn twice, as a mask is for the way back, is so computed once.
        """
        if isinstance(value, list | tuple):
            return (type(value), *map(self._identity, value))
        if isinstance(value, slice):
            return (slice, value.start, value.stop, value.step)
        if isinstance(value, float | complex | np.inexact):
            return (type(value), repr(value))  # 0.0 and -0.0 are equal, and not the same
        if id(value) in self._constants:
            return self._constants[id(value)][1]
        return (type(value), id(value) if isinstance(value, np.ndarray) or value.__hash__ is None else value)

    def _check_constants(self, arrays: Iterable[Array]) -> None:
        """Raise UnrecordableError if an array that a part made, and used, was changed in place since then."""
        for array in arrays:
            if _content(array) != self._constants[id(array)][1]:
                raise UnrecordableError("a part changes an array in place")

    def _called(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], watched: list[Array]) -> Any:
        if _is_shaped_by_values(function, args, kwargs, watched):
            raise UnrecordableError(f"{function} gives a shape that values decide")
        # what writes into an array fails, and is called at each step from now on
        result = function(*_guarded(args), **_guarded(kwargs))
        if isinstance(result, list | tuple):
            if all(_is_view(each, watched) for each in result):
                return type(result)(Recorded(each, self) for each in result)
            raise UnrecordableError(f"{function} gives several arrays")
        if not isinstance(result, np.ndarray | np.generic):
            if isinstance(result, bool | int | float | complex) and function not in _OF_KIND_AND_SHAPE:
                raise UnrecordableError(f"{function} gives a value")
            return result
        if result.dtype == object:
            raise UnrecordableError(f"{function} gives objects")
        if _is_view(result, watched):
            return Recorded(result, self)
        out = np.array(result, order="C")  # as what takes its place in memory lies
        self._calls.append(Call(function, args, kwargs, out))
        return Recorded(out, self)

    def into(self, value: Recorded | Constant | Array, target: Array) -> None:
        """Have `value` end up in `target`, an array in one piece: computed there, where a call computes it."""
        source = placed(np.asarray(_unwrapped(value)), self._targets)
        for number, call in enumerate(self._calls):
            if call.out is source is _unwrapped(value) and (source.shape, source.dtype) == (target.shape, target.dtype):
                moved = {id(source): target}
                later = (each._replace(**placed(each.given(), moved)) for each in self._calls[number + 1 :])
                self._calls[number:] = [call._replace(out=target), *later]
                self._targets[id(source)] = target
                return
        self._calls.append(Call(np.astype, (source, target.dtype), {}, target))

    def finish(self, kept: Sequence[Array]) -> None:
        """Make the calls ready to be played. All arrays but those kept share memory with what is no longer needed.

        Raises UnrecordableError, too.
        """
        self._check_constants(array for array, _ in self._constants.values())
        calls = needed_for(map(self._spread, self._calls), {id(root_of(array)) for array in kept})
        self._calls, self._known, self._constants = list(sharing_memory(calls, kept)), {}, {}
        self._play, self._kept = [filling(*call) for call in self._calls], kept

    def _spread(self, call: Call) -> Call:
        """The call with constants as large as its result: for small ones, NumPy takes longer to go along each row."""
        if not call.is_elementwise or call.out.size > SMALL:
            return call
        args = [np.broadcast_to(each, call.out.shape).copy() if self._is_narrow(each) else each for each in call.args]
        return call._replace(args=tuple(args))

    def _is_narrow(self, value: Any) -> bool:
        return id(value) in self._constants and value.size > 1

    def set_numbers(self) -> None:
        """Work out the numbers that calls take, before any of those that `over` gave are made again."""
        for out, function, left, right in self._numbers:
            out.value = function(left.value, right.value)
        for array, number in self._held:
            array[()] = number.value

    @property
    def steady(self) -> bool:
        """Whether all calls are such that no values decide the shape of what they give."""
        return all(call.is_elementwise or call.function in _STEADY for call in self._calls)

    def may_replace(self, old: Array, new: Array) -> bool:
        """Whether `new` may be put where `old` lies: no call reads it once one has begun to fill the other."""
        fills = next(number for number, call in enumerate(self._calls) if root_of(call.out) is root_of(new))
        reads = [number for number, call in enumerate(self._calls) if any(root_of(a) is old for a in call.arrays())]
        last = max(reads, default=-1)
        # what works element by element may fill the very array that it reads
        return last < fills or (last == fills and self._calls[fills].is_elementwise)

    def over(self, places: Sequence[tuple[Array, Array]]) -> list[Callable[[], object]]:
        """The calls to play with other arrays in the place of some, each given as (this, that)."""
        moved = {id(this): that for this, that in places if this is not that}
        return [
            filling(**placed(call._asdict(), moved)) if call.touches(moved) else played
            for call, played in zip(self._calls, self._play, strict=True)
        ]

    @property
    def cost(self) -> int:
        """About what the calls that may go into loops cost, in numbers that NumPy goes over."""
        return sum(A_CALL + call.out.size for call in self._calls if call.is_elementwise)

    def fused(self) -> list[Callable[[], object]]:
        """The calls to play, with those that follow one another in loops. Raises UnfusableError."""
        return fusing(self._calls, self._play, self._kept)

    def loop(self, stores: Sequence[tuple[Array, Array]]) -> Loop:
        """One loop, in the place of `finish`; each of `stores` is a result, and where it is to lie.

        Raises UnfusableError, and UnrecordableError, too.
        """
        self._check_constants(array for array, _ in self._constants.values())
        return loop_of(needed_for(self._calls, {id(root_of(value)) for value, _ in stores}), stores)


def _content(array: Array) -> Content:
    return array.dtype, array.shape, array.strides, array.tobytes()


def _unwrapped(value: Any, numbers: Mapping[int, Array] = {}) -> Any:
    """An argument as NumPy takes it; `numbers` has the array for each recorded number, by its id."""
    if isinstance(value, Recorded | Constant | Condition):
        return value.array
    if isinstance(value, RecordedNumber):
        return numbers[id(value)]
    if isinstance(value, list | tuple):
        return type(value)(_unwrapped(item, numbers) for item in value)
    return value


def _is_shaped_by_values(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], watched: list[Array]) -> bool:
    """Whether a part may go by the result's shape, and with it by values that no other step has."""
    if function in _SHAPED_BY_VALUES or (function is np.where and len(args) == 1):
        return True
    if isinstance(function, np.ufunc) or function in _STEADY:
        return False
    # a mask where places are due; elsewhere a size, a count, an axis, an offset
    kinds = "b" if function in _TAKES_PLACES else "biu"
    beside = [each for each in flattened((args[1:], *kwargs.values())) if isinstance(each, np.ndarray)]
    return any(each is own and each.dtype.kind in kinds for each in beside for own in watched)


def _guarded(value: Any) -> Any:
    """An argument of which no array can be written."""
    if isinstance(value, list | tuple):
        return type(value)(map(_guarded, value))
    if isinstance(value, dict):
        return {name: _guarded(item) for name, item in value.items()}
    return read_only(value)


def _is_view(result: Any, watched: Sequence[Array]) -> bool:
    return isinstance(result, np.ndarray) and any(np.may_share_memory(result, array) for array in watched)
