"""Products of float32 matrices by oneDNN, where it is installed and the processor has AVX-512.

Its `dnnl_sgemm` (https://github.com/uxlfoundation/oneDNN) is BLAS's (Dongarra, Du Croz, Duff and Hammarling, "A set of
level 3 basic linear algebra subprograms", 1990), for matrices that lie row by row.
"""

from __future__ import annotations

import ctypes
import os
import site
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

import numpy as np

from layerkit.engines.aligned import zeros
from layerkit.ops import Array

LIBRARY = "libdnnl.so.3"
FEW_ROWS = 128
"""oneDNN takes longer to lay a transposed matrix out anew than to multiply so few rows by it."""
_AVX512 = 0x20
"""The bit of what oneDNN takes the processor for. Without it, OpenBLAS is as fast, and faster for few rows."""
_OUT_OF_MEMORY = 1
_BY_ROW, _BY_COLUMN = b"N", b"T"


def product(left: Array, right: Array, out: Array) -> Callable[[], object] | None:
    """left · right put into `out`, of shapes (rows, inner), (inner, columns), (rows, columns); None if NumPy's is due.

    Calling it raises MemoryError where oneDNN finds no memory, and RuntimeError for its other errors.
    """
    given = left, right, out
    if any(each.ndim != 2 or each.dtype != np.float32 or not _order(each) for each in given):
        return None
    if _order(out) == _BY_COLUMN or not (sgemm := _sgemm()):
        return None
    if len(left) > FEW_ROWS or _order(right) == _BY_ROW:
        return partial(sgemm, *_operands(left, right, out))
    # (right⊤ · left⊤)⊤: what is laid out anew is the other matrix, which is small
    turned = zeros(out.size, out.dtype).reshape(out.shape[::-1])
    multiply = partial(sgemm, *_operands(right.T, left.T, turned))
    turn = partial(np.copyto, out, turned.T)

    def multiplied() -> None:
        multiply()
        turn()

    return multiplied


def _order(matrix: Array) -> bytes | None:
    """Whether its rows lie in one piece each, or its columns; None if neither do."""
    for order, lying in ((_BY_ROW, matrix), (_BY_COLUMN, matrix.T)):
        apart, along = lying.strides
        if along == matrix.itemsize and apart >= along * lying.shape[1] and apart % along == 0:
            return order
    return None


def _operands(left: Array, right: Array, out: Array) -> list[Any]:
    """What the function is given: 1 · left · right + 0 · out, each pointer with the array that it must keep alive."""
    sizes = map(ctypes.c_int64, (*out.shape, left.shape[1]))
    one, zero = ctypes.c_float(1.0), ctypes.c_float(0.0)
    orders = [ctypes.c_char(order) for each in (left, right) if (order := _order(each))]
    return [*orders, *sizes, one, *_placed(left), *_placed(right), zero, *_placed(out)]


def _placed(matrix: Array) -> tuple[Any, Any]:
    """Where it lies, and how many numbers there are from one row to the next, or from one column."""
    return matrix.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(max(matrix.strides) // matrix.itemsize)


@cache
def _sgemm() -> Any:
    """oneDNN's function, from where pip and conda put the library for this Python; None without it, or AVX-512."""
    for place in (sys.prefix, *([site.getuserbase()] if site.ENABLE_USER_SITE else [])):
        with suppress(OSError, AttributeError):  # it isn't there, or it lacks a library, or OpenMP
            library = ctypes.CDLL(os.path.join(place, "lib", LIBRARY))
            sgemm, set_threads = library.dnnl_sgemm, library.omp_set_num_threads
            if not library.dnnl_get_effective_cpu_isa() & _AVX512:
                return None
            sgemm.restype = _checked
            # the threads aren't there in a process that is forked, and OpenMP would wait for them
            os.register_at_fork(after_in_child=partial(set_threads, 1))
            return sgemm
    return None


def _checked(status: int) -> None:
    """What becomes of the function's result."""
    if status == _OUT_OF_MEMORY:
        raise MemoryError("oneDNN finds no memory for a product of matrices")
    if status:
        raise RuntimeError(f"oneDNN multiplies no matrices: its status is {status}")
