"""Every part is found by its name, goes through JSON unchanged, and trains; fields that make no sense are refused."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import layerkit_activations
import numpy as np
import pytest

import layerkit

NAMES = {
    entry.name: entry.value.rpartition(":")[2]
    for group in ("layerkit.activations", "layerkit.layers")
    for entry in entry_points(group=group)
    if entry.value.startswith("layerkit_activations.")
}


def test_every_part_has_a_name() -> None:
    assert sorted(NAMES.values()) == sorted(layerkit_activations.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_a_document_names_it_and_trains_with_it(name: str) -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=(24, 3))
    y = x[:, :1] - 0.5 * x[:, 1:2] ** 2
    model = layerkit.Model(
        input=[3],
        layers=[{"type": "dense", "units": 6}, name, {"type": "dense", "units": 1}],
        loss="mean_squared_error",
        optimizer={"type": "sgd", "learning_rate": 0.02},
    )
    trained = model.train(x, y, steps=10)
    assert trained.loss < trained.loss_before
    again = layerkit.Document.model_validate(model.document.to_json())
    assert again == model.document
    assert type(again.layers[1].layer).__name__ == NAMES[name]


@pytest.mark.parametrize(
    ("part", "json"),
    [
        (layerkit_activations.ELU(alpha=0.5), {"type": "elu", "alpha": 0.5}),
        (layerkit_activations.GELU(approximate=True), {"type": "gelu", "approximate": True}),
        (layerkit_activations.HardSigmoid(), {"type": "hard_sigmoid", "slope": 1.0 / 6.0, "offset": 0.5}),
        (layerkit_activations.Mish(), "mish"),
        (layerkit_activations.PReLU(), {"type": "prelu", "slope": 0.25, "shared": False}),
    ],
    ids=str,
)
def test_a_part_is_its_fields_in_json(part: layerkit.Layer, json: Any) -> None:
    document = layerkit.Model(input=[3], layers=[part]).document
    assert document.to_json()["layers"] == [json]
    assert layerkit.Document.model_validate({"input": [3], "layers": [json]}) == document


@pytest.mark.parametrize(
    "refused",
    [
        {"type": "elu", "alpha": 0.0},
        {"type": "celu", "alpha": -1.0},
        {"type": "snake", "frequency": 0.0},
        {"type": "thresholded_relu", "threshold": -0.5},
        {"type": "hard_sigmoid", "slope": 0.0},
        {"type": "gelu", "approximate": "tanh"},
        {"type": "leaky_relu", "negative_slope": float("nan")},
        {"type": "prelu", "slope": [0.1, 0.2]},
    ],
    ids=str,
)
def test_a_field_that_makes_no_sense_is_refused(refused: dict[str, Any]) -> None:
    field = list(refused)[1]
    with pytest.raises(layerkit.DocumentError, match=rf"layers\[0\]\.{field}"):
        _ = layerkit.Model(input=[3], layers=[refused]).network


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, [0.25, 0.25, 0.25]),
        ({"slope": 0.1}, [0.1, 0.1, 0.1]),
        ({"slope": [0.1, 0.2, 0.3]}, [0.1, 0.2, 0.3]),
        ({"slope": "zeros"}, [0.0, 0.0, 0.0]),
        ({"shared": True}, [0.25]),
        ({"slope": [0.1], "shared": True}, [0.1]),
    ],
    ids=str,
)
def test_the_slopes_of_prelu_begin_as_written(fields: dict[str, Any], due: list[float]) -> None:
    model = layerkit.Model(input=[3], layers=[{"type": "prelu", **fields}], dtype="float64")
    np.testing.assert_array_equal(model.parameters["layers.0.slope"], due)
    x = np.array([[-2.0, 4.0, -6.0]])
    np.testing.assert_array_equal(model.predict(x), np.where(x > 0.0, x, np.array(due) * x))
