"""Model: what it refuses, when it is made or given rows, and what would work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import field_validator
from small_models import LABELS, X, classifier

from layerkit import (
    SGD,
    DataError,
    Dense,
    DocumentError,
    Engine,
    Model,
    Number,
    PartError,
    Zeros,
)


@pytest.mark.parametrize(
    ("x", "y", "due"),
    [
        (X[:, :2], LABELS, r"data, x: a row has the shape \[2\] where \[3\] is due"),
        (X, LABELS[:5], "differ"),
        (X, LABELS + 1, "the class 2; known: 0 to 1"),
        (np.full((2, 3), np.nan), [0, 1], r"data, x\[0\]\[0\]: nan is not a finite number"),
        (np.full((2, 3), 1e39), [0, 1], r"x\[0\]\[0\]: 1e\+39 is too large for float32: give the model .*float64"),
        ([[1, 2, 3], [1, 2]], [0, 1], "not regular arrays"),
        (X[:0], LABELS[:0], "no rows"),
        (X.astype(str), LABELS, "not a number: an array of <U32"),
        (X + 1j, LABELS, r'"x" holds complex\d+; a cell is a number'),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x: Any, y: Any, due: str) -> None:
    with pytest.raises(DataError, match=due):
        classifier().train(x, y, steps=1)


def test_fields_that_do_not_fit_are_refused_together() -> None:
    with pytest.raises(DocumentError) as caught:
        Model(input=[0], layers=["dens"], loss="x")
    assert [fault.where for fault in caught.value.faults] == ["input[0]", "layers[0]", "loss"]


@pytest.mark.parametrize("layers", ["relu", None, Dense(units=1), 5])
def test_what_is_no_list_of_layers_is_refused(layers: Any) -> None:
    with pytest.raises(DocumentError, match="layers: should be a list of layers, not "):
        Model(input=[2], layers=layers)


def test_whole_numbers_where_others_are_due_are_named() -> None:
    column = {"column": "a", "type": "category", "encoding": "index"}
    model = Model(
        input=[column],
        output={"column": "b"},
        layers=[Dense(units=1)],
        loss="half_squared_error",
        optimizer="sgd",
    )
    with pytest.raises(
        PartError, match=r"layers.0: Dense.forward gives float64 .* whole numbers, such as an embedding"
    ):
        model.train({"a": ["x", "y"], "b": [1.0, 2.0]}, steps=1)


def test_targets_that_were_scaled_out_of_what_a_loss_takes_are_told_how_not_to_be() -> None:
    model = Model(
        input=[{"column": "a"}],
        output={"column": "b"},
        layers=[Dense(units=1), "sigmoid"],
        loss="binary_cross_entropy",
        optimizer="sgd",
    )
    with pytest.raises(DataError, match=r'takes targets from 0 to 1, and -1 is due here; .*"scale": "none"'):
        model.train({"a": [1.0, 2.0], "b": [0, 1]}, steps=1)


def test_a_literal_of_the_wrong_shape_is_refused_when_the_model_is_made() -> None:
    with pytest.raises(DocumentError, match=r"layers\[0\].kernel: .*\[3, 2\]"):
        Model(input=[3], layers=[Dense(units=2, kernel=[[1.0, 2.0]])])


@pytest.mark.parametrize("name", ["größe/1", "a b", "", "1st", "ab\n"])
def test_a_name_is_a_letter_and_what_may_follow_it(name: str) -> None:
    with pytest.raises(DocumentError, match=r"layers\[0\].name: should be a letter, and letters, digits, _ or - after"):
        Model(input=[2], layers=[{"type": "dense", "units": 1, "name": name}])


class FitsNone(Number):
    def fit(self, values: Any, units: int | None = None) -> Any:
        return None


class NoWidth(Number):
    @property
    def width(self) -> int:
        raise KeyError("w")


class NoSlots(SGD):
    @property
    def slots(self) -> tuple[str, ...]:
        raise KeyError("s")


class NoSession(Engine):
    def session(self, network: Any, recipe: Any, state: Any) -> Any:
        raise RuntimeError("no session today")


class OfNothing(Engine):
    def session(self, network: Any, recipe: Any, state: Any) -> Any:
        return None


class Unmade(SGD):
    @field_validator("learning_rate")
    @classmethod
    def _look(cls, value: float) -> float:
        return {}[value]  # type: ignore[no-any-return]


class NoCheck(Zeros):
    def check(self, shape: Any) -> None:
        raise KeyError("shape")


class Endless(Zeros):
    def __call__(self, shape: Any, random: Any, xp: Any, dtype: Any) -> Any:
        return xp.full(shape, float("inf"), dtype=dtype)


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"input": [FitsNone(column="a")]}, 'column "a": FitsNone.fit gives a NoneType where a fitted FitsNone is due'),
        ({"input": [NoWidth(column="a")]}, "column \"a\": NoWidth.width fails: KeyError: 'w'"),
        ({"optimizer": NoSlots()}, "optimizer: NoSlots.slots fails: KeyError: 's'"),
        ({"engine": NoSession()}, "engine: NoSession.session fails: RuntimeError: no session today"),
        ({"engine": OfNothing()}, "engine: OfNothing.session gives a NoneType where a Session is due"),
        ({"layers": [Dense(units=1, kernel=NoCheck())]}, r"layers\[0\].kernel: NoCheck.check fails: KeyError: 'shape'"),
        ({"layers": [Dense(units=1, kernel=Endless())]}, "layers.0.kernel: Endless gives what is not a finite number"),
    ],
)
def test_whatever_a_part_is_asked_it_is_named_where_that_fails(fields: Any, due: str) -> None:
    given = {
        "input": [{"column": "a"}],
        "output": {"column": "b"},
        "layers": [Dense(units=1)],
        "loss": "half_squared_error",
        "optimizer": "sgd",
    }
    with pytest.raises(PartError, match=due):
        Model(**(given | fields)).train({"a": [1.0, 2.0], "b": [0.0, 1.0]}, steps=1)


def test_a_part_whose_own_validation_fails_is_named() -> None:
    with pytest.raises(DocumentError, match=r"Unmade fails to be made: KeyError: 0.5"):
        Unmade(learning_rate=0.5)
