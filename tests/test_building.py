"""From entries to the network: what stages are called, and what is refused before anything is allocated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_models import dense, network

from layerkit import Context, DocumentError, Layer, Parameter, PartError, Zeros
from layerkit.building import build
from layerkit.entry import Entry


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
