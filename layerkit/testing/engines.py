"""The checks of an engine: it does what the NumPy engine does."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.building import build
from layerkit.builtin.adam import Adam
from layerkit.builtin.dense import Dense
from layerkit.builtin.sigmoid import Sigmoid
from layerkit.builtin.squared_errors import HalfSquaredError
from layerkit.data.batches import Batch, Picked, Rows
from layerkit.engines.numpy import NumPy
from layerkit.engines.session import Recipe, State
from layerkit.entry import Entry
from layerkit.errors import PartError, TrainingError
from layerkit.ops import Array
from layerkit.parts import Engine
from layerkit.testing.arrays import expect_close, fresh, normal
from layerkit.testing.check import CheckFailed, CheckSkipped, calling, check
from layerkit.testing.documents import json, schema
from layerkit.testing.suite import Options

STEPS = 3
RECIPE = Recipe(Adam(learning_rate=0.05))


class Subject:
    """An engine, and a small network with a frozen stage."""

    def __init__(self, part: Engine, options: Options) -> None:
        try:
            part.check()
        except PartError as error:
            raise CheckSkipped(str(error)) from None
        self.part = part
        layers = [
            Entry(layer=Dense(units=4), activation=Sigmoid()),
            Entry(layer=Dense(units=4), trainable=False),
            Entry(layer=Dense(units=2)),
        ]
        self.network = build(layers, (3,), "float64", HalfSquaredError(), 2)
        self.rows = Rows(normal((6, 3), 1), normal((6, 2), 2))

    def session(self, engine: Engine | None = None, state: State | None = None, recipe: Recipe = RECIPE) -> Any:
        """A session from this state, or from the beginning."""
        first = State(self.network.initial(0, np), self.zero_slots)
        with calling("session"):
            return (engine or self.part).session(self.network, recipe, state or first)

    @property
    def zero_slots(self) -> dict[str, dict[str, Array]]:
        """Adam's before any step."""
        shapes = {name: self.network.parameters[name].shape for name in self.network.trained}
        return {slot: {name: np.zeros(shape) for name, shape in shapes.items()} for slot in ("m", "v")}

    def batches(self, first: int, count: int, table: Rows | None = None) -> list[Batch]:
        """Batches of two rows, each with its own; every other one by their numbers."""
        rows = table or self.rows
        pairs = [np.arange(2 * (i % 3), 2 * (i % 3) + 2) for i in range(first, first + count)]
        return [Picked(rows, pair, 2, 2) if i % 2 else rows.at(pair) for i, pair in enumerate(pairs)]


@check()
def prediction(subject: Subject) -> None:
    """predict and losses give what NumPy gives, and nothing for no rows."""
    found, due = subject.session(), subject.session(NumPy())
    with calling("predict"):
        expect_close("the output differs from NumPy's", found.predict(subject.rows.x), due.predict(subject.rows.x), 0)
        expect_close("the output of no rows differs", found.predict(subject.rows.x[:0]), np.zeros((0, 2)), 0)
    with calling("losses"):
        for name, one, other in zip(("output", "loss"), found.losses(subject.rows), due.losses(subject.rows)):
            expect_close(f"the {name} of each row differs from NumPy's", one, other, subject.rows.x)


@check("prediction")
def training(subject: Subject) -> None:
    """Steps give the losses, parameters and slots that they give on NumPy; a frozen parameter stays."""
    _expect_same_training(subject, RECIPE, subject.batches(0, STEPS), "")


@check("training")
def weights(subject: Subject) -> None:
    """A row's weight multiplies what it counts, without a change to what the others count."""
    table = subject.rows._replace(weights=np.asarray([0.25, 3.0, 1.0, 0.5, 2.0, 0.0]))
    _expect_same_training(subject, RECIPE, subject.batches(0, STEPS, table), " where rows have weights")


@check("training")
def clipping(subject: Subject) -> None:
    """A gradient longer than clip_norm, over all parameters together, is scaled down to it."""
    # by Adam, which divides by the gradient's size, one scale for all would hardly show
    recipe = Recipe(RECIPE.optimizer, clip_norm=0.1)
    batches: list[Batch] = [
        subject.batches(i, 1)[0].gathered()._replace(weights=np.full(2, 0.01 * 10.0**i)) for i in range(STEPS)
    ]
    _expect_same_training(subject, recipe, batches, " under a clip_norm")


