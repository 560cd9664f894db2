"""Every part of the pack, with its defaults and with other fields."""

import pytest
from layerkit_activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Exponential,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU6,
    SiLU,
    Snake,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedReLU,
)

from layerkit import Activation, Layer

ELEMENTWISE: list[Activation] = [
    CELU(),
    CELU(alpha=0.3),
    ELU(),
    ELU(alpha=2.5),
    Exponential(),
    GELU(),
    GELU(approximate=True),
    HardSigmoid(),
    HardSigmoid(slope=0.2, offset=0.4),
    HardSwish(),
    LeakyReLU(),
    LeakyReLU(negative_slope=0.3),
    Mish(),
    ReLU6(),
    SELU(),
    SiLU(),
    Snake(),
    Snake(frequency=2.5),
    Softplus(),
    Softsign(),
    Tanh(),
    ThresholdedReLU(),
    ThresholdedReLU(threshold=0.5),
]
LAYERS: list[Layer] = [*ELEMENTWISE, LogSoftmax(), PReLU(), PReLU(shared=True)]


@pytest.fixture(params=ELEMENTWISE, ids=repr)
def activation(request: pytest.FixtureRequest) -> Activation:
    """An activation that works on one element at a time."""
    return request.param


@pytest.fixture(params=LAYERS, ids=repr)
def layer(request: pytest.FixtureRequest) -> Layer:
    """Any part."""
    return request.param


@pytest.fixture
def layers() -> list[Layer]:
    """All parts."""
    return LAYERS


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param
