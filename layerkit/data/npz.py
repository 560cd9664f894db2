"""NumPy's archives."""

import lzma
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from layerkit.data import ondisk
from layerkit.data.ondisk import OnDisk
from layerkit.data.tables import table_of_arrays
from layerkit.errors import DataError
from layerkit.files import regular_file
from layerkit.memory import check_fits
from layerkit.parts import Reader, Table

ENDING = ".npy"
LARGEST_HEADER = 10_000
"""Bytes; NumPy's own bound."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)


class NPZ(Reader):
    """Arrays by name, `x` and `y` among them, whose first axis is the rows. Nothing pickled is read."""

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        with _archive(path) as archive:
            arrays, others = _arrays(archive, path, columns)
            if all(_stored(archive, name) for name in arrays):
                yield from ondisk.blocks(arrays, others, str(path))
            else:
                yield from _inflated(archive, arrays, others, str(path))

    def arrays(self, path: Path, columns: Sequence[str] | None = None) -> Mapping[str, Any] | None:
        with _archive(path) as archive:
            arrays, _ = _arrays(archive, path, columns)
            return arrays if all(_stored(archive, name) for name in arrays) else None


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(regular_file(path)) as archive:
            yield archive
    except (*_DAMAGED, ValueError, OSError, EOFError, RuntimeError) as error:  # RuntimeError: encrypted, or unknown
        raise DataError(f"this npz file can't be read: {error}", str(path)) from None


def _arrays(
    archive: zipfile.ZipFile, path: Path, columns: Sequence[str] | None
) -> tuple[Mapping[str, OnDisk], Sequence[str]]:
    """The arrays that are wanted, and the names of the others."""
    names = [name.removesuffix(ENDING) for name in archive.namelist() if name.endswith(ENDING)]
    wanted = [name for name in names if columns is None or name in columns]
    return {name: _array(archive, name, path) for name in wanted}, [name for name in names if name not in wanted]


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> OnDisk:
    """Where an array stands, and what it is. Raises ValueError for one that would have to be unpickled."""
    member = archive.getinfo(name + ENDING)
    with archive.open(member) as file:
        shape, fortran_order, dtype = _header(file)
        before = file.tell()
    ondisk.check_shape(name, shape)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f'"{name}" holds Python objects, which nothing here unpickles')
    by_columns = fortran_order and len(shape) > 1
    if by_columns and not _stored(archive, name):
        raise ValueError(f'"{name}" is compressed and in Fortran order: save np.ascontiguousarray of it')
    if prod(shape) * dtype.itemsize != member.file_size - before:
        raise ValueError(f'"{name}" does not fill its place')
    # a small file may declare a large row: count before anything is allocated
    check_fits(prod(shape[1:]) * dtype.itemsize, str(path))
    offset = 0
    if _stored(archive, name):
        with path.open("rb") as whole:
            whole.seek(member.header_offset)
            lengths = struct.unpack("<2H", whole.read(30)[26:])
        offset = member.header_offset + 30 + sum(lengths) + before
    return OnDisk(path, offset, dtype, shape, by_columns)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype. Raises ValueError for what NumPy can't make sense of."""
    with warnings.catch_warnings(action="ignore"):  # of a header that Python 2 wrote
        try:
            first = np.lib.format.read_magic(file) == (1, 0)
            size = 2 if first else 4
            length = int.from_bytes(file.read(size), "little")
            if length > LARGEST_HEADER:  # NumPy unpacks it before it looks
                raise ValueError(f"it claims {length:,} bytes, and none has more than {LARGEST_HEADER:,}")
            file.seek(-size, os.SEEK_CUR)
            return (np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0)(file)
        except Exception as error:  # the header is Python's syntax, and fails in all of its ways
            raise ValueError(f"an array's header makes no sense: {error!s:.100}") from None


def _stored(archive: zipfile.ZipFile, name: str) -> bool:
    return archive.getinfo(name + ENDING).compress_type == zipfile.ZIP_STORED


def _inflated(
    archive: zipfile.ZipFile, arrays: Mapping[str, OnDisk], others: Sequence[str], source: str
) -> Iterator[Table]:
    """The rows of compressed arrays, which are unpacked side by side."""
    whole, size = table_of_arrays(arrays, source, others), ondisk.rows_per_block(arrays)
    with ExitStack() as stack:
        files = {name: stack.enter_context(archive.open(name + ENDING)) for name in arrays}
        for file in files.values():
            _header(file)
        for first in range(0, len(whole), size):
            numbers = whole.numbers[first : first + size]
            columns = {name: _rows(files[name], arrays[name], len(numbers)) for name in arrays}
            yield Table(columns, numbers, source, None, others)


def _rows(file: IO[bytes], array: OnDisk, rows: int) -> Any:
    content = file.read(rows * array.row_bytes)
    return np.frombuffer(content, array.dtype).reshape(rows, *array.shape[1:])
