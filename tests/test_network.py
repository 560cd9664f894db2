"""The network: gradients of every parameter, only the work that somebody needs, and the canonical link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from small_models import dense, network

from layerkit import (
    BinaryCrossEntropy,
    Context,
    CrossEntropy,
    Dense,
    HalfSquaredError,
    Layer,
    Loss,
    Model,
    Parameter,
    PartError,
    Zeros,
)
from layerkit.entry import Entry
from layerkit.network import Network


def loss_of(net: Network, arrays: Mapping[str, Any], x: Any, t: Any) -> float:
    outputs = net.forward(net.by_stage(arrays), x, [Context(True)] * len(net.stages))
    return float(np.mean(net.losses(outputs, t)))


CASES = [
    ([dense(4, "sigmoid"), dense(2)], HalfSquaredError()),
    ([dense(4, "relu"), dense(3, "softmax")], HalfSquaredError()),
    ([dense(4, "sigmoid"), dense(2, "sigmoid")], BinaryCrossEntropy()),
    ([dense(4, "sigmoid"), dense(2, "softmax")], CrossEntropy()),
    ([dense(4), "sigmoid", dense(2), "softmax"], CrossEntropy()),
    ([dense(2, "softmax"), dense(2, "sigmoid")], CrossEntropy()),
]


@pytest.mark.parametrize(("layers", "loss"), CASES)
def test_every_gradient_is_the_slope_of_the_loss(layers: list[Any], loss: Loss, to_array: Callable[[Any], Any]) -> None:
    net = network(*layers, loss=loss)
    arrays = net.initial(3, np)
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(5, 3)), np.eye(net.output_shape[0])[rng.integers(0, net.output_shape[0], 5)]
    params = net.by_stage({name: to_array(array) for name, array in arrays.items()})
    found = net.passes(params, to_array(x), to_array(t), 0, 1).gradients
    gradients = {f"{stage.name}.{n}": found[i][n] for i, stage in enumerate(net.stages) for n in stage.trained}
    assert gradients.keys() == arrays.keys()
    for name, gradient in gradients.items():
        direction, h = rng.normal(size=arrays[name].shape), 1e-6
        ahead = loss_of(net, arrays | {name: arrays[name] + h * direction}, x, t)
        behind = loss_of(net, arrays | {name: arrays[name] - h * direction}, x, t)
        slope = (ahead - behind) / (2.0 * h)
        assert float(np.sum(np.asarray(gradient) * direction)) == pytest.approx(slope, rel=1e-6, abs=1e-9), name


def test_a_loss_after_its_link_is_passed_without_dividing_by_zero() -> None:
    net = network(dense(1, "sigmoid", kernel=[[1e3], [0.0], [0.0]], bias=[0.0]), loss=BinaryCrossEntropy())
    params = net.by_stage(net.initial(0, np))
    passes = net.passes(params, np.array([[1.0, 0.0, 0.0]]), np.array([[0.0]]), 0, 1)
    assert float(passes.loss) == 1e3
    np.testing.assert_array_equal(passes.gradients[0]["bias"], [1.0])


class Counting(Layer):
    """A layer that writes down which of its methods were called."""

    calls: ClassVar[list[str]] = []

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"shift": Parameter(input_shape, Zeros())}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x + params["shift"]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        self.calls.append("backward")
        return dy

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        self.calls.append("gradients")
        return {"shift": np.sum(dy, axis=0)}


@pytest.mark.parametrize(
    ("layers", "due"),
    [
        ([Counting(), dense(1)], ["gradients"]),
        ([dense(3), Counting(), dense(1)], ["gradients", "backward"]),
        ([dense(3), {"layer": Counting(), "trainable": False}, dense(1)], ["backward"]),
        ([{"layer": Counting(), "trainable": False}, dense(1)], []),
    ],
)
def test_only_what_is_needed_is_computed(layers: list[Any], due: list[str]) -> None:
    net = network(*layers, loss=HalfSquaredError())
    Counting.calls.clear()
    net.passes(net.by_stage(net.initial(0, np)), np.ones((2, 3)), np.ones((2, 1)), 0, 1)
    assert Counting.calls == due


def test_a_first_number_beyond_float32_is_told_to_be_given_float64() -> None:
    def first(dtype: str) -> Any:
        model = Model(input=[1], layers=[Dense(units=1, kernel=[[1e300]])], dtype=dtype)
        return model.parameters["layers.0.kernel"]

    due = pytest.raises(PartError, match=r'layers\.0\.kernel: .* too large .* "dtype": "float64"')
    with np.errstate(over="ignore"), due:
        first("float32")
    assert first("float64") == [[1e300]]


def test_an_entry_writes_the_layer_and_the_grammar_side_by_side() -> None:
    entry = Entry(layer=Dense(units=2), activation="relu", name="hidden", trainable=False)
    written = entry.model_dump(mode="json")
    assert written == {
        "type": "dense",
        "units": 2,
        "kernel": "glorot_uniform",
        "bias": "zeros",
        "activation": "relu",
        "name": "hidden",
        "trainable": False,
    }
    assert Entry.model_validate(written) == entry


class OneHot(Layer):
    """A row of zeros and one 1 for each whole number, without a parameter that has the network's dtype."""

    def output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, 5)

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        xp = x.__array_namespace__()
        return xp.astype(xp.expand_dims(x, axis=-1) == xp.arange(5, dtype=x.dtype), context.dtype)

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return x.__array_namespace__().zeros(x.shape, dtype=context.dtype)


class Flat(Layer):
    def output_shape(self, input_shape: Any) -> Any:
        return (int(np.prod(input_shape)),)

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x.__array_namespace__().reshape(x, (x.shape[0], -1))

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return x.__array_namespace__().reshape(dy, x.shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_a_layer_on_whole_numbers_knows_the_networks_dtype(engine: str, dtype: str) -> None:
    if engine == "jax":
        pytest.importorskip("jax", reason="jax is not installed")
    model = Model(
        input={"shape": [2], "dtype": "int64"},
        layers=[OneHot(), Flat(), Dense(units=1)],
        dtype=dtype,
        loss="half_squared_error",
        optimizer="sgd",
        engine=engine,
    )
    trained = model.train([[0, 1], [4, 4]], [[1.0], [2.0]], steps=20)
    assert trained.loss < trained.loss_before
    assert model.predict([[0, 1]]).dtype == dtype


@pytest.mark.parametrize(("units", "due"), [(4, 8192), (2**10, 2**11), (2**20, 2), (2**24, 1)])
def test_the_wider_a_network_is_the_fewer_rows_go_through_at_once(units: int, due: int) -> None:
    assert network(dense(units)).rows_per_pass == due
