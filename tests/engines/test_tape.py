"""The tape: what is played gives what the calls themselves give, whatever part made them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit import Activation, Dense, Layer, LayerkitError, Loss, Model, registry
from layerkit.data.batches import Rows
from layerkit.engines import numpy as engine
from layerkit.engines.recorded import UnrecordableError
from layerkit.engines.tape import SMALL, Tape
from layerkit.testing.defaults import default_part

RNG = np.random.default_rng(5)


def played(function: Callable[..., Any], *arrays: Any) -> Any:
    """What a function gives for these arrays when it was recorded with others of their shapes."""
    tape = Tape()
    inputs = [np.ones_like(array) for array in arrays]
    found = function(*map(tape.watch, inputs))
    result = np.zeros(found.shape, dtype=found.dtype)
    tape.into(found, result)
    tape.finish([result])
    for held, array in zip(inputs, arrays):
        held[...] = array
    tape.play()
    return result


X = RNG.normal(size=(40, 30))
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "operators": lambda x: (1.0 - x) * x / 3.0 + 2.0**x - abs(-x) // 1.5 + x % 0.7,
    "powers": lambda x: x**2 + abs(x) ** 0.5 + x**-1 + (x**3),
    "comparisons": lambda x: np_of(x).where((x > 0.5) | (x <= -0.5), x, 0.0),
    "reductions": lambda x: np_of(x).sum(x, axis=0) + np_of(x).max(x, axis=1, keepdims=True) * np_of(x).min(x),
    "mean and variance": lambda x: np_of(x).mean(x, axis=1) + np_of(x).var(x, axis=1),
    "products": lambda x: (x @ x.T) @ np_of(x).ones((40, 2)),
    "views": lambda x: np_of(x).reshape(x, (30, 40)).T[::2, 1:] + x[::2, 1:],
    "a reshape that copies": lambda x: np_of(x).reshape(x.T, (-1,)) * 2.0,
    "casts": lambda x: np_of(x).astype(np_of(x).astype(x * 9.0, np.int64), np.float64),
    "indexing": lambda x: x[np_of(x).argmax(x, axis=1), :],
    "clip": lambda x: np_of(x).clip(x, -0.5, 0.5),
    "joined": lambda x: np_of(x).concat([x, 2.0 * x], axis=0),
    "stacked": lambda x: np_of(x).stack([x, np_of(x).exp(x)], axis=1),
    "whole numbers": lambda x: np_of(x).astype((np_of(x).astype(x * 99.0, np.int64) & 15) << 2, np.float64),
    "linear algebra": lambda x: np_of(x).linalg.vector_norm(x, axis=1),
    "constants": lambda x: x + np_of(x).arange(30, dtype=np.float64) * np_of(x).full((1, 30), 0.5),
    "transposes": lambda x: ((x.T * 2.0 + 1.0) * x.T).T - x,
    "a condition that is a number": lambda x: np_of(x).where(np_of(x).floor(x), x, 2.0 * x),
    "zeros of both signs": lambda x: np_of(x).copysign(x, -0.0) + 3.0 * np_of(x).copysign(x, 0.0),
    "powers of whole numbers": lambda x: np_of(x).astype(x * 9.0, np.int64) ** 2 + np_of(x).argmax(x) ** 0.5,
    "one by whole numbers": lambda x: (1 + np_of(x).argmax(x, axis=0)) ** -1.0,
    "the same call twice": lambda x: np_of(x).exp(x) + np_of(x).exp(x) * np_of(x).exp(-x),
}


def np_of(x: Any) -> Any:
    return x.__array_namespace__()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_playing_gives_what_calling_gives(name: str, order: Any) -> None:
    x = np.array(X, order=order)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(played(FUNCTIONS[name], x), FUNCTIONS[name](x), rtol=1e-13)


@pytest.mark.parametrize("view", [lambda g: g[0], lambda g: np_of(g).reshape(g, (-1, 1)), lambda g: g.T])
@pytest.mark.parametrize("first", [True, False])
def test_an_array_and_a_view_of_it_both_end_up_where_they_are_due(view: Callable[[Any], Any], first: bool) -> None:
    tape, x = Tape(), np.ones_like(X)
    whole = tape.watch(x) * 2.0
    due = [(whole, np.zeros(X.shape)), (view(whole), np.zeros(view(X).shape))]
    for value, target in due if first else due[::-1]:
        tape.into(value, target)
    tape.finish([target for _, target in due])
    x[...] = X
    tape.play()
    np.testing.assert_array_equal(due[0][1], 2.0 * X)
    np.testing.assert_array_equal(due[1][1], view(2.0 * X))


STEPS: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, a, b: a + b,
    lambda xp, a, b: a * 0.5 - b,
    lambda xp, a, b: a - xp.sum(b, axis=1, keepdims=True) / 32,
    lambda xp, a, b: xp.reshape(a.T, a.shape) * 0.5 + b,
    lambda xp, a, b: xp.where(a > b, a, 0.5 * b),
]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25))
def test_arrays_that_share_memory_never_disturb_each_other(calls: list[tuple[Any, int, int]]) -> None:
    x = RNG.normal(size=(SMALL // 16, 32))

    def chain(x: Any) -> Any:
        made = [x, 0.5 * x]
        for step, left, right in calls:
            made.append(step(np_of(x), made[left % len(made)], made[right % len(made)]))
        return made[-1] + made[len(made) // 2]

    np.testing.assert_array_equal(played(chain, x), chain(x))


def sign_of_first(x: Any) -> float:
    return 1.0 if x[0, 0] > 0 else -1.0


def write(x: Any) -> None:
    x[0, 0] = 1.0


def is_its_own(x: Any) -> bool:
    return bool(np_of(x).array_equal(x, x))


@pytest.mark.parametrize("look", [bool, float, int, list, np.asarray, np.exp, write, sign_of_first, is_its_own])
def test_what_looks_at_values_is_not_recorded(look: Callable[[Any], Any]) -> None:
    with pytest.raises((UnrecordableError, TypeError)):
        look(Tape().watch(np.ones((1, 1))))


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


def halving(x: Any) -> Any:
    """x · (1 + ½ + ¼), its weights one array that is changed in place."""
    weights, total = np.ones(x.shape[1:]), 0.0 * x
    for _ in range(3):
        total = total + x * weights
        weights *= 0.5
    return total


def changed_once_used(x: Any) -> Any:
    weights = np.ones(x.shape[1:])
    y = x * weights
    weights += 1.0
    return y


def changed_through_a_view(x: Any) -> Any:
    y = x * 1.0
    first = y[:, :1]
    first += 10.0
    return y


@pytest.mark.parametrize("function", [halving, changed_once_used, changed_through_a_view])
def test_an_array_of_a_parts_own_that_is_changed_in_place_can_not_be_recorded(function: Callable[[Any], Any]) -> None:
    with pytest.raises(UnrecordableError, match="in place"):
        played(function, X)


class Halving(Activation):
    """Changes an array of its own in place, which nobody else sees."""

    def __call__(self, x: Any) -> Any:
        return halving(x)

    def derivative(self, x: Any, y: Any) -> Any:
        return 1.75 + 0.0 * y


def test_such_a_part_trains_call_by_call(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Dense(units=8), Halving(), Dense(units=2)]
    model = Model(input=[6], layers=layers, loss="half_squared_error", optimizer="sgd", dtype="float64")
    rows = [Rows(RNG.normal(size=(4, 6)), RNG.normal(size=(4, 2))) for _ in range(3)]
    found, session = model.session().train(rows), model.session()
    monkeypatch.setattr(engine, "RecordedStep", None)
    assert found == session.train(rows)


class OfPositives(Activation):
    """x over the mean of its positive numbers, which are more or fewer in each batch; as if that were a constant."""

    def __call__(self, x: Any) -> Any:
        return x / (1.0 + np_of(x).sum(x[x > 0.0]))

    def derivative(self, x: Any, y: Any) -> Any:
        return 0.0 * x + 1.0 / (1.0 + np_of(x).sum(x[x > 0.0]))


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
    integers = registry.name_of(type(layer)) == "embedding"
    for shape in ((6,), (6, 6, 3)):
        entries = [layer] if integers else [Dense(units=shape[-1]), layer]
        try:
            model = Model(
                input={"shape": list(shape), "dtype": "int64" if integers else "float64"},
                layers=entries,
                loss="half_squared_error",
                optimizer={"type": "adam", "learning_rate": 0.01},
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


def test_a_step_is_the_same_whichever_of_the_two_vectors_holds_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(
        input=[6], layers=[Dense(units=5), "relu", Dense(units=2)], loss="half_squared_error", optimizer="adam"
    )
    rows = Rows(*(RNG.normal(size=(7, width)).astype(np.float32) for width in (6, 2)))
    fours, threes = rows.at(slice(0, 4)), rows.at(slice(4, 7))

    def trained() -> Any:
        session = model.session()
        session.train([fours, threes, fours, fours, threes])  # each shape in both turns, recorded in either
        return session.state.parameters

    found = trained()
    monkeypatch.setattr(engine, "RecordedStep", None)
    for name, due in trained().items():
        np.testing.assert_allclose(found[name], due, rtol=1e-5, atol=1e-6)
