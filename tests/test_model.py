"""Model: what a Python user holds."""

from __future__ import annotations

import warnings
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from safetensors.numpy import save_file

import layerkit
from layerkit import (
    Adam,
    Column,
    CrossEntropy,
    DataError,
    Dense,
    DocumentError,
    Model,
    Notice,
    ReLU,
    SaveError,
    Softmax,
)

X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = (X[:, 0] > X[:, 1]).astype(np.int64)


def classifier(**fields: Any) -> Model:
    parts = [Dense(units=8), ReLU(), Dense(units=2), Softmax()]
    settings = {"loss": CrossEntropy(), "optimizer": Adam(learning_rate=0.02)} | fields
    return Model(input=[3], layers=parts, **settings)


def same(first: Model, second: Model) -> bool:
    mine, theirs = first.parameters, second.parameters
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_a_model_of_parts_learns_what_its_data_say() -> None:
    model = classifier(training={"metrics": ["accuracy"]})
    before = model.evaluate(X, LABELS)
    trained = model.train(X, LABELS, epochs=60)
    after = model.evaluate(X, LABELS)
    assert trained.steps == 120
    assert trained.loss == pytest.approx(after["loss"])
    assert after["loss"] < 0.3 * before["loss"]
    assert after["accuracy"] > 0.95


def test_class_indices_and_one_hot_rows_train_alike() -> None:
    first, second = classifier(), classifier()
    first.train(X, LABELS, steps=5)
    second.train(X, np.eye(2)[LABELS], steps=5)
    assert same(first, second)


def test_steps_and_epochs_go_on_from_where_the_model_stands() -> None:
    model = classifier()
    model.train(X, LABELS, steps=3)
    model.train(X, LABELS, epochs=2)
    assert (model.step, model.epoch) == (7, 3)


@pytest.mark.parametrize("optimizer", ["adam", {"type": "sgd", "momentum": 0.9, "nesterov": True}, "sgd"])
@pytest.mark.parametrize("cut", [1, 4, 7])
def test_a_run_that_was_cut_off_goes_on_bit_for_bit(optimizer: Any, cut: int, tmp_path: Path) -> None:
    fields = {"optimizer": optimizer, "training": {"batch_size": 9}}
    whole, cut_off = classifier(**fields), classifier(**fields)
    whole.train(X, LABELS, steps=12)
    cut_off.train(X, LABELS, steps=cut)
    resumed = layerkit.load(cut_off.save(tmp_path / "model.safetensors"))
    resumed.train(X, LABELS, steps=12 - cut)
    assert same(whole, resumed)
    assert resumed.history.keys() == whole.history.keys()
    for name, values in whole.history.items():
        np.testing.assert_array_equal(resumed.history[name], values)


def test_the_seed_decides_everything() -> None:
    first, second, third = (classifier(training={"seed": seed, "batch_size": 8}) for seed in (1, 1, 2))
    for model in (first, second, third):
        model.train(X, LABELS, steps=7)
    assert same(first, second)
    assert not same(first, third)


def test_predict_gives_an_array_with_a_row_for_each_row() -> None:
    y = classifier().predict(X)
    assert y.shape == (40, 2)
    np.testing.assert_allclose(y.sum(axis=1), 1.0, rtol=1e-6)


def test_parameters_are_copies() -> None:
    model = classifier()
    with pytest.raises(ValueError, match="read-only"):
        model.parameters["layers.0.kernel"][...] = 7.0
    with pytest.raises(TypeError):
        model.parameters["layers.0.kernel"] = np.zeros(1)  # type: ignore[index]
    assert not np.any(model.parameters["layers.0.kernel"] == 7.0)


def test_an_engine_may_be_given_by_its_name() -> None:
    model = classifier()
    model.engine = "numpy"
    assert isinstance(model.engine, layerkit.NumPy)
    with pytest.raises(layerkit.PartError, match='no engine "nunpy" is installed; did you mean "numpy"'):
        model.engine = "nunpy"
    with pytest.raises(layerkit.PartError, match="an engine or its name is due, not <class"):
        model.engine = layerkit.NumPy  # type: ignore[assignment]


def test_the_documents_engine_keeps_its_fields_where_it_is_named_again() -> None:
    pytest.importorskip("jax")
    model = Model(input=[1], layers=["relu"], engine={"type": "jax", "precision": "high"})
    model.engine = "jax"
    assert model.engine == layerkit.JAX(precision="high")


@pytest.mark.parametrize("y", [[[-0.5, 1.0]], [[0.0, 2.0]]])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_a_loss_of_probabilities_refuses_other_targets(loss: str, y: Any) -> None:
    model = Model(input=[3], layers=[Dense(units=2), "softmax"], loss=loss, optimizer="sgd")
    with pytest.raises(DataError, match=r"takes targets from 0 to 1, and .* is due here"):
        model.evaluate(X[:1], y)


