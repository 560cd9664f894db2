"""Early stopping: when a run ends before its goal, and with which parameters."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from small_models import POINTS as X
from small_models import VALUES as Y
from small_models import after, linear, same

import layerkit
from layerkit import Dense, DocumentError, Metric, Model, Notice, TrainingError
from layerkit.engines.numpy import NumPySession
from layerkit.opening import open_model


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


class TestTheBestEpoch:
    """Of runs that are taken up again."""

    def document(self, tmp_path: Path, **changes: Any) -> Path:
        """Steps so large that the loss falls, and then rises."""
        kernel = {"type": "dense", "units": 1, "kernel": [[0.0]], "bias": [0.0]}
        training = {
            "epochs": 50,
            "batch_size": 4,
            "data": {"x": [[1.0], [0.5], [-1.0], [0.2]], "y": [[1.0], [2.0], [-1.0], [0.0]]},
            "early_stopping": {"patience": 3},
            "checkpoint": {"steps": 1},
        }
        document = {
            "dtype": "float64",
            "input": [1],
            "layers": [kernel],
            "loss": "half_squared_error",
            "optimizer": {"type": "sgd", "learning_rate": 1.9, "momentum": 0.95},
            "training": training | changes.pop("training", {}),
        }
        path = tmp_path / "m.json"
        path.write_text(json.dumps(document | changes))
        return path

    def test_a_run_killed_after_its_last_checkpoint_ends_with_the_very_file(
        self, tmp_path: Path, cli: Callable[..., Any]
    ) -> None:
        path = self.document(tmp_path)
        assert cli("train", path, "--quiet").code == 0
        saved = path.with_suffix(".safetensors")
        whole = saved.read_bytes()
        saved.unlink()
        model = layerkit.load(path)
        model.run(model.plan(), save=model.save)  # and what it ends with is never saved
        assert saved.read_bytes() != whole
        assert cli("train", path, "--quiet").code == 0
        assert saved.read_bytes() == whole

    def test_steps_without_early_stopping_forget_it(self, tmp_path: Path, cli: Callable[..., Any]) -> None:
        assert cli("train", self.document(tmp_path), "--quiet").code == 0
        assert cli("train", self.document(tmp_path, training={"early_stopping": None}), "--quiet").code == 0
        found = layerkit.load(self.document(tmp_path, training={"epochs": 60}))
        assert found.step == 50
        assert found.train().steps > 0

    @pytest.mark.parametrize(
        "change",
        [
            {"loss": "mean_squared_error"},
            {"training": {"validation": 0.5}},
            {"training": {"early_stopping": {"patience": 4, "figure": "validation_loss"}, "validation": 0.5}},
        ],
    )
    def test_figures_of_another_kind_forget_it(
        self, change: dict[str, Any], tmp_path: Path, cli: Callable[..., Any]
    ) -> None:
        assert cli("train", self.document(tmp_path), "--quiet").code == 0
        with pytest.warns(Notice):
            found = layerkit.load(self.document(tmp_path, **change))
        assert found._history.best_epoch == 0

    @pytest.mark.parametrize("stopping", [{"patience": 7}, {"patience": 3, "figure": "loss"}])
    def test_another_patience_keeps_it_and_a_figure_by_its_name(
        self, stopping: dict[str, Any], tmp_path: Path, cli: Callable[..., Any]
    ) -> None:
        assert cli("train", self.document(tmp_path), "--quiet").code == 0
        found = layerkit.load(self.document(tmp_path, training={"early_stopping": stopping}))
        assert found._history.best_epoch > 0

    def test_other_rows_held_out_forget_it(self) -> None:
        model = Model(
            input=[1],
            layers=[Dense(units=1)],
            loss="half_squared_error",
            optimizer="sgd",
            training={"validation": 0.25, "epochs": 40, "early_stopping": {"patience": 30}},
        )
        x = np.linspace(0.0, 1.0, 16)[:, None]
        model.train(x, 3.0 * x)
        with pytest.warns(Notice, match="other rows are held out"):
            trained = model.train(x + 5.0, 100.0 * x, epochs=5)
        assert trained.best_epoch > 40


class Interrupts(Metric):
    """The number of rows; at some call, Ctrl-C comes."""

    at: int = 0

    def sums(self, y: Any, t: Any) -> Any:
        CALLS[0] += 1
        if CALLS[0] == self.at:
            signal.raise_signal(signal.SIGINT)
        return np.array([float(len(y))])

    def value(self, sums: Any) -> float:
        return float(sums[0])


CALLS = [0]


@pytest.mark.parametrize("at", [3, 5, 6])
def test_a_run_that_is_interrupted_while_it_validates_ends_as_one_that_never_was(at: int) -> None:
    x, t = TestEarlyStopping().data()
    due, found = (TestEarlyStopping().overfits(metrics=[Interrupts(at=number)]) for number in (0, at))
    CALLS[0] = 0
    due.train(x, t)
    CALLS[0] = 0
    with pytest.raises(KeyboardInterrupt):
        found.train(x, t)
    found.train(x, t)
    assert same(found, due)
    assert found.history.keys() == due.history.keys()
    for name, figures in due.history.items():
        np.testing.assert_array_equal(found.history[name], figures)


def test_a_metric_that_fails_in_an_epoch_loses_none_of_its_steps() -> None:
    x, t = TestEarlyStopping().data()
    model = TestEarlyStopping().overfits(epochs=5, early_stopping=None)
    steps = model.plan(x, t).steps_per_epoch

    def fails(progress: Any) -> None:
        if progress.step == 2 * steps:
            raise ValueError("report")

    with pytest.raises(ValueError, match="report"):
        model.train(x, t, report=fails)
    assert (model.step, model.epoch, len(model.history["loss"])) == (2 * steps, 2, 2)
    model.train(x, t)
    assert [*model.history["step"]] == [steps * epoch for epoch in range(1, 6)]


def test_a_second_interrupt_loses_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    x, t = TestEarlyStopping().data()
    model = TestEarlyStopping().overfits(early_stopping=None)
    state = NumPySession.state.fget
    assert state is not None

    def interrupted(session: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return state(session)

    def report(progress: Any) -> None:
        if progress.step == 10:
            monkeypatch.setattr(NumPySession, "state", property(interrupted))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.train(x, t, report=report)
    monkeypatch.undo()
    assert model.step == 10
    assert model.history["step"][-1] <= 10


@pytest.mark.parametrize("act", ["train", "save"])
def test_amid_a_run_a_model_is_neither_trained_nor_saved(act: str, tmp_path: Path) -> None:
    x, t = TestEarlyStopping().data()
    model = TestEarlyStopping().overfits(epochs=2)

    def report(progress: Any) -> None:
        if act == "train":
            model.train(x, t, steps=1)
        else:
            model.save(tmp_path / "m.safetensors")

    with pytest.raises(TrainingError, match="this model is being trained"):
        model.train(x, t, report=report)
    assert model.train(x, t).steps > 0
