"""Values and derivatives are those of the formulas, computed with 60 digits and more."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layerkit_activations import GELU, LogSoftmax

from layerkit import Activation

# m is math, or mpmath; p is the part
FORMULAS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "CELU": lambda m, x, p: x if x > 0 else p.alpha * (m.exp(x / p.alpha) - 1),
    "ELU": lambda m, x, p: x if x > 0 else p.alpha * (m.exp(x) - 1),
    "Exponential": lambda m, x, p: m.exp(x),
    "GELU": lambda m, x, p: x * (_tanh_share(m, x) if p.approximate else m.erfc(-x / m.sqrt(2)) / 2),
    "HardSigmoid": lambda m, x, p: min(max(p.slope * x + p.offset, 0), 1),
    "HardSwish": lambda m, x, p: x * min(max(x + 3, 0), 6) / 6,
    "LeakyReLU": lambda m, x, p: x if x > 0 else p.negative_slope * x,
    "Mish": lambda m, x, p: x * m.tanh(m.log(1 + m.exp(x))),
    "ReLU6": lambda m, x, p: min(max(x, 0), 6),
    "SELU": lambda m, x, p: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (m.exp(x) - 1)),
    "SiLU": lambda m, x, p: x / (1 + m.exp(-x)),
    "Snake": lambda m, x, p: x + m.sin(p.frequency * x) ** 2 / p.frequency,
    "Softplus": lambda m, x, p: m.log(1 + m.exp(x)),
    "Softsign": lambda m, x, p: x / (1 + abs(x)),
    "Tanh": lambda m, x, p: m.tanh(x),
    "ThresholdedReLU": lambda m, x, p: x if x > p.threshold else 0,
}

GRID = [
    x + 0.0173 for x in (-30, -17, -9.5, -6, -4.2, -3.1, -1.7, -1.2, -0.5, -0.1, 0, 0.2, 0.9, 1.4, 2.5, 3.3, 5.7, 8, 30)
]
ULP = {"float32": 2.0**-23, "float64": 2.0**-52}


def _tanh_share(m: Any, x: Any) -> Any:
    return (1 + m.tanh(m.sqrt(2 / m.pi) * (x + 0.044715 * x**3))) / 2


def test_its_values_are_those_of_the_formula(activation: Activation) -> None:
    formula = FORMULAS[type(activation).__name__]
    due = [formula(math, x, activation) for x in GRID]
    np.testing.assert_allclose(activation(np.array(GRID)), due, rtol=1e-14, atol=1e-14)


def test_its_values_keep_their_digits(activation: Activation, dtype: str) -> None:
    x = np.array(GRID, dtype)
    due = _due(activation, x)
    np.testing.assert_allclose(activation(x), due, rtol=_roundings(activation) * ULP[dtype], atol=np.finfo(dtype).tiny)


def test_its_derivative_keeps_its_digits(activation: Activation, dtype: str) -> None:
    x = np.array(GRID, dtype)
    due = _due(activation, x, order=1)
    found = activation.derivative(x, activation(x))
    np.testing.assert_allclose(found, due, rtol=_roundings(activation) * ULP[dtype], atol=80 * ULP[dtype])


def test_log_softmax_is_the_logarithm_of_the_softmax(dtype: str) -> None:
    special = pytest.importorskip("scipy.special")
    x = np.random.default_rng(1).normal(scale=5.0, size=(6, 2, 4)).astype(dtype)
    due = special.log_softmax(x.astype(np.float64), axis=-1)
    np.testing.assert_allclose(LogSoftmax()(x), due, rtol=8 * ULP[dtype], atol=8 * ULP[dtype])


def _roundings(activation: Activation) -> float:
    # e^u and sin u, u being far from 0, magnify the rounding of u
    return 600.0 if type(activation).__name__ in ("GELU", "Snake") else 12.0


def _due(activation: Activation, x: Any, order: int = 0) -> list[float]:
    mpmath = pytest.importorskip("mpmath")
    formula = FORMULAS[type(activation).__name__]
    # 1 + tanh u needs as many digits as e^-2u has zeros
    with mpmath.workdps(400 if activation == GELU(approximate=True) else 60):
        return [float(mpmath.diff(lambda z: formula(mpmath, z, activation), mpmath.mpf(float(v)), order)) for v in x]
