"""Every part keeps the contract: pure, of x's dtype and shape, finite at the extremes, on any array namespace."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import layerkit_activations
import numpy as np
import pytest
from layerkit_activations import Exponential

from layerkit import Array, Context, Layer

EXTREMES = [0.0, -0.0, 1e-30, -1e-30, 30.0, -30.0, 1e30, -1e30]
CONTEXT = Context(training=True)


def test_every_class_of_the_package_is_tested(layers: list[Layer]) -> None:
    assert {type(layer).__name__ for layer in layers} == set(layerkit_activations.__all__)


def test_the_package_exports_each_class_and_nothing_else() -> None:
    assert all(isinstance(getattr(layerkit_activations, name), type) for name in layerkit_activations.__all__)
    with pytest.raises(AttributeError, match="Tahn"):
        _ = layerkit_activations.Tahn


def test_values_and_derivatives_are_finite_at_the_extremes(layer: Layer, dtype: str) -> None:
    x = np.array([EXTREMES], dtype)
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        for array in _passes(layer, x):
            assert np.all(np.isfinite(array))


def test_exponential_stops_growing_before_it_overflows(dtype: str) -> None:
    x = np.array([80.0, 88.0 if dtype == "float32" else 709.0, 1e30], dtype)
    y = Exponential()(x)
    np.testing.assert_array_equal(y, np.exp([x[0], x[1], x[1]], dtype=dtype))


def test_nan_stays_nan(layer: Layer, dtype: str) -> None:
    y, *_ = _passes(layer, np.array([[np.nan]], dtype))
    assert np.isnan(y).all()


def test_the_dtype_and_the_shape_stay(layer: Layer, dtype: str) -> None:
    for shape in [(4, 3), (1, 3), (0, 3), (2, 3, 4, 5)]:
        x = np.random.default_rng(0).normal(size=shape).astype(dtype)
        y, dx, *gradients = _passes(layer, x)
        assert y.shape == dx.shape == x.shape
        assert {array.dtype for array in (y, dx, *gradients)} == {x.dtype}
        assert [array.shape for array in gradients] == [p.shape for p in layer.parameters(shape[1:]).values()]


def test_twice_is_the_same_and_read_only_arrays_do(layer: Layer, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
    first = _passes(layer, x, prepare=_read_only)
    for one, other in zip(first, _passes(layer, x), strict=True):
        np.testing.assert_array_equal(one, other)


def test_array_api_strict_gives_the_same(layer: Layer, dtype: str) -> None:
    strict = pytest.importorskip("array_api_strict")
    x = np.array([[-31.0, -4.0, -1.5, -0.1, 0.0], [0.2, 0.9, 2.5, 5.0, 31.0]], dtype)
    for one, other in zip(_passes(layer, x, prepare=strict.asarray), _passes(layer, x), strict=True):
        assert str(one.dtype).endswith(dtype)
        np.testing.assert_array_equal(np.asarray(one), other)


def test_jax_jit_gives_the_same(layer: Layer, dtype: str) -> None:
    jax = pytest.importorskip("jax")
    x = np.array([[-31.0, -4.0, -1.5, -0.1, 0.0], [0.2, 0.9, 2.5, 5.0, 31.0]], dtype)
    with jax.enable_x64(True):
        compiled = _passes(layer, x, prepare=jax.numpy.asarray, through=jax.jit)
    for one, other in zip(compiled, _passes(layer, x), strict=True):
        assert str(one.dtype) == dtype
        np.testing.assert_allclose(one, other, rtol=100 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)


def _passes(
    layer: Layer,
    x: Array,
    prepare: Callable[[Array], Array] = np.asarray,
    through: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
) -> list[Array]:
    """y, dx, and the gradient of each parameter, for dy = 1."""
    params = {
        name: prepare(np.full(parameter.shape, 0.25, x.dtype))
        for name, parameter in layer.parameters(x.shape[1:]).items()
    }
    x, dy = prepare(x), prepare(np.ones_like(x))
    y = through(lambda params, x: layer.forward(params, x, CONTEXT))(params, x)
    dx = through(lambda params, x, y, dy: layer.backward(params, x, y, dy, CONTEXT))(params, x, y, dy)
    gradients = through(lambda params, x, y, dy: layer.gradients(params, x, y, dy, CONTEXT))(params, x, y, dy)
    return [y, dx, *gradients.values()]


def _read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array
