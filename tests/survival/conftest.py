"""What the campaigns share: a model that is saved at every step, and runs of it as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., "subprocess.Popen[str]"]


def size(variable: str, short: int) -> int:
    """How often a campaign repeats: `short`, or what the environment variable says."""
    return int(os.environ.get(variable, short))


def change(document: Path, **fields: Any) -> None:
    """Set fields of a document, those of `training` and the others."""
    content = json.loads(document.read_text())
    training = content["training"] | fields.pop("training", {})
    content |= {**fields, "training": {name: value for name, value in training.items() if value is not None}}
    document.write_text(json.dumps(content))


@pytest.fixture
def iris(models: Path) -> Path:
    """Iris with shuffled batches, a validation split and adam's slots, saved at every step of a run without end."""
    change(models / "iris.json", training={"epochs": None, "steps": 10_000_000, "checkpoint": {"steps": 1}})
    return models / "iris.json"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `layerkit train MODEL --format json OPTIONS` as a process, which ends with the test at the latest."""
    started: list[subprocess.Popen[str]] = []

    def train(model: Path, *options: object, **how: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "layerkit", "train", model, "--format", "json", *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        process = subprocess.Popen([str(word) for word in command], text=True, **pipes)
        started.append(process)
        return process

    yield train
    for process in started:
        process.kill()
        process.communicate()


def events(out: str) -> list[dict[str, Any]]:
    """What a run said, without a line that it was killed amid."""
    return [json.loads(line) for line in out.splitlines() if line.endswith("}")]


def last_saved(out: str) -> int:
    """The step of the last save that was acknowledged."""
    return max((event["step"] for event in events(out) if event["event"] in ("saved", "stopped", "done")), default=0)
