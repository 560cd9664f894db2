"""Runs that are killed at random instants, each time taken up by the same command, end as one that never was."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaigns import Start, change, check_same, last_saved, size, step_of

KILLS = size("LAYERKIT_KILLS", 4)
"""LAYERKIT_KILLS=200 runs the whole campaign."""

DENSE, SIGMOID = {"type": "dense", "units": 8}, "sigmoid"
OPTIMIZERS = {
    "adam": {"type": "adam", "learning_rate": 0.01},
    "momentum": {"type": "sgd", "learning_rate": 0.01, "momentum": 0.9, "nesterov": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_killed_run_keeps_each_acknowledged_save_and_ends_as_if_never_killed(
    optimizer: str, iris: Path, start: Start, cli: Callable[..., Any]
) -> None:
    pytest.importorskip("layerkit_layers", reason="layerkit-layers is not installed")
    layers = [DENSE, SIGMOID, {"type": "dropout", "rate": 0.2}, {"type": "batch_norm"}, {"type": "dense", "units": 3}]
    change(iris, {}, layers=[*layers, "softmax"], optimizer=OPTIMIZERS[optimizer])
    draw, saved, unacknowledged = random.Random(0), iris.with_suffix(".safetensors"), 0
    for _ in range(KILLS):
        process = start(iris)
        # from before the first save to long after it
        time.sleep(0.4 + draw.random())
        process.kill()
        out, _ = process.communicate()
        step, acknowledged = step_of(saved), last_saved(out)
        assert step >= acknowledged
        unacknowledged += step > acknowledged > 0
    change(iris, {"steps": (reached := step_of(saved)) + 20})
    assert reached > 0
    assert cli("train", iris, "--quiet").code == 0
    whole = iris.with_name("whole.safetensors")
    assert cli("train", iris, "--output", whole, "--quiet").code == 0
    check_same(whole, saved)
    others = [each.name for each in iris.parent.iterdir() if each.name.startswith(".iris")]
    assert not others
