"""Calls that work element by element as one loop, which numba compiles: NumPy goes over memory for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from layerkit.engines.calls import Call, root_of
from layerkit.engines.expressions import UnfusableError, expression, number
from layerkit.ops import Array
from layerkit.signals import interrupts_later

_NUMBER, _ROW, _COLUMN, _WHOLE = "[()]", "[column]", "[row]", "[row, column]"
"""How an operand lies beside the result, as the index of what a turn of the loop takes from it."""
Place: TypeAlias = tuple[Any, ...]
Number: TypeAlias = tuple[str, float]
"""A dtype, and a number that a loop takes beside its arrays: layers that differ in no more than these have one loop."""
Type: TypeAlias = tuple[str, int, bool]
"""An array's dtype, the number of its axes in a loop, and whether the loop stores anything there."""


class Given(NamedTuple):
    """An array that a loop takes, the index by which a turn takes its number, and the shape in which it is given."""

    array: Array
    at: str
    shape: tuple[int, ...]


class Loop(NamedTuple):
    """What runs the calls, and what it is given."""

    run: Callable[..., None]
    given: list[Given]
    numbers: list[Number]

    def over(self, places: Mapping[int, Array] = {}) -> Callable[[], None]:
        """The calls, with others in the place of the arrays that have these identities, and of whole views of them.

        They may be of another size, if all are. Raises UnfusableError where they don't lie beside each other.
        """
        arrays = [places.get(id(root_of(each.array)), each.array).reshape(each.shape) for each in self.given]
        rows, columns = next(array.shape for array, each in zip(arrays, self.given) if each.at == _WHOLE)
        due = {_NUMBER: (), _ROW: (columns,), _COLUMN: (rows,), _WHOLE: (rows, columns)}
        if any(array.shape != due[each.at] for array, each in zip(arrays, self.given)):
            raise UnfusableError("an array has another size")  # and the loop would read beside it
        return partial(self.run, *arrays, *(value for _, value in self.numbers))


def loop_of(calls: Sequence[Call], stores: Sequence[tuple[Array, Array]]) -> Loop:
    """One loop for these calls, whose results have one shape: each of `stores` is a result, and where it is to lie.

    All operands of a turn are read before anything is stored. Raises UnfusableError.
    """
    writer = _Writer(calls)
    for call in calls:
        writer.add(call)
    for value, target in stores:
        writer.store(value, target)
    dtypes = tuple(dtype for dtype, _ in writer.numbers)
    return Loop(_compiled(writer.source, writer.types, dtypes), writer.given, writer.numbers)


def is_fusable(call: Call) -> bool:
    """Whether a loop may have this call."""
    try:
        _Writer([call]).add(call)
    except UnfusableError:
        return False
    return True


def place_of(array: Array) -> Place:
    """Where and how an array's numbers lie, which tells them from all others."""
    return array.__array_interface__["data"][0], array.dtype, array.shape, array.strides


