"""Swish gives the numbers of its formula."""

import math

import numpy as np
import pytest
from layerkit_swish import Swish


@pytest.mark.parametrize("beta", [1.0, 2.0])
@pytest.mark.parametrize("x", [-3.0, 0.0, 0.5, 4.0])
def test_swish_is_x_times_the_sigmoid_of_beta_x(x: float, beta: float) -> None:
    due = x / (1.0 + math.exp(-beta * x))
    assert Swish(beta=beta)(np.array([x]))[0] == pytest.approx(due, rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_its_derivative_is_the_slope_of_its_values(beta: float) -> None:
    swish, x, h = Swish(beta=beta), np.linspace(-6.0, 6.0, 25), 1e-6
    slope = (swish(x + h) - swish(x - h)) / (2.0 * h)
    np.testing.assert_allclose(swish.derivative(x, swish(x)), slope, atol=1e-9)
