"""What stands in for an array, and for a number, while a step is recorded."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from layerkit.ops import Array

if TYPE_CHECKING:
    from layerkit.engines.tape import Tape


class UnrecordableError(Exception):
    """A part looks at values, or does what a tape can't play again; the step is taken call by call instead."""


class _OnTape:
    """An array whose operators, and whose namespace's functions, go to a tape."""

    __slots__ = ("_tape", "array")
    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None
    """Makes NumPy's own arrays leave an operation to this one."""

    def __init__(self, array: Array, tape: Tape) -> None:
        self.array, self._tape = array, tape

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return Namespace(np, self._tape)

    def __getitem__(self, key: Any) -> Any:
        return self._tape.call(operator.getitem, self, key)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, RecordedNumber):
            return self._tape.call(np.power, self, other)
        # as NumPy itself does for a number: these are far quicker than a power, and round otherwise
        floating = type(other) in (int, float) and self.array.dtype.kind == "f"
        quick = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}.get(other) if floating else None
        return self._tape.call(quick, self) if quick else self._tape.call(np.power, self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._tape.call(np.power, other, self)

    def _changed(self, other: Any) -> NoReturn:
        raise UnrecordableError("a part changes an array in place")

    __ipow__ = _changed


class Recorded(_OnTape):
    """An array of the standard whose calls are recorded. It has a shape and a dtype, and no values to ask for."""

    __slots__ = ()

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

    def _unknown(self, *args: Any) -> NoReturn:
        raise UnrecordableError("values are known only when the tape is played")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __iter__ = __array__ = __setitem__ = _unknown


class Constant(_OnTape):
    """An array that a part made of none that is recorded: its values are known, and those of every step."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.array, name)


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


def _operator(function: Any, swapped: bool) -> Callable[[_OnTape, Any], Any]:
    def apply(self: _OnTape, other: Any) -> Any:
        left, right = (other, self) if swapped else (self, other)
        return self._tape.call(function, left, right)

    return apply


for _name, _function in _BINARY.items():
    setattr(_OnTape, f"__{_name}__", _operator(_function, swapped=False))
    setattr(_OnTape, f"__r{_name}__", _operator(_function, swapped=True))
    # not as a new array: NumPy changes the array itself, and with it every view of it
    setattr(_OnTape, f"__i{_name}__", _OnTape._changed)
for _name, _function in _COMPARISONS.items():
    setattr(_OnTape, f"__{_name}__", _operator(_function, swapped=False))
for _name, _function in _UNARY.items():
    setattr(_OnTape, f"__{_name}__", lambda self, function=_function: self._tape.call(function, self))
for _name in ("bool", "float", "int", "index", "complex", "len", "iter", "array", "setitem"):
    setattr(Constant, f"__{_name}__", lambda self, *args, name=f"__{_name}__": getattr(self.array, name)(*args))


class Number:
    """A place for a number."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value


class RecordedNumber:
    """A number that changes from step to step, as Python's own float: it takes the dtype of an array that it meets."""

    __slots__ = ("_arrays", "_tape", "number")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: Number, tape: Tape) -> None:
        self.number, self._tape = number, tape
        self._arrays: dict[Any, Array] = {}

    def beside(self, arrays: Sequence[Array]) -> Array:
        """The number as an array without axes, of the dtype that Python's float takes beside these arrays."""
        floats = [array.dtype for array in arrays if array.dtype.kind == "f"]
        dtype = np.result_type(*floats) if floats else np.dtype(np.float64)
        if dtype not in self._arrays:
            self._arrays[dtype] = self._tape.held(self.number, dtype)
        return self._arrays[dtype]

    def _unknown(self, *args: Any) -> NoReturn:
        raise UnrecordableError("a number is known only when the tape is played")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = _unknown

    def __neg__(self) -> Any:
        return operator.mul(-1.0, self)


def _number_operator(function: Any, swapped: bool) -> Callable[[RecordedNumber, Any], Any]:
    def apply(self: RecordedNumber, other: Any) -> Any:
        if not isinstance(other, RecordedNumber | int | float):
            return NotImplemented
        given = other.number if isinstance(other, RecordedNumber) else Number(other)
        left, right = (given, self.number) if swapped else (self.number, given)
        return RecordedNumber(self._tape.call_numbers(function, left, right), self._tape)

    return apply


def _number_comparison(function: Any) -> Callable[[RecordedNumber, Any], Any]:
    def apply(self: RecordedNumber, other: Any) -> Any:
        if not isinstance(other, RecordedNumber | int | float):
            return NotImplemented
        return Condition(self._tape.call(function, self, other).array)

    return apply


for _name, _function in _COMPARISONS.items():
    setattr(RecordedNumber, f"__{_name}__", _number_comparison(_function))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(RecordedNumber, f"__{_name}__", _number_operator(getattr(operator, _name), swapped=False))
    setattr(RecordedNumber, f"__r{_name}__", _number_operator(getattr(operator, _name), swapped=True))


class Condition:
    """Whether a number is less than another and so on, known only when the tape is played: what `where` chooses by."""

    __slots__ = ("array",)

    def __init__(self, array: Array) -> None:
        self.array = array

    def __bool__(self) -> NoReturn:
        raise UnrecordableError("a number is known only when the tape is played")


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
