"""The loop: schedules, clipping, early stopping and divergence, against what can be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import layerkit
from layerkit import SGD, Dense, DocumentError, Model, Pace, PartError, Schedule, TrainingError
from layerkit.data.batches import Rows
from layerkit.engines.numpy import NumPySession
from layerkit.opening import open_model

RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.1 * RNG.normal(size=(40, 1))


def line(**fields: Any) -> Model:
    """One weight w from 0, with L = ½ (w x - t)², so that dL/dw = (w x - t) x."""
    layers = [Dense(units=1, kernel=[[0.0]], bias=None)]
    given = {"dtype": "float64", "optimizer": {"type": "sgd", "learning_rate": 0.1}, **fields}
    return Model(input=[1], layers=layers, loss="half_squared_error", **given)


def weight(model: Model) -> float:
    return float(model.parameters["layers.0.kernel"][0, 0])


def linear(**training: Any) -> Model:
    return Model(
        input=[3],
        layers=[Dense(units=1)],
        loss="half_squared_error",
        optimizer={"type": "adam", "learning_rate": 0.05},
        dtype="float64",
        training={"batch_size": 8, **training},
    )


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


class TestClipping:
    def test_a_long_gradient_is_scaled_to_the_norm(self) -> None:
        model = line(training={"clip_norm": 0.5})
        model.train([[1.0]], [[10.0]], steps=1)  # the gradient is -10
        assert weight(model) == pytest.approx(0.1 * 0.5)

    def test_a_short_gradient_stays_as_it_is(self) -> None:
        model = line(training={"clip_norm": 0.5})
        model.train([[1.0]], [[0.25]], steps=1)
        assert weight(model) == 0.1 * 0.25

    def test_the_norm_is_that_of_all_parameters_together(self) -> None:
        layers = [Dense(units=1, kernel=[[0.0], [0.0]], bias=[0.0])]
        model = Model(
            input=[2],
            layers=layers,
            loss="half_squared_error",
            dtype="float64",
            optimizer={"type": "sgd", "learning_rate": 1.0},
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


def after(steps: int) -> Any:
    """Asks a run to stop after about so many steps."""
    asked = iter(range(10**9))
    return lambda: next(asked) >= steps


def same(one: Model, other: Model) -> bool:
    equal = all(np.array_equal(array, other.parameters[name]) for name, array in one.parameters.items())
    histories = one.history.keys() == other.history.keys()
    return equal and histories and all(np.array_equal(one.history[k], other.history[k]) for k in one.history)


class TestEarlyStopping:
    STOPPING: ClassVar = {"epochs": 200, "validation": 0.25, "early_stopping": {"patience": 3}}

    def overfits(self, **training: Any) -> Model:
        """A wide net on few noisy rows, whose validation loss rises again."""
        return Model(
            input=[3],
            layers=[{"type": "dense", "units": 64, "activation": "sigmoid"}, Dense(units=1)],
            loss="half_squared_error",
            optimizer={"type": "adam", "learning_rate": 0.1},
            dtype="float64",
            training={"batch_size": 4, **self.STOPPING, **training},
        )

    def data(self) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        return rng.normal(size=(24, 3)), rng.normal(size=(24, 1))

    def test_it_ends_the_run_once_patience_is_over(self) -> None:
        model = self.overfits()
        model.train(*self.data())
        losses = model.history["validation_loss"]
        assert len(losses) < 200
        assert len(losses) == int(np.argmin(losses)) + 1 + 3

    def test_the_model_has_the_parameters_of_the_best_epoch(self) -> None:
        model = self.overfits()
        trained = model.train(*self.data())
        assert trained.validation["loss"] == pytest.approx(min(model.history["validation_loss"]), rel=1e-12)
        assert trained.best_epoch == int(np.argmin(model.history["validation_loss"])) + 1

    def test_run_again_it_is_done(self, tmp_path: Path) -> None:
        model = self.overfits()
        model.train(*self.data())
        again = layerkit.load(model.save(tmp_path / "m.safetensors"))
        assert again.train(*self.data()).steps == 0
        assert same(again, model)

    def test_asked_to_go_on_it_goes_on(self) -> None:
        model = self.overfits()
        model.train(*self.data())
        epochs = model.epoch
        model.train(*self.data(), epochs=2)
        assert model.epoch == epochs + 2

    @pytest.mark.parametrize("stop", [1, 4, 9, 14])
    def test_a_run_taken_up_again_stops_at_the_same_epoch_with_the_same_bits(self, stop: int, tmp_path: Path) -> None:
        whole = self.overfits()
        whole.train(*self.data())
        part = self.overfits()
        part.train(*self.data(), stop=after(stop))
        again = layerkit.load(part.save(tmp_path / "m.safetensors"))
        again.train(*self.data())
        assert same(again, whole)

    def test_epochs_from_before_it_was_asked_for_use_up_no_patience(self, tmp_path: Path) -> None:
        before = self.overfits(epochs=5, early_stopping=None)
        before.train(*self.data())
        path = before.save(tmp_path / "m.safetensors")
        fields = {"training.epochs": 500, "training.early_stopping": {"patience": 3}}
        model = open_model(path, fields)
        model.train(*self.data())
        figures = model.history["validation_loss"]
        assert len(figures) == 5 + int(np.argmin(figures[5:])) + 1 + 3 < 500

    def test_a_metric_where_more_is_better_may_be_watched(self) -> None:
        stopping = {"patience": 4, "figure": "validation_r2"}
        model = self.overfits(metrics=["r2"], early_stopping=stopping)
        model.train(*self.data())
        figures = model.history["validation_r2"]
        assert len(figures) == int(np.argmax(figures)) + 1 + 4

    def test_a_figure_that_is_never_a_number_is_refused_once_patience_is_over(self) -> None:
        model = self.overfits(metrics=["r2"], early_stopping={"patience": 4, "figure": "validation_r2"})
        x, y = self.data()
        with pytest.raises(TrainingError, match=r"early_stopping.figure: validation_r2 was no number in 4 epochs"):
            model.train(x, np.ones_like(y))
        assert model.epoch == 4

    def test_a_change_that_is_too_small_is_none(self) -> None:
        model = linear(epochs=50, early_stopping={"patience": 2, "min_change": 1e9})
        model.train(X, Y)
        assert model.epoch == 3

    def test_a_figure_that_the_history_lacks_is_refused_with_those_it_has(self) -> None:
        model = linear(epochs=1, early_stopping={"figure": "validation_los"})
        with pytest.raises(DocumentError, match=r'early_stopping.figure: there is no figure "validation_los".*loss'):
            model.train(X, Y)


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

    def interrupted(session: NumPySession, batch: Rows, losses: list[float]) -> None:
        if session._step == 29:
            raise KeyboardInterrupt
        take(session, batch, losses)

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
