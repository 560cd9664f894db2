"""Sums and extremes along axes in the form that NumPy has done soonest: it takes long over many short rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from layerkit.engines.aligned import zeros
from layerkit.engines.products import multiplying
from layerkit.ops import Array

_UFUNCS = {np.sum: np.add, np.prod: np.multiply, np.max: np.maximum, np.min: np.minimum}
REDUCTIONS = _UFUNCS.keys()
"""The functions that `reducing` takes."""
NARROW = 32
"""Of rows of so many numbers at most, the extremes are found column by column."""
WIDE = 256
"""Rows of more numbers are summed by NumPy: pair by pair, so that rounding errors stay small."""


def reducing(function: Any, array: Array, kwargs: dict[str, Any], out: Array) -> Callable[[], object]:
    """The reduction of an array, its result put into `out`."""
    found = _as_matrix(array, kwargs.get("axis")) if kwargs.keys() <= {"axis", "keepdims"} else None
    if found and array.dtype == out.dtype and out.dtype.kind == "f" and out.flags.c_contiguous:
        matrix, axis = found
        rows, columns = matrix.shape
        # as a product with ones, BLAS has a sum in half the time
        if function is np.sum and axis == 0:
            return multiplying(np.ones((1, rows), out.dtype), matrix, out.reshape(1, columns))
        if function is np.sum and columns <= WIDE:
            return multiplying(matrix, np.ones((columns, 1), out.dtype), out.reshape(rows, 1))
        if function in (np.max, np.min) and axis == 1 and columns <= min(rows, NARROW):
            return _column_by_column(_UFUNCS[function], matrix, out.reshape(rows))
    # what np.sum and its like come down to
    return partial(_UFUNCS[function].reduce, array, **{"axis": None, **kwargs}, out=out)


def _as_matrix(array: Array, axis: int | tuple[int, ...] | None) -> tuple[Array, int] | None:
    """A view as a matrix, and which of its two axes is reduced; None unless the first axes are, or the last ones."""
    given = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
    axes, count, shape = sorted(each % array.ndim for each in given), len(given), array.shape
    if not 0 < count < array.ndim or not (array.ndim == 2 or array.flags.c_contiguous):
        return None
    if axes == [*range(count)]:
        return array.reshape(prod(shape[:count]), prod(shape[count:])), 0
    if axes == [*range(array.ndim - count, array.ndim)]:
        return array.reshape(prod(shape[:-count]), prod(shape[-count:])), 1
    return None


def _column_by_column(function: np.ufunc, matrix: Array, out: Array) -> Callable[[], object]:
    columns = zeros(matrix.size, matrix.dtype).reshape(matrix.shape[::-1])
    turn = partial(np.copyto, columns, matrix.T)
    reduce = partial(function.reduce, columns, 0, None, out)

    def reduced() -> None:
        turn()
        reduce()

    return reduced
