"""A run that is killed, stopped or raced loses nothing that it said was saved."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.errors import SaveError
from layerkit.locking import only_trainer

KILLS = int(os.environ.get("LAYERKIT_KILLS", "8"))
"""LAYERKIT_KILLS=200 runs the whole campaign."""
STEPS = 400 * KILLS


@pytest.fixture
def model(models: Path) -> Path:
    """Iris, to be saved at every step of a long run."""
    document = json.loads((models / "iris.json").read_text())
    del document["training"]["epochs"]
    document["training"] |= {"steps": STEPS, "checkpoint": {"steps": 1}}
    document["optimizer"] = {"type": "adam", "learning_rate": 0.01}
    (models / "iris.json").write_text(json.dumps(document))
    return models / "iris.json"


def start(model: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "layerkit", "train", str(model), "--format", "json", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def last_saved(out: str) -> int:
    """The step of the last save that was said to be done."""
    events = [json.loads(line) for line in out.splitlines() if line.endswith("}")]
    return max((event["step"] for event in events if event["event"] in ("saved", "stopped", "done")), default=0)


@pytest.mark.slow
def test_a_killed_run_keeps_each_save_and_ends_as_if_never_killed(model: Path, cli: Callable[..., Any]) -> None:
    whole = model.with_name("whole.safetensors")
    assert cli("train", model, "--set", "training.checkpoint={}", "--output", whole, "--quiet").code == 0
    draw, saved = random.Random(0), model.with_suffix(".safetensors")
    for _ in range(KILLS):
        process = start(model)
        time.sleep(0.7 + draw.random())
        process.kill()
        out, _ = process.communicate()
        if saved.exists():
            assert layerkit.load(saved).step >= last_saved(out)
    assert cli("train", model, "--set", "training.checkpoint={}", "--quiet").code == 0
    first, second = layerkit.load(whole), layerkit.load(saved)
    assert second.step == STEPS
    for name, array in first.parameters.items():
        np.testing.assert_array_equal(second.parameters[name], array)
    for name, values in first.history.items():
        np.testing.assert_array_equal(second.history[name], values)


def test_what_a_killed_save_leaves_behind_is_cleared_by_the_next(models: Path, cli: Callable[..., Any]) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = models / f".activity.safetensors.{ended.pid}.tmp"
    left.write_bytes(b"half a file")
    assert cli("train", models / "activity.json").code == 0
    assert not left.exists()


def test_checkpoints_are_told_as_they_are_made(models: Path, cli: Callable[..., Any]) -> None:
    change = 'training.checkpoint={"steps": 3}'
    ran = cli("train", models / "activity.json", "--steps", 10, "--set", change, "--format", "json")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert [event["step"] for event in events if event["event"] == "saved"] == [3, 6, 9]
    assert events[-1]["step"] == 10


def test_a_second_trainer_leaves_at_once_and_says_who_holds_the_model(model: Path, cli: Callable[..., Any]) -> None:
    with start(model) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        ran = cli("train", model)
        holder.send_signal(signal.SIGTERM)
        holder.communicate()
    assert ran.code == 1
    assert f"process {holder.pid} is training this model" in ran.err


def test_a_dead_holder_leaves_no_lock(model: Path, cli: Callable[..., Any]) -> None:
    with start(model) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
        holder.communicate()
    assert model.with_name(".iris.safetensors.lock").exists()
    assert cli("train", model, "--set", "training.checkpoint={}", "--steps", 1).code == 0
    assert not model.with_name(".iris.safetensors.lock").exists()


def test_of_two_trainers_that_start_together_one_wins(model: Path) -> None:
    for _ in range(3):
        racers = [start(model, "--restart", "--set", "training.steps=200") for _ in range(2)]
        codes = sorted((racer.communicate()[0], racer.returncode)[1] for racer in racers)
        assert codes[0] == 0
        # the slower one either met the lock, or came when the first had finished
        assert codes[1] in (0, 1)


def test_the_lock_is_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with only_trainer(path), pytest.raises(SaveError, match=f"process {os.getpid()} "), only_trainer(path):
        pass
    with only_trainer(path):
        pass
    assert not list(tmp_path.iterdir())
