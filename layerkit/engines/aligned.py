"""Memory that begins where a processor's cache lines do."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import DTypeLike

from layerkit.ops import Array

LINE = 64
"""Bytes of a cache line, and of the widest registers: what lies across two is read and written twice."""


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array of zeros that begins at a multiple of LINE bytes; NumPy's own begin at multiples of 16."""
    # not an array of NumPy's: the tape looks for the array whose views others are, and is to find this one
    room = bytearray(prod(shape) * np.dtype(dtype).itemsize + LINE - 1)
    first = np.frombuffer(room, np.uint8).__array_interface__["data"][0]  # without ctypes, which takes time to import
    return np.ndarray(shape, dtype, room, -first % LINE)
