"""The NumPy engine: one flat vector of parameters, and nothing kept of a step that went wrong."""

# ruff: noqa: N818

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
import pytest

from layerkit import (
    SGD,
    Adam,
    Context,
    Dense,
    HalfSquaredError,
    Layer,
    Model,
    Parameter,
    PartError,
    TrainingError,
    Zeros,
)
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


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_an_update_of_what_the_optimizer_trains_is_refused(engine: str) -> None:
    with pytest.raises(
        PartError, match=r'layers.0: Counts updates "mean", which the optimizer does: .*trainable=False'
    ):
        counting(engine, layer=Counts(trained=True)).train(X, T, steps=1)


class Looked(Layer):
    """Looks its input up in a table of three, and does not ask whether it is there."""

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"table": Parameter((3,), Zeros())}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        xp = x.__array_namespace__()
        return xp.take(params["table"], xp.reshape(xp.astype(x, xp.int64), (-1,))).reshape(x.shape)

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return 0.0 * dy

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"table": 0.0 * params["table"]}


@pytest.mark.parametrize("verb", ["train", "predict", "evaluate"])
def test_a_part_that_fails_on_some_rows_is_named(verb: str) -> None:
    looked = Model(input=[1], layers=[Looked()], loss="half_squared_error", optimizer="sgd", training={"steps": 4})
    x = np.array([[0.0], [1.0], [7.0]])
    with pytest.raises(PartError, match=r"layers.0: Looked.forward fails: IndexError: index 7 is out of bounds"):
        looked.predict(x) if verb == "predict" else getattr(looked, verb)(x, x)


class OfSmall(HalfSquaredError):
    def __call__(self, y: Any, t: Any) -> Any:
        return super().__call__(y, t) if np.all(t < 5.0) else fails()


class OfFew(Counts):
    trained: bool = True

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x - params["mean"]

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return super().gradients(params, x, y, dy, context) if len(x) < 4 else fails()


class Tires(SGD):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, gradient, slots, step) if step < 2 else fails()


def fails() -> NoReturn:
    raise KeyError("why")


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"loss": OfSmall()}, "loss: OfSmall.__call__ fails: KeyError: 'why'"),
        ({"layers": [OfFew(), Dense(units=1)]}, "layers.0: OfFew.gradients fails: KeyError: 'why'"),
        ({"optimizer": Tires()}, "optimizer: Tires.update fails: KeyError: 'why'"),
    ],
)
def test_so_are_a_loss_a_gradient_and_an_optimizer(fields: Any, due: str) -> None:
    given = {"layers": [Dense(units=1)], "loss": "half_squared_error", "optimizer": "sgd"} | fields
    with pytest.raises(PartError, match=due):
        Model(input=[2], **given).train(X, 9.0 * T, steps=3)


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


class Complex(Short):
    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"shift": dy.__array_namespace__().sum(dy, axis=0) * (1.0 + 1.0j)}


def test_a_gradient_of_complex_numbers_is_refused() -> None:
    layered = Model(input=[2], layers=[Complex()], loss="half_squared_error", optimizer="sgd")
    with pytest.raises(
        PartError, match=r"layers.0.shift: Complex.gradients gives complex64 where real numbers are due"
    ):
        layered.train(X, X, steps=1)


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


class Doubles(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, np.float64(1.0) * gradient, slots, step)


class OneForAll(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        new, slots = super().update(parameter, gradient, slots, step)
        return new[:1], slots


class Breaks(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return slots["momentum"], slots


@pytest.mark.parametrize("engine", ["numpy", "jax"])
@pytest.mark.parametrize(
    ("optimizer", "due"),
    [
        (Doubles(), r"Doubles.update makes float64 \[2\] of the parameter where float32 \[2\] is due"),
        (OneForAll(), r"OneForAll.update makes float32 \[1\] of the parameter where float32 \[2\] is due"),
        (Breaks(), r"Breaks.update fails: KeyError: 'momentum'"),
    ],
)
def test_an_optimizer_that_breaks_its_contract_is_named(optimizer: Adam, due: str, engine: str) -> None:
    if engine == "jax":
        pytest.importorskip("jax")
    model = Model(input=[2], layers=[Dense(units=1)], loss="half_squared_error", optimizer=optimizer, engine=engine)
    with pytest.raises(PartError, match=rf"optimizer: {due}"):
        model.train(X, T, steps=1)


def test_a_run_that_diverges_keeps_the_last_finite_parameters() -> None:
    wild = Model(
        input=[2], layers=[Dense(units=1)], loss="half_squared_error", optimizer={"type": "sgd", "learning_rate": 1e12}
    )
    with pytest.raises(TrainingError, match="no longer finite at step"):
        wild.train(X, T, steps=100)
    assert 0 < wild.step < 100
    assert all(np.isfinite(array).all() for array in wild.parameters.values())
