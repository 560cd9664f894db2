"""Sessions on NumPy that go wrong at a step: the update overflows or is interrupted, or a tape is given up."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import SGD, Context, Dense, Layer, Model, Optimizer
from layerkit.data.batches import Rows
from layerkit.engines.numpy import NumPySession
from layerkit.engines.session import Recipe, State


def session_of(optimizer: Optimizer, units: int = 5, wrong_at: int = 0) -> NumPySession:
    """A session whose learning_rate is far too large at one step."""
    model = Model(
        input=[3],
        layers=[Dense(units=units), "sigmoid", Dense(units=2)],
        loss="half_squared_error",
        optimizer=optimizer,
    )
    parameters = model.network.initial(0, np)
    return NumPySession(
        model.network, Recipe(optimizer, factor=lambda step: 1e60 if step == wrong_at else 1.0), State(parameters)
    )


def batches(count: int) -> list[Rows]:
    """The same for the same count, of 4 rows and of 3."""
    random = np.random.default_rng(count)
    sizes = [4 - i % 2 for i in range(count)]
    return [Rows(*(random.normal(size=(size, width)).astype(np.float32) for width in (3, 2))) for size in sizes]


class Interrupted(SGD):
    """Interrupted at a call, over one block of many: it looks at a number, so it isn't recorded."""

    calls: list[int]

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        self.calls[0] -= bool(step)
        if self.calls[0] == 0:
            raise KeyboardInterrupt
        return super().update(parameter, gradient, slots, step)


class Solves(Layer):
    """x plus nothing, by way of as many roots as values decide: a tape takes those of when it was recorded."""

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        xp = x.__array_namespace__()
        roots = xp.roots(xp.maximum(x[:, 0], 0.0))  # of a polynomial whose degree falls where the first number is 0
        return x + 0.0 * xp.astype(xp.sum(xp.abs(roots)), x.dtype)

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


def giving_up(optimizer: Optimizer, wrong_at: int = 0) -> tuple[NumPySession, list[Rows]]:
    """A session that gives its tape up at step 11, and its rows."""
    layers = [Solves(), Dense(units=7), "sigmoid", Dense(units=2)]
    network = Model(input=[3], layers=layers, loss="half_squared_error", optimizer=optimizer).network
    random = np.random.default_rng(1)
    rows = [Rows(random.uniform(1, 2, (50, 3)).astype("f4"), random.normal(size=(50, 2)).astype("f4"))] * 20
    rows[10] = rows[0]._replace(x=rows[0].x.copy())
    rows[10].x[:2] = -1.0
    recipe = Recipe(optimizer, factor=lambda step: 1e60 if step == wrong_at else 1.0)
    return NumPySession(network, recipe, State(network.initial(0, np))), rows
