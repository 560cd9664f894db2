"""The NumPy engine: one flat vector of parameters, and nothing kept of a step that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from layerkit import Adam, Context, Dense, Layer, Model, Parameter, PartError, TrainingError, Zeros
from layerkit.data.batches import Rows
from layerkit.engines.numpy import NumPySession
from layerkit.engines.session import Recipe
from layerkit.entry import Entry

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
            r'layers.0: Mean updates "mean" to the shape \[1\] where an array of the shape \[2\] is due',
        ),
        (
            lambda mean: ("mean", 1.0),
            PartError,
            r'Mean updates "mean" to a float where an array of the shape \[2\] is due',
        ),
        (lambda mean: ("mean", np.array(["a", "b"])), PartError, 'updates "mean" to <U1 where real numbers are due'),
        (lambda mean: ("mean", mean * 1j), PartError, 'updates "mean" to complex.* where real numbers are due'),
        (
            lambda mean: ("mean", mean + np.inf),
            TrainingError,
            "layers.0.mean is no longer finite at step 1.*Its layer updates it in forward",
        ),
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


class Counts(Mean):
    """Adds a step to its mean at each; JAX can compile it."""

    moved: Any = None
    trained: bool = False

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"mean": Parameter(input_shape, Zeros(), trainable=self.trained)}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        if context.training:
            context.update("mean", params["mean"] + 1.0)
        return x - params["mean"]

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"mean": -x.__array_namespace__().sum(dy, axis=0)} if self.trained else {}


def counting(engine: str, **entry: Any) -> Model:
    if engine == "jax":
        pytest.importorskip("jax")
    layers = [Entry(**entry), Dense(units=1)]
    return Model(input=[2], layers=layers, loss="half_squared_error", optimizer="sgd", engine=engine)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
@pytest.mark.parametrize(("trainable", "due"), [(True, 3.0), (False, 0.0)])
def test_a_stage_that_is_not_trainable_keeps_what_its_layer_would_update(
    trainable: bool, due: float, engine: str
) -> None:
    model = counting(engine, layer=Counts(), trainable=trainable)
    model.train(X, T, steps=3)
    np.testing.assert_array_equal(model.parameters["layers.0.mean"], [due, due])


class Keeps(Layer):
    """x + shift, and what the shift was a step ago; two numbers that change places."""

    recordable: bool = True

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        kept = {name: Parameter(input_shape, Zeros(), trainable=False) for name in ("before", "one", "other")}
        return {"shift": Parameter(input_shape, Zeros()), **kept}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        if context.training and (self.recordable or float(params["one"][0]) >= 0.0):
            context.update("before", params["shift"])
            context.update("one", params["other"])
            context.update("other", params["one"] + 1.0)
        return x + params["shift"]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"shift": x.__array_namespace__().sum(dy, axis=0)}


@pytest.mark.parametrize(("engine", "recordable"), [("numpy", True), ("numpy", False), ("jax", True)])
def test_what_a_layer_updates_is_as_it_was_before_the_step(engine: str, recordable: bool) -> None:
    layers = [Keeps(recordable=recordable)]
    if engine == "jax":
        pytest.importorskip("jax")
    model = Model(input=[2], layers=layers, loss="half_squared_error", optimizer="sgd", engine=engine)
    model.train(X, X + 1.0, steps=4)
    before = model.parameters
    model.train(X, X + 1.0, steps=1)
    np.testing.assert_array_equal(model.parameters["layers.0.before"], before["layers.0.shift"])
    np.testing.assert_array_equal(model.parameters["layers.0.one"], [2.0, 2.0])
    np.testing.assert_array_equal(model.parameters["layers.0.other"], [3.0, 3.0])


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_an_update_of_what_the_optimizer_trains_is_refused(engine: str) -> None:
    with pytest.raises(
        PartError, match=r'layers.0: Counts updates "mean", which the optimizer does: .*trainable=False'
    ):
        counting(engine, layer=Counts(trained=True)).train(X, T, steps=1)


def test_a_run_that_diverges_keeps_the_last_finite_parameters() -> None:
    wild = Model(
        input=[2], layers=[Dense(units=1)], loss="half_squared_error", optimizer={"type": "sgd", "learning_rate": 1e12}
    )
    with pytest.raises(TrainingError, match="no longer finite at step"):
        wild.train(X, T, steps=100)
    assert 0 < wild.step < 100
    assert all(np.isfinite(array).all() for array in wild.parameters.values())


def where_a_column_ends(steps: int) -> list[Rows]:
    """Batches of one row: from the second on, a zero stands where the weights of a column would learn."""
    x = np.random.default_rng(0).normal(size=(steps, 1, 2)).astype(np.float32)
    x[1:, :, 0] = 0.0
    return [Rows(each, each[:, 1:]) for each in x]


def test_what_a_gradient_left_behind_does_not_fade_for_ever() -> None:
    model = Model(input=[2], layers=[Dense(units=1)], loss="half_squared_error", optimizer=Adam())
    session = model.session()
    session.train(where_a_column_ends(960))
    m = session.state.slots["m"]["layers.0.kernel"]
    assert m[0, 0] == 0.0
    assert m[1, 0] != 0.0


@pytest.mark.parametrize("cut", [895, 896, 897, 930])
def test_it_ends_at_the_same_step_in_a_run_that_was_cut_off(cut: int) -> None:
    model = Model(input=[2], layers=[Dense(units=1)], loss="half_squared_error", optimizer=Adam())
    rows, whole, first = where_a_column_ends(990), model.session(), model.session()
    whole.train(rows)
    first.train(rows[:cut])
    second = NumPySession(model.network, Recipe(Adam()), first.state)
    second.train(rows[cut:])
    for found, due in zip(second.state[:2], whole.state[:2], strict=True):
        np.testing.assert_equal(found, due)
