"""The way back: after an update that went wrong or was interrupted, all numbers are what they were before it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import current_thread, main_thread
from time import sleep
from typing import Any

import numpy as np
import pytest
from states import expect_same

import layerkit
from layerkit import SGD, Adam, Context, Dense, Layer, Model, Optimizer, Parameter, TrainingError, Zeros
from layerkit.data.batches import Rows
from layerkit.engines import blocks, rewind
from layerkit.engines.numpy import NumPySession
from layerkit.engines.session import Recipe, State

RANDOM = np.random.default_rng(0)
OPTIMIZERS = [SGD(learning_rate=1e-5), SGD(learning_rate=1e-5, momentum=0.9), Adam()]


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


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("steps", [0, 1, rewind.STEPS, rewind.STEPS + 3])
@pytest.mark.parametrize("units", [5, 90_000])
def test_an_update_that_overflows_is_taken_back_bit_for_bit(optimizer: Optimizer, steps: int, units: int) -> None:
    rows = batches(steps + 3)
    spoiled, due = session_of(optimizer, units, wrong_at=steps + 1), session_of(optimizer, units)
    with pytest.raises(TrainingError, match=rf"no longer finite at step {steps + 1};"):
        spoiled.train(rows)
    losses = due.train(rows[:steps])
    expect_same(spoiled.state, due.state)
    np.testing.assert_array_equal(spoiled.predict(rows[0].x), due.predict(rows[0].x))
    spoiled._recipe = due._recipe
    assert [*losses, *spoiled.train(rows[steps:])] == [*losses, *due.train(rows[steps:])]
    expect_same(spoiled.state, due.state)


class Interrupted(SGD):
    """Interrupted at a call, over one block of many: it looks at a number, so it isn't recorded."""

    calls: list[int]

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        self.calls[0] -= bool(step)
        if self.calls[0] == 0:
            raise KeyboardInterrupt
        return super().update(parameter, gradient, slots, step)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("call", [1, 2, 5, 40])
def test_so_is_one_that_is_interrupted_though_its_mending_is_too(
    call: int, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 10)
    rows, calls = batches(60), [10**9]
    optimizer = Interrupted(learning_rate=0.1, momentum=0.5, calls=calls)
    interrupted, due = session_of(optimizer), session_of(SGD(learning_rate=0.1, momentum=0.5))
    interrupted.train(rows[:3])
    optimizer.calls[0] = call
    with pytest.raises(KeyboardInterrupt) as raised:
        interrupted.train(rows[3:])
    if again:
        optimizer.calls[0] = 1
        with pytest.raises(KeyboardInterrupt):
            interrupted.state  # noqa: B018
    taken = 3 + len(vars(raised.value)["losses"])
    due.train(rows[:taken])
    expect_same(interrupted.state, due.state)
    assert interrupted.train(rows[taken:]) == due.train(rows[taken:])
    expect_same(interrupted.state, due.state)


def test_where_an_update_is_interrupted_the_steps_since_the_last_look_are_given_up() -> None:
    calls = [10**9]
    optimizer = Interrupted(learning_rate=0.1, momentum=0.5, calls=calls)
    interrupted, rows = session_of(optimizer), batches(60)
    optimizer.calls[0] = rewind.STEPS + 5
    with pytest.raises(KeyboardInterrupt) as raised:
        interrupted.train(rows)
    assert len(vars(raised.value)["losses"]) == interrupted.state.step == rewind.STEPS


def test_where_steps_are_taken_again_an_interrupt_gives_up_those_since_the_last_look() -> None:
    calls, rows = [10**9], batches(60)
    optimizer = Interrupted(learning_rate=0.1, momentum=0.5, calls=calls)
    session, due = session_of(optimizer, wrong_at=rewind.STEPS + 5), session_of(SGD(learning_rate=0.1, momentum=0.5))
    optimizer.calls[0] = rewind.STEPS + 5 + 2  # the second of those that are taken again
    with pytest.raises(KeyboardInterrupt) as raised:
        session.train(rows)
    assert list(vars(raised.value)["losses"]) == due.train(rows[: rewind.STEPS])
    expect_same(session.state, due.state)
    with pytest.raises(TrainingError, match=rf"at step {rewind.STEPS + 5};"):
        session.train(rows[rewind.STEPS :])


def test_where_a_call_mends_an_interrupt_takes_back_no_step_of_a_call_before() -> None:
    calls, rows = [10**9], batches(30)
    optimizer = Interrupted(learning_rate=0.1, momentum=0.5, calls=calls)
    session, due = session_of(optimizer), session_of(SGD(learning_rate=0.1, momentum=0.5))
    session.train(rows[:10])
    for call in (3, 2):  # amid an update, and while that is taken back
        optimizer.calls[0] = call
        with pytest.raises(KeyboardInterrupt):
            session.train(rows[10:])
    due.train(rows[:10])
    expect_same(session.state, due.state)


