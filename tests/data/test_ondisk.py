"""Arrays that stay in their file: what a header claims is counted before anything is made of it."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import NPZ, DataError, SafeTensors


def header_only(header: dict[str, Any], size: int = 0) -> bytes:
    """A safetensors file of this header, and so many zeros."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def test_an_array_header_that_claims_a_great_length_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**25) + b" " * 2**25)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"it claims 33,554,432 bytes, and none has more than 10,000$"):
        next(NPZ().blocks(tmp_path / "data.npz"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**22


@pytest.mark.parametrize("shape", [(10**18, 0), (2**70, 0), (0, 2**70), (-2, -1), (True, 2), (2, True)])
def test_a_shape_that_no_rows_have_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    size = 8 * abs(int(np.prod([int(each) for each in shape], dtype=object)))
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}"
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as file:
        file.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(size))
    entry = {"dtype": "F64", "shape": shape, "data_offsets": [0, size]}
    (tmp_path / "data.safetensors").write_bytes(header_only({"x": entry}, size))
    for reader, name in ((NPZ(), "data.npz"), (SafeTensors(), "data.safetensors")):
        with pytest.raises(DataError, match=r'"x" has the shape \[.*a row holds from 1 to'):
            next(reader.blocks(tmp_path / name))


@pytest.mark.parametrize(
    ("entry", "due"),
    [
        ({"dtype": ["F64"]}, r"holds \['F64'\]; known: BOOL"),
        ({"data_offsets": [8, 24]}, "overlap, leave gaps"),
        ({"data_offsets": [24, 40]}, "overlap, leave gaps"),
        ({"data_offsets": [16, 24]}, "end elsewhere than the file does"),
        ({"data_offsets": [16, 32], "shape": [3]}, "does not fill its place"),
        ({"data_offsets": [16.0, 32.0]}, "describes no array"),
        ({"shape": "2"}, "describes no array"),
    ],
)
def test_what_the_safetensors_format_forbids_is_refused(entry: dict[str, Any], due: str, tmp_path: Path) -> None:
    whole = {"dtype": "F64", "shape": [2]}
    header = {"x": whole | {"data_offsets": [0, 16]}, "y": whole | {"data_offsets": [16, 32]} | entry}
    (tmp_path / "data").write_bytes(header_only(header, 40 if entry.get("data_offsets") == [24, 40] else 32))
    with pytest.raises(DataError, match=due):
        next(SafeTensors().blocks(tmp_path / "data"))
