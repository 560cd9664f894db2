"""A model that is saved at every step, and runs of it as processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from campaigns import Start, change

from layerkit.signals import ENDING


@pytest.fixture
def iris(models: Path) -> Path:
    """Iris with shuffled batches, a validation split and adam's slots, saved at every step of a run without end."""
    change(models / "iris.json", {"epochs": None, "steps": 10_000_000, "checkpoint": {"steps": 1}})
    return models / "iris.json"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `layerkit train MODEL --format json OPTIONS` as a process, which ends with the test at the latest.

    `program` stands in the place of `-m layerkit`, and `before` in front of all.
    """
    started: list[subprocess.Popen[str]] = []

    def train(
        model: Path,
        *options: object,
        program: Sequence[object] = ("-m", "layerkit"),
        before: Sequence[object] = (),
        **how: Any,
    ) -> subprocess.Popen[str]:
        command = [*before, sys.executable, *program, "train", model, "--format", "json", *options]
        further = how.pop("preexec_fn", None)

        def prepare() -> None:
            _heed_signals()
            if further is not None:
                further()

        own = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        process = subprocess.Popen([str(word) for word in command], text=True, preexec_fn=prepare, **own)
        started.append(process)
        return process

    yield train
    for process in started:
        process.kill()
        process.communicate()


def _heed_signals() -> None:
    """A shell's job in the background ignores some of them, and so would what it starts."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
