"""A part that breaks its contract while it is trained: it is named, with what it gave and what was due."""

# ruff: noqa: N818

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import pytest

from layerkit import SGD, Adam, Context, Dense, HalfSquaredError, Layer, Model, Parameter, PartError, Zeros

X, T = np.ones((4, 2), dtype=np.float32), np.ones((4, 1), dtype=np.float32)


@pytest.fixture(params=["numpy", "jax"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine that is installed."""
    if request.param == "jax":
        pytest.importorskip("jax")
    return str(request.param)


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
    assert model.step == 3


def test_a_part_that_loses_rows_is_named_where_they_are_predicted(engine: str) -> None:
    model = Model(input=[3], layers=[Halves(), "sigmoid"], engine=engine)
    with pytest.raises(PartError, match=r"layers.0: Halves.forward gives the shape \[2, 3\] where \[4, 3\] is due"):
        model.predict(np.ones((4, 3)))


class Forgets(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, gradient, slots, step)[0], {}


@pytest.mark.parametrize("units", [1, 1000])
def test_an_optimizer_that_gives_back_no_slots_is_refused(units: int, engine: str) -> None:
    layers = [Dense(units=units)]
    model = Model(input=[2], layers=layers, loss="half_squared_error", optimizer=Forgets(), engine=engine)
    with pytest.raises(PartError, match=r"optimizer: Forgets.update gives the slots none where m, v are due"):
        model.train(X, np.zeros((len(X), units)), steps=1)


class Doubles(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, np.float64(1.0) * gradient, slots, step)


class OneForAll(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        new, slots = super().update(parameter, gradient, slots, step)
        return new[:1], slots


class Breaks(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return slots["momentum"], slots


class DecaysKernels(SGD):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return parameter - 0.1 * gradient - (0.5 * parameter if parameter.ndim > 1 else 0.0), slots


class OfAll(SGD):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp = gradient.__array_namespace__()
        return parameter - 0.1 * gradient / xp.mean(gradient**2), slots


class Dotted(Adam):
    @property
    def slots(self) -> tuple[str, ...]:
        return ("m", "v.all")


class Nameless(Adam):
    @property
    def slots(self) -> tuple[str, ...]:
        return ("",)


@pytest.mark.parametrize(
    ("optimizer", "due"),
    [
        (DecaysKernels(), r"DecaysKernels.update makes .* an update takes each number by itself, in an array of any"),
        (
            OfAll(),
            r"OfAll.update makes .* of the parameter where each by itself becomes .* an update takes each number",
        ),
        (Dotted(), r"Dotted names a slot 'v.all': letters, digits and _ make a name"),
        (Nameless(), r"Nameless names a slot '': letters, digits and _ make a name"),
        (Doubles(), r"Doubles.update makes float64 \[2\] of the parameter where float32 \[2\] is due"),
        (OneForAll(), r"OneForAll.update makes float32 \[1\] of the parameter where float32 \[2\] is due"),
        (Breaks(), r"Breaks.update fails: KeyError: 'momentum'"),
    ],
)
def test_an_optimizer_that_breaks_its_contract_is_named(optimizer: Any, due: str, engine: str) -> None:
    model = Model(input=[2], layers=[Dense(units=1)], loss="half_squared_error", optimizer=optimizer, engine=engine)
    with pytest.raises(PartError, match=rf"optimizer: {due}"):
        model.train(X, T, steps=1)
