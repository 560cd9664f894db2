"""Opening a model: a document goes on from the saved file beside it, and what changed since then is noticed."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Column, Dense, DocumentError, Model, Notice, SavedFileError
from layerkit.checking import faults_of_model
from layerkit.opening import _fitted_from, open_model


def test_a_document_that_changed_since_it_was_saved_is_noticed(models: Path) -> None:
    layerkit.load(models / "activity.json").save()
    text = (models / "activity.json").read_text().replace("0.02", "0.05")
    (models / "activity.json").write_text(text)
    with pytest.warns(Notice, match="optimizer changed since"):
        layerkit.load(models / "activity.json")


def test_other_validation_rows_than_those_that_were_never_seen_are_noticed(models: Path) -> None:
    layerkit.load(models / "iris.json").save()
    text = (models / "iris.json").read_text()
    (models / "iris.json").write_text(text.replace('"validation": 0.2', '"validation": 0.3'))
    with pytest.warns(Notice, match="rows that trained it may validate it now"):
        layerkit.load(models / "iris.json")
    (models / "iris.json").write_text(text.replace('"validation": 0.2,', ""))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layerkit.load(models / "iris.json")


def test_a_document_that_did_not_change_is_loaded_in_silence(models: Path) -> None:
    for name in ("activity", "iris"):
        model = layerkit.load(models / f"{name}.json")
        model.train(steps=2)
        model.save()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert layerkit.load(models / f"{name}.json").step == 2


def test_the_seed_of_the_saved_run_holds_so_that_validation_rows_stay_unseen(models: Path) -> None:
    model = open_model(models / "iris.json", {"training.seed": 3})
    model.train(steps=5)
    model.save()
    assert layerkit.load(models / "iris.json").document.training.seed == 3


def test_a_restart_with_columns_that_know_the_new_validation_rows_is_noticed(models: Path) -> None:
    layerkit.load(models / "iris.json").save()
    with pytest.warns(Notice, match="stay fitted to rows that may validate now"):
        open_model(models / "iris.safetensors", {"training.seed": 5}, restart=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_model(models / "iris.safetensors", restart=True)


def test_what_is_wrong_with_a_saved_file_is_said_of_it_wherever_it_is_to_be_saved(models: Path) -> None:
    layerkit.load(models / "iris.json").save()
    with pytest.raises(SavedFileError) as raised:
        open_model(models / "iris.safetensors", {"layers[0].units": 5}, models / "other.safetensors")
    assert all(fault.where.startswith(f"{models / 'iris.safetensors'}, ") for fault in raised.value.faults)


HALF = '{"input": [1], "layers": [{"type": "dense", "units": 1}], "loss": "half_squared_error", "dtype": "float64", '


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_another_optimizer_counts_its_own_steps(engine: str, tmp_path: Path) -> None:
    """Adam's first step is its learning_rate, wherever a run stands when it begins."""
    if engine == "jax":
        pytest.importorskip("jax", reason="jax is not installed")
    (tmp_path / "m.json").write_text(HALF + '"optimizer": "sgd"}')
    model = layerkit.load(tmp_path / "m.json")
    model.train([[1.0]], [[2.0]], steps=500)
    model.save()
    (tmp_path / "m.json").write_text(HALF + '"optimizer": {"type": "adam", "learning_rate": 0.5}}')
    with pytest.warns(Notice, match="optimizer changed since"):
        model = layerkit.load(tmp_path / "m.json")
    model.engine = engine
    for _ in range(2):  # the second time, it is the saved file that knows
        before = model.parameters["layers.0.bias"][0]
        explained = model.explain([[1.0]], [[1e9]])
        model.train([[1.0]], [[1e9]], steps=1)
        assert model.parameters["layers.0.bias"][0] == explained.updated["layers.0.bias"][0]
        assert model.parameters["layers.0.bias"][0] - before == pytest.approx(0.5, rel=1e-6)
        model = layerkit.load(model.save(tmp_path / "m.safetensors"))
        model.engine = engine


