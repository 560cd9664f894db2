"""The readers that need pyarrow: Parquet, and Arrow's files and streams."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import Arrow, DataError, Number, Parquet, Reader
from layerkit.data.tables import joined
from layerkit.testing import run_checks

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
feather = pytest.importorskip("pyarrow.feather")


def write_parquet(table: Any, path: Path) -> None:
    parquet.write_table(table, path, row_group_size=3)


def write_arrow(table: Any, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def write_stream(table: Any, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def write_feather(table: Any, path: Path) -> None:
    feather.write_feather(table, str(path), compression="zstd")


KINDS = pytest.mark.parametrize(
    ("reader", "write"),
    [(Parquet(), write_parquet), (Arrow(), write_arrow), (Arrow(), write_stream), (Arrow(), write_feather)],
    ids=["parquet", "arrow", "stream", "feather"],
)


def read(reader: Reader, write: Any, table: Any, folder: Path, columns: Sequence[str] | None = None) -> Any:
    write(table, folder / "data")
    return joined(reader.blocks(folder / "data", columns), "data")


@KINDS
def test_numbers_are_arrays_and_texts_are_lists(reader: Reader, write: Any, tmp_path: Path) -> None:
    texts = ["Zoë", None, "", "a,b", "x", "y", "z"]
    source = pa.table(
        {
            "float": [0.5, None, 2.0, 3.0, 4.0, 5.0, 6.0],
            "int": [1, 2, 3, 4, 5, 6, 2**53 + 1],
            "bool": [True, False, True, True, False, True, False],
            "decimal": pa.array([Decimal("1.25")] * 7),
            "text": texts,
            "large": pa.array(texts, pa.large_string()),
            "dictionary": pa.array(texts).dictionary_encode(),
        }
    )
    found = read(reader, write, source, tmp_path)
    for name in ("float", "int", "bool", "decimal"):
        assert isinstance(found.columns[name], np.ndarray)
    np.testing.assert_array_equal(found.columns["float"], [0.5, np.nan, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert found.columns["int"].tolist()[-1] == 2**53 + 1
    assert found.columns["bool"].dtype == bool
    assert found.columns["decimal"].tolist() == [1.25] * 7
    for name in ("text", "large", "dictionary"):
        assert found.columns[name] == texts
    assert list(found.numbers) == [1, 2, 3, 4, 5, 6, 7]
    assert found.lines is None


@KINDS
def test_whole_numbers_and_booleans_beside_nulls_stay_what_they_are(reader: Reader, write: Any, tmp_path: Path) -> None:
    source = pa.table({"a": [1, None, 2**53 + 1, 4], "b": [True, None, False, True], "c": pa.nulls(4)})
    found = read(reader, write, source, tmp_path)
    assert list(found.columns["a"]) == [1, None, 2**53 + 1, 4]
    assert list(found.columns["b"]) == [True, None, False, True]
    assert found.columns["c"] == [None] * 4
    encoded = Number(column="a", missing=0, scale="none").encode(found.columns["a"])
    np.testing.assert_array_equal(encoded[:, 0], [1, 0, 2**53, 4])


@KINDS
def test_only_the_columns_asked_for_are_read(reader: Reader, write: Any, tmp_path: Path) -> None:
    when = [datetime(2024, 2, 29)] * 4
    source = pa.table({"when": when, "a.b": [1, 2, 3, 4], "c": ["x"] * 4})
    found = read(reader, write, source, tmp_path, ["c", "a.b", "nowhere"])
    assert sorted(found.columns) == ["a.b", "c"]
    assert found.others == ["when"]
    none = read(reader, write, source, tmp_path, ["nowhere"])
    assert (len(none), dict(none.columns), none.others) == (4, {}, ["when", "a.b", "c"])


@KINDS
def test_what_is_no_cell_is_refused_by_name(reader: Reader, write: Any, tmp_path: Path) -> None:
    source = pa.table({"when": [datetime(2024, 2, 29)], "list": [[1, 2]], "a": [1]})
    with pytest.raises(DataError) as caught:
        read(reader, write, source, tmp_path)
    assert len(caught.value.faults) == 2
    assert 'column "when": holds timestamp[us]; a cell is a number, a boolean or a text' in str(caught.value)
    assert 'column "list": holds list<' in str(caught.value)
    assert "write each item as a column of its own" in str(caught.value)


@KINDS
def test_a_name_that_two_columns_have_is_refused(reader: Reader, write: Any, tmp_path: Path) -> None:
    if write is write_feather:
        pytest.skip("pyarrow writes no such Feather file")
    with pytest.raises(DataError, match="the column 'a' twice"):
        read(reader, write, pa.table([[1], [2]], names=["a", "a"]), tmp_path)


@KINDS
def test_large_files_come_in_blocks(reader: Reader, write: Any, tmp_path: Path, monkeypatch: Any) -> None:
    for module in ("arrow", "parquet"):
        monkeypatch.setattr(f"layerkit.data.{module}.BLOCK", 2)
    write(pa.table({"a": [1.0, 2.0, 3.0, 4.0, 5.0]}), tmp_path / "data")
    blocks = list(reader.blocks(tmp_path / "data"))
    assert max(len(block) for block in blocks) == 2
    assert [number for block in blocks for number in block.numbers] == [1, 2, 3, 4, 5]


def test_a_record_batch_that_memory_cannot_hold_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("layerkit.memory.memory", lambda: 1000)
    with pytest.raises(DataError, match="data, a record batch: needs"):
        read(Arrow(), write_feather, pa.table({"a": np.zeros(1000)}), tmp_path)


@KINDS
def test_a_file_without_rows_says_so(reader: Reader, write: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no rows"):
        read(reader, write, pa.table({"a": pa.array([], pa.float64())}), tmp_path)


@pytest.mark.parametrize("reader", [Parquet(), Arrow()])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"ARROW1\0\0", b"FEA1" * 9, b"\xff" * 64])
def test_a_damaged_file_is_refused(reader: Reader, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(DataError, match="can't be read"):
        list(reader.blocks(tmp_path / "data"))


@KINDS
def test_no_damage_ends_the_process(reader: Reader, write: Any, tmp_path: Path) -> None:
    """A flipped byte gives other values or DataError, a cut file DataError."""
    path, flip = tmp_path / "data", random.Random(0)
    write(pa.table({"a": [1.0, None] * 9, "b": ["some text", "x"] * 9, "c": [1] * 18}), path)
    whole = path.read_bytes()
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[flip.randrange(len(whole))] ^= flip.randrange(1, 256)
        path.write_bytes(damaged)
        try:
            list(reader.blocks(path))
        except DataError:
            continue
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="can't be read"):
        list(reader.blocks(path))


@KINDS
def test_a_reader_keeps_its_contract(reader: Reader, write: Any, tmp_path: Path) -> None:
    write(pa.table({"a": [1.0, 2.0], "b": ["x", None]}), tmp_path / "data")
    results = run_checks(reader, example=tmp_path / "data")
    assert not [result for result in results if result.outcome != "passed"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "feather"])
def test_without_pyarrow_the_line_that_installs_it_is_given(
    suffix: str, cli: Any, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"data.{suffix}").write_bytes(b"")
    document = {
        "input": [{"column": "a"}],
        "output": {"column": "b"},
        "layers": [{"type": "dense", "units": 1}],
        "loss": "half_squared_error",
        "optimizer": "sgd",
        "training": {"steps": 1, "data": {"path": f"data.{suffix}"}},
    }
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ran = cli("train", write(document))
    assert ran.code == 2
    assert f'.{suffix} files need pyarrow: `pip install "layerkit[data]"`' in ran.err
