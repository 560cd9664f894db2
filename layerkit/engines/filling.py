"""NumPy's functions in the form that puts its result into a given array soonest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from layerkit.engines.products import multiplying
from layerkit.engines.recorded import UnrecordableError
from layerkit.engines.reducing import REDUCTIONS, reducing
from layerkit.ops import Array

_EXTREMES = {np.maximum, np.minimum}
_FILLING = {np.mean, np.var, np.std, np.clip, np.concat, np.stack, np.take}
"""Functions that fill a given array, as all of NumPy's ufuncs do."""


def filling(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Array) -> Callable[[], object]:
    """The call, its result put into `out`."""
    if function is np.matmul and not kwargs and (matrices := _as_matrices(args, out)):
        return multiplying(*matrices)
    if function is np.vecdot and not kwargs and out.ndim == 0 and out.dtype.kind == "f":
        return partial(np.dot, *args, out)  # the same product, with half the way to it
    if isinstance(function, np.ufunc):
        operands = args if function.signature else [_operand(value, function, args, out) for value in args]
        if kwargs or function in _EXTREMES:  # which warn of an `out` that isn't named
            return partial(function, *operands, **kwargs, out=out)
        return partial(function, *operands, out)
    if function in _FILLING and out.dtype != np.float16:  # whose sums would be float16, too
        return partial(function, *args, **kwargs, out=out)
    if function in REDUCTIONS and len(args) == 1:
        return reducing(function, *args, kwargs, out)
    if function is np.where and np.result_type(args[0]) == np.bool_:
        return partial(_choose, out, *args)
    if function is np.astype:
        return partial(np.copyto, out, args[0], casting="unsafe")
    return partial(_copy, out, function, args, kwargs)


def _as_matrices(factors: Sequence[Any], out: Array) -> tuple[Array, Array, Array] | None:
    """Factors and result of a product by one matrix as matrices: the rows of many may lie as the rows of one do."""
    left, right = map(np.asarray, factors)
    in_one_piece = left.flags.c_contiguous and out.flags.c_contiguous
    if right.ndim != 2 or left.ndim < 2 or (left.ndim > 2 and not in_one_piece):
        return None
    rows = prod(left.shape[:-1])
    return left.reshape(rows, left.shape[-1]), right, out.reshape(rows, out.shape[-1])


def _operand(value: Any, function: Any, args: Sequence[Any], out: Array) -> Any:
    """The operand in the form that NumPy takes soonest: a number as an array, an array with the axes of the result."""
    if isinstance(value, np.ndarray):
        if value.size != out.size or value.ndim == out.ndim:
            return value
        return value[(None,) * (out.ndim - value.ndim)]
    other = next((each for each in args if isinstance(each, np.ndarray)), None)
    if isinstance(value, int | float) and other is not None and np.result_type(other, value) == other.dtype:
        # one number for all takes these two three times as long as a whole array of it
        return np.full(out.shape if function in _EXTREMES else (), value, dtype=other.dtype)
    return value


def _choose(out: Array, condition: Array, first: Any, second: Any) -> None:
    np.copyto(out, second)
    np.copyto(out, first, where=condition)


def _copy(out: Array, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    found = function(*args, **kwargs)
    if np.shape(found) != out.shape:
        raise UnrecordableError(f"{function} gives a shape that values decide")
    out[...] = found
