"""Documents that use these layers train, are saved, and go on as if they had never stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import DocumentError, Model, TrainingError

IMAGES: dict[str, Any] = {
    "input": [64],
    "layers": [
        {"type": "rescale", "scale": 0.5},
        {"type": "reshape", "shape": [8, 8, 1]},
        {"type": "conv2d", "filters": 4, "padding": "same", "bias": None},
        {"type": "batch_norm", "activation": "relu"},
        "max_pool2d",
        {
            "type": "residual",
            "name": "block",
            "layers": [
                {"type": "conv2d", "filters": 4, "padding": "same", "activation": "relu", "name": "first"},
                {"type": "dropout", "rate": 0.25},
                {"type": "residual", "layers": ["batch_norm", {"type": "gaussian_noise", "deviation": 0.05}]},
            ],
        },
        {"type": "average_pool2d", "padding": "same"},
        "flatten",
        "layer_norm",
        "dropout",
        {"type": "dense", "units": 3, "activation": "softmax"},
    ],
    "loss": "cross_entropy",
    "optimizer": "adam",
    "training": {"batch_size": 8, "seed": 5},
}
RECOMMENDER: dict[str, Any] = {
    "input": {"shape": [2], "dtype": "int64"},
    "layers": [
        {"type": "embedding", "categories": [6, 9], "units": 4},
        "pairwise_product",
        {"type": "dense", "units": 1},
    ],
    "loss": "half_squared_error",
    "optimizer": {"type": "adam", "learning_rate": 0.05},
    "training": {"batch_size": 16},
}


def images() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(30, 64))
    return x, np.arange(30) % 3


def ratings() -> tuple[Any, Any]:
    """Every pair of a user and an item, and what a model of two hidden tastes says of it."""
    random = np.random.default_rng(1)
    users, items = random.normal(size=(6, 2)), random.normal(size=(9, 2))
    x = np.array([[user, item] for user in range(6) for item in range(9)])
    return x, np.array([users[user] @ items[item] for user, item in x])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("document", "rows"), [(IMAGES, images), (RECOMMENDER, ratings)], ids=["images", "ratings"])
def test_a_saved_run_goes_on_bit_for_bit(document: dict[str, Any], rows: Any, dtype: str, tmp_path: Path) -> None:
    x, y = rows()
    whole, part = (Model(**document, dtype=dtype) for _ in range(2))
    whole.train(x, y, steps=11)
    part.train(x, y, steps=6)
    again = layerkit.load(part.save(tmp_path / "model.safetensors"))
    again.train(x, y, steps=5)
    assert again.step == whole.step == 11
    assert again.parameters.keys() == whole.parameters.keys()
    for name, array in whole.parameters.items():
        assert array.dtype == dtype
        np.testing.assert_array_equal(again.parameters[name], array, err_msg=name)
    np.testing.assert_array_equal(again.predict(x), whole.predict(x))


def test_parameters_are_named_by_their_place() -> None:
    names = [name for name in Model(**IMAGES).parameters if name.startswith("block")]
    assert sorted(names) == [
        "block.first.bias",
        "block.first.kernel",
        "block.layers.2.layers.0.running_mean",
        "block.layers.2.layers.0.running_variance",
        "block.layers.2.layers.0.scale",
        "block.layers.2.layers.0.shift",
    ]


def test_running_statistics_follow_the_batches_and_predictions_use_them() -> None:
    model = Model(
        input=[1], layers=["batch_norm", {"type": "dense", "units": 1}], loss="half_squared_error", optimizer="sgd"
    )
    x = np.array([[2.0], [6.0]])
    model.train(x, x, steps=1)
    assert model.parameters["layers.0.running_mean"] == pytest.approx([0.4])
    assert model.parameters["layers.0.running_variance"] == pytest.approx([0.9 + 0.4])
    one_by_one = np.concatenate([model.predict(x[:1]), model.predict(x[1:])])
    np.testing.assert_allclose(one_by_one, model.predict(x), rtol=1e-6)


def test_statistics_inside_a_residual_follow_too() -> None:
    model = Model(
        input=[1],
        layers=[{"type": "residual", "layers": ["batch_norm"]}, {"type": "dense", "units": 1}],
        loss="half_squared_error",
        optimizer="sgd",
    )
    x = np.array([[2.0], [6.0]])
    model.train(x, x, steps=1)
    assert model.parameters["layers.0.layers.0.running_mean"] == pytest.approx([0.4])


def test_a_recommender_learns_its_ratings() -> None:
    x, y = ratings()
    model = Model(**RECOMMENDER)
    trained = model.train(x, y, epochs=200)
    assert trained.loss < 0.001 * trained.loss_before


def test_integer_columns_of_a_table_are_embedded() -> None:
    model = Model(
        input=[
            {"column": "user", "type": "category", "encoding": "index"},
            {"column": "item", "type": "category", "encoding": "index"},
        ],
        output={"column": "stars"},
        **{key: value for key, value in RECOMMENDER.items() if key != "input"},
    )
    x, y = ratings()
    table = {"user": [f"u{user}" for user in x[:, 0]], "item": [f"i{item}" for item in x[:, 1]], "stars": y.tolist()}
    trained = model.train(table, epochs=20)
    assert trained.loss < trained.loss_before


def test_explain_reaches_below_an_embedding() -> None:
    x, y = ratings()
    explanation = Model(**RECOMMENDER).explain(x[:2], y[:2])
    assert explanation.stages[0].gradient.shape == (2, 2, 4)
    assert set(explanation.gradients) == {"layers.0.kernel", "layers.2.kernel", "layers.2.bias"}


def test_a_category_out_of_range_stops_the_run_by_its_stage() -> None:
    x, y = ratings()
    x[3, 1] = 9
    with pytest.raises(TrainingError, match=r"layers\.0"):
        Model(**RECOMMENDER).train(x, y, epochs=1)


def test_a_document_comes_back_as_it_was() -> None:
    document = Model(**IMAGES).document.to_json()
    assert Model(**json.loads(json.dumps(document))).document.to_json() == document


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"type": "residual", "layers": [{"type": "dense", "units": "4"}]}], r"layers\[0\]\.layers\[0\]\.units: "),
        (
            [{"type": "residual", "layers": [{"type": "conv2d", "filters": 1}]}],
            r"layers\[0\]\.layers\[0\]: .*images are",
        ),
        (
            ["relu", {"type": "residual", "layers": ["relu", {"type": "dense", "units": 4, "bias": [1]}]}],
            r"layers\[1\]\.layers\[1\]\.bias: has the shape \[1\] where \[4\] is due",
        ),
        ([{"type": "residual", "layers": [{"type": "dense", "units": 3}]}], r"layers\[0\]: .* give \[3\] a row"),
    ],
)
def test_faults_inside_a_residual_have_their_place(layers: list[Any], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        Model(input=[4], layers=layers).parameters  # noqa: B018


def test_the_schema_knows_the_entries_of_a_residual() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from layerkit.schema import document_schema

    validator = jsonschema.Draft202012Validator(document_schema())
    assert not list(validator.iter_errors(IMAGES))
    assert not list(validator.iter_errors(RECOMMENDER))
    wrong = {"input": [4], "layers": [{"type": "residual", "layers": [{"type": "dense", "unitz": 4}]}]}
    assert list(validator.iter_errors(wrong))