def test_so_does_that_of_a_layer_that_is_trained_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    frozen = HALF + '"optimizer": {"type": "adam", "learning_rate": 0.5}}'
    path.write_text(frozen.replace('"units": 1}', '"units": 1, "trainable": false}, {"type": "dense", "units": 1}'))
    model = layerkit.load(path)
    model.train([[1.0]], [[2.0]], steps=500)
    model.save()
    path.write_text(frozen.replace('"units": 1}', '"units": 1}, {"type": "dense", "units": 1}'))
    with pytest.warns(Notice, match="layers changed since"):
        model = layerkit.load(path)
    before = model.parameters
    model.train([[1.0]], [[1e9]], steps=1)
    for name, array in model.parameters.items():
        np.testing.assert_allclose(np.abs(array - before[name]), 0.5, rtol=1e-6)


@pytest.mark.parametrize("data", ["iris.csv", {"path": "iris.csv", "buffer": 40}])
def test_data_that_holds_out_other_rows_than_before_is_noticed(data: Any, models: Path) -> None:
    document = json.loads((models / "iris.json").read_text())
    document["training"]["data"] = data if isinstance(data, dict) else {"path": data}
    (models / "iris.json").write_text(json.dumps(document))
    model = layerkit.load(models / "iris.json")
    model.train(steps=2)
    model.save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layerkit.load(models / "iris.json").evaluate()
    header, *rows = (models / "iris.csv").read_text().splitlines()
    (models / "iris.csv").write_text("\n".join([header, *rows[::-1]]) + "\n")
    with pytest.warns(Notice, match="other rows are held out for validation than before"):
        layerkit.load(models / "iris.json").evaluate()


