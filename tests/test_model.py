"""Model: what a Python user holds."""

from __future__ import annotations

from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_models import LABELS, X, classifier, same

import layerkit
from layerkit import (
    Dense,
    DocumentError,
    Model,
    SaveError,
)


def test_a_model_of_parts_learns_what_its_data_say() -> None:
    model = classifier(training={"metrics": ["accuracy"]})
    before = model.evaluate(X, LABELS)
    trained = model.train(X, LABELS, epochs=60)
    after = model.evaluate(X, LABELS)
    assert trained.steps == 120
    assert trained.loss == pytest.approx(after["loss"])
    assert after["loss"] < 0.3 * before["loss"]
    assert after["accuracy"] > 0.95


def test_steps_and_epochs_go_on_from_where_the_model_stands() -> None:
    model = classifier()
    model.train(X, LABELS, steps=3)
    model.train(X, LABELS, epochs=2)
    assert (model.step, model.epoch) == (7, 3)


@pytest.mark.parametrize("optimizer", ["adam", {"type": "sgd", "momentum": 0.9, "nesterov": True}, "sgd"])
@pytest.mark.parametrize("cut", [1, 4, 7])
def test_a_run_that_was_cut_off_goes_on_bit_for_bit(optimizer: Any, cut: int, tmp_path: Path) -> None:
    fields = {"optimizer": optimizer, "training": {"batch_size": 9}}
    whole, cut_off = classifier(**fields), classifier(**fields)
    whole.train(X, LABELS, steps=12)
    cut_off.train(X, LABELS, steps=cut)
    resumed = layerkit.load(cut_off.save(tmp_path / "model.safetensors"))
    resumed.train(X, LABELS, steps=12 - cut)
    assert same(whole, resumed)
    assert resumed.history.keys() == whole.history.keys()
    for name, values in whole.history.items():
        np.testing.assert_array_equal(resumed.history[name], values)


def test_the_seed_decides_everything() -> None:
    first, second, third = (classifier(training={"seed": seed, "batch_size": 8}) for seed in (1, 1, 2))
    for model in (first, second, third):
        model.train(X, LABELS, steps=7)
    assert same(first, second)
    assert not same(first, third)


def test_predict_gives_an_array_with_a_row_for_each_row() -> None:
    y = classifier().predict(X)
    assert y.shape == (40, 2)
    np.testing.assert_allclose(y.sum(axis=1), 1.0, rtol=1e-6)


def test_parameters_are_copies() -> None:
    model = classifier()
    with pytest.raises(ValueError, match="read-only"):
        model.parameters["layers.0.kernel"][...] = 7.0
    with pytest.raises(TypeError):
        model.parameters["layers.0.kernel"] = np.zeros(1)  # type: ignore[index]
    assert not np.any(model.parameters["layers.0.kernel"] == 7.0)


def test_an_engine_may_be_given_by_its_name() -> None:
    model = classifier()
    model.engine = "numpy"
    assert isinstance(model.engine, layerkit.NumPy)
    with pytest.raises(layerkit.PartError, match='no engine "nunpy" is installed; did you mean "numpy"'):
        model.engine = "nunpy"
    with pytest.raises(layerkit.PartError, match="an engine or its name is due, not <class"):
        model.engine = layerkit.NumPy  # type: ignore[assignment]


def test_the_documents_engine_keeps_its_fields_where_it_is_named_again() -> None:
    pytest.importorskip("jax")
    model = Model(input=[1], layers=["relu"], engine={"type": "jax", "precision": "high"})
    model.engine = "jax"
    assert model.engine == layerkit.JAX(precision="high")


def test_a_model_says_what_it_is() -> None:
    model = classifier()
    model.train(X, LABELS, steps=2)
    assert repr(model) == "<layerkit.Model in code, step 2>"


def test_a_model_in_code_writes_the_document_that_makes_it_again(tmp_path: Path) -> None:
    model = classifier(name="toy", training={"steps": 3, "seed": 5})
    again = layerkit.load(model.save(tmp_path / "toy.safetensors"))
    assert again.document.to_json() == model.document.to_json()
    assert same(model, again)


def test_a_part_that_is_registered_nowhere_trains_and_can_not_be_saved(tmp_path: Path) -> None:
    class Twice(layerkit.Activation):
        def __call__(self, x: Any) -> Any:
            return 2.0 * x

        def derivative(self, x: Any, y: Any) -> Any:
            return 0.0 * x + 2.0

    model = Model(input=[3], layers=[Dense(units=1), Twice()], loss="half_squared_error", optimizer="sgd")
    model.train(X, X[:, :1], steps=2)
    with pytest.raises(layerkit.PartError, match="Twice has no name"):
        model.save(tmp_path / "model.safetensors")


def test_a_saved_files_name_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(layerkit.SavedFileError, match=r"a saved file's name ends in \.safetensors"):
        classifier().save(tmp_path / "model.h5")


def test_a_model_in_code_has_no_place_of_its_own() -> None:
    with pytest.raises(DocumentError, match="give save a path"):
        classifier().save()


@pytest.mark.slow
def test_iris_is_learned_over_ten_seeds(models: Path) -> None:
    from layerkit.opening import open_model

    scores = []
    for seed in range(10):
        model = open_model(models / "iris.json", {"training.seed": seed}, restart=True)
        scores.append(model.train().validation["accuracy"])
    assert float(np.mean(scores)) >= 0.95


class Nameless(layerkit.Activation):
    """Registered by no package."""

    def __call__(self, x: Any) -> Any:
        return x

    def derivative(self, x: Any, y: Any) -> Any:
        return 0.0 * x + 1.0


def test_a_part_that_no_package_registers_can_be_used_and_not_written(tmp_path: Path) -> None:
    model = Model(input=[2], layers=[Nameless(), Dense(units=1)])
    assert model.predict(np.zeros((1, 2))).shape == (1, 1)
    for write in (model.document.to_json, lambda: model.save(tmp_path / "model.safetensors")):
        with pytest.raises(layerkit.PartError, match="Nameless has no name that a document could use: register it"):
            write()


@pytest.mark.parametrize("copied", [copy, deepcopy])
def test_a_copy_is_trained_by_itself(copied: Any) -> None:
    model = classifier()
    model.train(X, LABELS, epochs=2)
    other = copied(model)
    before = model.parameters["layers.0.kernel"].tolist()
    other.train(X, LABELS, epochs=3)
    assert (len(model.history["loss"]), len(other.history["loss"])) == (2, 5)
    assert model.parameters["layers.0.kernel"].tolist() == before


def test_a_model_is_not_saved_over_a_file_that_it_was_trained_on(tmp_path: Path) -> None:
    data = tmp_path / "rows.safetensors"
    save_file({"x": X[:4].astype("f4"), "y": LABELS[:4]}, data)
    model = classifier()
    model.train(data, steps=1)
    with pytest.raises(SaveError, match="would write over"):
        model.save(data)