class Hides(Optimizer):
    """A slot that is infinite from one step on, while the parameter never is, nor any loss."""

    infinite_at: int

    @property
    def slots(self) -> tuple[str, ...]:
        return ("seen",)

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp = parameter.__array_namespace__()
        added = xp.where(step == self.infinite_at, xp.full_like(gradient, np.inf), xp.zeros_like(gradient))
        return parameter - 0.01 * gradient, {"seen": slots["seen"] + added}


@pytest.mark.parametrize("at_once", [1, 3, 60])
@pytest.mark.parametrize("wrong", [1, 2, rewind.STEPS - 1, rewind.STEPS, rewind.STEPS + 1, 59, 60])
def test_a_step_is_named_though_nobody_looked_at_what_it_gave_until_later(wrong: int, at_once: int) -> None:
    rows, session, due = batches(60), session_of(Hides(infinite_at=wrong)), session_of(SGD(learning_rate=0.01))
    with pytest.raises(TrainingError, match=rf"seen of layers.0.kernel is no longer finite at step {wrong};") as raised:
        [session.train(rows[first : first + at_once]) for first in range(0, 60, at_once)]
    taken = (wrong - 1) // at_once * at_once + len(vars(raised.value)["losses"])
    assert taken == session.state.step == wrong - 1
    due.train(rows[:taken])
    expect_same(session.state._replace(slots={}), due.state)


class Recovers(Hides):
    """The same slot, finite again after that step."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, gradient, {"seen": 0.0 * gradient}, step)


def test_a_step_that_a_call_has_given_stays_taken_whatever_it_held_for_a_moment() -> None:
    session, rows = session_of(Recovers(infinite_at=5)), batches(10)
    session.train(rows)
    due, session._is_torn = session.state, True
    expect_same(session.state, due)


class Refuses(Layer):
    """Which raises an error of its own where it is given what isn't finite."""

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        if not np.isfinite(x).all():
            raise ValueError("I take finite numbers alone")
        return x

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


def test_a_part_that_refuses_what_an_update_before_gave_is_not_the_one_that_is_named() -> None:
    optimizer = SGD(learning_rate=0.1)
    layers = [Dense(units=5), Refuses(), Dense(units=2)]
    model = Model(input=[3], layers=layers, loss="half_squared_error", optimizer=optimizer)
    recipe = Recipe(optimizer, factor=lambda step: 1e60 if step == 2 else 1.0)
    session = NumPySession(model.network, recipe, State(model.network.initial(0, np)))
    with pytest.raises(TrainingError, match=r"layers.0.kernel is no longer finite at step 2;"):
        session.train(batches(5))
    assert session.state.step == 1


class Slow(SGD):
    """Whose other threads take their time."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        found = super().update(parameter, gradient, slots, float(step))  # which can't be recorded
        if current_thread() is not main_thread():
            sleep(0.02)
        return found


@pytest.mark.parametrize("where", ["submit", "_work"])
def test_no_thread_writes_any_more_once_an_interrupted_update_is_taken_back(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SHARED": 10, "MANY": 1}.items():
        monkeypatch.setattr(blocks, name, value)
    monkeypatch.setattr("layerkit.engines.numpy.cores", lambda: 2)
    rows, slow, due = batches(5), session_of(Slow(learning_rate=0.1)), session_of(SGD(learning_rate=0.1))
    slow.train(rows[:3])
    due.train(rows[:3])

    def interrupted(*given: Any) -> Any:
        if where == "submit":
            submit(*given)
        raise KeyboardInterrupt

    submit = ThreadPoolExecutor.submit
    with monkeypatch.context() as patch:
        if where == "submit":
            patch.setattr(ThreadPoolExecutor, "submit", interrupted)
        else:
            patch.setattr(slow._update, "_works", [interrupted, *slow._update._works[1:]])
        with pytest.raises(KeyboardInterrupt):
            slow.train(rows[3:])
    for _ in range(2):
        expect_same(slow.state, due.state)
        sleep(0.2)


def test_an_error_amid_a_copy_leaves_everything_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, copies = batches(60), [0]
    session, due = session_of(Adam()), session_of(Adam())
    copy = np.copyto

    def fails(target: Any, source: Any) -> None:
        copies[0] += 1
        if copies[0] == 5:  # the second copy, of three arrays each
            raise KeyboardInterrupt
        copy(target, source)

    with monkeypatch.context() as patch:
        patch.setattr(rewind.np, "copyto", fails)
        session._rewind.renew()
        with pytest.raises(KeyboardInterrupt):
            session._rewind.renew()
    expect_same(session.state, due.state)
    assert session.train(rows) == due.train(rows)
    expect_same(session.state, due.state)


def test_batches_of_many_bytes_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewind, "BYTES", 200)
    session = session_of(Adam())
    for batch in batches(9):
        session.train([batch])
        assert sum(each.x.nbytes + each.t.nbytes for each in session._rewind._taken.batches) <= 200


class Counts(Layer):
    """Counts the steps in a parameter that isn't trained."""

    def parameters(self, input_shape: Any) -> Mapping[str, Parameter]:
        return {"count": Parameter((), Zeros(), trainable=False)}

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        if context.training:
            context.update("count", params["count"] + 1.0)
        return x + params["count"]

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


