"""Predictions: under the right names, in their own units, and with a word where they are no numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import Column, Dense, Layer, Model, jsontext
from layerkit.errors import DocumentError, PartError
from layerkit.predictions import contents, predictions


class Hour(Column):
    """The hour of a day, as a point on a circle."""

    fitted = property(lambda self: True)  # type: ignore[assignment]
    width = property(lambda self: 2)  # type: ignore[assignment]
    names = property(lambda self: ("hour.sin", "hour.cos"))  # type: ignore[assignment]

    def fit(self, values: Sequence[Any], units: int | None = None) -> Hour:
        return self

    def encode(self, values: Sequence[Any]) -> Any:
        angle = np.asarray(values, float) * np.pi / 12
        return np.stack([np.sin(angle), np.cos(angle)], axis=1)

    def decode(self, encoded: Any) -> Any:
        return np.round(np.arctan2(encoded[:, 0], encoded[:, 1]) * 12 / np.pi % 24, 6)


@pytest.fixture
def model() -> Model:
    """Gives six o'clock and a price of 1000 for 1, noon and 2000 for 2."""
    return Model(
        input=[{"column": "size", "scale": "none"}],
        output=[Hour(column="hour"), {"column": "price", "scale": "none"}],
        layers=[{"type": "dense", "units": 3, "kernel": [[-1.0, -1.0, 1000.0]], "bias": [2.0, 1.0, 0.0]}],
    )


class Forgetful(Hour):
    def decode(self, encoded: Any) -> Any:
        return super().decode(encoded)[:-1]


class Silent(Hour):
    def decode(self, encoded: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("column", "due"),
    [(Forgetful, "Forgetful.decode gives 1 values where 2 are due"), (Silent, "Silent.decode fails: TypeError")],
)
def test_a_column_that_decodes_another_number_of_values_is_named(column: type[Hour], due: str, model: Model) -> None:
    document = model.document.model_copy(update={"output": (column(column="hour"), model.document.output[1])})
    with pytest.raises(PartError, match=due):
        predictions(document, model.outputs([{"size": 1.0}, {"size": 2.0}]))


class Even(Hour):
    def decode(self, encoded: Any) -> Any:
        return [[0.5] for _ in encoded]


class Ragged(Hour):
    def decode(self, encoded: Any) -> Any:
        return [[0.5] * (1 + i) for i in range(len(encoded))]


@pytest.mark.parametrize(("column", "due"), [(Even, ["[0.5]", "[0.5]"]), (Ragged, ["[0.5]", "[0.5, 0.5]"])])
def test_values_that_are_lists_are_given_as_their_text(column: type[Hour], due: list[str], model: Model) -> None:
    document = model.document.model_copy(update={"output": (column(column="hour"), model.document.output[1])})
    found = predictions(document, model.outputs([{"size": 1.0}, {"size": 2.0}]))
    assert found.labels == {"hour": due}


def test_a_column_of_several_numbers_is_given_as_its_value_and_as_they_are(model: Model) -> None:
    outputs = model.outputs([{"size": 1.0}, {"size": 2.0}])
    found = predictions(model.document, outputs).columns
    assert found == {
        "hour": [6.0, 12.0],
        "hour.sin": [1.0, 0.0],
        "hour.cos": [0.0, -1.0],
        "price": [1000.0, 2000.0],
    }
    np.testing.assert_array_equal(model.predict([{"size": 1.0}]), [[1.0, 0.0, 1000.0]])
    assert list(model.labels([{"size": 1.0}])["hour"]) == [6.0]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".npz"])
def test_so_it_is_in_every_file(suffix: str, model: Model, tmp_path: Path) -> None:
    path = tmp_path / f"found{suffix}"
    found = predictions(model.document, model.outputs([{"size": 1.0}, {"size": 2.0}]))
    path.write_bytes(b"".join(contents([found], path)))
    match suffix:
        case ".csv":
            hours = [float(row["hour"]) for row in csv.DictReader(path.open())]
        case ".jsonl":
            hours = [json.loads(line)["hour"] for line in path.read_text().splitlines()]
        case ".json":
            hours = json.loads(path.read_text())["labels"]
        case _:
            hours = np.load(path, allow_pickle=False)["labels.hour"].tolist()
    assert hours == [6.0, 12.0]


