"""The readers: files to tables, whatever stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from layerkit import CSV, NPZ, DataError, JSONLines, Reader, SafeTensors
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
    ("text", "due"),
    [
        ('{"a": 1}\n{"a": \n', "line 2"),
        ("[1]\n", "line 1"),
        ('{"a": 1, "a": 2}\n', "line 1"),
        ('{"a": NaN}\n', "line 1"),
    ],
)
def test_a_line_that_is_no_json_object_is_named(text: str, due: str, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=due):
        table(JSONLines(), path)


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
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xff" * 64])
def test_a_damaged_array_file_is_refused(reader: Reader, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(DataError, match="can't be read"):
        table(reader, tmp_path / "data")


def test_nothing_pickled_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="can't be read"):
        table(NPZ(), tmp_path / "data.npz")


def test_arrays_of_different_lengths_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=Y[:2])
    with pytest.raises(DataError, match=r"x \[3, 2\], y \[2\]"):
        table(NPZ(), tmp_path / "data.npz")
