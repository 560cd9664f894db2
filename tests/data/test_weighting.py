"""How much each row counts: its own weight, and that of its class, against what can be counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import line, weight

from layerkit import DataError, Dense, DocumentError, Layer, Model


def test_a_row_of_weight_two_counts_like_two_rows() -> None:
    twice, heavy = line(), line()
    twice.train([[1.0], [1.0], [2.0], [2.0]], [[1.0], [1.0], [-1.0], [3.0]], steps=3)
    heavy.train([[1.0], [2.0], [2.0], [9.0]], [[1.0], [-1.0], [3.0], [9.0]], weights=[2, 1, 1, 0], steps=3)
    assert weight(heavy) == pytest.approx(weight(twice), rel=1e-14)


def test_a_column_may_hold_them(tmp_path: Path) -> None:
    tmp_path.joinpath("rows.csv").write_text("a,b,w\n1,1,2\n2,-1,1\n2,3,1\n9,9,0\n")
    model = Model(
        input=[{"column": "a", "scale": "none"}],
        output={"column": "b", "scale": "none"},
        layers=[Dense(units=1, kernel=[[0.0]], bias=None)],
        loss="half_squared_error",
        dtype="float64",
        optimizer={"type": "sgd", "learning_rate": 0.1},
        training={"sample_weights": "w", "data": {"path": str(tmp_path / "rows.csv")}, "steps": 3},
    )
    model.train()
    due = line()
    due.train([[1.0], [2.0], [2.0], [9.0]], [[1.0], [-1.0], [3.0], [9.0]], weights=[2, 1, 1, 0], steps=3)
    assert weight(model) == pytest.approx(weight(due), rel=1e-14)


def test_a_negative_weight_is_refused_with_its_row() -> None:
    with pytest.raises(DataError, match=r"row 2.*-1 is not a weight"):
        line().train([[1.0], [2.0]], [[1.0], [2.0]], weights=[1, -1], steps=1)


def test_as_many_weights_are_due_as_there_are_rows() -> None:
    with pytest.raises(DataError, match="these differ: 2 of the data, 3 of the weights"):
        line().train([[1.0], [2.0]], [[1.0], [2.0]], weights=[1, 1, 1], steps=1)


def test_a_column_called_sample_weights_is_a_feature_like_any_other() -> None:
    def trained(name: str, weights: Any = None) -> np.ndarray:
        layers = [Dense(units=1, kernel=[[0.0]], bias=None)]
        sides = {"input": [{"column": name}], "output": {"column": "y"}}
        model = Model(**sides, layers=layers, loss="half_squared_error", optimizer="sgd")
        model.train({name: [0.0, 1.0, 5.0], "y": [1.0, 2.0, 3.0]}, weights=weights, steps=3)
        return np.asarray(model.predict({name: [1.0, 2.0]}))

    for weights in (None, [1.0, 0.0, 2.0]):
        np.testing.assert_array_equal(trained("sample weights", weights), trained("a", weights))


def test_balanced_classes_count_the_same_together() -> None:
    x, y = [[1.0], [2.0], [3.0], [4.0]], [[0], [0], [0], [1]]
    balanced, by_hand = line(training={"class_weights": "balanced"}), line()
    balanced.train(x, y, steps=2)
    by_hand.train(x, y, weights=[4 / 6, 4 / 6, 4 / 6, 2.0], steps=2)
    assert weight(balanced) == pytest.approx(weight(by_hand), rel=1e-14)


def test_classes_that_are_whole_numbers_are_refused() -> None:
    output = {"column": "c", "type": "category", "encoding": "index"}
    layers = [Dense(units=1)]
    model = Model(
        input=[{"column": "a"}],
        output=output,
        layers=layers,
        loss="half_squared_error",
        optimizer="sgd",
        training={"class_weights": "balanced"},
    )
    with pytest.raises(DocumentError, match='"c" is encoded as whole numbers: encode it as "one_hot"'):
        model.train({"a": [1.0, 2.0, 3.0]}, {"c": ["p", "q", "r"]}, steps=1)


def test_a_class_that_does_not_exist_is_refused_with_those_that_do() -> None:
    model = line(training={"class_weights": {"2": 1.0}})
    with pytest.raises(DocumentError, match=r'class_weights.2: there is no class "2"; .*known: 0, 1'):
        model.train([[1.0]], [[1]], steps=1)


def test_weights_count_in_training_alone() -> None:
    model = line()
    model.train([[1.0], [2.0]], [[1.0], [1.0]], weights=[0, 1], steps=1)
    assert model.evaluate([[1.0]], [[1.0]])["loss"] == pytest.approx(0.5 * (weight(model) - 1.0) ** 2)


@pytest.mark.parametrize(
    ("shape", "t", "due"),
    [
        (
            [5, 4],
            np.eye(3)[np.zeros((6, 5), int)],
            r"weighs rows by their class, and y has more of them: \[5, 3\] a row",
        ),
        ([4], np.full((6, 3), 0.5), "weighs classes, and y holds other numbers than 0 and 1"),
    ],
)
def test_targets_that_are_no_class_of_a_row_are_refused(shape: list[int], t: np.ndarray, due: str) -> None:
    layers, training = [{"type": "dense", "units": 3}, "softmax"], {"class_weights": "balanced"}
    model = Model(input=shape, layers=layers, loss="cross_entropy", optimizer="sgd", training=training)
    with pytest.raises(DocumentError, match=due):
        model.train(np.ones((6, *shape)), t, steps=1)


class Sum(Layer):
    """One number a row, without an axis."""

    def output_shape(self, input_shape: Any) -> Any:
        return ()

    def forward(self, params: Any, x: Any, context: Any) -> Any:
        return x.__array_namespace__().sum(x, axis=1)

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Any) -> Any:
        return dy[:, None] + 0.0 * x


def test_so_is_one_number_a_row_without_an_axis() -> None:
    layers, training = [{"type": "dense", "units": 3}, Sum()], {"class_weights": "balanced"}
    model = Model(input=[4], layers=layers, loss="half_squared_error", optimizer="sgd", training=training)
    with pytest.raises(DocumentError, match="weighs rows by their class, and y has one number a row"):
        model.train(np.ones((6, 4)), np.ones(6), steps=1)


def test_rows_of_several_classes_have_no_weight_by_class() -> None:
    layers = [Dense(units=3), "sigmoid"]
    training = {"class_weights": {"0": 5.0}}
    model = Model(input=[2], layers=layers, loss="binary_cross_entropy", optimizer="sgd", training=training)
    with pytest.raises(DocumentError, match="rows of several classes, or of none"):
        model.train([[1.0, 1.0]] * 2, [[1, 1, 0], [0, 1, 1]], steps=1)