def test_what_layers_update_is_taken_back_too() -> None:
    optimizer = SGD(learning_rate=1e-3)
    model = Model(input=[3], layers=[Counts(), Dense(units=2)], loss="half_squared_error", optimizer=optimizer)
    recipe = Recipe(optimizer, factor=lambda step: 1e60 if step == 20 else 1.0)
    session = NumPySession(model.network, recipe, State(model.network.initial(0, np)))
    with pytest.raises(TrainingError, match="step 20"):
        session.train(batches(30))
    assert session.state.parameters["layers.0.count"] == 19.0


def test_the_batches_of_a_file_that_is_streamed_are_still_there(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(200, 2)).astype(np.float32)
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in x))
    training = {"steps": 100, "batch_size": 7, "data": {"path": "rows.csv", "buffer": 20}}
    fields = {"input": [{"column": "a"}], "output": {"column": "b"}, "layers": [{"type": "dense", "units": 1}]}
    document = {**fields, "loss": "mean_squared_error", "optimizer": "adam", "training": training}
    (tmp_path / "rows.json").write_text(json.dumps(document))
    spoiled, due = layerkit.load(tmp_path / "rows.json"), layerkit.load(tmp_path / "rows.json")
    plan = spoiled.plan()
    with pytest.raises(TrainingError, match="step 44;"):
        spoiled.run(plan._replace(factor=lambda step: 1e60 if step == 44 else 1.0))
    due.train(steps=43)
    for name, array in due.parameters.items():
        np.testing.assert_array_equal(spoiled.parameters[name], array)


class Deletes(Layer):
    """x plus nothing, by way of as many numbers as values decide: a tape takes those of when it was recorded."""

    def forward(self, params: Any, x: Any, context: Context) -> Any:
        xp = x.__array_namespace__()
        flat = xp.reshape(x, (-1,))
        return x + 0.0 * xp.sum(xp.delete(flat, xp.astype(flat > 0.0, xp.int64)))

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Context) -> Any:
        return dy


def deleting(optimizer: Optimizer, wrong_at: int = 0) -> tuple[NumPySession, list[Rows]]:
    """A session that gives its tape up at step 11, and its rows."""
    layers = [Deletes(), Dense(units=7), "sigmoid", Dense(units=2)]
    network = Model(input=[3], layers=layers, loss="half_squared_error", optimizer=optimizer).network
    random = np.random.default_rng(1)
    rows = [Rows(random.uniform(1, 2, (50, 3)).astype("f4"), random.normal(size=(50, 2)).astype("f4"))] * 20
    rows[10] = rows[0]._replace(x=rows[0].x.copy())
    rows[10].x[:2] = -1.0
    recipe = Recipe(optimizer, factor=lambda step: 1e60 if step == wrong_at else 1.0)
    return NumPySession(network, recipe, State(network.initial(0, np))), rows


def test_so_are_steps_on_a_tape_that_was_given_up_since() -> None:
    optimizer = SGD(learning_rate=0.05, momentum=0.9)
    (spoiled, rows), (due, _) = deleting(optimizer, wrong_at=13), deleting(optimizer)
    due.train(rows[:10])
    assert due._recorded[(50, 3), False]
    due.train(rows[10:12])
    with pytest.raises(TrainingError, match="step 13;"):
        spoiled.train(rows)
    assert spoiled._recorded == due._recorded == {((50, 3), False): None}
    expect_same(spoiled.state, due.state)


@pytest.mark.parametrize("wrong", [9, 10, 11, 12])
def test_what_is_not_finite_is_found_where_a_tape_is_given_up(wrong: int) -> None:
    session, rows = deleting(Hides(infinite_at=wrong))
    with pytest.raises(TrainingError, match=f"no longer finite at step {wrong};"):
        session.train(rows)
    assert session.state.step == wrong - 1
    assert np.isfinite(session.state.slots["seen"]["layers.1.kernel"]).all()


class OverItself(SGD):
    """0 / 0 where the gradient is 1 and the parameter is, too."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return parameter - 1e-9 * (gradient - 1.0) / (parameter - 1.0), slots


def test_what_an_optimizer_divides_by_while_it_is_recorded_is_nobodys_concern() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session_of(OverItself()).train(batches(3))
