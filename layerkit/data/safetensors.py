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
from layerkit.storage import LARGEST_HEADER

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
    places = sorted(_place(name, entry, path) for name, entry in header.items())
    if [0, *(end for _, end in places)] != [*(first for first, _ in places), size - 8 - length]:
        raise _damaged("its arrays overlap, leave gaps, or end elsewhere than the file does", path)
    wanted = {name: entry for name, entry in header.items() if columns is None or name in columns}
    arrays = {name: _array(name, entry, path, 8 + length) for name, entry in wanted.items()}
    return arrays, [name for name in header if name not in wanted]


def _place(name: str, entry: Any, path: Path) -> tuple[int, int]:
    """Where an array's bytes begin and end after the header. Raises DataError where an entry describes none."""
    try:
        shape, (first, end) = entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        shape = first = end = None
    if not isinstance(shape, list) or len(shape) > 64 or type(first) is not int or type(end) is not int:
        raise _damaged(f'its header describes no array as "{name}"', path)
    return first, end


def _array(name: str, entry: Any, path: Path, start: int) -> OnDisk:
    kind, shape, (first, end) = entry.get("dtype"), tuple(entry["shape"]), entry["data_offsets"]
    if not isinstance(kind, str) or kind not in DTYPES:
        raise _damaged(f'"{name}" holds {kind!r:.60}; known: {", ".join(DTYPES)}', path)
    try:
        ondisk.check_shape(name, shape)
    except ValueError as error:
        raise _damaged(str(error), path) from None
    dtype = np.dtype(DTYPES[kind])
    if prod(shape) * dtype.itemsize != end - first:
        raise _damaged(f'"{name}" does not fill its place in the file', path)
    return OnDisk(path, start + first, dtype, shape)


def _damaged(message: str, path: Path) -> DataError:
    return DataError(f"this safetensors file can't be read: {message}", str(path))