COLUMNS = {"a": [1.0, 2.0], "c": ["u", "v"]}


@pytest.mark.parametrize("form", ["rows", "file", "path"])
def test_rows_may_be_given_as_a_document_gives_them(form: str, tmp_path: Path) -> None:
    inputs = [{"column": "a"}, {"column": "c", "type": "category"}]
    model = Model(input=inputs, output={"column": "t"}, layers=[Dense(units=1)], loss="half_squared_error")
    rows = [{"a": 1.0, "c": "u", "t": 0.0}, {"a": 2.0, "c": "v", "t": 1.0}]
    (tmp_path / "rows.csv").write_text("a,c,t\n1,u,0\n2,v,1\n")
    given = {"rows": rows, "file": str(tmp_path / "rows.csv"), "path": tmp_path / "rows.csv"}[form]
    trained = Model(**model.document.to_json() | {"optimizer": "sgd"})
    trained.train(given, steps=1)
    np.testing.assert_array_equal(trained.predict(given), trained.predict(COLUMNS))


@pytest.mark.parametrize("beside", [{"y": np.zeros((2, 1))}, {"weights": [1.0, 2.0]}])
@pytest.mark.parametrize("file", [None, "rows.csv"])
def test_what_stands_beside_a_file_is_refused(beside: Any, file: Any) -> None:
    with pytest.raises(DataError, match="y and weights stand beside arrays or columns; a file has its own"):
        classifier().train(file, steps=1, **beside)


def test_a_model_says_what_it_is() -> None:
    model = classifier()
    model.train(X, LABELS, steps=2)
    assert repr(model) == "<layerkit.Model in code, step 2>"


def test_what_has_an_array_inside_is_an_array() -> None:
    class Frame:
        columns = ("a", "b", "c")

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return X

    np.testing.assert_array_equal(classifier().predict(Frame()), classifier().predict(X))


def test_columns_by_name_train_a_model_of_columns() -> None:
    columns = {"a": X[:, 0], "b": X[:, 1].tolist(), "c": [str(value) for value in X[:, 2]]}
    answer = ["yes" if label else "no" for label in LABELS]
    model = Model(
        input=[{"column": "a"}, {"column": "b"}, {"column": "c"}],
        output={"column": "answer", "type": "category"},
        layers=[Dense(units=1), layerkit.Sigmoid()],
        loss="binary_cross_entropy",
        optimizer={"type": "adam", "learning_rate": 0.1},
        training={"metrics": ["accuracy"], "validation": 0.25},
    )
    trained = model.train({**columns, "answer": answer}, epochs=60)
    assert trained.validation["accuracy"] >= 0.9
    assert set(model.labels(columns)["answer"]) == {"yes", "no"}


def test_number_outputs_come_back_in_their_own_units() -> None:
    year = 2000.0 + 10.0 * X[:, 0]
    model = Model(
        input=[{"column": "x"}],
        output={"column": "year"},
        layers=[Dense(units=1)],
        loss="mean_squared_error",
        optimizer={"type": "sgd", "learning_rate": 0.1},
        training={"metrics": ["mean_absolute_error", "r2"]},
    )
    table = {"x": X[:, 0], "year": year}
    model.train(table, epochs=200)
    np.testing.assert_allclose(model.predict(table)[:, 0], year, atol=0.1)
    figures = model.evaluate(table)
    assert figures["mean_absolute_error"] < 0.1
    assert figures["r2"] > 0.999


def test_an_untrained_model_of_columns_is_fitted_on_its_own_data(models: Path) -> None:
    assert layerkit.load(models / "iris.json").predict().shape == (150, 3)
    assert len(layerkit.load(models / "iris.json").labels()["species"]) == 150


def test_a_model_in_code_writes_the_document_that_makes_it_again(tmp_path: Path) -> None:
    model = classifier(name="toy", training={"steps": 3, "seed": 5})
    again = layerkit.load(model.save(tmp_path / "toy.safetensors"))
    assert again.document.to_json() == model.document.to_json()
    assert same(model, again)


def test_a_part_that_is_registered_nowhere_trains_and_can_not_be_saved(tmp_path: Path) -> None:
    class Twice(layerkit.Activation):
        def __call__(self, x: Any) -> Any:
            return 2.0 * x

        def derivative(self, x: Any, y: Any) -> Any:
            return 0.0 * x + 2.0

    model = Model(input=[3], layers=[Dense(units=1), Twice()], loss="half_squared_error", optimizer="sgd")
    model.train(X, X[:, :1], steps=2)
    with pytest.raises(layerkit.PartError, match="Twice has no name"):
        model.save(tmp_path / "model.safetensors")


