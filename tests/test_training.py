"""The loop: schedules, clipping and divergence, against what can be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import POINTS as X
from small_models import VALUES as Y
from small_models import after, line, linear, same, weight

import layerkit
from layerkit import SGD, Dense, Model, Pace, PartError, Schedule, TrainingError
from layerkit.data.batches import Rows
from layerkit.engines.numpy import NumPySession


class TestSchedule:
    def test_each_step_has_its_own_learning_rate(self) -> None:
        model = line(training={"schedule": {"type": "step", "steps": 1, "factor": 0.5}})
        due = 0.0
        for rate in (0.1, 0.05, 0.025):
            due -= rate * (due - 1.0)
        model.train([[1.0]], [[1.0]], steps=3)
        assert weight(model) == pytest.approx(due, rel=1e-14)

    def test_a_goal_that_is_the_documents_own_ends_a_cosine(self) -> None:
        model = line(training={"schedule": "cosine", "steps": 4})
        model.train([[1.0]], [[1.0]])
        before = weight(model)
        with pytest.warns(layerkit.Notice, match="a learning_rate of 0 from step 5 on"):
            model.train([[1.0]], [[1.0]], steps=5)
        assert weight(model) == before  # beyond its goal, a cosine has fallen to 0

    @pytest.mark.parametrize("factor", [np.array([0.5]), None, float("nan"), 10**400, -0.1])
    def test_what_is_no_finite_float_is_refused(self, factor: Any) -> None:
        class Odd(Schedule):
            def __call__(self, pace: Pace) -> Any:
                return 1.0 if pace.step < 2 else factor

        model = line(training={"schedule": Odd()})
        with pytest.raises(
            PartError, match=r"training.schedule: Odd gives .* at step 3 where a finite float from 0 is due"
        ):
            model.train([[1.0]], [[1.0]], steps=9)
        assert model.step == 2

    def test_a_run_taken_up_again_goes_on_at_the_same_pace(self, tmp_path: Path) -> None:
        schedule = {"type": "warmup", "steps": 5, "then": "cosine"}
        whole = linear(epochs=6, schedule=schedule)
        whole.train(X, Y)
        part = linear(epochs=6, schedule=schedule)
        part.train(X, Y, stop=after(11))
        again = layerkit.load(part.save(tmp_path / "part.safetensors"))
        again.train(X, Y)
        assert same(again, whole)


STEEP = {"type": "sgd", "learning_rate": 1.0}


class TestClipping:
    def test_a_long_gradient_is_scaled_to_the_norm(self) -> None:
        model = line(training={"clip_norm": 0.5})
        model.train([[1.0]], [[10.0]], steps=1)  # the gradient is -10
        assert weight(model) == pytest.approx(0.1 * 0.5)

    def test_a_short_gradient_stays_as_it_is(self) -> None:
        model = line(training={"clip_norm": 0.5})
        model.train([[1.0]], [[0.25]], steps=1)
        assert weight(model) == 0.1 * 0.25

    @pytest.mark.parametrize(
        ("name", "x", "t"),
        [
            ("bias", 0.0, 1e-30),
            ("bias", 0.0, 1e-13),
            ("kernel", 1e15, 1.0),
            ("kernel", 1e25, 1.0),
            ("kernel", 1e37, 1.0),
        ],
    )
    def test_no_gradient_is_too_small_or_too_large_for_its_length_in_float32(
        self, name: str, x: float, t: float
    ) -> None:
        size = max(x, t)  # the gradient is -x t for each weight of the kernel, and -t of the bias
        layers = [Dense(units=20_000, kernel=np.zeros((1, 20_000)), bias=np.zeros(20_000))]
        training = {"clip_norm": size}
        model = Model(input=[1], layers=layers, loss="half_squared_error", optimizer=STEEP, training=training)
        explained = model.explain([[x]], np.full((1, 20_000), t)).updated[f"layers.0.{name}"]
        model.train([[x]], np.full((1, 20_000), t), steps=1)
        for moved in (explained, model.parameters[f"layers.0.{name}"]):
            np.testing.assert_allclose(moved.astype(np.float64), size / 20_000**0.5, rtol=1e-5)

    def test_nor_in_float64(self) -> None:
        layers = [Dense(units=1, kernel=[[0.0], [0.0]], bias=[0.0])]
        training = {"clip_norm": 5.0}
        model = Model(
            input=[2],
            layers=layers,
            loss="half_squared_error",
            optimizer=STEEP,
            training=training,
            dtype="float64",
        )
        x, t = [[3e150, 4e150]], [[1e50]]  # the gradient of the kernel is -x t
        explained = model.explain(x, t).updated["layers.0.kernel"]
        model.train(x, t, steps=1)
        for moved in (explained, model.parameters["layers.0.kernel"]):
            np.testing.assert_allclose(moved, [[3.0], [4.0]], rtol=1e-12)

    def test_the_norm_is_that_of_all_parameters_together(self) -> None:
        layers = [Dense(units=1, kernel=[[0.0], [0.0]], bias=[0.0])]
        model = Model(
            input=[2],
            layers=layers,
            loss="half_squared_error",
            dtype="float64",
            optimizer=STEEP,
            training={"clip_norm": 1.0},
        )
        model.train([[2.0, 2.0]], [[1.0]], steps=1)  # the gradient is -(2, 2, 1), of length 3
        moved = np.append(model.parameters["layers.0.kernel"], model.parameters["layers.0.bias"])
        assert moved == pytest.approx([2 / 3, 2 / 3, 1 / 3])


def test_explain_takes_the_step_that_train_takes() -> None:
    schedule = {"type": "step", "steps": 1, "factor": 0.5}
    model = line(training={"steps": 3, "clip_norm": 0.5, "schedule": schedule})
    for _ in range(3):
        explained = model.explain([[1.0]], [[10.0]]).updated["layers.0.kernel"]
        model.train([[1.0]], [[10.0]], steps=1)
        assert model.parameters["layers.0.kernel"] == pytest.approx(explained, rel=1e-15)


def test_a_call_of_many_steps_closes_every_epoch_in_it() -> None:
    model = line()
    model.train([[1.0]], [[1.0]], epochs=700)
    history = model.history
    assert history["step"].tolist() == list(range(1, 701))
    assert np.all(np.diff(history["loss"]) <= 0.0)


def test_a_run_that_is_interrupted_amid_a_call_goes_on_as_if_it_were_not(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, part = linear(), linear()
    whole.train(X, Y, epochs=20)
    take = NumPySession._take_step

    def interrupted(session: NumPySession, batch: Rows, losses: list[float], is_last: bool) -> None:
        if session._step == 29:
            raise KeyboardInterrupt
        take(session, batch, losses, is_last)

    with monkeypatch.context() as patch:
        patch.setattr(NumPySession, "_take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            part.train(X, Y, epochs=20)
    assert part.step == 29
    part.train(X, Y, steps=71)
    assert same(part, whole)


class TestDivergence:
    def wild(self, folder: Path) -> Path:
        """A document whose second step overflows: w = 1e30 after the first, and (w x)² has no place in float32."""
        document = {
            "input": [1],
            "layers": [{"type": "dense", "units": 1, "kernel": [[0.0]], "bias": None}],
            "loss": "half_squared_error",
            "optimizer": {"type": "sgd", "learning_rate": 1e30},
            "training": {"steps": 9, "batch_size": 1, "data": {"x": [[1.0], [1.0]], "y": [[1.0], [1.0]]}},
        }
        path = folder / "wild.json"
        path.write_text(json.dumps(document))
        return path

    def test_the_last_finite_model_is_kept_where_there_was_none(self, tmp_path: Path, cli: Any) -> None:
        path = self.wild(tmp_path)
        ran = cli("train", path)
        assert (ran.code, "no longer finite at step 2" in ran.err) == (1, True)
        kept = layerkit.load(path.with_suffix(".safetensors"))
        assert kept.step == 1
        assert weight(kept) == pytest.approx(1e30)

    def test_so_is_the_model_before_a_part_fails(
        self, tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        update = SGD.update

        def tires(sgd: SGD, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
            return update(sgd, parameter, gradient, slots, step) if step < 3 else 1 / 0

        monkeypatch.setattr(SGD, "update", tires)
        path = self.wild(tmp_path)
        ran = cli("train", path, "--set", "optimizer.learning_rate=0.5")
        assert (ran.code, "SGD.update fails: ZeroDivisionError" in ran.err) == (2, True)
        kept = layerkit.load(path.with_suffix(".safetensors"))
        assert kept.step == 2
        assert weight(kept) == pytest.approx(0.75)

    def test_an_earlier_file_stays_as_it_was(self, tmp_path: Path, cli: Any) -> None:
        path = self.wild(tmp_path)
        cli("train", path)
        before = path.with_suffix(".safetensors").read_bytes()
        assert cli("train", path, "--restart").code == 1
        assert path.with_suffix(".safetensors").read_bytes() == before

    def test_the_history_has_the_losses_of_the_steps_that_were_taken(self) -> None:
        x, y = np.ones((300, 1)), np.ones((300, 1))
        y[299] = 1e200  # its square overflows, at whichever step of the first epoch
        model = line(training={"batch_size": 1})
        with pytest.raises(TrainingError):
            model.train(x, y, epochs=1)
        assert model._history.loss_count == model.step > 0
