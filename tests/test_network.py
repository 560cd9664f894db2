"""The network: gradients of every parameter, only the work that somebody needs, and the canonical link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from layerkit import (
    BinaryCrossEntropy,
    Context,
    CrossEntropy,
    Dense,
    DocumentError,
    HalfSquaredError,
    Layer,
    Loss,
    Model,
    Parameter,
    PartError,
    Zeros,
)
from layerkit.entry import Entry
from layerkit.network import Network, build


def network(*layers: Any, loss: Loss | None = None, inputs: int = 3) -> Network:
    entries = [Entry.model_validate(layer) for layer in layers]
    return build(entries, (inputs,), "float64", loss)


def dense(units: int, activation: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "type": "dense",
        "units": units,
        "bias": "glorot_uniform",
        **({"activation": activation} if activation else {}),
    } | fields


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


def test_stages_and_parameters_are_named_by_their_place_or_their_name() -> None:
    net = network(dense(2, "relu"), dense(1, "sigmoid", name="head"))
    assert [stage.name for stage in net.stages] == ["layers.0", "layers.0.activation", "head", "head.activation"]
    assert list(net.parameters) == ["layers.0.kernel", "layers.0.bias", "head.kernel", "head.bias"]


def test_what_is_not_trainable_is_not_trained() -> None:
    assert network(dense(2, trainable=False), dense(1)).trained == ("layers.1.kernel", "layers.1.bias")


def test_every_literal_of_the_wrong_shape_is_told_at_once() -> None:
    with pytest.raises(DocumentError) as caught:
        network(dense(2, kernel=[[1.0]], bias=[1.0]), dense(1, kernel=[[1.0]]))
    assert [fault.where for fault in caught.value.faults] == ["layers[0].kernel", "layers[0].bias", "layers[1].kernel"]


def test_a_first_number_beyond_float32_is_told_to_be_given_float64() -> None:
    def first(dtype: str) -> Any:
        model = Model(input=[1], layers=[Dense(units=1, kernel=[[1e300]])], dtype=dtype)
        return model.parameters["layers.0.kernel"]

    due = pytest.raises(PartError, match=r'layers\.0\.kernel: .* too large .* "dtype": "float64"')
    with np.errstate(over="ignore"), due:
        first("float32")
    assert first("float64") == [[1e300]]


@pytest.mark.parametrize("units", [10**10, 10**18])
def test_sizes_are_counted_before_anything_is_allocated(units: int) -> None:
    with pytest.raises(DocumentError, match=r"layers\[0\] with [\d,]+ numbers: needs [\d,.]+ GiB"):
        network(dense(units), dense(1))


def test_so_are_those_that_are_beyond_any_float() -> None:
    with pytest.raises(DocumentError, match=r"needs [\d,]+ GiB"):
        build([Entry.model_validate(dense(1))], (2**62,) * 40, "float64")


class Lying(Layer):
    """A layer whose y hasn't the shape that it declares."""

    def output_shape(self, input_shape: Any) -> Any:
        return (7,)

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


class Refusing(Lying):
    """A layer that takes no input."""

    def output_shape(self, input_shape: Any) -> Any:
        raise ValueError("it takes images")


class Failing(Lying):
    """A layer that fails before anything runs."""

    def parameters(self, input_shape: Any) -> Any:
        return 1 / 0


class Asks(Lying):
    """A layer whose parameters are what it was made with."""

    asked: Any

    def parameters(self, input_shape: Any) -> Any:
        return self.asked(input_shape)


class Fractions(Lying):
    def output_shape(self, input_shape: Any) -> Any:
        return (7.0,)


@pytest.mark.parametrize(
    ("layer", "error", "due"),
    [
        (
            Asks(asked=lambda shape: {"a": Parameter(shape, 0.5)}),
            PartError,
            "Asks fails .* takes an initializer, such as",
        ),
        (
            Asks(asked=lambda shape: {"a": Parameter(4, Zeros())}),
            PartError,
            "Asks fails .* is a tuple of whole numbers",
        ),
        (
            Asks(asked=lambda shape: {"a": Parameter((4.0,), Zeros())}),
            PartError,
            "Asks fails .* a tuple of whole numbers",
        ),
        (
            Asks(asked=lambda shape: {"a": np.zeros(shape)}),
            PartError,
            "Asks fails .* where a dict of Parameters is due",
        ),
        (Asks(asked=lambda shape: ["a"]), PartError, r"gives \['a'\] where a dict of Parameters is due"),
        (Fractions(), PartError, r"layers\[0\]: Fractions fails on an input of \[3\]: TypeError"),
        (Refusing(), DocumentError, r"layers\[0\]: can't take an input of \[3\]: it takes images"),
        (Failing(), PartError, r"layers\[0\]: Failing fails on an input of \[3\]: ZeroDivisionError"),
    ],
)
def test_a_part_that_breaks_its_contract_is_named(layer: Layer, error: type[Exception], due: str) -> None:
    with pytest.raises(error, match=due):
        network(layer)


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
