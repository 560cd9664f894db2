"""The readers: files to tables, whatever stands in them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from layerkit import CSV, NPZ, DataError, JSONLines, Model, Reader, SafeTensors
from layerkit.data.tables import joined

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


def table(reader: Reader, path: Path, columns: Sequence[str] | None = None) -> Any:
    return joined(reader.blocks(path, columns), str(path))


def test_csv_takes_quotes_commas_line_ends_unicode_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes('\ufeffname,"a, b",π\r\n"Zoë\nK.","1,5","say ""hi"""\r\n\r\nx,2,\r\n'.encode())
    found = table(CSV(), path)
    assert found.columns == {"name": ("Zoë\nK.", "x"), "a, b": ("1,5", "2"), "π": ('say "hi"', "")}
    assert list(found.numbers) == [1, 2]
    assert found.lines == [3, 5]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=10))
def test_csv_gives_back_what_pythons_writer_wrote(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    import csv

    path = tmp_path / "data.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    found = table(CSV(), path)
    assert list(zip(found.columns["a"], found.columns["b"], strict=True)) == rows


def test_only_the_columns_asked_for_are_kept_and_the_others_are_known(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b,c\n1,2,3\n")
    found = table(CSV(), path, ["b"])
    assert ({name: list(cells) for name, cells in found.columns.items()}, found.others) == ({"b": ["2"]}, ["a", "c"])


def test_blocks_join_with_their_row_and_line_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerkit.data.csv.BLOCK", 4)
    path = tmp_path / "data.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(5)))
    blocks = list(CSV().blocks(path))
    assert [len(block) for block in blocks] == [2, 2, 1]
    found = joined(blocks, "data")
    assert list(found.numbers) == [1, 2, 3, 4, 5]
    assert found.lines == [2, 3, 4, 5, 6]
    assert list(found.columns["a"]) == ["0", "1", "2", "3", "4"]


def test_json_lines_keep_their_types_and_may_leave_columns_out(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"a": 1, "b": "x"}\n\n{"a": 2.5}\n')
    found = table(JSONLines(), path)
    assert found.columns == {"a": [1, 2.5], "b": ["x", None]}
    assert found.lines == [1, 3]


@pytest.mark.parametrize(
    ("content", "due"),
    [
        (b'{"a": 1}\n{"a": \n', "line 2"),
        (b"[1]\n", "line 1"),
        (b'{"a": 1, "a": 2}\n', "line 1"),
        (b'{"a": NaN}\n', "line 1"),
        (b'{"a": 1}\r\n\r{"a": "\xff"}\n', "line 3: this is not UTF-8"),
    ],
)
def test_a_line_that_is_no_json_object_is_named(content: bytes, due: str, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=due):
        table(JSONLines(), path)


VALUES = st.sampled_from(
    ["1", "-0", "2.5e3", "1e999", '"x"', '"é{:"', "null", "true", "[1, {}]", '{"c": 1}', "NaN", "01"]
)
FIELDS = st.tuples(st.sampled_from("ab"), st.sampled_from([":", " : "]), VALUES).map(
    lambda field: '"{}"{}{}'.format(*field)
)
LINES = st.one_of(
    st.lists(FIELDS, max_size=3).map(lambda fields: "{" + ", ".join(fields) + "}"),
    st.sampled_from(["", " ", '{"a": 1},{"b": 2}', '{"a": [{}', "{}]}", "[]", "1", "{", "}", '{"a": 1} x']),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=500)
@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=6), st.sampled_from([1, 2**20]))
@example([('{"a": [{}', "\n"), ("{}]}", "\n"), ('{"a": 1},{"b": 2}', "\n")], 2**20)
@example([('{"a": 1}', "\n"), ('{"b": "x"}', "\r\n"), ('{"a": 2}', "\n")], 1)
def test_every_line_is_read_as_pythons_json_reads_it(tmp_path: Path, lines: list[tuple[str, str]], block: int) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes("".join(map("".join, lines)).encode())
    due: list[dict[str, Any]] = []
    wrong = 0
    for number, text in enumerate(path.read_text().splitlines(), start=1):
        try:
            due += [checked_object(text)] if text.strip() else []
        except ValueError:
            wrong = number
            break
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("layerkit.data.jsonl.BLOCK", block)
        if wrong:
            with pytest.raises(DataError, match=f"line {wrong}:"):
                list(JSONLines().blocks(path))
            return
        tables = list(JSONLines().blocks(path))
    found = [(table.columns, i) for table in tables for i in range(len(table))]
    assert [{name: cells[i] for name, cells in columns.items()} for columns, i in found] == [
        {name: row.get(name) for name in columns} for row, (columns, _) in zip(due, found, strict=True)
    ]
    assert [type(cells[i]) for columns, i in found for cells in columns.values()] == [
        type(row.get(name)) for row, (columns, _) in zip(due, found, strict=True) for name in columns
    ]


