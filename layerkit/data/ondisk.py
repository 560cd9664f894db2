"""Arrays that stay in their file: only the rows asked for are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.data.tables import table_of_arrays
from layerkit.errors import DataError
from layerkit.ops import Array
from layerkit.parts import Table

BLOCK = 2**22
"""Bytes of one row after the other that are read at once."""
LARGEST_ROW = 2**48
"""Values. NumPy's own sizes end at 2⁶³ bytes, which a row of no more than these never comes near."""


@dataclass(frozen=True)
class OnDisk:
    """An array that begins at `offset` of a file, and whose first axis is the rows.

    It is read, not mapped: a file that shrinks while it is mapped kills the process.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    by_columns: bool = False
    """Whether it is in Fortran order: the first number of all rows, then the second of all rows, and so on."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return len(self.shape)

    @property
    def row_bytes(self) -> int:
        """The bytes of one row."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    def __getitem__(self, rows: slice) -> Array:
        """These rows, in memory. Raises DataError where the file ends before them."""
        first, stop, _ = rows.indices(len(self))
        count = max(stop - first, 0)
        with self.path.open("rb", buffering=0) as file:
            if not self.by_columns:
                array = np.empty((count, *self.shape[1:]), self.dtype)
                self._read(file, array, first * self.row_bytes)
                return array
            columns = np.empty((prod(self.shape[1:]), count), self.dtype)
            for i, column in enumerate(columns):
                self._read(file, column, (i * len(self) + first) * self.dtype.itemsize)
            return columns.T.reshape((count, *self.shape[1:]), order="F")

    def _read(self, file: FileIO, array: Array, start: int) -> None:
        left = memoryview(array.reshape(-1).view(np.uint8))
        file.seek(self.offset + start)
        while left:
            count = file.readinto(left)
            if not count:
                raise DataError("the file ended while it was being read", str(self.path))
            left = left[count:]


def check_shape(name: str, shape: Sequence[Any]) -> None:
    """Raise ValueError for sizes that no array has, and for rows of nothing: an empty file may claim any number."""
    whole = all(type(size) is int and size >= 0 for size in shape)
    if not whole or not 1 <= prod(shape[1:]) <= LARGEST_ROW:
        advice = f"sizes are whole numbers from 0, and a row holds from 1 to {LARGEST_ROW:,} values"
        raise ValueError(f'"{name}" has the shape {list(shape)!s:.60}; {advice}')


def blocks(arrays: Mapping[str, OnDisk], others: Sequence[str], source: str) -> Iterator[Table]:
    """The rows of the arrays side by side, a block at a time. Raises DataError if they differ in length."""
    whole = table_of_arrays(arrays, source, others)
    size = rows_per_block(arrays)
    if not arrays:
        yield whole  # for the names of the others
    for first in range(0, len(whole), size):
        numbers = whole.numbers[first : first + size]
        yield Table(
            {name: array[first : first + size] for name, array in arrays.items()}, numbers, source, None, others
        )


def rows_per_block(arrays: Mapping[str, OnDisk]) -> int:
    """How many rows are read at once."""
    return max(BLOCK // max(sum(array.row_bytes for array in arrays.values()), 1), 1)
