"""How Python has a call for one number, in a function that numba compiles: what can't be had so has no loop.

The bits are NumPy's own, for each function here has one right result: IEEE 754 says how it is rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.engines.calls import Call

# clip: of two zeros the first, where maximum and minimum give the second
_AT_LEAST = "{1} if {0} < {1} or {1} != {1} else {0}"
_AT_MOST = "{1} if {0} > {1} or {1} != {1} else {0}"
_CLIPPED = _AT_MOST.format(f"({_AT_LEAST})", "{2}")
_OF_FLOATS = {
    np.add: "{} + {}",
    np.subtract: "{} - {}",
    np.multiply: "{} * {}",
    np.divide: "{} / {}",
    np.negative: "-{}",
    np.square: "{0} * {0}",
    np.sqrt: "sqrt({})",
    np.absolute: "abs({})",
    np.floor: "floor({})",
    np.sign: "1 if {0} > 0 else -1 if {0} < 0 else 0 if {0} == 0 else {0}",
    # NaN where one of them is; of two zeros the second, as NumPy has it
    np.maximum: "{0} if {0} > {1} or {0} != {0} else {1}",
    np.minimum: "{0} if {0} < {1} or {0} != {0} else {1}",
}
_OF_WORDS = {
    np.add: "{} + {}",
    np.multiply: "{} * {}",
    np.bitwise_and: "{} & {}",
    np.bitwise_or: "{} | {}",
    np.bitwise_xor: "{} ^ {}",
    np.left_shift: "{} << {}",
    np.right_shift: "{} >> {}",
}
"""Functions of uint32, of which random numbers are made."""
_OF_CONDITIONS = {
    np.bitwise_and: "{} & {}",
    np.bitwise_or: "{} | {}",
    np.bitwise_xor: "{} ^ {}",
    np.invert: "not {}",
    np.logical_and: "{} & {}",
    np.logical_or: "{} | {}",
    np.logical_not: "not {}",
}
_KNOWN: dict[str, dict[Any, str]] = {
    "float32": _OF_FLOATS,
    "float64": _OF_FLOATS,
    "uint32": _OF_WORDS,
    "bool": _OF_CONDITIONS,
}
"""The functions that a loop may have, by the dtype of their operands and results, as Python has them for one number."""
_COMPARISONS = {
    np.less: "{} < {}",
    np.less_equal: "{} <= {}",
    np.greater: "{} > {}",
    np.greater_equal: "{} >= {}",
    np.equal: "{} == {}",
    np.not_equal: "{} != {}",
}
_FILLED = {np.zeros_like: "0", np.ones_like: "1"}


class UnfusableError(Exception):
    """A call is none that a loop may have, or there is no numba."""


def expression(call: Call) -> tuple[str, tuple[Any, ...], list[str]]:
    """How Python has a call for one number, into which its operands go, and the dtype that each must have."""
    function, args, dtype = call.function, call.args, call.out.dtype.name
    if function is np.astype and isinstance(args[0], np.ndarray):
        source = args[0].dtype.name
        if source == dtype in _KNOWN or (source in ("bool", "uint32") and dtype in ("float32", "float64")):
            return "{}", args[:1], [source]
    elif function is np.where and len(args) == 3 and dtype in _KNOWN:
        return "{1} if {0} else {2}", args, ["bool", dtype, dtype]
    elif function is np.clip and _bounded_by_numbers(args) and dtype in ("float32", "float64"):
        return _CLIPPED, args, [dtype] * 3
    elif function in _COMPARISONS:
        source = next(call.arrays()).dtype.name
        if source in ("float32", "float64"):
            return _COMPARISONS[function], args, [source, source]
    elif function in _FILLED and dtype in _KNOWN:
        return _FILLED[function], (), []
    elif (template := _KNOWN.get(dtype, {}).get(function)) and not _shifts_far(function, args):
        return template, args, [dtype] * len(args)
    raise UnfusableError


def _bounded_by_numbers(args: tuple[Any, ...]) -> bool:
    """Whether clip has two bounds that are no arrays: of these, NumPy takes another one of two zeros."""
    return len(args) == 3 and not any(isinstance(bound, np.ndarray) for bound in args[1:])


def _shifts_far(function: Any, args: tuple[Any, ...]) -> bool:
    """Whether it may shift by as many bits as there are, or more, of which a processor makes what it likes."""
    return function in (np.left_shift, np.right_shift) and not (type(args[1]) is int and args[1] < 32)


def number(value: Any, dtype: str) -> float:
    """A number of Python's, as the dtype of the arrays beside it has it."""
    if not (type(value) is int or (type(value) is float and dtype in ("float32", "float64"))):
        raise UnfusableError
    try:
        return np.dtype(dtype).type(value).item()  # type: ignore[no-any-return]
    except OverflowError:  # np.where takes numbers that don't fit
        raise UnfusableError from None