def checked_object(text: str) -> dict[str, Any]:
    """The object that a line holds. Raises ValueError for anything else, and for what RFC 8259 has no place for."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    def finite(number: str) -> float:
        if not isfinite(float(number)):
            raise ValueError("not finite")
        return float(number)

    row = json.loads(text, object_pairs_hook=unique, parse_float=finite, parse_constant=finite)
    if not isinstance(row, dict):
        raise ValueError("no object")
    return row


def archive(header: str, compression: int = zipfile.ZIP_STORED) -> bytes:
    """An npz of one array with this header, and no numbers."""
    content = io.BytesIO()
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    with zipfile.ZipFile(content, "w", compression) as file:
        file.writestr("x.npy", array)
    return content.getvalue()


HEADERS = (
    "{'descr': '<f8', 'shape': (3,",
    "-" * 5000 + "1",
    "{[]: 1}",
    "{'descr': ',', 'fortran_order': 0, 'shape': ()}",
)


def encrypted() -> bytes:
    """An archive that asks for a password."""
    content = bytearray(archive(HEADERS[0]))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(mark) + place] |= 1
    return bytes(content)


def spoilt() -> bytes:
    """An archive in which a byte is not as it was."""
    content = bytearray(archive(HEADERS[1], zipfile.ZIP_LZMA))
    content[60:64] = b"\xff" * 4
    return bytes(content)


X, Y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 0])


def write_npz(path: Path) -> None:
    np.savez(path, x=X, y=Y)


def write_safetensors(path: Path) -> None:
    save_file({"x": X, "y": Y}, path)


@pytest.mark.parametrize(
    ("reader", "name", "write"),
    [(NPZ(), "data.npz", write_npz), (SafeTensors(), "data.safetensors", write_safetensors)],
)
def test_arrays_are_read_by_name(reader: Reader, name: str, write: Any, tmp_path: Path) -> None:
    write(tmp_path / name)
    found = table(reader, tmp_path / name, ["x"])
    np.testing.assert_array_equal(found.columns["x"], X)
    assert list(found.others) == ["y"]


@pytest.mark.parametrize("reader", [NPZ(), SafeTensors()])
@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"\xff" * 64, *map(archive, HEADERS), encrypted(), spoilt()],
    ids=["empty", "cut off", "nonsense", "half a header", "a deep one", "no dict", "no dtype", "encrypted", "spoilt"],
)
def test_a_damaged_array_file_is_refused(reader: Reader, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(DataError, match="can't be read"):
        table(reader, tmp_path / "data")


def test_an_array_of_another_name_is_said_with_those_there_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=X, Y=Y)
    model = Model(input=[2], layers=["relu"])
    with pytest.raises(DataError, match='there is no column "x"; known: X, Y'):
        model.predict(tmp_path / "data.npz")


def test_nothing_pickled_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="can't be read"):
        table(NPZ(), tmp_path / "data.npz")


def test_arrays_of_different_lengths_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=Y[:2])
    with pytest.raises(DataError, match=r"x \[3, 2\], y \[2\]"):
        table(NPZ(), tmp_path / "data.npz")
