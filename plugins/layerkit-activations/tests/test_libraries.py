"""Values and gradients are those of PyTorch and JAX, in both dtypes."""

from __future__ import annotations

from typing import Any

import layerkit_activations as pack
import numpy as np
import pytest

from layerkit import Activation, Array, Context, Layer

CONTEXT = Context(training=True)
# kinks and jumps left out
GRID = np.concatenate([np.linspace(-31.3, 31.7, 113), np.linspace(-3.93, 3.97, 80)]).reshape(1, -1)
CLOSE = {"float32": {"rtol": 2e-5, "atol": 5e-6}, "float64": {"rtol": 1e-12, "atol": 1e-13}}
# torch's softplus is x itself above 20; its hard sigmoid and celu round 1/6 and 1/alpha to float32 in float64 too
CLOSE_TO_TORCH = {name: {"rtol": 1e-6, "atol": 3e-9} for name in ("softplus", "hardsigmoid", "celu")}

PAIRS: list[tuple[Layer, str | None, str | None, dict[str, Any]]] = [
    # the part, its name in torch.nn.functional, its name in jax.nn, and their arguments
    (pack.CELU(alpha=0.3), "celu", "celu", {"alpha": 0.3}),
    (pack.ELU(alpha=2.5), "elu", "elu", {"alpha": 2.5}),
    (pack.GELU(), "gelu", None, {}),
    (pack.GELU(approximate=True), "gelu", None, {"approximate": "tanh"}),
    (pack.GELU(), None, "gelu", {"approximate": False}),
    (pack.GELU(approximate=True), None, "gelu", {"approximate": True}),
    (pack.HardSigmoid(), "hardsigmoid", "hard_sigmoid", {}),
    (pack.HardSwish(), "hardswish", "hard_swish", {}),
    (pack.LeakyReLU(negative_slope=0.3), "leaky_relu", "leaky_relu", {"negative_slope": 0.3}),
    (pack.LogSoftmax(), "log_softmax", None, {"dim": -1}),
    (pack.LogSoftmax(), None, "log_softmax", {}),
    (pack.Mish(), "mish", "mish", {}),
    (pack.ReLU6(), "relu6", "relu6", {}),
    (pack.SELU(), "selu", "selu", {}),
    (pack.SiLU(), "silu", "silu", {}),
    (pack.Softplus(), "softplus", "softplus", {}),
    (pack.Softsign(), "softsign", "soft_sign", {}),
    (pack.Tanh(), "tanh", "tanh", {}),
    (pack.ThresholdedReLU(threshold=0.5), "threshold", None, {"threshold": 0.5, "value": 0.0}),
]


@pytest.mark.parametrize(
    ("part", "name", "fields"), [(p, torch, f) for p, torch, _, f in PAIRS if torch], ids=lambda value: str(value)
)
def test_torch_agrees(part: Activation, name: str, fields: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    x, dy = _batch(dtype)
    there = torch.tensor(x, requires_grad=True)
    due = getattr(torch.nn.functional, name)(there, **fields)
    due.backward(torch.tensor(dy))
    y, dx = _both(part, x, dy)
    close = CLOSE_TO_TORCH.get(name, CLOSE[dtype]) if dtype == "float64" else CLOSE[dtype]
    np.testing.assert_allclose(y, due.detach().numpy(), **close)
    np.testing.assert_allclose(dx, there.grad.numpy(), **close)


@pytest.mark.parametrize(
    ("part", "name", "fields"), [(p, jax, f) for p, _, jax, f in PAIRS if jax], ids=lambda value: str(value)
)
def test_jax_agrees(part: Activation, name: str, fields: dict[str, Any], dtype: str) -> None:
    jax = pytest.importorskip("jax")
    x, dy = _batch(dtype)
    with jax.enable_x64(True):
        due, pull_back = jax.vjp(lambda z: getattr(jax.nn, name)(z, **fields), jax.numpy.asarray(x))
        (due_back,) = pull_back(jax.numpy.asarray(dy))
    y, dx = _both(part, x, dy)
    np.testing.assert_allclose(y, due, **CLOSE[dtype])
    np.testing.assert_allclose(dx, due_back, **CLOSE[dtype])


@pytest.mark.parametrize("shared", [False, True])
def test_torch_agrees_with_prelu(shared: bool, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(8)
    x, dy = random.normal(size=(2, 7, 4)).astype(dtype)
    slope = random.normal(size=1 if shared else 4).astype(dtype)
    there = [torch.tensor(array, requires_grad=True) for array in (x, slope)]
    torch.nn.functional.prelu(*there).backward(torch.tensor(dy))
    part, params = pack.PReLU(shared=shared), {"slope": slope}
    y = part.forward(params, x, CONTEXT)
    np.testing.assert_allclose(part.backward(params, x, y, dy, CONTEXT), there[0].grad.numpy(), **CLOSE[dtype])
    found = part.gradients(params, x, y, dy, CONTEXT)["slope"]
    np.testing.assert_allclose(found, there[1].grad.numpy(), **CLOSE[dtype])


def _batch(dtype: str) -> tuple[Array, Array]:
    dy = np.random.default_rng(7).normal(size=GRID.shape)
    return GRID.astype(dtype), dy.astype(dtype)


def _both(part: Activation, x: Array, dy: Array) -> tuple[Array, Array]:
    y = part(x)
    return y, part.backward({}, x, y, dy, CONTEXT)
