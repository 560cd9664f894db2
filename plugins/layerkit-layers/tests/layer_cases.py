"""The layers in all their forms, for the tests that every one of them passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from layerkit_layers import (
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    LayerNorm,
    MaxPool2D,
    PairwiseProduct,
    Rescale,
    Reshape,
    Residual,
)

from layerkit import Context, Layer, Random
from layerkit.context import Step


@dataclass(frozen=True)
class Case:
    """A layer and what it takes: `categories` where x holds whole numbers below that."""

    layer: Layer
    shape: tuple[int, ...]
    categories: int = 0

    @property
    def name(self) -> str:
        fields = ",".join(f"{name}={getattr(self.layer, name)}" for name in sorted(self.layer.model_fields_set))
        return f"{type(self.layer).__name__}({fields})" if len(fields) < 60 else type(self.layer).__name__

    def x(self, rows: int) -> Any:
        random = np.random.default_rng(3)
        if self.categories:
            return random.integers(0, self.categories, (rows, *self.shape))
        return random.normal(size=(rows, *self.shape))

    def dy(self, rows: int) -> Any:
        random = np.random.default_rng(4)
        return random.normal(size=(rows, *self.layer.output_shape(self.shape)))

    def params(self) -> dict[str, Any]:
        """Parameters off their first values, so that a factor of 1 or a term of 0 hides nothing."""
        random = np.random.default_rng(5)
        found = {}
        for name, parameter in self.layer.parameters(self.shape).items():
            first = parameter.initializer(parameter.shape, Random(np, np.float64, 1, 0, name), np, np.float64)
            found[name] = first + 0.3 * random.uniform(size=parameter.shape)
        return found


CASES = [
    Case(Dropout(), (5,)),
    Case(Dropout(rate=0.0), (5,)),
    Case(Dropout(rate=0.9), (3, 4)),
    Case(GaussianNoise(), (5,)),
    Case(LayerNorm(), (5,)),
    Case(LayerNorm(epsilon=0.1), (2, 3, 4)),
    Case(BatchNorm(), (5,)),
    Case(BatchNorm(momentum=0.5, epsilon=0.1), (2, 3, 4)),
    Case(Embedding(categories=7, units=3), (4,), 7),
    Case(Embedding(categories=[3, 5], units=2), (2,), 3),
    Case(PairwiseProduct(), (2, 3)),
    Case(PairwiseProduct(), (2, 4, 3)),
    Case(Flatten(), (2, 3, 2)),
    Case(Flatten(), (4,)),
    Case(Reshape(shape=[3, 1, 2]), (6,)),
    Case(Rescale(scale=-2.0, offset=0.5), (2, 3)),
    Case(Residual(layers=[{"type": "dense", "units": 4, "activation": "sigmoid"}]), (4,)),
    Case(Residual(layers=["batch_norm", {"type": "residual", "layers": ["dropout", "layer_norm"]}]), (3,)),
    Case(Residual(layers=[{"type": "dense", "units": 6, "trainable": False}, {"type": "dense", "units": 4}]), (4,)),
    Case(Conv2D(filters=3), (5, 4, 2)),
    Case(Conv2D(filters=2, kernel_size=1, bias=None), (3, 4, 3)),
    Case(Conv2D(filters=2, kernel_size=[2, 4], padding="same"), (5, 3, 1)),
    Case(Conv2D(filters=2, kernel_size=[3, 2], stride=2), (8, 5, 2)),
    Case(Conv2D(filters=2, kernel_size=5, stride=[3, 2], padding="same"), (7, 8, 1)),
    Case(Conv2D(filters=2, kernel_size=[1, 2], stride=3), (8, 9, 2)),
    Case(MaxPool2D(), (4, 5, 2)),
    Case(MaxPool2D(pool_size=3, stride=1), (4, 5, 2)),
    Case(MaxPool2D(pool_size=[2, 3], stride=[1, 2], padding="same"), (4, 5, 2)),
    Case(MaxPool2D(pool_size=1, stride=2), (4, 5, 2)),
    Case(AveragePool2D(), (5, 4, 2)),
    Case(AveragePool2D(pool_size=3, stride=2, padding="same"), (5, 4, 2)),
    Case(GlobalAveragePool2D(), (3, 2, 4)),
]


def context(training: bool) -> Context:
    """A fresh context of one and the same step."""
    return Context(training, Step(np, np.float64, 1, 2) if training else None, "layers.0")


def run(layer: Layer, params: Mapping[str, Any], x: Any, dy: Any, make_context: Any) -> dict[str, Any]:
    """All that a layer gives: y, dx, its gradients and its updates."""
    forward = make_context()
    y = layer.forward(params, x, forward)
    trained = {name for name, parameter in layer.parameters(x.shape[1:]).items() if parameter.trainable}
    gradients = layer.gradients(params, x, y, dy, make_context()) if trained else {}
    assert set(gradients) == trained
    dx = layer.backward(params, x, y, dy, make_context())
    return {"y": y, "dx": dx, **gradients, **{f"{name} next": value for name, value in forward.updates.items()}}
