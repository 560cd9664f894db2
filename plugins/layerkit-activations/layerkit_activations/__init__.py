"""Seventeen activations, and the parametric ReLU, for layerkit. Each is imported when it is first used."""

from importlib import import_module
from typing import Any

_HOME = {
    "CELU": "celu",
    "ELU": "elu",
    "Exponential": "exponential",
    "GELU": "gelu",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
    "LeakyReLU": "leaky_relu",
    "LogSoftmax": "log_softmax",
    "Mish": "mish",
    "PReLU": "prelu",
    "ReLU6": "relu6",
    "SELU": "selu",
    "SiLU": "silu",
    "Snake": "snake",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
    "ThresholdedReLU": "thresholded_relu",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
