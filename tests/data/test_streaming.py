"""Files that are read again for each epoch: every row once, in an order that seed and epoch decide, nothing held."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import layerkit
from layerkit import DataError, Document
from layerkit.data import reading
from layerkit.data.batches import Rows
from layerkit.data.preparing import Prepared, prepare
from layerkit.data.streaming import Streamed

ROWS, CLASSES = 1000, ("no", "perhaps", "yes")
FORMATS = ("csv", "jsonl", "parquet", "npz", "compressed", "safetensors")


def write(folder: Path, form: str, rows: int = ROWS) -> Path:
    """A file whose column or array a holds each row's number, and b and y something of it."""
    number = np.arange(rows)
    table = {"a": number, "b": number % 7 / 4, "t": [CLASSES[i % 10 // 4] for i in number], "w": number % 3}
    arrays = {"x": np.stack([number, number % 7 / 4], axis=1), "y": np.eye(3)[number % 10 // 4], "w": number % 3}
    path = folder / f"data.{'npz' if form == 'compressed' else form}"
    match form:
        case "csv":
            lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
            path.write_text("\n".join([",".join(table), *lines]) + "\n")
        case "jsonl":
            cells = zip(*(np.asarray(values).tolist() for values in table.values()), strict=True)
            path.write_text("".join(json.dumps(dict(zip(table, row, strict=True))) + "\n" for row in cells))
        case "parquet":
            pa = pytest.importorskip("pyarrow")
            pytest.importorskip("pyarrow.parquet").write_table(pa.table(table), path, row_group_size=300)
        case "npz":
            np.savez(path, **arrays)
        case "compressed":
            np.savez_compressed(path, **arrays)
        case "safetensors":
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    return path


def fields(form: str, buffer: int | None = 64, **training: Any) -> dict[str, Any]:
    """A document over that file, whose network sees the row's number unscaled."""
    columns = [{"column": "a", "scale": "none"}, {"column": "b"}]
    sides = {"input": columns, "output": {"column": "t", "type": "category"}}
    name = f"data.{'npz' if form == 'compressed' else form}"
    return {
        **(sides if form in ("csv", "jsonl", "parquet") else {"input": [2]}),
        "layers": [{"type": "dense", "units": 3, "activation": "softmax"}],
        "loss": "cross_entropy",
        "optimizer": {"type": "sgd", "learning_rate": 1e-6},
        "training": {
            "epochs": 2,
            "data": {"path": name} | ({} if buffer is None else {"buffer": buffer}),
            **training,
        },
    }


def prepared(folder: Path, form: str, buffer: int | None = 64, **training: Any) -> Prepared:
    document = Document(**fields(form, buffer, **training))
    return prepare(document, reading.own(document, folder), folder)


def flat(parts: list[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))


@pytest.fixture(params=FORMATS)
def form(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of file, in blocks and pieces so small that there are many."""
    write(tmp_path, request.param)
    for constant, value in (
        ("csv.BLOCK", 1000),
        ("jsonl.BLOCK", 90),
        ("parquet.BLOCK", 90),
        ("ondisk.BLOCK", 2000),
        ("streaming.SMALLEST_PIECE", 32),
    ):
        monkeypatch.setattr(f"layerkit.data.{constant}", value)
    return str(request.param)


def numbers(batches: Any) -> list[list[int]]:
    """The row numbers in each batch."""
    return [batch.x[:, 0].astype(int).tolist() for batch in batches]


def test_an_epoch_takes_every_row_once_and_the_next_has_another_order(form: str, tmp_path: Path) -> None:
    source = prepared(tmp_path, form).training
    first, second = numbers(source.batches(30, 5, 0)), numbers(source.batches(30, 5, 34))
    assert source.count == ROWS
    assert [len(batch) for batch in first] == [30] * 33 + [10]
    assert sorted(flat(first)) == sorted(flat(second)) == list(range(ROWS))
    assert first != second
    assert first == numbers(source.batches(30, 5, 0))
    assert first != numbers(source.batches(30, 6, 0))


@pytest.mark.parametrize("step", [1, 2, 3, 20, 33])
@pytest.mark.parametrize("validation", [None, 0.3])
def test_an_epoch_taken_up_in_its_middle_goes_on_with_the_same_batches(
    form: str, step: int, validation: Any, tmp_path: Path
) -> None:
    source = prepared(tmp_path, form, validation=validation).training
    size = -(-source.count // 34)
    whole, again = list(source.batches(size, 5, 0)), list(source.batches(size, 5, step))
    assert numbers(again) == numbers(whole)[step:]
    for mine, due in zip(again, whole[step:], strict=True):
        np.testing.assert_array_equal(mine.x, due.x)
        np.testing.assert_array_equal(mine.t, due.t)


def test_where_any_row_can_be_read_a_buffer_has_rows_from_all_over_the_file(tmp_path: Path) -> None:
    for form, far in (("npz", True), ("safetensors", True), ("csv", False)):
        write(tmp_path, form, rows=20_000)
        first = np.concatenate(numbers(prepared(tmp_path, form, buffer=1000).training.batches(1000, 0, 0))[:1])
        assert (first.max() > 1000) == far
        assert np.abs(np.diff(first)).mean() > 200


def test_the_rows_are_those_that_are_encoded_in_memory(form: str, tmp_path: Path) -> None:
    streamed, held = (prepared(tmp_path, form, buffer) for buffer in (64, None))
    assert held.document.output == streamed.document.output
    for mine, due in zip(streamed.training.blocks(300), held.training.blocks(300), strict=True):
        np.testing.assert_allclose(mine.x, due.x, rtol=1e-6)
        np.testing.assert_array_equal(mine.t, due.t)


@pytest.mark.parametrize("training", [{"class_weights": "balanced"}, {"sample_weights": "w"}, {"validation": 0.25}])
def test_rows_weigh_as_much_as_in_memory(form: str, training: dict[str, Any], tmp_path: Path) -> None:
    if "sample_weights" not in training:
        training = training | {"class_weights": "balanced"}
    streamed, held = (prepared(tmp_path, form, buffer, **training) for buffer in (64, None))
    sums = [
        np.sum([np.sum(block.weights[:, None] * block.t, axis=0) for block in each.training.blocks(100)], axis=0)
        for each in (streamed, held)
    ]
    np.testing.assert_allclose(*sums, rtol=1e-3)
    assert not np.allclose(sums[0], [400, 400, 200])


def test_a_fraction_holds_out_each_class_alike_and_the_seed_decides_which_rows(form: str, tmp_path: Path) -> None:
    one, other = (prepared(tmp_path, form, validation=0.25, seed=seed) for seed in (0, 1))
    assert one.validation is not None
    assert other.validation is not None
    kept, held = (flat(numbers(source.blocks(77))) for source in (one.training, one.validation))
    assert sorted(kept + held) == list(range(ROWS))
    assert (one.training.count, one.validation.count) == (len(kept), len(held))
    if one.document.columns:
        assert all(abs(count - due) <= 1 for count, due in zip(sorted(class_counts(held)), (50, 100, 100), strict=True))
    assert abs(len(held) - 250) <= 3
    assert held != flat(numbers(other.validation.blocks(77)))


def class_counts(rows: list[int]) -> list[int]:
    return list(Counter(number % 10 // 4 for number in rows).values())


def test_columns_are_fitted_on_training_rows_alone(tmp_path: Path) -> None:
    write(tmp_path, "csv")
    whole = prepared(tmp_path, "csv", validation=0.5)
    rows = np.array(flat(numbers(whole.training.blocks(64))))
    column = whole.document.input[1]
    assert column.count == whole.training.count < ROWS
    assert column.mean == pytest.approx(np.mean(rows % 7 / 4))
    assert column.deviation == pytest.approx(np.std(rows % 7 / 4))


@pytest.mark.parametrize("cut", [3, 40, 64])
def test_a_run_that_was_cut_off_goes_on_bit_for_bit(form: str, cut: int, tmp_path: Path, write: Any, cli: Any) -> None:
    document = write(fields(form, validation=0.2, batch_size=25, sample_weights="w"))
    assert cli("train", document, "--output", tmp_path / "whole.safetensors").code == 0
    other = tmp_path / "cut.safetensors"
    assert cli("train", document, "--output", other, "--steps", str(cut)).code == 0
    assert cli("train", document, "--output", other).code == 0
    whole, resumed = (layerkit.load(path) for path in (tmp_path / "whole.safetensors", other))
    assert whole.step == resumed.step == 64
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(array, resumed.parameters[name])
    for name, values in whole.history.items():
        np.testing.assert_array_equal(values, resumed.history[name])


def test_every_verb_takes_a_stream(form: str, tmp_path: Path, write: Any, cli: Any) -> None:
    document = write(fields(form, validation=0.2, metrics=["accuracy"]))
    assert cli("check", document).code == 0
    assert "over 800 rows" in cli("train", document, "--dry-run").out.replace("799", "800").replace("801", "800")
    assert cli("train", document, "--quiet").code == 0
    file = tmp_path / fields(form)["training"]["data"]["path"]
    assert cli("evaluate", document).code == 0
    assert cli("evaluate", document, "--data", file, "--format", "json").json["rows"] == str(file)
    assert cli("explain", document, "--row", "999").code == 0
    assert "the rows are 0 to 999" in cli("explain", document, "--row", "1000").err
    model = layerkit.load(document)
    assert model.predict().shape == (ROWS, 3)
    for suffix in ("csv", "jsonl", "json", "npz"):
        assert cli("predict", document, "--data", file, "--output", tmp_path / f"out.{suffix}").code == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == ROWS + 1
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == ROWS
    np.testing.assert_allclose(np.load(tmp_path / "out.npz")["predictions"], model.predict(), rtol=1e-5)
    assert len(cli("predict", document, "--data", file, "--format", "json").json["predictions"]) == ROWS
    assert "… and 980 rows more" in cli("predict", document, "--data", file).out


def test_a_validation_file_is_streamed_too(tmp_path: Path) -> None:
    write(tmp_path, "csv", rows=50).rename(tmp_path / "held.csv")
    write(tmp_path, "csv")
    found = prepared(tmp_path, "csv", validation="held.csv")
    assert found.validation is not None
    assert (found.training.count, found.validation.count) == (ROWS, 50)
    assert flat(numbers(found.validation.blocks(20))) == list(range(50))


def test_a_faulty_cell_is_found_before_the_first_step_whichever_side_it_is_on(tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    lines = path.read_text().splitlines()
    for row in (1, 500, ROWS):
        path.write_text("\n".join([*lines[:row], lines[row].replace(",", ",?", 1), *lines[row + 1 :]]))
        with pytest.raises(
            DataError, match=rf'row {row} \(line {row + 1}\), column "b": "\?.*" is not a finite number'
        ):
            prepared(tmp_path, "csv", validation=0.5)


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
    monkeypatch.setattr("layerkit.data.packing.memory", lambda: 10_000)
    with pytest.raises(DataError, match=r'declare a buffer of rows: "data": .*"buffer": 65536'):
        prepared(tmp_path, form, buffer=None)
    assert prepared(tmp_path, form).training.count == ROWS


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


def third(number: int, rows: int) -> slice:
    """What one of three processes takes of a batch."""
    own = -(-rows // 3)
    return slice(number * own, (number + 1) * own)


@pytest.mark.parametrize("size", [30, 1, 999])
@pytest.mark.parametrize("step", [0, 1])
def test_three_processes_read_a_third_each_of_the_batches_of_one(
    form: str, size: int, step: int, tmp_path: Path
) -> None:
    source = prepared(tmp_path, form, validation=0.3, sample_weights="w").training
    assert isinstance(source, Streamed)
    whole = list(source.batches(size, 5, step))
    encoded: list[Rows] = []

    def counted(rows: Rows) -> Rows:
        encoded.append(rows)
        return rows

    source = Streamed(source._side, lambda table, own=source._encode: counted(own(table)), 64, source.count)
    for number in range(3):
        parts = list(source.batches(size, 5, step, partial(third, number)))
        for part, due in zip(parts, whole, strict=True):
            own = third(number, len(due.x))
            assert part.size == len(due.x)
            for array, of_whole in zip(part[:3], due[:3], strict=True):
                np.testing.assert_array_equal(array, of_whole[own])
        assert sum(len(rows.x) for rows in encoded) == sum(len(part.x) for part in parts)
        encoded.clear()


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
