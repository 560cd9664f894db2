"""The tape: the NumPy calls of a step, recorded once with the arrays that they fill, and played for every batch.

A part is pure and never looks at an array's values, so the calls of one step are those of every step. What is played
again costs neither the parts' own Python nor a new array, and gives the same bits: it is the same calls.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from layerkit.ops import Array

SMALL = 1024
"""Arrays of fewer numbers keep their own memory: NumPy takes longer to see that an overlap is harmless."""


class UnrecordableError(Exception):
    """A part looks at values, or does what a tape can't play again; the step is taken call by call instead."""


class Call(NamedTuple):
    """A function of NumPy's, what it is given, and the array that its result is put into."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Array

    def arrays(self) -> Iterator[Array]:
        """The arrays that go in."""
        return (value for value in _flat((self.args, *self.kwargs.values())) if isinstance(value, np.ndarray))


class Tape:
    """Calls in their order. A view costs nothing: it stays a view of an array that some call fills."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._known: dict[Any, tuple[Any, Any]] = {}
        self._play: list[Callable[[], object]] = []

    def watch(self, array: Array) -> Recorded:
        """An array whose values change from step to step. The calls that take it are recorded."""
        return Recorded(array, self)

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """What NumPy's function gives, recorded unless no watched array goes in, or a view of one comes out."""
        watched = [value.array for value in _flat((args, *kwargs.values())) if isinstance(value, Recorded)]
        args, kwargs = _unwrapped(args), {name: _unwrapped(value) for name, value in kwargs.items()}
        if not watched:
            return function(*args, **kwargs)
        key = (function, _identity(args), _identity(tuple(kwargs.items())))
        if key not in self._known:
            # with what went in, so that no other array gets its place in memory, and with that its identity
            self._known[key] = self._called(function, args, kwargs, watched), (args, kwargs)
        return self._known[key][0]

    def _called(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], watched: list[Array]) -> Any:
        result = function(*args, **kwargs)
        if isinstance(result, list | tuple):
            if all(_is_view(each, watched) for each in result):
                return type(result)(Recorded(each, self) for each in result)
            raise UnrecordableError(f"{function} gives several arrays")
        if not isinstance(result, np.ndarray | np.generic):
            return result
        if result.dtype == object:
            raise UnrecordableError(f"{function} gives objects")
        if _is_view(result, watched):
            return Recorded(result, self)
        out = np.array(result)
        self._calls.append(Call(function, args, kwargs, out))
        return Recorded(out, self)

    def into(self, value: Recorded, target: Array) -> None:
        """Have `value` end up in `target`: computed there, if no other call needs it where it is."""
        for number, call in enumerate(self._calls):
            if call.out is value.array:
                if any(_root(each) is call.out for later in self._calls[number + 1 :] for each in later.arrays()):
                    break
                self._calls[number] = call._replace(out=target)
                return
        self._calls.append(Call(np.positive, (value.array,), {}, target))

    def finish(self, kept: Sequence[Array]) -> None:
        """Make the calls ready to be played. All arrays but those kept share memory with what is no longer needed."""
        calls = _needed(self._calls, {id(_root(array)) for array in kept})
        self._play = [_filling(*call) for call in _sharing_memory(calls, kept)]
        self._calls, self._known = [], {}

    def play(self) -> None:
        """Make all calls again, over what the watched arrays hold now."""
        for call in self._play:
            call()


def _needed(calls: Sequence[Call], roots: set[int]) -> list[Call]:
    """The calls that fill the arrays with these roots, or what goes into those."""
    needed, chosen = set(roots), []
    for call in reversed(calls):
        if id(_root(call.out)) in needed:
            needed.update(id(_root(array)) for array in call.arrays())
            chosen.append(call)
    return chosen[::-1]


def _sharing_memory(calls: Sequence[Call], kept: Sequence[Array]) -> Iterator[Call]:
    """The same calls over fewer arrays: one takes the memory of another that nobody needs any more."""
    ends = {id(_root(array)): number for number, call in enumerate(calls) for array in call.arrays()}
    staying = {id(_root(array)) for array in kept}
    movable = {id(call.out) for call in calls if call.out.base is None and call.out.size >= SMALL} - staying
    moved: dict[int, Array] = {}
    free: dict[tuple[Any, int], list[Array]] = {}

    def placed(value: Any) -> Any:
        """The argument where it lies now."""
        if isinstance(value, list | tuple):
            return type(value)(placed(item) for item in value)
        if not isinstance(value, np.ndarray) or id(_root(value)) not in moved:
            return value
        root = _root(value)
        offset = value.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        return np.ndarray(value.shape, value.dtype, moved[id(root)], offset, value.strides)

    for number, call in enumerate(calls):
        args, kwargs = placed(call.args), {name: placed(value) for name, value in call.kwargs.items()}
        over = {id(_root(array)) for array in call.arrays() if ends[id(_root(array))] == number} & moved.keys()
        # only what works element by element may fill an array that it still reads
        elementwise = isinstance(call.function, np.ufunc) and call.function.signature is None
        if elementwise:
            _release(over, moved, free)
        out = call.out
        if id(out) in movable:
            pool = free.get((out.dtype, out.size))
            moved[id(out)] = pool.pop() if pool else np.empty(out.size, out.dtype)
            yield Call(call.function, args, kwargs, moved[id(out)].reshape(out.shape))
        else:
            yield Call(call.function, args, kwargs, out)
        if not elementwise:
            _release(over, moved, free)
        if id(out) in moved and id(out) not in ends:
            _release({id(out)}, moved, free)


def _release(roots: Iterable[int], moved: dict[int, Array], free: dict[tuple[Any, int], list[Array]]) -> None:
    for root in roots:
        memory = moved[root]
        free.setdefault((memory.dtype, memory.size), []).append(memory)