def test_rows_that_were_looked_at_before_any_step_are_none_that_trained(models: Path) -> None:
    columns = {
        "sepal_length": [5.0, 6.0, 7.0],
        "sepal_width": [3.0] * 3,
        "petal_length": [1.0, 4.0, 5.0],
        "petal_width": [1.0] * 3,
        "species": ["setosa", "virginica", "versicolor"],
    }
    rows = {name: values * 10 for name, values in columns.items()}
    model = layerkit.load(models / "iris.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate()
        model.plan(rows, steps=1)
        model.train(steps=2)
    with pytest.warns(Notice, match="other rows are held out"):
        model.plan(rows, steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate()  # a plan trains nothing, and changes nothing


def of_columns() -> Model:
    """From one number to another, neither of them fitted."""
    return Model(
        input=[{"column": "a"}],
        output={"column": "b"},
        layers=[Dense(units=1)],
        loss="half_squared_error",
        optimizer="sgd",
    )


def test_columns_are_fitted_to_the_rows_of_the_first_step() -> None:
    model = of_columns()
    far = {"a": [1e6, 2e6, 3e6], "b": [1.0, 2.0, 3.0]}
    near = {"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}
    with pytest.raises(DocumentError, match="no goal is given"):
        model.train(far)
    run = model.plan(near, steps=1)
    model.plan(far, steps=1)
    assert model.step == 0
    model.run(run)
    (column,) = model.document.input
    assert column.mean == 2.0
    model.train(far, steps=1)
    (column,) = model.document.input
    assert column.mean == 2.0


def test_a_plan_from_before_the_first_step_that_fitted_other_columns_is_refused() -> None:
    model = of_columns()
    runs = [model.plan({"a": [scale, 2 * scale], "b": [1.0, 2.0]}, steps=1) for scale in (1.0, 1e6)]
    model.run(runs[0])
    with pytest.raises(DocumentError, match="plan again"):
        model.run(runs[1])


def test_a_text_that_a_column_fitted_is_no_choice_of_the_documents(tmp_path: Path) -> None:
    class Dates(Column):
        earliest: str = ""
        fitted = property(lambda self: bool(self.earliest))  # type: ignore[assignment]
        width = property(lambda self: 1)  # type: ignore[assignment]

        def fit(self, values: Any, units: int | None = None) -> Dates:
            return self.model_copy(update={"earliest": min(values)})

        def encode(self, values: Any) -> Any:
            return np.array([[float(value > self.earliest)] for value in values])

        def decode(self, encoded: Any) -> Any:
            return [self.earliest] * len(encoded)

    assert _fitted_from(Dates(column="a"), Dates(column="a").fit(["2024", "2023"]))
    assert not _fitted_from(Dates(column="a", earliest="2022"), Dates(column="a").fit(["2024", "2023"]))


@pytest.mark.parametrize("field", ["scale", "missing"])
def test_a_field_that_is_taken_away_from_a_column_makes_it_another(field: str, models: Path) -> None:
    path = models / "iris.json"
    document = json.loads(path.read_text())
    options = {"scale": "none", "missing": "mean"}
    document["input"][0] |= options
    path.write_text(json.dumps(document))
    model = layerkit.load(path)
    model.train(steps=1)
    model.save()
    del document["input"][0][field]
    path.write_text(json.dumps(document))
    with pytest.raises(SavedFileError, match=r"has another input\[0\] than the document"):
        layerkit.load(path)


def test_a_saved_file_with_a_schedule_is_explained_without_the_data_that_trained_it(models: Path) -> None:
    document = json.loads((models / "iris.json").read_text())
    document["training"] |= {"schedule": "cosine", "epochs": 10}
    (models / "iris.json").write_text(json.dumps(document))
    model = layerkit.load(models / "iris.json")
    model.train(epochs=5)
    saved, rows = model.save(), (models / "iris.csv").read_text().splitlines()
    row = dict(zip(rows[0].split(","), rows[1].split(",")))
    due = model.explain([row]).schedule_factor
    (models / "iris.csv").unlink()
    assert layerkit.load(saved).explain([row]).schedule_factor == due == pytest.approx(0.5)


def test_other_validation_rows_that_the_document_asks_for_are_noticed_once(models: Path) -> None:
    model = layerkit.load(models / "iris.json")
    model.train(steps=2)
    model.save()
    with pytest.warns(Notice) as noticed:
        open_model(models / "iris.json", {"training.seed": 7}).evaluate()
    assert [str(each.message).partition(" since")[0] for each in noticed] == ["validation or its seed changed"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_model_that_is_saved_in_another_folder_finds_the_documents_data(linked: bool, models: Path) -> None:
    folder = models / "here" / "out"
    if linked:
        (models / "real" / "deep").mkdir(parents=True)
        (models / "here").mkdir()
        folder.symlink_to(models / "real" / "deep")
    else:
        folder.mkdir(parents=True)
    (folder / "iris.csv").write_text("another table")
    shutil.copy(models / "iris.csv", models / "held_out.csv")
    changes = {"training.validation": "held_out.csv"}
    model = open_model(models / "iris.json", changes, folder / "iris.safetensors")
    model.train(steps=3)
    due = model.evaluate()
    model.save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = layerkit.load(folder / "iris.safetensors")
        assert again.evaluate() == due
        again.save()
        again.save(models / "moved.safetensors")
        assert again.train(steps=2).steps == 2
        for place in (folder / "iris.safetensors", models / "moved.safetensors"):
            assert faults_of_model(place) == []
            assert layerkit.load(place).evaluate() == due
        assert open_model(models / "iris.json", changes, folder / "iris.safetensors").step == 3


def test_a_file_beside_its_document_or_without_data_says_nothing_of_a_folder(models: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name, place in [("iris", models), ("activity", tmp_path / "out")]:
        saved = layerkit.load(models / f"{name}.json").save(place / f"{name}.safetensors")
        assert b'"folder"' not in saved.read_bytes()
