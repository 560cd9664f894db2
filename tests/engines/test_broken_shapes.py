"""A part whose shapes are wrong for some batches alone: it is named, and not the layers around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Context, Dense, Layer, Model, PartError

X, T = np.ones((4, 2), dtype=np.float32), np.ones((4, 1), dtype=np.float32)


class Halves(Layer):
    """Right for the two rows of the rehearsal, and not for four."""

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x[:2]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


class HalvesBack(Halves):
    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return 1.0 * x

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy[:2]


class ReshapesBack(HalvesBack):
    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy.reshape(2, -1)


class NarrowsBack(HalvesBack):
    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy if len(x) < 4 else dy[:, :1]


@pytest.mark.parametrize(
    ("layer", "due"),
    [
        (Halves(), r"Halves.forward gives the shape \[2, 3\] where \[4, 3\] is due"),
        (HalvesBack(), r"HalvesBack.backward gives the shape \[2, 3\] where \[4, 3\] is due"),
        (ReshapesBack(), r"ReshapesBack.backward gives the shape \[2, 6\] where \[4, 3\] is due"),
        (NarrowsBack(), r"NarrowsBack.backward gives the shape \[4, 1\] where \[4, 3\] is due"),
    ],
)
def test_a_shape_that_is_wrong_for_some_batches_alone_is_not_blamed_on_other_layers(
    layer: Layer, due: str, engine: str
) -> None:
    layers = [Dense(units=3), layer, Dense(units=1)]
    model = Model(input=[2], layers=layers, loss="half_squared_error", optimizer="sgd", engine=engine)
    with pytest.raises(PartError, match=rf"layers.1: {due}"):
        model.train(X, T, steps=1)


class WidensLast(HalvesBack):
    """Right for every batch but the last, of one row."""

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        xp = x.__array_namespace__()
        return dy if len(x) != 1 else xp.concat([dy, dy], axis=1)


def test_a_part_that_fails_for_a_later_batch_is_named_too(engine: str) -> None:
    layers, training = [Dense(units=3), WidensLast(), Dense(units=1)], {"batch_size": 4}
    model = Model(
        input=[2], layers=layers, loss="half_squared_error", optimizer="sgd", engine=engine, training=training
    )
    x = np.ones((13, 2))
    with pytest.raises(
        PartError, match=r"layers.1: WidensLast.backward gives the shape \[1, 6\] where \[1, 3\] is due"
    ):
        model.train(x, x[:, :1], epochs=2)
    assert model.step == (3 if engine == "numpy" else 0)  # JAX compiles the whole epoch before its first step


def test_a_part_that_loses_rows_is_named_where_they_are_predicted(engine: str) -> None:
    model = Model(input=[3], layers=[Halves(), "sigmoid"], engine=engine)
    with pytest.raises(PartError, match=r"layers.0: Halves.forward gives the shape \[2, 3\] where \[4, 3\] is due"):
        model.predict(np.ones((4, 3)))
