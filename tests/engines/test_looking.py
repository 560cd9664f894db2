"""What an update gave is looked at later: the first step that went wrong is named, and those before it are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from going_wrong import Interrupted, batches, giving_up, session_of
from states import expect_same

from layerkit import SGD, Context, Dense, Layer, Model, Optimizer, TrainingError
from layerkit.engines import rewind
from layerkit.engines.numpy import NumPySession
from layerkit.engines.session import Recipe, State


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


@pytest.mark.parametrize("wrong", [9, 10, 11, 12])
def test_what_is_not_finite_is_found_where_a_tape_is_given_up(wrong: int) -> None:
    session, rows = giving_up(Hides(infinite_at=wrong))
    with pytest.raises(TrainingError, match=f"no longer finite at step {wrong};"):
        session.train(rows)
    assert session.state.step == wrong - 1
    assert np.isfinite(session.state.slots["seen"]["layers.1.kernel"]).all()
