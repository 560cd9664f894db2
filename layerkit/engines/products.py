"""Products of two matrices by whoever makes them soonest: np.dot, np.matmul, or oneDNN where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from layerkit.ops import Array

_LARGE = 8192
"""A product of so many numbers isn't left to np.dot, which clears their place first."""
_SHARED_OUT = 450_000
"""Of fewer multiplications OpenBLAS gives none to a second thread, and np.dot is called in less time.

Where both had threads, those of the one would look out for work on processors that the other needs.
"""


def multiplying(left: Array, right: Array, out: Array) -> Callable[[], object]:
    """left · right put into `out`, of shapes (rows, inner), (inner, columns) and (rows, columns)."""
    if left.size * right.shape[1] >= _SHARED_OUT:
        from layerkit.engines.onednn import product  # with ctypes, which takes time to import

        if made := product(left, right, out):
            return made
    # the same product, and np.dot has half the way to it
    return partial(np.dot if out.dtype.kind == "f" and out.size < _LARGE else np.matmul, left, right, out)
