"""The NumPy engine: one flat vector of parameters, and nothing kept of a step that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from layerkit import Adam, Context, Dense, Layer, Model, Parameter, PartError, TrainingError, Zeros

X, T = np.ones((4, 2), dtype=np.float32), np.ones((4, 1), dtype=np.float32)


class Mean(Layer):
    """Takes off a running mean, which it changes by `moved`."""

    moved: Any

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"mean": Parameter(input_shape, Zeros(), trainable=False)}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        # the rehearsal's rows are zeros, and this is about what comes after it
        if context.training and np.any(x):
            context.update(*self.moved(params["mean"]))
        return x - params["mean"]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


def model(moved: Callable[[Any], tuple[str, Any]]) -> Model:
    layers = [Mean(moved=moved), Dense(units=1, kernel=[[0.5], [0.5]])]
    return Model(input=[2], layers=layers, loss="half_squared_error", optimizer="sgd")


def test_an_update_sets_a_parameter_that_is_not_trained() -> None:
    trained = model(lambda mean: ("mean", mean + 1.0))
    trained.train(X, T, steps=3)
    np.testing.assert_array_equal(trained.parameters["layers.0.mean"], [3.0, 3.0])


def test_predicting_updates_nothing() -> None:
    untrained = model(lambda mean: ("mean", mean + 1.0))
    untrained.predict(X)
    np.testing.assert_array_equal(untrained.parameters["layers.0.mean"], [0.0, 0.0])


@pytest.mark.parametrize(
    ("moved", "error", "due"),
    [
        (lambda mean: ("maen", mean), PartError, 'layers.0: Mean updates "maen", and declares no such'),
        (
            lambda mean: ("mean", mean[:1]),
            PartError,
            r'layers.0: Mean updates "mean" to the shape \[1\] where \[2\] is due',
        ),
        (lambda mean: ("mean", mean + np.inf), TrainingError, "layers.0.mean is no longer finite at step 1"),
    ],
)
def test_an_update_that_can_not_be_is_refused_and_the_step_undone(moved: Any, error: Any, due: str) -> None:
    stopped = model(moved)
    before = stopped.parameters
    with pytest.raises(error, match=due):
        stopped.train(X, T, steps=1)
    assert stopped.step == 0
    for name, array in before.items():
        np.testing.assert_array_equal(stopped.parameters[name], array)


class Short(Layer):
    """A layer whose gradient hasn't its parameter's shape, though it would broadcast."""

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"shift": Parameter(input_shape, Zeros())}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x + params["shift"]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"shift": np.sum(dy)[None]}


def test_a_gradient_that_would_only_broadcast_is_refused() -> None:
    short = Model(input=[2], layers=[Short()], loss="half_squared_error", optimizer="sgd")
    with pytest.raises(PartError, match=r"layers.0.shift: Short.gradients gives \[1\] where \[2\] is due"):
        short.train(X, X, steps=1)


class Renamed(Short):
    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"shifts": np.sum(dy, axis=0)}


def test_a_gradient_that_is_missing_is_said_with_those_that_are_there() -> None:
    renamed = Model(input=[2], layers=[Renamed()], loss="half_squared_error", optimizer="sgd")
    with pytest.raises(PartError, match=r"layers.0.shift: Renamed.gradients gives no gradient of it; .*: 'shifts'"):
        renamed.train(X, X, steps=1)


class Forgets(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, gradient, slots, step)[0], {}


@pytest.mark.parametrize("engine", ["numpy", "jax"])
@pytest.mark.parametrize("units", [1, 1000])
def test_an_optimizer_that_gives_back_no_slots_is_refused(units: int, engine: str) -> None:
    if engine == "jax":
        pytest.importorskip("jax")
    layers = [Dense(units=units)]
    model = Model(input=[2], layers=layers, loss="half_squared_error", optimizer=Forgets(), engine=engine)
    with pytest.raises(PartError, match=r"optimizer: Forgets.update gives the slots none where m, v are due"):
        model.train(X, np.zeros((len(X), units)), steps=1)


def test_a_run_that_diverges_keeps_the_last_finite_parameters() -> None:
    wild = Model(
        input=[2], layers=[Dense(units=1)], loss="half_squared_error", optimizer={"type": "sgd", "learning_rate": 1e12}
    )
    with pytest.raises(TrainingError, match="no longer finite at step"):
        wild.train(X, T, steps=100)
    assert 0 < wild.step < 100
    assert all(np.isfinite(array).all() for array in wild.parameters.values())