class Recorded:
    """An array of the standard whose calls are recorded. It has a shape and a dtype, and no values to ask for."""

    __slots__ = ("_tape", "array")
    __array_ufunc__ = None
    """Makes NumPy's own arrays leave an operation to this one."""

    def __init__(self, array: Array, tape: Tape) -> None:
        self.array, self._tape = array, tape

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return Namespace(np, self._tape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self.array.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.array.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    @property
    def device(self) -> Any:
        return self.array.device

    @property
    def T(self) -> Recorded:  # noqa: N802
        return self._tape.call(np.transpose, self)  # type: ignore[no-any-return]

    @property
    def mT(self) -> Recorded:  # noqa: N802
        return self._tape.call(np.matrix_transpose, self)  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, key: Any) -> Any:
        return self._tape.call(operator.getitem, self, key)

    def __pow__(self, other: Any) -> Any:
        # as NumPy itself does for a number: these are far quicker than a power, and round otherwise
        quick = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}.get(other) if isinstance(other, int | float) else None
        return self._tape.call(quick, self) if quick else self._tape.call(np.power, self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._tape.call(np.power, other, self)

    def _unknown(self, *args: Any) -> NoReturn:
        raise UnrecordableError("values are known only when the tape is played")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __iter__ = __array__ = __setitem__ = _unknown


def _operator(function: Any, swapped: bool) -> Callable[[Recorded, Any], Any]:
    def apply(self: Recorded, other: Any) -> Any:
        left, right = (other, self) if swapped else (self, other)
        return self._tape.call(function, left, right)

    return apply


_BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}
_COMPARISONS = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
_UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}

for _name, _function in _BINARY.items():
    setattr(Recorded, f"__{_name}__", _operator(_function, swapped=False))
    setattr(Recorded, f"__r{_name}__", _operator(_function, swapped=True))
for _name, _function in _COMPARISONS.items():
    setattr(Recorded, f"__{_name}__", _operator(_function, swapped=False))
for _name, _function in _UNARY.items():
    setattr(Recorded, f"__{_name}__", lambda self, function=_function: self._tape.call(function, self))


class Namespace:
    """NumPy's namespace, or one inside it such as `linalg`, whose functions record what they do to watched arrays."""

    def __init__(self, module: ModuleType, tape: Tape) -> None:
        self._module, self._tape = module, tape
        self.__name__ = f"{module.__name__} on tape"

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, ModuleType):
            return Namespace(found, self._tape)
        if isinstance(found, type) or not callable(found):
            return found
        return partial(self._tape.call, found)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """A function of NumPy's arrays as one call of the tape."""
        return self._tape.call(function, *args)


_REDUCTIONS = {np.sum: np.add, np.prod: np.multiply, np.max: np.maximum, np.min: np.minimum}
_FILLING = {np.mean, np.var, np.std, np.clip, np.concat, np.stack, np.take}
"""Functions that fill a given array, as all of NumPy's ufuncs do."""


def _filling(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Array) -> Callable[[], object]:
    """The call, its result put into `out`."""
    if function is np.matmul and all(isinstance(each, np.ndarray) and each.ndim == 2 for each in (*args, out)):
        return partial(np.dot, *args, out)  # the same product, with half the way to it
    if isinstance(function, np.ufunc):
        operands = args if function.signature else [_operand(value, args, out) for value in args]
        if kwargs or function in (np.maximum, np.minimum):  # these two warn of an array that isn't named
            return partial(function, *operands, **kwargs, out=out)
        return partial(function, *operands, out)
    if function in _FILLING:
        return partial(function, *args, **kwargs, out=out)
    if function in _REDUCTIONS and len(args) == 1:
        # what np.sum and its like come down to
        return partial(_REDUCTIONS[function].reduce, *args, **{"axis": None, **kwargs}, out=out)
    if function is np.where:
        return partial(_choose, out, *args)
    if function is np.astype:
        return partial(np.copyto, out, args[0], casting="unsafe")
    return partial(_copy, out, function, args, kwargs)


def _operand(value: Any, args: Sequence[Any], out: Array) -> Any:
    """The operand in the form that NumPy takes soonest: a number as an array, an array with the axes of the result."""
    if isinstance(value, np.ndarray):
        wide = value[(None,) * (out.ndim - value.ndim)]
        return wide if wide.shape == out.shape else value
    other = next((each for each in args if isinstance(each, np.ndarray)), None)
    if isinstance(value, int | float) and other is not None and np.result_type(other, value) == other.dtype:
        return np.asarray(value, dtype=other.dtype)
    return value


def _choose(out: Array, condition: Array, first: Any, second: Any) -> None:
    np.copyto(out, second)
    np.copyto(out, first, where=condition)


def _copy(out: Array, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    out[...] = function(*args, **kwargs)


def _flat(values: Any) -> Iterator[Any]:
    """All that nested lists and tuples hold."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


def _identity(value: Any) -> Any:
    """What tells a call's argument from every other: an array is itself alone, a number its type and value."""
    if isinstance(value, list | tuple):
        return tuple(map(_identity, value))
    if isinstance(value, slice):
        return (slice, value.start, value.stop, value.step)
    return (type(value), id(value) if isinstance(value, np.ndarray) or value.__hash__ is None else value)


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Recorded):
        return value.array
    if isinstance(value, list | tuple):
        return type(value)(_unwrapped(item) for item in value)
    return value


def _root(array: Array) -> Array:
    """The array whose memory this one is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _is_view(result: Any, watched: Sequence[Array]) -> bool:
    return isinstance(result, np.ndarray) and any(np.may_share_memory(result, array) for array in watched)
