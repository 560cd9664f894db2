"""A part that breaks its contract while it is trained: it is named, with what it gave and what was due."""

# ruff: noqa: N818

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import pytest

from layerkit import SGD, Context, Dense, HalfSquaredError, Layer, Model, Parameter, PartError, Zeros

X, T = np.ones((4, 2), dtype=np.float32), np.ones((4, 1), dtype=np.float32)


class Shift(Layer):
    """x + shift."""

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"shift": Parameter(input_shape, Zeros())}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x + params["shift"]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"shift": dy.__array_namespace__().sum(dy, axis=0)}


class Looked(Layer):
    """Looks its input up in a table of three, and does not ask whether it is there."""

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"table": Parameter((3,), Zeros())}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        xp = x.__array_namespace__()
        return xp.take(params["table"], xp.reshape(xp.astype(x, xp.int64), (-1,))).reshape(x.shape)

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return 0.0 * dy

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"table": 0.0 * params["table"]}


@pytest.mark.parametrize("verb", ["train", "predict", "evaluate"])
def test_a_part_that_fails_on_some_rows_is_named(verb: str) -> None:
    looked = Model(input=[1], layers=[Looked()], loss="half_squared_error", optimizer="sgd", training={"steps": 4})
    x = np.array([[0.0], [1.0], [7.0]])
    with pytest.raises(PartError, match=r"layers.0: Looked.forward fails: IndexError: index 7 is out of bounds"):
        looked.predict(x) if verb == "predict" else getattr(looked, verb)(x, x)


class OfSmall(HalfSquaredError):
    def __call__(self, y: Any, t: Any) -> Any:
        return super().__call__(y, t) if np.all(t < 5.0) else fails()


class OfFew(Shift):
    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return super().gradients(params, x, y, dy, context) if len(x) < 4 else fails()


class OfCalm(Shift):
    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return super().gradients(params, x, y, dy, context) if not np.any(dy) else fails()


class BackOfCalm(Shift):
    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy if not np.any(dy) else fails()


class Tires(SGD):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, gradient, slots, step) if step < 2 else fails()


class Odd(SGD):
    """Gives what it shouldn't at its third step alone, and looks at its number, so that it isn't recorded."""

    given: Any

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        new, slots = super().update(parameter, gradient, slots, float(step))
        return (self.given(new) if step == 3 else new), slots


def fails() -> NoReturn:
    raise KeyError("why")


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"loss": OfSmall()}, "loss: OfSmall.__call__ fails: KeyError: 'why'"),
        ({"layers": [OfFew(), Dense(units=1)]}, "layers.0: OfFew.gradients fails: KeyError: 'why'"),
        ({"layers": [OfCalm(), Dense(units=1)]}, "layers.0: OfCalm.gradients fails: KeyError: 'why'"),
        ({"layers": [Dense(units=2), BackOfCalm(), Dense(units=1)]}, "layers.1: BackOfCalm.backward fails: KeyError"),
        ({"optimizer": Tires()}, "optimizer: Tires.update fails: KeyError: 'why'"),
        ({"optimizer": Odd(given=float)}, r"Odd.update fails: TypeError"),
        (
            {"optimizer": Odd(given=lambda new: 1.0)},
            r"Odd.update makes float of the parameter where float32 \[3\] is due",
        ),
        ({"optimizer": Odd(given=lambda new: new[:1])}, r"Odd.update makes float32 \[1\] of the parameter"),
        ({"optimizer": Odd(given=lambda new: new * 1j)}, r"Odd.update makes complex64 \[3\] of the parameter"),
    ],
)
def test_so_are_a_loss_a_gradient_and_an_optimizer(fields: Any, due: str) -> None:
    given = {"layers": [Dense(units=1)], "loss": "half_squared_error", "optimizer": "sgd"} | fields
    with pytest.raises(PartError, match=due):
        Model(input=[2], **given).train(X, 9.0 * T, steps=3)


class OfOne(Shift):
    """Its gradient hasn't its parameter's shape, though it would broadcast."""

    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {"shift": dy.__array_namespace__().sum(dy)[None]}


class Complex(Shift):
    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {name: (1.0 + 1.0j) * each for name, each in super().gradients(params, x, y, dy, context).items()}


class Renamed(Shift):
    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Mapping[str, Any]:
        return {f"{name}s": each for name, each in super().gradients(params, x, y, dy, context).items()}


class Listed(Shift):
    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return list(super().gradients(params, x, y, dy, context).values())


class Keyless(Shift):
    def gradients(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return None


@pytest.mark.parametrize(
    ("layer", "due"),
    [
        (OfOne(), r"OfOne.gradients gives \[1\] where \[2\] is due"),
        (Complex(), r"Complex.gradients gives complex64 where real numbers are due"),
        (Renamed(), r"Renamed.gradients gives no gradient of it; .*: 'shifts'"),
        (Listed(), r"Listed.gradients gives a list where a dict by the parameters' names is due"),
        (Keyless(), r"Keyless.gradients gives a NoneType where a dict by the parameters' names is due"),
    ],
)
def test_a_wrong_gradient_is_refused_by_the_name_of_its_parameter(layer: Layer, due: str, engine: str) -> None:
    model = Model(input=[2], layers=[layer], loss="half_squared_error", optimizer="sgd", engine=engine)
    with pytest.raises(PartError, match=rf"layers.0.shift: {due}"):
        model.train(X, X + 1.0, steps=1)
