"""Model: the rows that it takes, as arrays, columns and files, and what it says of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from small_models import LABELS, X, classifier, same

import layerkit
from layerkit import (
    Column,
    DataError,
    Dense,
    Layer,
    Model,
    Notice,
)


def test_class_indices_and_one_hot_rows_train_alike() -> None:
    first, second = classifier(), classifier()
    first.train(X, LABELS, steps=5)
    second.train(X, np.eye(2)[LABELS], steps=5)
    assert same(first, second)


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


class Counted(Layer):
    """How many rows go through at once where nothing is trained."""

    def forward(self, params: Any, x: Any, context: Any) -> Any:
        SEEN.append(len(x))
        return 2.0 * x

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Any) -> Any:
        return 2.0 * dy


SEEN: list[int] = []


@pytest.mark.parametrize("verb", ["predict", "evaluate", "train"])
def test_no_more_rows_go_through_at_once_than_memory_is_set_aside_for(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(input=[4], layers=[Dense(units=4), Counted()], loss="half_squared_error", optimizer="sgd")
    x = np.ones((100, 4), np.float32)
    monkeypatch.setattr("layerkit.network.BYTES_PER_PASS", 16 * 12 * 4)
    SEEN.clear()
    getattr(model, verb)(*([x] if verb == "predict" else [x, x]), **({"epochs": 1} if verb == "train" else {}))
    assert SEEN.count(16) >= 6
    assert max(rows for rows in SEEN if rows != 32) == 16  # 32 rows are a batch of training's
