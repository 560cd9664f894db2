"""The losses: numbers by hand, slopes, and the exact way past their canonical link."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import pytest

from layerkit import BinaryCrossEntropy, CrossEntropy, HalfSquaredError, Loss, MeanSquaredError

Y, T = [[0.8, 0.2], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]
BY_HAND = {
    HalfSquaredError: [0.5 * (0.04 + 0.04), 0.5 * (0.25 + 0.25)],
    MeanSquaredError: [0.04, 0.25],
    BinaryCrossEntropy: [-2.0 * log(0.8), -2.0 * log(0.5)],
    CrossEntropy: [-log(0.8), -log(0.5)],
}
ALL = list(BY_HAND)
LINKED = [loss for loss in ALL if loss.link]


@pytest.mark.parametrize("loss", ALL)
def test_the_loss_of_each_row_by_hand(loss: type[Loss], to_array: Callable[[Any], Any]) -> None:
    np.testing.assert_allclose(np.asarray(loss()(to_array(Y), to_array(T))), BY_HAND[loss], rtol=1e-14)


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4)])
def test_the_gradient_is_the_slope_of_the_loss(
    loss: type[Loss], shape: tuple[int, ...], to_array: Callable[[Any], Any]
) -> None:
    rng = np.random.default_rng(1)
    y, t, direction = rng.uniform(0.1, 0.9, shape), rng.uniform(0.0, 1.0, shape), rng.normal(size=shape)
    part, h = loss(), 1e-6
    slope = np.sum(part(y + h * direction, t) - part(y - h * direction, t)) / (2.0 * h)
    found = np.sum(np.asarray(part.gradient(to_array(y), to_array(t))) * direction)
    assert float(found) == pytest.approx(float(slope), rel=1e-7)


@pytest.mark.parametrize("loss", LINKED)
def test_from_the_pre_activation_the_loss_is_the_same(loss: type[Loss], to_array: Callable[[Any], Any]) -> None:
    assert loss.link is not None
    z = np.array([[0.3, -2.0, 1.0], [4.0, 0.0, -1.0]])
    t = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    found = loss().linked(to_array(z), to_array(t))
    np.testing.assert_allclose(np.asarray(found), loss()(loss.link()(z), t), rtol=1e-13)


@pytest.mark.parametrize("loss", LINKED)
def test_the_linked_gradient_is_the_slope_at_the_pre_activation(loss: type[Loss]) -> None:
    assert loss.link is not None
    rng = np.random.default_rng(2)
    z, direction, t, h = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), np.eye(4)[[0, 3, 1]], 1e-6
    slope = np.sum(loss().linked(z + h * direction, t) - loss().linked(z - h * direction, t)) / (2.0 * h)
    assert float(np.sum(loss().linked_gradient(loss.link()(z), t) * direction)) == pytest.approx(float(slope), rel=1e-7)


@pytest.mark.parametrize("loss", LINKED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_certain_and_wrong_answer_has_a_finite_loss(loss: type[Loss], dtype: str) -> None:
    assert loss.link is not None
    z, t = np.array([[1e4, -1e4]], dtype=dtype), np.array([[0.0, 1.0]], dtype=dtype)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(loss().linked(z, t)).all()
        assert np.isfinite(loss()(loss.link()(z), t)).all()
        assert np.isfinite(loss().gradient(loss.link()(z), t)).all()


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_the_outputs(loss: type[Loss], dtype: str, to_array: Callable[[Any], Any]) -> None:
    y, t = to_array(np.array(Y, dtype=dtype)), to_array(np.array(T, dtype=dtype))
    assert loss()(y, t).dtype == loss().gradient(y, t).dtype == y.dtype
