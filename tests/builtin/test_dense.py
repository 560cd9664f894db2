"""Dense: y = x · kernel + bias, by hand and in every namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Context, Dense, DocumentError

CONTEXT = Context(True)
X, DY = [[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]], [[1.0, 10.0], [2.0, 20.0]]
PARAMS = {"kernel": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "bias": [0.5, -0.5]}


@pytest.fixture
def params(to_array: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: to_array(values) for name, values in PARAMS.items()}


def test_forward_by_hand(params: dict[str, Any], to_array: Callable[[Any], Any]) -> None:
    y = Dense(units=2).forward(params, to_array(X), CONTEXT)
    np.testing.assert_array_equal(np.asarray(y), [[22.5, 27.5], [2.5, 1.5]])


def test_backward_by_hand(params: dict[str, Any], to_array: Callable[[Any], Any]) -> None:
    dx = Dense(units=2).backward(params, to_array(X), to_array(DY), to_array(DY), CONTEXT)
    np.testing.assert_array_equal(np.asarray(dx), [[21.0, 43.0, 65.0], [42.0, 86.0, 130.0]])


def test_gradients_by_hand(params: dict[str, Any], to_array: Callable[[Any], Any]) -> None:
    gradients = Dense(units=2).gradients(params, to_array(X), to_array(DY), to_array(DY), CONTEXT)
    np.testing.assert_array_equal(np.asarray(gradients["kernel"]), [[1.0, 10.0], [0.0, 0.0], [5.0, 50.0]])
    np.testing.assert_array_equal(np.asarray(gradients["bias"]), [3.0, 30.0])


def test_more_axes_are_as_many_rows(params: dict[str, Any], to_array: Callable[[Any], Any]) -> None:
    layer, x, dy = Dense(units=2), to_array([X, X]), to_array([DY, DY])
    flat = layer.gradients(params, to_array(X + X), to_array(DY + DY), to_array(DY + DY), CONTEXT)
    deep = layer.gradients(params, x, dy, dy, CONTEXT)
    assert layer.forward(params, x, CONTEXT).shape == (2, 2, 2)
    for name in flat:
        np.testing.assert_array_equal(np.asarray(deep[name]), np.asarray(flat[name]))


def test_without_a_bias_there_is_no_bias() -> None:
    layer = Dense(units=2, bias=None)
    assert list(layer.parameters((3,))) == ["kernel"]
    assert list(layer.gradients({}, np.array(X), np.array(DY), np.array(DY), CONTEXT)) == ["kernel"]


def test_shapes_are_declared_before_anything_is_allocated() -> None:
    layer = Dense(units=10**9)
    assert layer.output_shape((7, 3)) == (7, 10**9)
    assert layer.parameters((7, 3))["kernel"].shape == (3, 10**9)


@pytest.mark.parametrize("units", [0, -1, 2.5, "2", True, None])
def test_units_are_a_whole_number_from_1(units: Any) -> None:
    with pytest.raises(DocumentError, match="units"):
        Dense(units=units)