@check("training")
def schedule(subject: Subject) -> None:
    """The learning_rate is multiplied by the recipe's factor for the number of each step."""
    recipe = Recipe(RECIPE.optimizer, factor=lambda step: 1.0 / step)
    _expect_same_training(subject, recipe, subject.batches(0, STEPS), " under a schedule")


@check("training")
def sizes(subject: Subject) -> None:
    """One call takes batches of several sizes, and the same batch more than once."""
    one, two = subject.rows.at(slice(0, 1)), subject.rows.at(slice(1, 6))
    _expect_same_training(subject, RECIPE, [one, one, two, one, two, two], " over batches of several sizes")


@check("training")
def continuation(subject: Subject) -> None:
    """A session from the state of another goes on as that one does, and the state is a copy."""
    one = subject.session()
    one.train(subject.batches(0, 1))
    state = one.state
    kept = fresh(state.parameters)
    one.train(subject.batches(1, 2))
    for name, array in state.parameters.items():
        expect_close(f"{name} of a state that was taken changes with later steps", array, kept[name], "")
    other = subject.session(state=state)
    other.train(subject.batches(1, 2))
    _expect_same_state(other.state, one.state, "differs after going on from a state")


@check("continuation")
def optimizer_steps(subject: Subject) -> None:
    """The optimizer counts its own steps, from the recipe's steps_before on."""
    one = subject.session()
    one.train(subject.batches(0, 2))
    recipe, state = Recipe(RECIPE.optimizer, steps_before=2), one.state._replace(slots=subject.zero_slots)
    _expect_same_training(subject, recipe, subject.batches(2, STEPS), " where the optimizer began later", state)


@check("training")
def divergence(subject: Subject) -> None:
    """A batch whose loss isn't finite raises TrainingError, and the state is that of the step before."""
    session, due = subject.session(), subject.session()
    batches = subject.batches(0, STEPS)
    batches[1] = batches[1].gathered()._replace(t=np.full((2, 2), np.inf))
    losses = due.train(batches[:1])
    try:
        session.train(batches)
    except TrainingError as error:
        _expect_same_state(session.state, due.state, "isn't that of the step before the one that fails")
        if len(error.losses) != 1:
            raise CheckFailed(
                "the error lacks the losses of the steps before", found=error.losses, due=losses
            ) from None
        return
    raise CheckFailed("a loss that is not finite goes unnoticed", due="TrainingError")


def _expect_same_training(
    subject: Subject, recipe: Recipe, batches: list[Batch], where: str, state: State | None = None
) -> None:
    """Fail unless these steps give the losses and the state that they give on NumPy."""
    found, due = subject.session(None, state, recipe), subject.session(NumPy(), state, recipe)
    with calling("train"):
        losses = np.asarray(found.train(batches))
    expected = np.asarray(due.train(batches))
    expect_close(f"the losses differ from NumPy's{where}", losses, expected, f"{len(batches)} batches", 1e-7)
    _expect_same_state(found.state, due.state, f"differs from NumPy's{where}")


def _expect_same_state(found: State, due: State, how: str) -> None:
    if found.step != due.step:
        raise CheckFailed(f"the number of steps {how}", found=found.step, due=due.step)
    arrays: list[tuple[str, Any, Array]] = [
        (name, found.parameters.get(name), array) for name, array in due.parameters.items()
    ]
    for slot, own in due.slots.items():
        arrays += [(f"{slot} of {name}", found.slots.get(slot, {}).get(name), array) for name, array in own.items()]
    for name, array, expected in arrays:
        if array is None:
            raise CheckFailed(f"the state lacks {name}")
        expect_close(f"{name} {how}", array, expected, f"{due.step} steps", 1e-7)


CHECKS = (
    *(json, schema),
    *(prediction, training, weights, clipping, schedule, sizes, continuation, optimizer_steps, divergence),
)
