"""Small models in code, and rows for them, that tests of several files take."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Adam, CrossEntropy, Dense, Loss, Model, ReLU, Softmax
from layerkit.building import build
from layerkit.entry import Entry
from layerkit.network import Network

X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = (X[:, 0] > X[:, 1]).astype(np.int64)


def classifier(**fields: Any) -> Model:
    parts = [Dense(units=8), ReLU(), Dense(units=2), Softmax()]
    settings = {"loss": CrossEntropy(), "optimizer": Adam(learning_rate=0.02)} | fields
    return Model(input=[3], layers=parts, **settings)


_RANDOM = np.random.default_rng(3)
POINTS = _RANDOM.normal(size=(40, 3))
VALUES = POINTS @ np.array([[1.0], [-2.0], [0.5]]) + 0.1 * _RANDOM.normal(size=(40, 1))


def line(**fields: Any) -> Model:
    """One weight w from 0, with L = ½ (w x - t)², so that dL/dw = (w x - t) x."""
    layers = [Dense(units=1, kernel=[[0.0]], bias=None)]
    given = {"dtype": "float64", "optimizer": {"type": "sgd", "learning_rate": 0.1}, **fields}
    return Model(input=[1], layers=layers, loss="half_squared_error", **given)


def weight(model: Model) -> float:
    return float(model.parameters["layers.0.kernel"][0, 0])


def linear(**training: Any) -> Model:
    return Model(
        input=[3],
        layers=[Dense(units=1)],
        loss="half_squared_error",
        optimizer={"type": "adam", "learning_rate": 0.05},
        dtype="float64",
        training={"batch_size": 8, **training},
    )


def after(steps: int) -> Any:
    """Asks a run to stop after about so many steps."""
    asked = iter(range(10**9))
    return lambda: next(asked) >= steps


def same(one: Model, other: Model) -> bool:
    equal = all(np.array_equal(array, other.parameters[name]) for name, array in one.parameters.items())
    histories = one.history.keys() == other.history.keys()
    return equal and histories and all(np.array_equal(one.history[k], other.history[k]) for k in one.history)


def network(*layers: Any, loss: Loss | None = None, inputs: int = 3) -> Network:
    """A network of float64 over rows of so many inputs."""
    entries = [Entry.model_validate(layer) for layer in layers]
    return build(entries, (inputs,), "float64", loss)


def dense(units: int, activation: str | None = None, **fields: Any) -> dict[str, Any]:
    """A dense layer as a document has it."""
    return {
        "type": "dense",
        "units": units,
        "bias": "glorot_uniform",
        **({"activation": activation} if activation else {}),
    } | fields
