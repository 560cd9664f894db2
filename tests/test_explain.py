"""explain: the numbers that it shows are those of the step that train takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit import SGD, Dense, Layer, Model, Parameter, PartError, Zeros
from layerkit.entry import Entry
from layerkit.errors import Notice

X, T = [[1.0, 2.0], [3.0, -1.0]], [[0.0, 1.0], [1.0, 0.0]]


def model(**training: Any) -> Model:
    return Model(
        input=[2],
        layers=[Dense(units=2), {"type": "residual", "layers": ["sigmoid", {"type": "dense", "units": 2}]}, "softmax"],
        loss="cross_entropy",
        dtype="float64",
        optimizer={"type": "sgd", "learning_rate": 0.1},
        training={"batch_size": 2, **training},
    )


def expect_the_step_of_train(subject: Model, weights: Any = None) -> float:
    """That the parameters are those after the step that is explained; its loss."""
    explained = subject.explain(X, T, weights=weights)
    subject.train(X, T, weights=weights, steps=1)
    assert explained.updated.keys() == subject.parameters.keys()
    for name, array in subject.parameters.items():
        np.testing.assert_allclose(explained.updated[name], array, rtol=1e-14, atol=1e-16)
    assert subject.history["loss"] == [pytest.approx(explained.loss, rel=1e-14)]
    assert explained.loss is not None
    return explained.loss


def losses() -> list[float]:
    """Of each row by itself."""
    return [model().evaluate(X[i : i + 1], T[i : i + 1])["loss"] for i in range(2)]


def test_without_weights_the_rows_count_the_same() -> None:
    assert expect_the_step_of_train(model()) == pytest.approx(np.mean(losses()))


@pytest.mark.parametrize(
    ("training", "weights", "due"),
    [
        ({}, [3.0, 0.5], [3.0, 0.5]),
        ({"class_weights": {"0": 5.0}}, None, [1.0, 5.0]),
        ({"class_weights": {"0": 5.0}}, [3.0, 0.5], [3.0, 2.5]),
    ],
)
def test_a_row_counts_by_its_weight_and_its_classs(training: Any, weights: Any, due: list[float]) -> None:
    loss = expect_the_step_of_train(model(**training), weights)
    assert loss == pytest.approx(np.mean(np.multiply(losses(), due)))
    explained = model(**training).explain(X, T, weights=weights)
    np.testing.assert_array_equal(explained.weights, due)
    gradient = explained.stages[-1].gradient
    alone = [model().explain(X[i : i + 1], T[i : i + 1]).stages[-1].gradient for i in range(2)]
    np.testing.assert_allclose(gradient, [weight / 2 * each[0] for weight, each in zip(due, alone)])  # type: ignore[index]


def test_balanced_weights_are_left_out_and_that_is_said() -> None:
    with pytest.warns(Notice, match='"balanced" counts all the rows of a run'):
        explained = model(class_weights="balanced").explain(X, T)
    assert explained.weights is None
    assert explained.loss == pytest.approx(np.mean(losses()))


def test_people_see_the_weight_and_the_gradients_of_layers_in_layers(tmp_path: Path, cli: Any) -> None:
    document = model(class_weights={"1": 2.5}, steps=1, data={"x": X, "y": T}).document.to_json()
    (tmp_path / "model.json").write_text(json.dumps(document))
    shown = cli("explain", tmp_path / "model.json").out
    assert "  target [0.0, 1.0]\n  weight 2.5\n  loss " in shown
    backward = shown.split("backward:")[1].split("update:")[0]
    assert "    layers.1.layers.1.kernel [[" in backward
    assert cli("explain", tmp_path / "model.json", "--format", "json").json["weights"] == 2.5


def test_a_schedule_in_epochs_is_that_of_the_whole_run() -> None:
    rows = {"x": [[float(i), 1.0] for i in range(20)], "y": [[0.0, 1.0]] * 20}
    subject = model(data=rows, epochs=4, schedule="cosine")
    subject.train(steps=20)
    explained = subject.explain(X[:1], T[:1])
    moved = explained.parameters["layers.0.bias"] - explained.updated["layers.0.bias"]
    # halfway through 40 steps of two rows
    np.testing.assert_allclose(moved, 0.5 * 0.1 * explained.gradients["layers.0.bias"], rtol=1e-9)


class Counter(Layer):
    """Counts its batches."""

    def parameters(self, input_shape: Any) -> Any:
        return {"seen": Parameter((), Zeros(), trainable=False)}

    def output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def forward(self, params: Any, x: Any, context: Any) -> Any:
        if context.training:
            context.update("seen", params["seen"] + 1.0)
        return x

    def backward(self, params: Any, x: Any, y: Any, dy: Any, context: Any) -> Any:
        return dy


@pytest.mark.parametrize("trainable", [True, False])
def test_a_frozen_stage_keeps_what_it_would_have_updated(trainable: bool) -> None:
    layers = [Entry(layer=Counter(), trainable=trainable), Dense(units=2)]
    subject = Model(input=[2], layers=layers, loss="half_squared_error", optimizer="sgd", dtype="float64")
    explained = subject.explain(X, T)
    subject.train(X, T, steps=1)
    assert ("layers.0.seen" in explained.updated) is trainable
    assert subject.parameters["layers.0.seen"] == float(trainable)


def test_what_decides_the_update_is_shown(tmp_path: Path, cli: Any) -> None:
    """From the figures that are printed, the step can be done by hand."""
    training = {"steps": 5, "data": {"x": X, "y": T}, "clip_norm": 0.01, "schedule": {"type": "warmup", "steps": 4}}
    subject = model(**training)
    subject = Model(
        **{**subject.document.to_json(), "optimizer": {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9}}
    )
    subject.train(steps=1)
    subject.save(tmp_path / "m.safetensors")
    found = cli("explain", tmp_path / "m.safetensors", "--format", "json").json
    name = "layers.0.bias"
    gradient = np.multiply(found["gradients"][name], found["clip_factor"])
    momentum = np.multiply(found["slots"]["momentum"][name], 0.9) + gradient
    moved = np.subtract(found["parameters"][name], found["updated"][name])
    assert found["schedule_factor"] == 0.5
    assert found["clip_factor"] < 0.5
    np.testing.assert_allclose(found["updated_slots"]["momentum"][name], momentum, rtol=1e-12)
    np.testing.assert_allclose(moved, 0.1 * 0.5 * momentum, rtol=1e-9)
    shown = cli("explain", tmp_path / "m.safetensors").out
    assert "  the schedule multiplies the learning_rate by 0.5\n" in shown
    assert f"  clip_norm multiplies the gradients by {found['clip_factor']!r}\n" in shown
    assert f"    momentum after  {found['updated_slots']['momentum'][name]}\n" in shown


class Tires(SGD):
    """Fails at its second step."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, gradient, slots, step / (2.0 - step))


def test_an_optimizer_that_fails_at_this_step_is_named() -> None:
    subject = Model(input=[2], layers=[Dense(units=2)], loss="half_squared_error", optimizer=Tires())
    subject.train(X, T, steps=1)
    with pytest.raises(PartError, match=r"optimizer: Tires\.update fails: ZeroDivisionError"):
        subject.explain(X, T)


def test_what_explain_gives_is_nobody_elses() -> None:
    subject = Model(**{**model().document.to_json(), "optimizer": "adam"})
    subject.train(X, T, steps=2)
    explained, again = subject.explain(X, T), subject.explain(X, T)
    for slot in explained.slots.values():
        for array in slot.values():
            array[...] = 99.0
    for name, array in again.updated.items():
        np.testing.assert_array_equal(subject.explain(X, T).updated[name], array)
