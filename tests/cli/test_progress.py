"""How a run reports on itself: on a terminal, elsewhere, for programs, and not at all."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit.cli import progress
from layerkit.history import History
from layerkit.training import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steps(*numbers: int, goal: int = 10) -> Iterator[Progress]:
    """Epochs of five steps."""
    for step in numbers:
        epochs = range(1, step // 5 + 1)
        figures = {"step": [5.0 * epoch for epoch in epochs], "loss": [0.5] * len(epochs)}
        figures["validation_loss"] = [0.25] * len(epochs)
        history = History.of({name: np.array(values) for name, values in figures.items()}, {})
        ended = epochs[-1:] if step % 5 == 0 else epochs[:0]
        yield Progress(step, goal, step // 5, 0.125, 2000.0, 3.0, history, ended)


def reported(form: str, quiet: bool, monkeypatch: pytest.MonkeyPatch, stream: Any, seconds: float = 0.0) -> str:
    """What is written to stderr over ten steps, the clock going so many seconds a look."""
    now = [0.0]

    def clock() -> float:
        now[0] += seconds
        return now[0]

    monkeypatch.setattr(progress, "monotonic", clock)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.reporting(form, quiet, 0, 10) as report:
        for each in steps(*range(1, 11)):
            report(each)
    return str(stream.getvalue())


def test_elsewhere_than_on_a_terminal_it_is_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = reported("text", False, monkeypatch, io.StringIO(), seconds=1.0)
    assert text.splitlines()[0] == "step 1 of 10  loss 0.125  2,000 rows/s  3 s left"
    assert "\r" not in text
    assert "\x1b" not in text


def test_lines_are_a_second_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(reported("text", False, monkeypatch, io.StringIO(), seconds=0.25).splitlines()) == 2


def test_a_terminal_gets_a_bar_with_steps_loss_and_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = reported("text", False, monkeypatch, Terminal(), seconds=1.0)
    assert "[###" in text
    assert "100%  step 10 of 10  loss 0.125  2,000 rows/s" in text
    assert text.endswith("\x1b[?25h\n")  # the cursor is shown again


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120])
def test_a_bar_stays_on_its_line(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = reported("text", False, monkeypatch, Terminal(), seconds=1.0)
    shown = [re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", line).rstrip() for line in re.split("[\r\n]", text)]
    assert max(map(len, shown)) <= max(columns, progress.BESIDE)
    assert any("%" in line for line in shown)


def test_a_bar_goes_by_the_terminal_that_stderr_is() -> None:
    terminal, stderr = pty.openpty()
    termios.tcsetwinsize(stderr, (24, 50))
    script = "from layerkit.cli.progress import _columns; import sys; sys.exit(_columns())"
    ran = subprocess.run([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=stderr, check=False)
    os.close(terminal)
    os.close(stderr)
    assert ran.returncode == 50


def test_a_bar_ends_its_line_when_the_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    with suppress(ZeroDivisionError), progress.reporting("text", False, 0, 10) as report:
        for each in steps(1, 2):
            report(each)
        raise ZeroDivisionError
    assert stream.getvalue().endswith("\x1b[?25h\n")


def test_a_short_run_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reported("text", False, monkeypatch, Terminal(), seconds=0.01) == ""


def test_programs_get_an_object_for_each_epoch_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reported("json", False, monkeypatch, Terminal(), seconds=1.0) == ""
    first, second = capsys.readouterr().out.splitlines()
    assert first == '{"event": "epoch", "epoch": 1, "step": 5, "loss": 0.5, "validation_loss": 0.25}'
    assert '"step": 10' in second


def test_epochs_are_counted_as_the_saved_file_counts_them_and_have_their_own_figures_alone(
    models: Path, cli: Callable[..., Any]
) -> None:
    path = models / "iris.json"
    assert cli("train", path, "--epochs", 3, "--quiet").code == 0
    arguments = (
        "train",
        path,
        "--batch-size",
        120,
        "--epochs",
        2,
        "--format",
        "json",
        "--set",
        "training.validation=null",
    )
    *epochs, done = (json.loads(line) for line in cli(*arguments).out.splitlines())
    assert [epoch["epoch"] for epoch in epochs] == [done["epoch"] - 1, done["epoch"]]
    assert all(epoch.keys() == {"event", "epoch", "step", "loss"} for epoch in epochs)


def test_quiet_is_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert reported("json", True, monkeypatch, Terminal(), seconds=1.0) == ""
    assert capsys.readouterr().out == ""
