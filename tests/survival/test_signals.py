"""Ctrl-C, SIGTERM and a closed terminal: the step is finished and saved, and the exit code says what happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaigns import Start, change, check_same, end, size, step_of, wait_for

from layerkit.signals import ECHO

SIGNALS = size("LAYERKIT_SIGNALS", 2)
"""LAYERKIT_SIGNALS=20 runs the whole campaign."""
EACH = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def patient(iris: Path) -> Path:
    """Iris, saved only when a run ends."""
    change(iris, {"checkpoint": {"seconds": 100_000}})
    return iris


@pytest.mark.slow
@pytest.mark.parametrize("number", EACH)
@pytest.mark.parametrize("saves", ["each step", "at the end"])
def test_the_last_finished_step_is_saved_at_whatever_instant_a_signal_comes(
    number: signal.Signals, saves: str, iris: Path, start: Start, cli: Callable[..., Any]
) -> None:
    change(iris, {"checkpoint": {"steps": 1} if saves == "each step" else {"seconds": 100_000}})
    draw, saved, before = random.Random(number), iris.with_suffix(".safetensors"), 0
    for _ in range(SIGNALS):
        process = start(iris)
        wait_for(process, "epoch")
        time.sleep(draw.random() / 2)
        process.send_signal(number)
        code, said = end(process)
        assert code == 128 + number
        assert said[-1]["event"] == "stopped"
        assert step_of(saved) == said[-1]["step"] == before + said[-1]["steps"]
        assert said[-1]["steps"] > 0
        assert said[-1]["step"] >= max(event["step"] for event in said)
        before = step_of(saved)
    assert {each.name for each in iris.parent.glob(".*")} == set()
    change(iris, {"steps": before, "checkpoint": None})
    whole = iris.with_name("whole.safetensors")
    shutil.copy(saved, cut := iris.with_name("cut.safetensors"))
    assert cli("train", iris, "--output", whole, "--quiet").code == 0
    assert cli("train", iris, "--output", cut, "--steps", 1, "--quiet").code == 0
    assert cli("train", iris, "--output", whole, "--steps", 1, "--quiet").code == 0
    check_same(whole, cut)


@pytest.mark.slow
@pytest.mark.parametrize("number", EACH)
def test_a_signal_before_the_first_step_leaves_quietly_with_its_code(
    number: signal.Signals, patient: Path, start: Start
) -> None:
    draw = random.Random(number)
    for _ in range(SIGNALS):
        process = start(patient, "--restart")
        # Python itself has begun once it asks for layerkit; how far it then comes is left to chance
        _wait_until_layerkit_runs(process)
        time.sleep(draw.random() / 4)
        process.send_signal(number)
        code, said = end(process)
        assert code == 128 + number
        assert step_of(patient.with_suffix(".safetensors")) == (said[-1]["step"] if said and said[-1]["steps"] else 0)
        patient.with_suffix(".safetensors").unlink(missing_ok=True)


def _wait_until_layerkit_runs(process: subprocess.Popen[str]) -> None:
    """Until the last of its own handlers stands in the kernel's list."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("this system has no /proc to see a handler in")
    while True:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) >> (signal.SIGHUP - 1) & 1:
            return


@pytest.fixture
def blocked(start: Start) -> Callable[[str, Path], subprocess.Popen[str]]:
    """Start a run that is blocked at a place (a step, a save, reading), and wait until it is there."""

    def run(place: str, model: Path) -> subprocess.Popen[str]:
        process = start(model, program=[Path(__file__).with_name("blocked.py"), place])
        wait_for(process, f"blocked: {place}")
        return process

    return run


@pytest.mark.parametrize("number", EACH)
def test_a_second_signal_leaves_at_once_even_amid_a_long_computation(
    number: signal.Signals, iris: Path, blocked: Callable[..., subprocess.Popen[str]]
) -> None:
    process, saved = blocked("step", iris), iris.with_suffix(".safetensors")
    content = saved.read_bytes()
    process.send_signal(number)
    time.sleep(2 * ECHO)
    assert process.poll() is None  # it waits for its step
    process.send_signal(number)
    code, said = end(process)
    assert (code, said) == (128 + number, [])
    assert saved.read_bytes() == content
    assert step_of(saved) > 0


