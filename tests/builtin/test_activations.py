"""The built-in activations: numbers from outside, in every namespace, at every extreme."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Activation, Context, ReLU, Sigmoid, Softmax

X = [[-3.0, -0.5, 0.0, 0.25, 2.0]]
# computed with Python's decimal module to 40 digits
VALUES = {
    ReLU: [[0.0, 0.0, 0.0, 0.25, 2.0]],
    Sigmoid: [[0.047425873177566780, 0.377540668798145435, 0.5, 0.562176500885798104, 0.880797077977882444]],
    Softmax: [
        [0.004819938429452701, 0.058718870807770117, 0.096811051292263407, 0.124307850475526835, 0.715342288994986938]
    ],
}
ALL = list(VALUES)


@pytest.mark.parametrize("activation", ALL)
def test_the_values_are_those_of_the_formula(activation: type[Activation], to_array: Callable[[Any], Any]) -> None:
    found = activation()(to_array(X))
    np.testing.assert_allclose(np.asarray(found), VALUES[activation], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shape_and_dtype_are_the_inputs(
    activation: type[Activation], dtype: str, to_array: Callable[[Any], Any]
) -> None:
    x = to_array(np.ones((2, 3, 4), dtype=dtype))
    y = activation()(x)
    dx = activation().backward({}, x, y, x, Context(True))
    assert (y.shape, y.dtype, dx.shape, dx.dtype) == (x.shape, x.dtype, x.shape, x.dtype)


@pytest.mark.parametrize("activation", ALL)
def test_backward_is_the_slope_of_the_values(activation: type[Activation], to_array: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(0)
    x, dy, direction = (rng.normal(size=(4, 5)) for _ in range(3))
    part, h = activation(), 1e-6
    slope = np.sum(dy * (part(x + h * direction) - part(x - h * direction))) / (2.0 * h)
    array = to_array(x)
    dx = part.backward({}, array, part(array), to_array(dy), Context(True))
    assert float(np.sum(np.asarray(dx) * direction)) == pytest.approx(float(slope), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes_stay_finite_and_warn_of_nothing(activation: type[Activation], dtype: str) -> None:
    x = np.array([[0.0, 1e-30, -1e-30, 30.0, -30.0, 1e30, -1e30]], dtype=dtype)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        y = activation()(x)
        dx = activation().backward({}, x, y, np.ones_like(x), Context(True))
    assert np.all(np.isfinite(y))
    assert np.all(np.isfinite(dx))


@pytest.mark.parametrize("activation", ALL)
def test_an_empty_batch_gives_an_empty_batch(activation: type[Activation], to_array: Callable[[Any], Any]) -> None:
    assert activation()(to_array(np.empty((0, 3)))).shape == (0, 3)


@pytest.mark.parametrize("activation", [ReLU, Sigmoid])
def test_nan_is_not_hidden(activation: type[Activation]) -> None:
    assert np.isnan(activation()(np.array([np.nan])))[0]


def test_softmax_has_no_elementwise_derivative() -> None:
    with pytest.raises(NotImplementedError, match="backward"):
        Softmax().derivative(np.zeros(2), np.zeros(2))


def test_an_activation_without_derivative_and_backward_is_refused_as_a_class() -> None:
    with pytest.raises(TypeError, match="needs derivative"):

        class Half(Activation):
            def __call__(self, x: Any) -> Any:
                return 0.5 * x
