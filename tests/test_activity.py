"""The hand exercise: each number of one forward pass, one backward pass and one step of a 2-2-1 network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit

KERNEL_0 = [[0.20003114928136043, 0.9000138441250491], [0.6000415323751472, 0.6000184588333988]]
AFTER = {
    "layers.0.kernel": KERNEL_0,
    "layers.0.bias": [0.8001038309378681, 0.900046147083497],
    "layers.1.kernel": [[0.9001269044796165], [0.4001626684693266]],
    "layers.1.bias": [0.9001153677087422],
}
GRADIENTS = {
    "layers.0.kernel": [[-0.00155746406802019, -0.00069220625245342], [-0.00207661875736025, -0.00092294166993789]],
    "layers.0.bias": [-0.0051915468934006, -0.0023073541748447],
    "layers.1.kernel": [[-0.00634522398082299], [-0.00813342346632766]],
    "layers.1.bias": [-0.00576838543711181],
}


def close(found: Any, due: Any) -> None:
    np.testing.assert_allclose(found, due, rtol=0, atol=1e-15)


@pytest.fixture
def explained(models: Path, cli: Callable[..., Any]) -> Any:
    return cli("explain", models / "activity.json", "--format", "json").json


@pytest.mark.parametrize(
    ("stage", "field", "due"),
    [
        (0, "input", [0.3, 0.4]),
        (0, "output", [1.1, 1.41]),
        (1, "output", [1.1, 1.41]),
        (2, "output", [2.454]),
        (3, "output", [0.920853471440541]),
        (3, "gradient", [-0.07914652855945903]),
        (2, "gradient", [-0.00576838543711181]),
    ],
)
def test_explain_shows_every_value_between_the_stages(explained: Any, stage: int, field: str, due: list[float]) -> None:
    close(explained["stages"][stage][field], due)


def test_explain_shows_the_loss(explained: Any) -> None:
    close(explained["loss"], 0.003132086491506632)


@pytest.mark.parametrize("name", GRADIENTS)
def test_explain_shows_every_gradient(explained: Any, name: str) -> None:
    close(explained["gradients"][name], GRADIENTS[name])


@pytest.mark.parametrize("name", AFTER)
def test_explain_shows_every_parameter_after_the_step(explained: Any, name: str) -> None:
    close(explained["updated"][name], AFTER[name])


def test_explain_changes_nothing(models: Path, cli: Callable[..., Any]) -> None:
    before = sorted(models.iterdir())
    cli("explain", models / "activity.json")
    assert sorted(models.iterdir()) == before


def test_train_takes_the_step_and_says_so(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "activity.json")
    assert ran.code == 0
    assert "loss 0.003132086492 before, 0.003128487647 after" in ran.out
    assert f"saved {models / 'activity.safetensors'}" in ran.out


@pytest.mark.parametrize("name", AFTER)
def test_train_saves_the_parameters_of_the_table(models: Path, cli: Callable[..., Any], name: str) -> None:
    cli("train", models / "activity.json")
    close(layerkit.load(models / "activity.safetensors").parameters[name], AFTER[name])


def test_a_second_run_says_that_its_one_step_is_done(models: Path, cli: Callable[..., Any]) -> None:
    cli("train", models / "activity.json")
    before = (models / "activity.safetensors").read_bytes()
    ran = cli("train", models / "activity.json")
    assert ran.code == 0
    assert "its 1 step is done" in ran.out
    assert (models / "activity.safetensors").read_bytes() == before


def test_one_step_more_starts_from_the_saved_one(models: Path, cli: Callable[..., Any]) -> None:
    cli("train", models / "activity.json")
    close(cli("predict", models / "activity.json", "--format", "json").json["predictions"], [[0.9208989551619561]])
    assert cli("train", models / "activity.json", "--steps", 1, "--format", "json").json["step"] == 2


def test_a_saved_file_is_explained_from_where_it_stands(models: Path, cli: Callable[..., Any]) -> None:
    cli("train", models / "activity.json")
    explained = cli("explain", models / "activity.safetensors", "--format", "json").json
    close(explained["stages"][3]["output"], [0.9208989551619561])


def test_the_same_network_from_parts_in_code_saves_the_same_parameters(tmp_path: Path) -> None:
    model = layerkit.Model(
        input=[2],
        dtype="float64",
        layers=[
            layerkit.Dense(units=2, kernel=[[0.2, 0.9], [0.6, 0.6]], bias=[0.8, 0.9]),
            layerkit.ReLU(),
            layerkit.Dense(units=1, kernel=[[0.9], [0.4]], bias=[0.9]),
            layerkit.Sigmoid(),
        ],
        loss=layerkit.HalfSquaredError(),
        optimizer=layerkit.SGD(learning_rate=0.02),
    )
    model.train(np.array([[0.3, 0.4]]), np.array([[1.0]]), steps=1)
    model.save(tmp_path / "model.safetensors")
    close(layerkit.load(tmp_path / "model.safetensors").parameters["layers.0.kernel"], KERNEL_0)
