"""Memory that begins where a processor's cache lines do."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from layerkit.ops import Array

LINE = 64
"""Bytes of a cache line, and of the widest registers: what lies across two is read and written twice."""


def zeros(count: int, dtype: DTypeLike) -> Array:
    """So many zeros, from a multiple of LINE bytes on; NumPy's own arrays begin at multiples of 16."""
    room = np.zeros(count * np.dtype(dtype).itemsize + LINE - 1, np.uint8)
    first = room.__array_interface__["data"][0]  # without ctypes, which takes time to import
    # of a memoryview: the tape looks for the array that others are views of, and is to find this one
    return np.frombuffer(room.data, dtype, count, -first % LINE)
