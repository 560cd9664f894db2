"""Planning a run: how long it is to be, and what may go wrong, said before it begins."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Dense, DocumentError, Metric, Model

X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = (X[:, 0] > X[:, 1]).astype(np.int64)


def classifier() -> Model:
    return Model(input=[3], layers=[Dense(units=2), "softmax"], loss="cross_entropy", optimizer="adam")


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ({"steps": 0}, "steps should be a whole number from 1, not 0"),
        ({"epochs": -2}, "epochs should be a whole number from 1, not -2"),
        ({"steps": 1, "batch_size": -3}, "batch_size should be a whole number from 1, not -3"),
        ({"steps": 1.5}, "steps should be a whole number from 1, not 1.5"),
        ({"steps": 2**63}, f"steps should be a whole number from 1 and below {2**63}, not {2**63}"),
        ({"epochs": 10**320}, "epochs should be a whole number from 1 and below"),
        ({"steps": np.array([3])}, "steps should be a whole number from 1"),
        ({"steps": "5"}, "steps should be a whole number from 1, not '5'"),
        ({"steps": 1, "epochs": 1}, "steps or epochs, not both"),
    ],
)
def test_how_long_to_train_is_a_whole_number(asked: Any, due: str) -> None:
    with pytest.raises(DocumentError, match=due):
        classifier().train(X, LABELS, **asked)


@pytest.mark.parametrize("asked", [{"steps": 2**63 - 3}, {"epochs": 2**62}])
def test_no_run_goes_beyond_the_steps_that_a_saved_file_counts(asked: Any) -> None:
    model = classifier()
    model.train(X, LABELS, steps=3)
    with pytest.raises(DocumentError, match="the last step would be"):
        model.train(X, LABELS, **asked)
    assert model.step == 3


def test_a_whole_number_may_be_numpys() -> None:
    assert classifier().train(X, LABELS, steps=np.int64(3)).steps == 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("loss", "last", "link"), [("cross_entropy", "relu", "softmax"), ("binary_cross_entropy", "dense", "sigmoid")]
)
def test_a_loss_of_probabilities_that_is_given_others_is_noted(loss: str, last: str, link: str) -> None:
    end = [] if last == "dense" else [last]
    model = Model(input=[3], layers=[Dense(units=2), *end], loss=loss, optimizer="sgd")
    with pytest.warns(layerkit.Notice, match=f'{loss} takes probabilities, as "{link}" gives .* is "{last}"'):
        model.train(X, np.eye(2)[LABELS], steps=1)


class Share(Metric):
    """Of outputs above a threshold."""

    above: float = 0.5

    def sums(self, y: Any, t: Any) -> Any:
        xp = y.__array_namespace__()
        return xp.asarray([float(xp.sum(xp.astype(y > self.above, xp.float64))), float(y.size)], dtype=xp.float64)

    def value(self, sums: Any) -> float:
        return float(sums[0] / sums[1])


def test_several_metrics_of_a_type_each_have_a_figure() -> None:
    metrics = [Share(), "accuracy", Share(above=0.0), Share(above=1.0)]
    model = Model(input=[3], layers=["sigmoid"], loss="half_squared_error", training={"metrics": metrics})
    figures = model.evaluate(X, np.ones((40, 3)))
    names = [name for name in figures if name.startswith("Share") or "share" in name]
    assert (names[1:], figures[names[1]], figures[names[2]]) == ([f"{names[0]}_2", f"{names[0]}_3"], 1.0, 0.0)
    assert 0.0 < figures[names[0]] < 1.0


def test_a_softmax_of_one_unit_is_noted() -> None:
    model = Model(input=[3], layers=[Dense(units=1), "softmax"], loss="cross_entropy", optimizer="sgd")
    with pytest.warns(
        layerkit.Notice, match="cross_entropy over one unit is 0 whatever is due: give each class a unit"
    ):
        model.train(X, np.ones((40, 1)), steps=1)


@pytest.mark.parametrize(("schedule", "notes"), [("cosine", 1), ({"type": "cosine", "final": 0.1}, 0), ("step", 0)])
def test_steps_for_which_a_schedule_leaves_no_learning_rate_are_noted(schedule: Any, notes: int) -> None:
    model = Model(
        input=[3],
        layers=[Dense(units=2), "softmax"],
        loss="cross_entropy",
        optimizer="adam",
        training={"epochs": 2, "batch_size": 40, "schedule": schedule},
    )
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", layerkit.Notice)
        model.train(X, LABELS)
        assert not found
        model.train(X, LABELS, steps=3)
    assert [f"learning_rate of 0 from step {3} on" in str(each.message) for each in found] == [True] * notes
