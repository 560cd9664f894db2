"""Every derivative is the slope of the values, and every backward the transposed Jacobian times dy."""

from __future__ import annotations

import numpy as np
import pytest
from layerkit_activations import LogSoftmax, PReLU

from layerkit import Activation, Array, Context

STEP = 1e-6
CONTEXT = Context(training=True)
# no kink, nor a jump, lies within a step of these
POINTS = np.array([-7.3, -4.1, -3.2, -2.9, -1.3, -0.4, -1e-3, 1e-3, 0.3, 0.8, 1.7, 2.6, 3.4, 5.2, 6.8])


def test_the_derivative_is_the_slope_of_the_values(activation: Activation) -> None:
    slope = (activation(POINTS + STEP) - activation(POINTS - STEP)) / (2.0 * STEP)
    found = activation.derivative(POINTS, activation(POINTS))
    # the last digits of e^6.8, halved and divided by the step, are 6e-8
    np.testing.assert_allclose(found, slope, rtol=1e-9, atol=3e-9)


@pytest.mark.parametrize("x", [-1e8, -1e4, 1e4, 1e8])
def test_the_derivative_far_out_is_its_limit(activation: Activation, x: float) -> None:
    name = type(activation).__name__
    if name in ("Snake", "Exponential"):
        pytest.skip(f"{name} has no limit")
    above = {"SELU": 1.0507009873554805, "Softsign": 0.0, "Tanh": 0.0, "HardSigmoid": 0.0, "ReLU6": 0.0}.get(name, 1.0)
    below = getattr(activation, "negative_slope", 0.0)
    array = np.array([x])
    due = above if x > 0.0 else below
    np.testing.assert_allclose(activation.derivative(array, activation(array)), due, rtol=1e-15, atol=1e-7)


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (3, 1)])
def test_log_softmax_sends_back_the_transposed_jacobian(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(2)
    x, dy = random.normal(size=shape), random.normal(size=shape)
    part = LogSoftmax()
    found = part.backward({}, x, part(x), dy, CONTEXT)
    np.testing.assert_allclose(found, _slopes(lambda z: np.sum(part(z) * dy), x), atol=1e-8)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (3, 1)])
def test_prelu_sends_back_the_gradients_of_x_and_slope(shape: tuple[int, ...], shared: bool) -> None:
    random = np.random.default_rng(3)
    x, dy = random.normal(size=shape), random.normal(size=shape)
    part = PReLU(shared=shared)
    slope = random.normal(size=part.parameters(shape[1:])["slope"].shape)
    params = {"slope": slope}
    y = part.forward(params, x, CONTEXT)

    to_x = part.backward(params, x, y, dy, CONTEXT)
    np.testing.assert_allclose(
        to_x, _slopes(lambda z: np.sum(part.forward(params, z, CONTEXT) * dy), x), rtol=1e-8, atol=1e-8
    )
    to_slope = part.gradients(params, x, y, dy, CONTEXT)["slope"]
    np.testing.assert_allclose(
        to_slope, _slopes(lambda s: np.sum(part.forward({"slope": s}, x, CONTEXT) * dy), slope), rtol=1e-8, atol=1e-8
    )


def _slopes(function: object, at: Array) -> Array:
    """d function / d at, by central differences, one element after the other."""
    slopes = np.empty_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = STEP
        slopes[place] = (function(at + step) - function(at - step)) / (2.0 * STEP)
    return slopes
