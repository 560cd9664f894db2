"""Reading a file a piece at a time: which pieces, and what is refused of them before the first step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streams import ROWS, fields, flat, numbers, prepared, write

import layerkit
from layerkit import DataError, Document, Number, PartError, Reader, Table
from layerkit.data import reading
from layerkit.data.encoding import inputs
from layerkit.data.preparing import prepare


def test_a_faulty_cell_is_found_before_the_first_step_whichever_side_it_is_on(tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    lines = path.read_text().splitlines()
    for row in (1, 500, ROWS):
        path.write_text("\n".join([*lines[:row], lines[row].replace(",", ",?", 1), *lines[row + 1 :]]))
        with pytest.raises(
            DataError, match=rf'row {row} \(line {row + 1}\), column "b": "\?.*" is not a finite number'
        ):
            prepared(tmp_path, "csv", validation=0.5)


class Yields(Reader):
    """Gives whatever it was made with."""

    block: Any

    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Any]:
        yield self.block


@pytest.mark.parametrize(
    ("block", "due"),
    [
        ({"a": [1.0]}, "Yields.blocks gives a dict where a layerkit.Table is due"),
        (Table({"a": [1.0], "b": [1.0, 2.0]}, [1], "x"), 'Yields.blocks gives 2 cells of "b" for 1 rows'),
    ],
)
def test_a_reader_that_gives_no_whole_tables_is_named(
    block: Any, due: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "csv")
    monkeypatch.setattr(reading, "_reader_of", lambda path: Yields(block=block))
    with pytest.raises(PartError, match=f"{path}: {due}"):
        prepared(tmp_path, "csv")


class Unfilled(Number):
    """Encodes what it should refuse."""

    def encode(self, values: Sequence[Any]) -> Any:
        return np.full((len(values), 1), np.nan)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_column_that_encodes_nan_is_named(dtype: Any) -> None:
    document = Document(input=[Unfilled(column="a")], layers=["sigmoid"], dtype=dtype)
    with pytest.raises(PartError, match=r'column "a": Unfilled.encode gives nan'):
        inputs(document, Table({"a": [1.0]}, [1], "x"))


def test_a_file_that_changes_while_it_is_used_is_refused(form: str, tmp_path: Path) -> None:
    source = prepared(tmp_path, form).training
    batches = source.batches(30, 0, 0)
    next(batches)
    path = tmp_path / fields(form)["training"]["data"]["path"]
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError, match="the file changed while it was being used"):
        list(batches)
    with pytest.raises(DataError, match="the file changed while it was being used"):
        next(source.batches(30, 0, 0))


def test_what_fits_no_memory_names_the_buffer(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerkit.memory.memory", lambda: 10_000)
    with pytest.raises(DataError, match=r'declare a buffer of rows: "data": .*"buffer": 65536'):
        prepared(tmp_path, form, buffer=None)
    assert prepared(tmp_path, form).training.count == ROWS


@pytest.mark.parametrize("buffer", [None, 16])
def test_categories_too_many_for_memory_name_their_column(
    buffer: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.memory.memory", lambda: 10**6)
    (tmp_path / "data.csv").write_text("a,b,t\n" + "".join(f"u{i},1,no\nu{i},2,yes\n" for i in range(300)))
    columns = [{"column": "b"}, {"column": "a", "type": "category"}]
    document = Document(**fields("csv", buffer) | {"input": columns, "layers": [{"type": "dense", "units": 2}]})
    with pytest.raises(DataError, match='"a" makes 300 numbers of a cell; a category with "encoding": "index"'):
        prepare(document, reading.own(document, tmp_path), tmp_path)


@pytest.mark.parametrize(("fraction", "rows"), [(0.01, 3), (0.99, 3)])
def test_a_side_without_rows_is_refused(fraction: float, rows: int, tmp_path: Path) -> None:
    write(tmp_path, "npz", rows=rows)
    with pytest.raises(DataError, match="leaves one side without a row"):
        prepared(tmp_path, "npz", validation=fraction)


@pytest.mark.parametrize("buffer", [0, -1, 1.5, "many"])
def test_a_buffer_is_a_whole_number_from_1(buffer: Any) -> None:
    with pytest.raises(layerkit.DocumentError, match="buffer"):
        Document(**fields("csv") | {"training": {"data": {"path": "data.csv", "buffer": buffer}}})


def test_columns_that_only_later_rows_have_are_empty_before(tmp_path: Path, monkeypatch: Any, cli: Callable) -> None:
    monkeypatch.setattr("layerkit.data.jsonl.BLOCK", 2)
    path = tmp_path / "data.jsonl"
    path.write_text('{"b": 1, "t": "no"}\n' * 5 + '{"a": 3, "b": 2, "t": "yes"}\n' * 2)
    document = fields("jsonl") | {
        "input": [{"column": "a", "missing": 9, "scale": "none"}, {"column": "b"}],
        "layers": [{"type": "dense", "units": 2, "activation": "softmax"}],
    }
    found = prepare(Document(**document), reading.own(Document(**document), tmp_path), tmp_path)
    assert flat(numbers(found.training.blocks(3))) == [9, 9, 9, 9, 9, 3, 3]
    path.write_text('{"b": 1, "t": "no"}\n' * 5)
    with pytest.raises(DataError, match='there is no column "a"'):
        prepare(Document(**document), reading.own(Document(**document), tmp_path), tmp_path)


def test_rows_are_read_in_slices_that_leave_out_large_gaps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    slices: list[tuple[int, int]] = []

    class Recorded:
        dtype, shape = np.dtype(np.float32), (100, 25)

        def __getitem__(self, rows: slice) -> np.ndarray:
            slices.append((rows.start, rows.stop))
            return np.repeat(np.arange(100.0)[rows, None], 25, axis=1)

    monkeypatch.setattr(reading, "GAP", 300)  # three rows
    found = reading._sliced(Recorded(), np.array([4, 5, 9, 14, 80]))
    assert found[:, 0].tolist() == [4, 5, 9, 14, 80]
    assert slices == [(4, 10), (14, 15), (80, 81)]
