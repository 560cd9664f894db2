"""The rehearsal: a part that breaks its contract is named before anything is trained or saved."""

# ruff: noqa: N818

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import (
    CSV,
    Activation,
    Context,
    CrossEntropy,
    Dense,
    HalfSquaredError,
    Initializer,
    Layer,
    Loss,
    MeanAbsoluteError,
    Model,
    Number,
    Parameter,
    PartError,
    Schedule,
    Zeros,
)


def activation(forward: Callable[[Any], Any], slope: Callable[[Any], Any] = np.ones_like) -> Activation:
    class Odd(Activation):
        def __call__(self, x: Any) -> Any:
            return forward(x)

        def derivative(self, x: Any, y: Any) -> Any:
            return slope(x)

    return Odd()


@pytest.mark.parametrize(
    ("part", "due"),
    [
        (activation(lambda x: x[:, :1]), r"Odd.forward gives the shape \[2, 1\] where \[2, 3\] is due"),
        (activation(lambda x: x.astype(np.float64)), "Odd.forward gives float64 where float32 is due"),
        (activation(lambda x: x / x), "Odd.forward gives NaN for finite numbers"),
        (activation(lambda x: 1 / 0), "Odd.forward fails: ZeroDivisionError"),
        (activation(lambda x: None), "Odd.forward gives NoneType where an array is due"),
        (activation(lambda x: x, lambda x: x / x), "Odd.backward gives NaN"),
        (activation(lambda x: x, lambda x: np.ones((2, 2, 3), x.dtype)), r"Odd.backward gives the shape"),
        (activation(lambda x: x, lambda x: np.ones(x.shape)), "Odd.backward gives float64"),
    ],
)
def test_a_part_that_breaks_its_contract_is_named(part: Activation, due: str) -> None:
    model = Model(input=[3], layers=[part], loss="half_squared_error", optimizer="sgd")
    with pytest.raises(PartError, match=rf"layers\.0: {due}"):
        model.predict(np.ones((2, 3)))


def fails(*given: Any) -> Any:
    raise KeyError("why")


class Unfit(Number):
    fit = fails


class Unread(Number):
    encode = fails


class Short(Number):
    def encode(self, values: Any) -> Any:
        return np.ones((len(values), 2))


class Drawn(Initializer):
    __call__ = fails


class Ready(Initializer):
    def __call__(self, *given: Any) -> Any:
        return 1.0


class Summed(MeanAbsoluteError):
    sums = fails


class Valued(MeanAbsoluteError):
    value = fails


class Paced(Schedule):
    __call__ = fails


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"input": [Unfit(column="a")]}, r'column "a": Unfit.fit fails: KeyError'),
        ({"input": [Unread(column="a")]}, r'column "a": Unread.encode fails: KeyError'),
        ({"input": [Short(column="a")]}, r'column "a": Short.encode gives \[4, 2\] where \[4, 1\] is due'),
        ({"layers": [Dense(units=1, kernel=Drawn())]}, r"layers.0.kernel: Drawn.__call__ fails: KeyError"),
        ({"layers": [Dense(units=1, kernel=Ready())]}, r"layers.0.kernel: Ready gives float where an array is due"),
        ({"training": {"metrics": [Summed()], "validation": 0.5}}, r"training.metrics: Summed.sums fails: KeyError"),
        ({"training": {"metrics": [Valued()], "validation": 0.5}}, r"training.metrics: Valued.value fails: KeyError"),
        ({"training": {"schedule": Paced()}}, r"training.schedule: Paced.__call__ fails: KeyError"),
    ],
)
@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_a_part_of_any_kind_that_fails_is_named(fields: Any, due: str, engine: str) -> None:
    if engine == "jax":
        pytest.importorskip("jax")
    given = {"input": [{"column": "a"}], "output": [{"column": "b"}], "layers": [Dense(units=1)], "optimizer": "sgd"}
    rows = [{"a": i, "b": i % 2} for i in range(4)]
    with pytest.raises(PartError, match=due):
        Model(**given | {"loss": "half_squared_error", "engine": engine} | fields).train(rows, steps=1)


def test_a_reader_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr(CSV, "blocks", fails)
    model = Model(input=[{"column": "a", "scale": "none"}], layers=[Dense(units=1)])
    with pytest.raises(PartError, match=r"rows.csv: CSV.blocks fails: KeyError: 'why'"):
        model.predict(tmp_path / "rows.csv")


def test_a_part_that_keeps_it_runs() -> None:
    model = Model(input=[3], layers=[activation(lambda x: x)])
    np.testing.assert_array_equal(model.predict(np.ones((1, 3))), np.ones((1, 3)))


def write(x: Any) -> Any:
    x[x < 0.0] = 0.0
    return x


class Draws(Layer):
    def forward(self, params: Any, x: Any, context: Context) -> Any:
        return x + context.normal(x.shape)

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


class Counts(Draws):
    def parameters(self, input_shape: Any) -> Any:
        return {"seen": Parameter((), Zeros(), trainable=False)}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        params["seen"][...] += 1.0
        return 1.0 * x


@pytest.mark.parametrize(
    ("part", "due"),
    [
        (Counts(), r"layers.0: Counts.forward fails: ValueError: .* read-only: it changes an array that it was given"),
        (
            activation(write),
            "layers.0: Odd.forward fails: ValueError: assignment destination is read-only: .* make a new",
        ),
        (Draws(), "layers.0: Draws.forward: random numbers are drawn in training alone"),
    ],
)
def test_what_would_show_in_some_passes_alone_is_found_before_any(part: Any, due: str) -> None:
    x = -np.ones((2, 3), np.float32)
    model = Model(input=[3], layers=[part, Dense(units=1)], loss="half_squared_error", optimizer="sgd")
    with pytest.raises(PartError, match=due):
        model.train(x, np.ones((2, 1)), steps=1)
    assert np.all(x == -1.0)


class OfElements(HalfSquaredError):
    def __call__(self, y: Any, t: Any) -> Any:
        return (y - t) ** 2


class OfBatch(HalfSquaredError):
    def gradient(self, y: Any, t: Any) -> Any:
        return np.mean(y - t)


class OffLink(CrossEntropy):
    def linked(self, z: Any, t: Any) -> Any:
        return np.mean(z)


@pytest.mark.parametrize(
    ("loss", "due"),
    [
        (OfElements(), r"OfElements.__call__ gives the shape \[2, 3\] where \[2\] is due"),
        (OfBatch(), r"OfBatch.gradient gives the shape \[\] where \[2, 3\] is due"),
        (OffLink(), r"OffLink.linked gives the shape \[\] where \[2\] is due"),
    ],
)
def test_a_loss_that_breaks_its_contract_is_named(loss: Loss, due: str) -> None:
    model = Model(input=[3], layers=["softmax"], loss=loss, optimizer="sgd")
    with pytest.raises(PartError, match=f"loss: {due}"):
        model.evaluate(np.ones((2, 3)), np.ones((2, 3)))