def test_a_saved_files_name_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(layerkit.SavedFileError, match=r"a saved file's name ends in \.safetensors"):
        classifier().save(tmp_path / "model.h5")


def test_a_model_in_code_has_no_place_of_its_own() -> None:
    with pytest.raises(DocumentError, match="give save a path"):
        classifier().save()


@pytest.mark.slow
def test_iris_is_learned_over_ten_seeds(models: Path) -> None:
    from layerkit.opening import open_model

    scores = []
    for seed in range(10):
        model = open_model(models / "iris.json", {"training.seed": seed}, restart=True)
        scores.append(model.train().validation["accuracy"])
    assert float(np.mean(scores)) >= 0.95


class Nameless(layerkit.Activation):
    """Registered by no package."""

    def __call__(self, x: Any) -> Any:
        return x

    def derivative(self, x: Any, y: Any) -> Any:
        return 0.0 * x + 1.0


def test_a_part_that_no_package_registers_can_be_used_and_not_written(tmp_path: Path) -> None:
    model = Model(input=[2], layers=[Nameless(), Dense(units=1)])
    assert model.predict(np.zeros((1, 2))).shape == (1, 1)
    for write in (model.document.to_json, lambda: model.save(tmp_path / "model.safetensors")):
        with pytest.raises(layerkit.PartError, match="Nameless has no name that a document could use: register it"):
            write()


@pytest.mark.parametrize("copied", [copy, deepcopy])
def test_a_copy_is_trained_by_itself(copied: Any) -> None:
    model = classifier()
    model.train(X, LABELS, epochs=2)
    other = copied(model)
    before = model.parameters["layers.0.kernel"].tolist()
    other.train(X, LABELS, epochs=3)
    assert (len(model.history["loss"]), len(other.history["loss"])) == (2, 5)
    assert model.parameters["layers.0.kernel"].tolist() == before


def test_evaluate_takes_no_targets_without_rows() -> None:
    model = Model(
        input=[1], layers=[Dense(units=1)], loss="half_squared_error", training={"data": {"x": [[1.0]], "y": [[1.0]]}}
    )
    with pytest.raises(DataError, match="y and weights stand beside arrays or columns"):
        model.evaluate(y=[[100.0]])


def test_rows_of_one_category_are_noticed() -> None:
    model = Model(
        input=[{"column": "a"}],
        output={"column": "y", "type": "category"},
        layers=[Dense(units=1), "sigmoid"],
        loss="binary_cross_entropy",
        optimizer="sgd",
    )
    with pytest.warns(Notice, match="""every training row has the same "y", 'no': nothing is told apart"""):
        model.train({"a": [1.0, 2.0], "y": ["no", "no"]}, steps=1)


@pytest.mark.parametrize("y", [[0.0, 1.0], [True, False], [[0], [1]]])
def test_class_numbers_that_are_none_are_told_what_they_should_be(y: Any) -> None:
    model = Model(input=[1], layers=[Dense(units=3), "softmax"], loss="cross_entropy", optimizer="sgd")
    with pytest.raises(DataError, match=r"class numbers are whole numbers, \[\] a row, and these are"):
        model.train([[1.0], [2.0]], y, steps=1)


def test_a_model_is_not_saved_over_a_file_that_it_was_trained_on(tmp_path: Path) -> None:
    data = tmp_path / "rows.safetensors"
    save_file({"x": X[:4].astype("f4"), "y": LABELS[:4]}, data)
    model = classifier()
    model.train(data, steps=1)
    with pytest.raises(SaveError, match="would write over"):
        model.save(data)


class Labels(Column):
    """Several labels a row, each a number of 0 or 1."""

    classes: ClassVar[bool] = True
    fitted = property(lambda self: True)  # type: ignore[assignment]
    width = property(lambda self: 2)  # type: ignore[assignment]
    names = property(lambda self: ("a", "b"))  # type: ignore[assignment]

    def fit(self, values: Any, units: int | None = None) -> Any:
        return self

    def encode(self, values: Any) -> Any:
        return np.array([["a" in value, "b" in value] for value in values], dtype=float).reshape(-1, 2)

    def decode(self, encoded: Any) -> Any:
        return [[name for name, number in zip("ab", row) if number > 0.5] for row in encoded]


def test_a_column_of_several_labels_a_row_is_trained_in_silence() -> None:
    model = Model(
        input=[{"column": "x"}],
        output=Labels(column="y"),
        layers=[Dense(units=2), "sigmoid"],
        loss="binary_cross_entropy",
        optimizer="sgd",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.train({"x": [1.0, 2.0, 3.0], "y": ["ab", "b", "a"]}, steps=1)
    assert len(model.labels({"x": [1.0]})["y"]) == 1
