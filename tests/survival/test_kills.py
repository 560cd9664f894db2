"""Runs that are killed at random instants, each time taken up by the same command, end as one that never was."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaigns import Start, change, check_same, last_saved, size, step_of

KILLS = size("LAYERKIT_KILLS", 3)
"""LAYERKIT_KILLS=200 runs the whole campaign."""

LAYERS = [
    {"type": "dense", "units": 8, "activation": "sigmoid"},
    {"type": "dropout", "rate": 0.2},
    {"type": "batch_norm"},
    {"type": "dense", "units": 3, "activation": "softmax"},
]
OPTIMIZERS = {
    "adam": {"type": "adam", "learning_rate": 0.01},
    "momentum": {"type": "sgd", "learning_rate": 0.01, "momentum": 0.9, "nesterov": True},
}

RECIPE = {
    "schedule": {"type": "warmup", "steps": 100, "then": {"type": "step", "steps": 200, "factor": 0.9}},
    "clip_norm": 1.0,
    "early_stopping": {"patience": 1_000_000},
}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_killed_run_keeps_each_acknowledged_save_and_ends_as_if_never_killed(
    optimizer: str, iris: Path, start: Start, cli: Callable[..., Any]
) -> None:
    pytest.importorskip("layerkit_layers", reason="layerkit-layers is not installed")
    change(iris, RECIPE, layers=LAYERS, optimizer=OPTIMIZERS[optimizer])
    draw, saved = random.Random(0), iris.with_suffix(".safetensors")
    for _ in range(KILLS):
        process = start(iris)
        # from before the first save to long after it
        time.sleep(0.4 + draw.random())
        process.kill()
        out, _ = process.communicate()
        assert step_of(saved) >= last_saved(out)
    reached = step_of(saved)
    assert reached > 0
    change(iris, {"steps": reached + 20})
    assert cli("train", iris, "--quiet").code == 0
    whole = iris.with_name("whole.safetensors")
    assert cli("train", iris, "--output", whole, "--quiet").code == 0
    check_same(whole, saved)
    others = [each.name for each in iris.parent.iterdir() if each.name.startswith(".iris")]
    assert not others
