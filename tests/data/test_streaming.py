"""Files that are read again for each epoch: every row once, in an order that seed and epoch decide, nothing held."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streams import ROWS, fields, flat, numbers, prepared, write

import layerkit
from layerkit.data.batches import Rows
from layerkit.data.streaming import Streamed


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


def test_a_file_is_evaluated_in_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "csv")
    (tmp_path / "model.json").write_text(json.dumps(fields("csv", None)))
    model = layerkit.load(tmp_path / "model.json")
    model.train()
    due, opened, blocks = model.evaluate()["loss"], [], layerkit.CSV.blocks
    monkeypatch.setattr(layerkit.CSV, "blocks", lambda *args: opened.append(args[1]) or blocks(*args))
    assert model.evaluate(path)["loss"] == pytest.approx(due)
    assert opened == [path]
