"""The recorded step: a step on a tape trains as the same step call by call, whatever the parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import SGD, Activation, Dense, Layer, LayerkitError, Loss, Model, registry
from layerkit.data.batches import Rows
from layerkit.engines import numpy as engine
from layerkit.testing.defaults import default_part

RNG = np.random.default_rng(5)


class Looks(Activation):
    """x where its first number is positive, -x elsewhere: no contract allows that, and NumPy does."""

    def __call__(self, x: Any) -> Any:
        return x if x[0, 0] > 0 else -x

    def derivative(self, x: Any, y: Any) -> Any:
        return np.ones_like(x) if x[0, 0] > 0 else -np.ones_like(x)


def test_a_part_that_can_not_be_recorded_is_called_each_time() -> None:
    model = Model(input=[2], layers=[Dense(units=2), Looks()], loss="half_squared_error", optimizer="sgd")
    trained = model.train(RNG.normal(size=(6, 2)), RNG.normal(size=(6, 2)), steps=5)
    assert trained.loss < trained.loss_before


class Halving(Activation):
    """x · (1 + ½ + ¼), its weights one array of its own that is changed in place."""

    def __call__(self, x: Any) -> Any:
        weights, total = np.ones(x.shape[1:]), 0.0 * x
        for _ in range(3):
            total = total + x * weights
            weights *= 0.5
        return total

    def derivative(self, x: Any, y: Any) -> Any:
        return 1.75 + 0.0 * y


def test_a_part_that_changes_an_array_in_place_trains_call_by_call(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Dense(units=8), Halving(), Dense(units=2)]
    model = Model(input=[6], layers=layers, loss="half_squared_error", optimizer="sgd", dtype="float64")
    rows = [Rows(RNG.normal(size=(4, 6)), RNG.normal(size=(4, 2))) for _ in range(3)]
    found, session = model.session().train(rows), model.session()
    monkeypatch.setattr(engine, "RecordedStep", None)
    assert found == session.train(rows)


class OfPositives(Activation):
    """x over the mean of its positive numbers, which are more or fewer in each batch; as if that were a constant."""

    def __call__(self, x: Any) -> Any:
        return x / (1.0 + x.__array_namespace__().sum(x[x > 0.0]))

    def derivative(self, x: Any, y: Any) -> Any:
        return 0.0 * x + 1.0 / (1.0 + x.__array_namespace__().sum(x[x > 0.0]))


def test_where_values_decide_a_shape_the_step_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Dense(units=3), OfPositives(), Dense(units=2)]
    model = Model(input=[6], layers=layers, loss="half_squared_error", optimizer="sgd", dtype="float64")
    x, t = RNG.normal(size=(40, 6)), RNG.normal(size=(40, 2))
    batches = [Rows(x[i : i + 4], t[i : i + 4]) for i in range(0, 40, 4)]
    found, session = model.session().train(batches), model.session()
    monkeypatch.setattr(engine, "RecordedStep", None)
    assert found == session.train(batches)


def test_the_bits_do_not_depend_on_how_the_rows_lie_in_memory() -> None:
    x, t = RNG.normal(size=(200, 16)), RNG.normal(size=(200, 2))
    trained = []
    for order in ("C", "F"):
        layers = ["sigmoid", Dense(units=8), "relu", Dense(units=2)]
        model = Model(input=[16], layers=layers, loss="half_squared_error", optimizer="sgd")
        model.train(np.array(x, order=order), np.array(t, order=order), steps=9, batch_size=50)
        trained.append(model.parameters)
    for name, due in trained[0].items():
        np.testing.assert_array_equal(trained[1][name], due)


def parts(kind: str, base: type) -> list[Any]:
    """One part of each name, with its defaults."""
    found = []
    for part in registry.installed():
        if part.kind == kind:
            try:
                found.append(pytest.param(default_part(registry.load(part, base)), id=part.name))
            except LayerkitError as error:
                found.append(pytest.param(None, id=part.name, marks=pytest.mark.skip(reason=str(error))))
    return found


def steps(model: Model, x: Any, t: Any, plain: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[list[float], Any]:
    """Losses and parameters over four batches, recorded or called one by one; the recorded steps that were used."""
    if plain:
        monkeypatch.setattr(engine, "RecordedStep", None)
    session = model.session()
    rows = Rows(x, t)
    losses = session.train([rows.at(slice(i, i + 4)) for i in (0, 4, 0, 4)])
    used = [each for each in session._recorded.values() if each is not None]  # type: ignore[attr-defined]
    assert len(used) == (0 if plain else 1)
    return list(losses), session.state.parameters


def expect_same(model: Model, x: Any, t: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    losses, parameters = steps(model, x, t, False, monkeypatch)
    due_losses, due = steps(model, x, t, True, monkeypatch)
    np.testing.assert_allclose(losses, due_losses, rtol=1e-12)
    for name, array in due.items():
        np.testing.assert_allclose(parameters[name], array, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layer", [*parts("activation", Activation), *parts("layer", Layer)])
def test_every_layer_trains_on_tape_as_it_does_call_by_call(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    # by SGD: Adam would make much of a gradient that is nothing but rounding
    integers = registry.name_of(type(layer)) == "embedding"
    for shape in ((6,), (6, 6, 3)):
        entries = [layer] if integers else [Dense(units=shape[-1]), layer]
        try:
            model = Model(
                input={"shape": list(shape), "dtype": "int64" if integers else "float64"},
                layers=entries,
                loss="half_squared_error",
                optimizer=SGD(learning_rate=1e-4),
                dtype="float64",
            )
            model.session()
        except LayerkitError:
            continue
        x = RNG.integers(0, 2, size=(8, *shape)) if integers else RNG.normal(size=(8, *shape))
        expect_same(model, x, RNG.normal(size=(8, *model.network.output_shape)), monkeypatch)
        return
    pytest.skip("it trains nothing, by itself or after dense, on the shapes that are tried here")


@pytest.mark.parametrize("loss", parts("loss", Loss))
def test_every_loss_is_the_same_on_tape(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Dense(units=5), "sigmoid", Dense(units=3), "softmax"]
    model = Model(input=[6], layers=layers, loss=loss, optimizer="sgd", dtype="float64")
    expect_same(model, RNG.normal(size=(8, 6)), np.eye(3)[RNG.integers(0, 3, 8)], monkeypatch)


def test_batches_of_two_sizes_take_turns_on_their_tapes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(
        input=[6], layers=[Dense(units=5), "relu", Dense(units=2)], loss="half_squared_error", optimizer="adam"
    )
    rows = Rows(*(RNG.normal(size=(7, width)).astype(np.float32) for width in (6, 2)))
    fours, threes = rows.at(slice(0, 4)), rows.at(slice(4, 7))

    def trained() -> Any:
        session = model.session()
        session.train([fours, threes, fours, fours, threes])
        return session.state.parameters

    found = trained()
    monkeypatch.setattr(engine, "RecordedStep", None)
    for name, due in trained().items():
        np.testing.assert_allclose(found[name], due, rtol=1e-5, atol=1e-6)


def test_a_batch_that_comes_again_is_still_there_and_another_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(input=[6], layers=[Dense(units=2)], loss="half_squared_error", optimizer="sgd", dtype="float64")
    one, other = (Rows(RNG.normal(size=(4, 6)), RNG.normal(size=(4, 2))) for _ in range(2))
    found, session = model.session().train([one, one, other, other, one]), model.session()
    monkeypatch.setattr(engine, "RecordedStep", None)
    np.testing.assert_allclose(found, session.train([one, one, other, other, one]), rtol=1e-12)


def test_a_batch_whose_copy_is_interrupted_is_copied_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(input=[6], layers=[Dense(units=2)], loss="half_squared_error", optimizer="sgd", dtype="float64")
    one, other = (Rows(RNG.normal(size=(4, 6)), RNG.normal(size=(4, 2))) for _ in range(2))
    session, due = model.session(), model.session()
    session.train([one])
    copy = np.copyto

    def interrupted(target: Any, source: Any) -> None:
        copy(target, source)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "copyto", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.train([other])
    assert [*session.train([one])] == due.train([one, one])[1:]


class Passing(Layer):
    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Any) -> Any:
        return dy


class CountsThePositive(Passing):
    def forward(self, params: Any, x: Any, context: Any) -> Any:
        return x * float(x[x > 0].shape[0])


class CountsTheDifferent(Passing):
    def forward(self, params: Any, x: Any, context: Any) -> Any:
        return x * float(len(x.__array_namespace__().unique_values(x)))


class CopiesTo(Passing):
    def forward(self, params: Any, x: Any, context: Any) -> Any:
        xp = x.__array_namespace__()
        y = xp.empty_like(x)
        xp.copyto(y, x * 3.0)
        return y


class FillsOut(Passing):
    def forward(self, params: Any, x: Any, context: Any) -> Any:
        xp = x.__array_namespace__()
        y = xp.zeros_like(x)
        xp.multiply(x, x, out=y)
        return y


class FillsADiagonal(Passing):
    def forward(self, params: Any, x: Any, context: Any) -> Any:
        xp = x.__array_namespace__()
        square = xp.expand_dims(x, axis=-1) * xp.expand_dims(x, axis=-2)
        xp.fill_diagonal(square[0], 0.0)
        return xp.sum(square, axis=-1)


@pytest.mark.parametrize("layer", [CountsThePositive, CountsTheDifferent, CopiesTo, FillsOut, FillsADiagonal])
def test_what_no_tape_can_take_is_called_at_each_step(layer: type[Passing]) -> None:
    x, t = np.array([[1.0, 1.0, 1.0, 1.0], [-1.0, -2.0, -1.0, 1.0]]), np.zeros((2, 1))
    model = Model(
        input=[4],
        layers=[layer(), {"type": "dense", "units": 1, "kernel": [[1.0], [2.0], [3.0], [4.0]]}],
        loss="half_squared_error",
        optimizer={"type": "sgd", "learning_rate": 1e-300},
        dtype="float64",
        training={"batch_size": 1},
    )
    due = np.mean([model.evaluate(x[i : i + 1], t[i : i + 1])["loss"] for i in (0, 1)])
    model.train(x, t, epochs=3)
    np.testing.assert_allclose(model.history["loss"], due, rtol=1e-12)


class Doubles(Passing):
    """Every column twice, and then those of a mask of its own."""

    def forward(self, params: Any, x: Any, context: Any) -> Any:
        xp = x.__array_namespace__()
        twice = xp.repeat(x, 2, axis=1)
        return twice[:, np.array([True, False] * x.shape[1])]


def test_what_has_the_shape_that_a_part_gives_it_stays_on_tape() -> None:
    model = Model(input=[3], layers=[Doubles(), Dense(units=1)], loss="half_squared_error", optimizer="sgd")
    session = model.session()
    session.train([Rows(RNG.normal(size=(5, 3)).astype("f4"), np.zeros((5, 1), "f4"))] * 3)
    assert all(session._recorded.values())  # type: ignore[attr-defined]