class Sum(Layer):
    """One number a row, without an axis."""

    def output_shape(self, input_shape: Any) -> Any:
        return ()

    def forward(self, params: Any, x: Any, context: Any) -> Any:
        return x.__array_namespace__().sum(x, axis=tuple(range(1, x.ndim)))

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Any) -> Any:
        xp = x.__array_namespace__()
        return xp.broadcast_to(xp.reshape(dy, (-1, *[1] * (x.ndim - 1))), x.shape)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_one_number_a_row_without_an_axis_is_trained_and_predicted(engine: str) -> None:
    if engine == "jax":
        pytest.importorskip("jax")
    layers = [{"type": "dense", "units": 3}, Sum()]
    model = Model(input=[4], layers=layers, loss="half_squared_error", optimizer="sgd", engine=engine, dtype="float64")
    x = np.random.default_rng(0).normal(size=(20, 4))
    trained = model.train(x, x.sum(axis=1), steps=200)
    assert trained.loss < 1e-3 * trained.loss_before
    np.testing.assert_allclose(model.predict(x), x.sum(axis=1), atol=0.3)
    assert model.evaluate(x, x.sum(axis=1))["loss"] == pytest.approx(trained.loss)
    assert predictions(model.document, model.outputs(x)).outputs.shape == (20,)


@pytest.mark.parametrize("options", [[], ["--format", "json"], ["--output", "found.csv"]])
def test_outputs_that_are_not_finite_are_counted(
    options: list[str], tmp_path: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layers = [{"type": "dense", "units": 1, "kernel": [[3e38]]}]
    data = {"x": [[1.0], [5.0], [-7.0]]}
    Path("model.json").write_text(json.dumps({"input": [1], "layers": layers, "training": {"data": data}}))
    ran = cli("predict", "model.json", *options)
    assert ran.code == 0
    assert "note: 2 rows with outputs that are not finite numbers" in ran.err


@pytest.mark.parametrize("name", ["found.json", "found.jsonl"])
def test_what_is_not_finite_is_null_in_a_file_of_json(name: str, model: Model, tmp_path: Path) -> None:
    found = predictions(model.document, np.array([[0.0, 1.0, np.inf], [0.0, 1.0, np.nan]]))
    text = b"".join(contents([found], tmp_path / name)).decode()
    assert text.count("null") == 2
    assert jsontext.parse(text.splitlines()[0], name)


class Nameless(Hour):
    names = property(lambda self: ("hour.sin",))  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("output", "error", "due"),
    [
        ([Nameless(column="hour")], PartError, r"Nameless.names are 1 \(hour.sin\) where its width is 2"),
        (
            [{"column": "k", "type": "category", "categories": ["a", "b"], "encoding": "one_hot"}, {"column": "k=a"}],
            DocumentError,
            'would be called "k=a" twice, for the column "k", too',
        ),
    ],
)
def test_each_number_has_a_name_of_its_own(output: Any, error: type[Exception], due: str) -> None:
    data = {"x": [1.0, 2.0], "hour": [1.0, 2.0], "k": ["a", "b"], "k=a": [3.0, 4.0]}
    with pytest.raises(error, match=due):
        Model(
            input=[{"column": "x"}],
            output=output,
            layers=[{"type": "dense", "units": 3}],
            loss="half_squared_error",
            optimizer="sgd",
        ).plan(data, steps=1)


@pytest.mark.parametrize("text", ["x\ry", "x\r\ny", 'a "b"', "a,b"])
def test_a_category_of_any_characters_comes_back_from_csv(text: str, tmp_path: Path) -> None:
    rows = {"a": [1.0, 2.0, 3.0], "c": [text, "w", text]}
    model = Model(
        input=[{"column": "a"}],
        output={"column": "c", "type": "category"},
        layers=[Dense(units=2), "softmax"],
        loss="cross_entropy",
        optimizer="sgd",
    )
    model.train(rows, steps=1)
    path = tmp_path / "out.csv"
    found = predictions(model.document, model.outputs(rows))
    path.write_bytes(b"".join(contents([found], path)))
    with path.open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["c", f"c={text}", "c=w"] or header == ["c", "c=w", f"c={text}"]
    assert [line[0] for line in lines] == list(found.labels["c"])
