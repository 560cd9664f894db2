"""A run that is cut off after any of its steps ends with the bits of one that never was, whatever its optimizer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaigns import change, check_same, events, size

EVERY = 1 if size("LAYERKIT_RESUMES", 0) else 17
"""LAYERKIT_RESUMES=1 resumes at each of the 50 steps, not at each 17th."""
STEPS = 50
OPTIMIZERS = {
    "plain": {"type": "sgd", "learning_rate": 0.1},
    "momentum": {"type": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    "nesterov": {"type": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    "sgd with weight decay": {"type": "sgd", "learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.01},
    "adam": {"type": "adam", "learning_rate": 0.01},
    "adam with weight decay": {"type": "adam", "learning_rate": 0.01, "weight_decay": 0.05},
}
LAYERS: dict[str, list[Any]] = {
    "dense": [{"type": "dense", "units": 8, "activation": "sigmoid"}, {"type": "dense", "units": 3}, "softmax"],
    "dropout and batch_norm": [
        {"type": "dense", "units": 8, "activation": "relu"},
        {"type": "batch_norm"},
        {"type": "dropout", "rate": 0.3},
        {"type": "dense", "units": 3, "activation": "softmax"},
    ],
}


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_resumed_at_a_step_ends_as_one_never_cut_off(
    optimizer: str, layers: str, models: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if layers != "dense":
        pytest.importorskip("layerkit_layers", reason="layerkit-layers is not installed")
    document = models / "iris.json"
    goal = {"epochs": None, "steps": STEPS, "checkpoint": {"steps": 1}}
    change(document, goal, layers=LAYERS[layers], optimizer=OPTIMIZERS[optimizer])
    saved, whole = document.with_suffix(".safetensors"), document.with_name("whole.safetensors")
    kept = _keep_each_save(whole, monkeypatch)
    ran = cli("train", document, "--output", whole, "--format", "json")
    assert ran.code == 0
    assert [event["step"] for event in events(ran.out) if event["event"] == "saved"] == list(range(1, STEPS))
    assert len(kept) == STEPS
    monkeypatch.undo()
    for step in range(1, STEPS, EVERY):
        saved.write_bytes(kept[step - 1])
        assert cli("train", document, "--quiet").code == 0
        check_same(whole, saved)


def _keep_each_save(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bytes of each file that is saved from now on."""
    from layerkit import storage

    kept: list[bytes] = []
    real = storage.replace

    def replace(target: Path, content: bytes) -> None:
        real(target, content)
        kept.append(path.read_bytes())

    monkeypatch.setattr(storage, "replace", replace)
    return kept


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_taken_one_step_at_a_time_ends_as_one_run(optimizer: str, models: Path, cli: Callable[..., Any]) -> None:
    document, steps = models / "iris.json", STEPS if EVERY == 1 else 6
    change(document, {"epochs": None, "steps": steps}, optimizer=OPTIMIZERS[optimizer])
    whole = document.with_name("whole.safetensors")
    assert cli("train", document, "--output", whole, "--quiet").code == 0
    for _ in range(steps):
        assert cli("train", document, "--steps", 1, "--quiet").code == 0
    saved = document.with_suffix(".safetensors")
    check_same(whole, saved)
    shutil.copy(saved, whole)
    assert "steps are done" in cli("train", document).out
    assert saved.read_bytes() == whole.read_bytes()