class _Writer:
    """The text of a loop, in which an array's number is `x3` as it was before, and `y3` as it was computed."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._shape = calls[0].out.shape
        by_rows = any(_index(each, self._shape) in (_ROW, _COLUMN) for call in calls for each in call.arrays())
        whole = (-1, self._shape[-1]) if by_rows else (1, -1)
        self._shapes: dict[str, tuple[int, ...]] = {_NUMBER: (), _ROW: (-1,), _COLUMN: (-1,), _WHOLE: whole}
        self.given: list[Given] = []
        self.numbers: list[Number] = []
        self._names: dict[Place, str] = {}
        self._loads: dict[str, list[str]] = {index: [] for index in self._shapes}
        self._computed: list[str] = []
        self._stores: dict[str, str] = {}

    def add(self, call: Call) -> None:
        """Compute what the call does."""
        if call.kwargs or _index(call.out, self._shape) != _WHOLE or not call.out.flags.writeable:
            raise UnfusableError
        template, args, dtypes = expression(call)
        operands = [self._operand(value, dtype) for value, dtype in zip(args, dtypes, strict=True)]
        name = self._names[place_of(call.out)] = f"y{len(self._computed)}"
        self._computed.append(f"{name} = {call.out.dtype.name}({template.format(*operands)})")

    def store(self, value: Array, target: Array) -> None:
        """Put a result where it is to lie."""
        places = [place_of(each.array) for each in self.given]
        if place_of(target) not in places:
            places.append(place_of(target))
            self._give(target, _WHOLE)
        number = places.index(place_of(target))
        # what was read there may be a view that nobody may write
        self.given[number] = self.given[number]._replace(array=target)
        self._stores[f"a{number}"] = f"a{number}{_WHOLE} = {self._names[place_of(value)]}"

    def _operand(self, value: Any, dtype: str) -> str:
        if not isinstance(value, np.ndarray):
            return self._number(number(value, dtype), dtype)
        if value.dtype.name != dtype:
            raise UnfusableError
        place = place_of(value)
        if place not in self._names:
            index = _index(value, self._shape)
            self._names[place] = f"x{len(self.given)}"
            self._loads[index].append(f"{self._names[place]} = {self._give(value, index)}{index}")
        return self._names[place]

    def _number(self, value: float, dtype: str) -> str:
        if not isinstance(value, float):
            return f"{dtype}({value})"  # where a shift is by a number that isn't known yet, there are no vectors
        self.numbers.append((dtype, value))
        return f"n{len(self.numbers) - 1}"

    def _give(self, array: Array, index: str) -> str:
        self.given.append(Given(array, index, self._shapes[index]))
        return f"a{len(self.given) - 1}"

    @property
    def types(self) -> tuple[Type, ...]:
        """What the function takes."""
        found = [(each.array.dtype.name, len(each.shape), f"a{i}" in self._stores) for i, each in enumerate(self.given)]
        return tuple(found)

    @property
    def source(self) -> str:
        """The function, whose arguments are what is given."""
        whole = next(i for i, each in enumerate(self.given) if each.at == _WHOLE)
        inner = [*self._loads[_ROW], *self._loads[_WHOLE], *self._computed, *self._stores.values()]
        arguments = [f"a{i}" for i in range(len(self.given))] + [f"n{i}" for i in range(len(self.numbers))]
        lines = [
            f"def loop({', '.join(arguments)}):",
            f"    rows, columns = a{whole}.shape",
            *(f"    {line}" for line in self._loads[_NUMBER]),
            "    for row in range(rows):",
            *(f"        {line}" for line in self._loads[_COLUMN]),
            "        for column in range(columns):",
            *(f"            {line}" for line in inner),
        ]
        return "\n".join(lines)


def _index(array: Array, shape: tuple[int, ...]) -> str:
    """By which index a turn of the loop takes its number. Raises UnfusableError if there is none."""
    if array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative and array.size and shape:
        if array.shape == shape:
            return _WHOLE
        if array.size == 1:
            return _NUMBER
        if array.size == array.shape[-1] == shape[-1]:
            return _ROW
        if array.shape == (*shape[:-1], 1):
            return _COLUMN
    raise UnfusableError


@lru_cache(maxsize=256)
def _compiled(source: str, types: tuple[Type, ...], numbers: tuple[str, ...]) -> Callable[..., None]:
    """The function, for arrays of these types and numbers of these dtypes."""
    scope: dict[str, Any] = {"sqrt": np.sqrt, "floor": np.floor}
    scope |= {name: np.dtype(name).type for name in ("float32", "float64", "uint32")}
    exec(source, scope)  # which _Writer wrote, of expressions.py's templates and of numbers
    try:
        with interrupts_later():
            import numba

            arrays = [
                numba.types.Array(numba.from_dtype(np.dtype(dtype)), axes, "C", readonly=not is_stored)
                for dtype, axes, is_stored in types
            ]
            floats = [numba.from_dtype(np.dtype(dtype)) for dtype in numbers]
            decorated = numba.njit(numba.void(*arrays, *floats), nogil=True, error_model="numpy")
            compiled: Callable[..., None] = decorated(scope["loop"])
    except Exception as error:  # not installed, or not for this Python, this NumPy, this processor
        raise UnfusableError(f"numba: {error}") from error
    if compiled is scope["loop"]:
        raise UnfusableError("NUMBA_DISABLE_JIT is set")
    return compiled