@pytest.mark.parametrize("number", EACH)
def test_a_signal_amid_a_save_waits_for_it(
    number: signal.Signals, patient: Path, blocked: Callable[..., subprocess.Popen[str]]
) -> None:
    change(patient, {"checkpoint": {"steps": 7}})
    process = blocked("save", patient)
    process.send_signal(number)
    code, said = end(process)
    assert code == 128 + number
    assert said[0]["event"] == "saved"
    assert step_of(patient.with_suffix(".safetensors")) == said[-1]["step"] == 7


@pytest.mark.parametrize("number", EACH)
def test_a_second_signal_amid_a_save_leaves_the_file_as_it_was(
    number: signal.Signals, iris: Path, blocked: Callable[..., subprocess.Popen[str]], cli: Callable[..., Any]
) -> None:
    assert cli("train", iris, "--set", "training.steps=3", "--quiet").code == 0
    saved = iris.with_suffix(".safetensors")
    content, process = saved.read_bytes(), blocked("save", iris)
    process.send_signal(number)
    time.sleep(2 * ECHO)
    process.send_signal(number)
    assert end(process) == (128 + number, [])
    assert saved.read_bytes() == content
    assert cli("train", iris, "--steps", 1, "--quiet").code == 0
    assert {each.name for each in iris.parent.glob(".*")} == set()


def test_a_signal_amid_predictions_leaves_no_half_of_a_file(iris: Path) -> None:
    program = [sys.executable, str(Path(__file__).with_name("blocked.py")), "save"]
    command = [*program, "predict", str(iris), "--output", str(iris.with_name("out.csv"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(process, "blocked: save")
        assert [each.suffix for each in iris.parent.glob(".*")] == [".tmp"]
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
    assert {each.name for each in iris.parent.glob("*out.csv*")} == set()


@pytest.mark.parametrize("number", EACH)
def test_while_data_is_read_there_is_nothing_to_save_and_one_signal_leaves(
    number: signal.Signals, iris: Path, blocked: Callable[..., subprocess.Popen[str]]
) -> None:
    process = blocked("read", iris)
    process.send_signal(number)
    assert end(process) == (128 + number, [])
    assert {each.name for each in iris.parent.glob(".*")} == set()


def test_a_signal_that_is_sent_twice_at_once_is_one_request(patient: Path, start: Start) -> None:
    process = start(patient)
    wait_for(process, "epoch")
    process.terminate()
    process.terminate()
    code, said = end(process)
    assert code == 143
    assert step_of(patient.with_suffix(".safetensors")) == said[-1]["step"] > 0


@pytest.mark.skipif(shutil.which("timeout") is None, reason="there is no timeout(1)")
def test_a_run_under_timeout_is_saved(patient: Path, start: Start) -> None:
    # it passes a signal on to its child, and then to the whole process group
    process = start(patient, before=["timeout", "1000"])
    wait_for(process, "epoch")
    process.terminate()
    _, said = end(process)
    assert said[-1]["event"] == "stopped"
    assert step_of(patient.with_suffix(".safetensors")) == said[-1]["step"] > 0


def test_ctrl_c_to_the_whole_process_group_is_saved(patient: Path, start: Start) -> None:
    process = start(patient, start_new_session=True)
    wait_for(process, "epoch")
    os.killpg(process.pid, signal.SIGINT)
    code, said = end(process)
    assert code == 130
    assert step_of(patient.with_suffix(".safetensors")) == said[-1]["step"] > 0


def test_a_run_under_nohup_goes_on_when_its_terminal_is_closed(patient: Path, start: Start) -> None:
    process = start(patient, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for(process, "epoch")
    process.send_signal(signal.SIGHUP)
    wait_for(process, "epoch")
    process.terminate()
    assert end(process)[0] == 143


def test_a_run_whose_reader_leaves_is_saved(patient: Path, start: Start) -> None:
    process = start(patient)
    wait_for(process, "epoch")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 1
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert step_of(patient.with_suffix(".safetensors")) > 0


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no terminals")
def test_a_run_whose_terminal_is_closed_is_saved(patient: Path, start: Start) -> None:
    import fcntl
    import termios

    ours, theirs = os.openpty()
    process = start(
        patient,
        "--format=text",
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    shown = b""
    while b"step" not in shown:
        shown += os.read(ours, 1000)
    os.close(ours)
    assert process.wait() == 129
    assert step_of(patient.with_suffix(".safetensors")) > 0
    assert {each.name for each in patient.parent.glob(".*")} == set()
