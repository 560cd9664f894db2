"""On every engine, a step that goes wrong or is interrupted has never been, bit for bit."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import pytest
from extras import NEEDS_JAX, NEEDS_NUMBA
from states import expect_same

import layerkit.engines
from layerkit import Dense, Model, TrainingError
from layerkit.data.batches import Rows
from layerkit.engines.session import Recipe, Session, State
from layerkit.parts import Engine

HERE = Path(layerkit.engines.__file__).parent
FILES = {str(HERE / f"{name}.py") for name in ("blocks", "compiled", "fusing", "numpy", "rewind", "stacks")}
LINES = int(os.environ.get("LAYERKIT_LINES", "5"))
"""LAYERKIT_LINES=1 has steps interrupted before every line, and not before every fifth alone."""
STEPS = 14
RANDOM = np.random.default_rng(0)
BATCHES = [
    Rows(*(RANDOM.normal(size=(4 - i // 3 % 2, width)).astype(np.float32) for width in (3, 2))) for i in range(STEPS)
]
"""Three of 4 rows, three of 3, and so on: the JAX engine takes three at a time."""


class Subject(NamedTuple):
    """An engine, with what it does where nothing goes wrong."""

    session: Callable[[Callable[[int], float]], Session]
    losses: list[float]
    states: list[State]
    """Before the first step, and after each."""


def normal(step: int) -> float:
    return 1.0


@pytest.fixture(
    scope="module",
    params=[
        "numpy",
        pytest.param("numpy, in loops", marks=NEEDS_NUMBA),
        pytest.param("jax", marks=NEEDS_JAX),
        pytest.param("jax, written over", marks=NEEDS_JAX),
    ],
)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    with pytest.MonkeyPatch.context() as patch:
        name, _, how = request.param.partition(", ")
        if how == "written over":
            patch.setattr("layerkit.engines.programs.SMALL", 0)
        subject = subject_on(name)
        if how == "in loops":
            patch.setattr("layerkit.engines.fusing.WORTH", 300_000)  # after four steps
        yield subject


def subject_on(name: str) -> Subject:
    model = Model(
        input=[3],
        layers=[Dense(units=5), "sigmoid", Dense(units=2)],
        loss="half_squared_error",
        optimizer={"type": "sgd", "momentum": 0.9},
        engine=name,
    )
    engine: Any = model.document.engine
    assert isinstance(engine, Engine)
    first = State(model.network.initial(0, np))

    def session(factor: Callable[[int], float] = normal) -> Session:
        made: Any = engine.session(model.network, Recipe(model.document.optimizer, factor=factor), first)
        made._rewind._most = min(made._rewind._most, 4)
        return made

    due, losses, states = session(), [], [first]
    for batch in BATCHES:
        losses += map(float, due.train([batch]))
        states.append(due.state)
    return Subject(session, losses, states)


def train(session: Session, at_once: int) -> list[float]:
    """Take all steps, so many a call; the losses of those that were taken, where it raises, too."""
    losses: list[float] = []
    for first in range(0, STEPS, at_once):
        try:
            losses += map(float, session.train(BATCHES[first : first + at_once]))
        except BaseException as error:
            vars(error)["losses"] = [*losses, *getattr(error, "losses", ())]
            raise
    return losses


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of the factor, on JAX
@pytest.mark.parametrize("at_once", [1, 2, STEPS])
@pytest.mark.parametrize("wrong", range(1, STEPS + 1))
def test_one_that_goes_wrong(subject: Subject, wrong: int, at_once: int) -> None:
    session = subject.session(lambda step: 1e60 if step == wrong else 1.0)
    with pytest.raises(TrainingError, match=f"step {wrong};") as raised:
        train(session, at_once)
    assert vars(raised.value)["losses"] == subject.losses[: wrong - 1]
    expect_same(session.state, subject.states[wrong - 1])


def interrupted(at: int, call: Callable[[], object]) -> list[float] | None:
    """Call with a KeyboardInterrupt before the line of an engine that it comes to as number `at`.

    The losses of the steps that were taken until then; None where it ended before. It runs on a thread of its own:
    where a `with` is about to end, Python lets an interrupt go past it, and JAX's 64-bit mode is a thread's.
    """
    left, found = at, list[list[float]]()

    def traced(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in FILES:
            return None
        left -= event == "line"
        if left == 0 and event == "line":
            raise KeyboardInterrupt
        return traced

    def run() -> None:
        sys.settrace(traced)
        try:
            call()
        except KeyboardInterrupt as error:
            found.append([*getattr(error, "losses", ())])

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return found[0] if found else None


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [2, STEPS])
def test_one_that_is_interrupted_before_a_line_and_again_while_it_is_taken_back(subject: Subject, at_once: int) -> None:
    at, session = 1, subject.session(normal)
    while (losses := interrupted(at, partial(train, session, at_once))) is not None:
        interrupted(1 + at % 40, partial(getattr, session, "state"))
        assert losses == subject.losses[: len(losses)], at
        expect_same(session.state, subject.states[len(losses)])
        session.train(BATCHES[len(losses) :])
        expect_same(session.state, subject.states[STEPS])
        at, session = at + LINES, subject.session(normal)
    assert at > 40


@NEEDS_JAX
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("at_once", [1, 5, 15])
def test_no_stack_is_filled_while_steps_before_it_are_computed(at_once: int) -> None:
    layers = [Dense(units=600), "relu", Dense(units=2)]
    model = Model(input=[200], layers=layers, loss="half_squared_error", optimizer="adam", engine="jax")
    engine: Any = model.document.engine
    rows = [Rows(*(RANDOM.normal(size=(256, width)).astype(np.float32) for width in (200, 2))) for _ in range(20)]
    wrong: set[int] = set()
    recipe = Recipe(model.document.optimizer, factor=lambda step: 1e60 if step in wrong else 1.0)
    plain, *spoiled = (engine.session(model.network, recipe, State(model.network.initial(0, np))) for _ in range(4))
    plain.train(rows)
    for session in spoiled:
        wrong.add(13)
        with pytest.raises(TrainingError, match="step 13;"):
            [session.train(rows[first : first + at_once]) for first in range(0, 15, at_once)]
        wrong.clear()
        session.train(rows[12:])
        expect_same(session.state, plain.state)


def test_a_first_step_that_overflows_is_not_said_to_be_the_learning_rates_fault(engine: str) -> None:
    model = Model(input=[1], layers=[Dense(units=1)], loss="half_squared_error", engine=engine, optimizer="sgd")
    with pytest.raises(TrainingError, match=r"first of this run: smaller numbers in the rows may help$"):
        model.train([[1e30]], [[0.0]], steps=1)
