"""Every part passes layerkit's own kit."""

import layerkit_activations as pack
import pytest

testing = pytest.importorskip("layerkit.testing")

test_conformance = testing.conformance(
    pack.CELU(),
    pack.CELU(alpha=0.3),
    pack.ELU(),
    pack.ELU(alpha=2.5),
    pack.Exponential(),
    pack.GELU(),
    pack.GELU(approximate=True),
    pack.HardSigmoid(),
    pack.HardSigmoid(slope=0.2, offset=0.4),
    pack.HardSwish(),
    pack.LeakyReLU(),
    pack.LeakyReLU(negative_slope=0.3),
    pack.LogSoftmax(),
    pack.Mish(),
    pack.PReLU(),
    pack.PReLU(shared=True),
    pack.ReLU6(),
    pack.SELU(),
    pack.SiLU(),
    pack.Snake(),
    pack.Snake(frequency=2.5),
    pack.Softplus(),
    pack.Softsign(),
    pack.Tanh(),
    pack.ThresholdedReLU(),
    pack.ThresholdedReLU(threshold=0.5),
)
