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
from going_wrong import Interrupted, batches, giving_up, session_of
from states import expect_same

import layerkit
from layerkit import SGD, Adam, Context, Dense, Layer, Model, Optimizer, Parameter, TrainingError, Zeros
from layerkit.engines import blocks, rewind
from layerkit.engines.numpy import NumPySession
from layerkit.engines.session import Recipe, State

RANDOM = np.random.default_rng(0)
OPTIMIZERS = [SGD(learning_rate=1e-5), SGD(learning_rate=1e-5, momentum=0.9), Adam()]


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


def test_so_are_steps_on_a_tape_that_was_given_up_since() -> None:
    optimizer = SGD(learning_rate=0.05, momentum=0.9)
    (spoiled, rows), (due, _) = giving_up(optimizer, wrong_at=13), giving_up(optimizer)
    due.train(rows[:10])
    assert due._recorded[(50, 3), False]
    due.train(rows[10:12])
    with pytest.raises(TrainingError, match="step 13;"):
        spoiled.train(rows)
    assert spoiled._recorded == due._recorded == {((50, 3), False): None}
    expect_same(spoiled.state, due.state)


class OverItself(SGD):
    """0 / 0 where the gradient is 1 and the parameter is, too."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return parameter - 1e-9 * (gradient - 1.0) / (parameter - 1.0), slots


def test_what_an_optimizer_divides_by_while_it_is_recorded_is_nobodys_concern() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session_of(OverItself()).train(batches(3))
