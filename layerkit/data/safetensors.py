"""safetensors files as data."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from layerkit import jsontext
from layerkit.data import ondisk
from layerkit.data.ondisk import OnDisk
from layerkit.errors import DataError, LayerkitError
from layerkit.files import regular_file
from layerkit.parts import Reader, Table

LARGEST_HEADER = 100_000_000
"""Bytes; the format's own bound."""
DTYPES = {
    "BOOL": "?",
    "U8": "<u1",
    "I8": "<i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}


class SafeTensors(Reader):
    """Arrays by name, `x` and `y` among them, whose first axis is the rows."""

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        found, others = _arrays(path, columns)
        yield from ondisk.blocks(found, others, str(path))

    def arrays(self, path: Path, columns: Sequence[str] | None = None) -> Mapping[str, Any]:
        return _arrays(path, columns)[0]


def _arrays(path: Path, columns: Sequence[str] | None) -> tuple[Mapping[str, OnDisk], Sequence[str]]:
    """The arrays that are wanted, and the names of the others. Raises DataError for what the format forbids."""
    size = regular_file(path).stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LARGEST_HEADER):
            raise _damaged("its header is cut off", path)
        try:
            header = jsontext.parse(file.read(length).decode(), "the header")
        except (UnicodeDecodeError, LayerkitError) as error:
            raise _damaged(str(error), path) from None
    if not isinstance(header, dict):
        raise _damaged("its header is no object", path)
    header.pop("__metadata__", None)
    wanted = {name: entry for name, entry in header.items() if columns is None or name in columns}
    arrays = {name: _array(name, entry, path, 8 + length, size) for name, entry in wanted.items()}
    return arrays, [name for name in header if name not in wanted]


def _array(name: str, entry: Any, path: Path, start: int, size: int) -> OnDisk:
    try:
        shape, (first, end) = tuple(entry["shape"]), entry["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (*shape, first, end)) or len(shape) > 64:
            raise ValueError
    except (TypeError, KeyError, ValueError):
        raise _damaged(f'its header describes no array as "{name}"', path) from None
    if entry.get("dtype") not in DTYPES:
        message = f'"{name}" holds {entry.get("dtype")!r}; known: {", ".join(DTYPES)}'
        raise _damaged(message, path)
    dtype = np.dtype(DTYPES[entry["dtype"]])
    if prod(shape) * dtype.itemsize != end - first or end > size - start:
        raise _damaged(f'"{name}" does not fill its place in the file', path)
    return OnDisk(path, start + first, dtype, shape)


def _damaged(message: str, path: Path) -> DataError:
    return DataError(f"this safetensors file can't be read: {message}", str(path))
