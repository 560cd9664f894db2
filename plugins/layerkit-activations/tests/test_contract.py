"""What a pack keeps beside the kit's checks (test_conformance.py): its exports, NaN, and where exponential ends."""

from __future__ import annotations

import layerkit_activations
import numpy as np
import pytest
from layerkit_activations import Exponential

from layerkit import Context, Layer


def test_every_class_of_the_package_is_tested(layers: list[Layer]) -> None:
    assert {type(layer).__name__ for layer in layers} == set(layerkit_activations.__all__)


def test_the_package_exports_each_class_and_nothing_else() -> None:
    assert all(isinstance(getattr(layerkit_activations, name), type) for name in layerkit_activations.__all__)
    with pytest.raises(AttributeError, match="Tahn"):
        _ = layerkit_activations.Tahn


def test_exponential_stops_growing_before_it_overflows(dtype: str) -> None:
    x = np.array([80.0, 88.0 if dtype == "float32" else 709.0, 1e30], dtype)
    y = Exponential()(x)
    np.testing.assert_array_equal(y, np.exp([x[0], x[1], x[1]], dtype=dtype))


def test_nan_stays_nan(layer: Layer, dtype: str) -> None:
    params = {name: np.full(each.shape, 0.25, dtype) for name, each in layer.parameters((1,)).items()}
    assert np.isnan(layer.forward(params, np.array([[np.nan]], dtype), Context(training=True))).all()
