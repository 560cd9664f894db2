"""layerkit train: what it prints, what its options change, and how a signal ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file


def test_train_prints_one_json_object_a_line(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "iris.json", "--epochs", 3, "--format", "json")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert [event["event"] for event in events] == ["epoch", "epoch", "epoch", "done"]
    assert events[0].keys() >= {"step", "loss", "validation_loss", "validation_accuracy"}
    assert events[-1]["step"] == 24
    assert events[-1]["saved"] == str(models / "iris.safetensors")
    assert events[-1]["validation"]["accuracy"] > 0.3


def test_quiet_prints_nothing(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "activity.json", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_a_dry_run_says_what_would_be_done_and_saves_nothing(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "iris.json", "--dry-run")
    assert "would take 800 steps over 120 rows" in ran.out
    assert not (models / "iris.safetensors").exists()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_quiet_dry_run_says_what_is_wrong_and_nothing_else(form: str, models: Path, cli: Callable[..., Any]) -> None:
    quiet = ("--dry-run", "--quiet", "--format", form)
    ran = cli("train", models / "iris.json", *quiet)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert cli("train", models / "iris.json", *quiet, "--set", "loss=nothing").err.startswith("error: ")


def test_output_saves_elsewhere_and_goes_on_from_there(models: Path, cli: Callable[..., Any]) -> None:
    elsewhere = models / "elsewhere.safetensors"
    cli("train", models / "activity.json", "--output", elsewhere)
    assert not (models / "activity.safetensors").exists()
    assert (
        cli("train", models / "activity.json", "--output", elsewhere, "--steps", 2, "--format", "json").json["step"]
        == 3
    )


def test_restart_begins_again(models: Path, cli: Callable[..., Any]) -> None:
    cli("train", models / "activity.json", "--steps", 5)
    ran = cli("train", models / "activity.json", "--restart", "--format", "json")
    assert ran.json["step"] == 1
    assert ran.json["loss_before"] == 0.003132086491506632


@pytest.mark.parametrize(
    ("change", "due"),
    [
        ("optimizer.learning_rate=0.05", 0.05),
        ("training.seed=7", 7),
        ("layers[0].bias=[0.1,0.2]", [0.1, 0.2]),
        ("layers.0.name=first", "first"),
    ],
)
def test_set_changes_a_field_for_this_run(change: str, due: Any, models: Path, cli: Callable[..., Any]) -> None:
    import layerkit

    assert cli("train", models / "activity.json", "--set", change).code == 0
    at: Any = layerkit.load(models / "activity.safetensors").document.to_json()
    for step in change.partition("=")[0].replace("[", ".").replace("]", "").split("."):
        at = at[int(step)] if isinstance(at, list) else at[step]
    assert at == due


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("optimizer.learning_rate=-1", "optimizer.learning_rate"),
        ("optimizer.type=nope", "optimizer"),
        ("layers.0.units=0", "layers[0].units"),
        ('layers[1]={"type":"dense"}', "layers[1].units"),
        ("layers[1].kernel=[[1]]", "layers[1].kernel"),
        ("colour=red", "colour"),
        ("format=9", "format"),
        ('optimizer={"type":"sgd","type":"adam"}', "optimizer"),
        ("training.steps=1e999", "training.steps"),
        ("layers=" + 60_000 * "[", "layers"),
        ("format=" + 985 * "[" + 985 * "]", "format"),
    ],
)
def test_what_set_brings_wrong_is_said_of_set(change: str, where: str, models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "activity.json", "--set", change)
    assert ran.code == 2
    assert ran.err.startswith(f"error: --set {where}: ")


def test_brackets_that_are_read_and_then_are_too_deep_are_said_to_be_so(models: Path, cli: Callable[..., Any]) -> None:
    for depth in (900, 970, 980, 990):
        ran = cli("train", models / "activity.json", "--set", f"name={'[' * depth}{']' * depth}")
        assert (ran.code, ran.err.startswith("error: --set")) == (2, True)


def test_what_the_document_has_wrong_is_said_of_its_line_whatever_set_changes(
    models: Path, cli: Callable[..., Any]
) -> None:
    path = models / "activity.json"
    path.write_text(path.read_text().replace('"learning_rate": 0.02', '"learning_rate": -1'))
    ran = cli("train", path, "--set", "optimizer.momentum=0.5")
    assert ran.code == 2
    assert "activity.json:13:" in ran.err


def test_set_reaches_into_a_short_form(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli("train", models / "iris.json", "--set", "loss=cross_entropy", "--set", "optimizer=adam", "--dry-run")
    assert ran.code == 0
    ran = cli("train", models / "swish.json", "--set", "layers[1].activation.type=sigmoid", "--dry-run")
    assert ran.code == 0 or "swish" in ran.err


def test_batch_size_and_data_may_be_given(models: Path, cli: Callable[..., Any]) -> None:
    ran = cli(
        "train",
        models / "iris.json",
        "--data",
        models / "iris.csv",
        "--batch-size",
        120,
        "--epochs",
        2,
        "--format",
        "json",
    )
    assert ran.json["step"] == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_saves_and_exits_with_its_code(number: int, code: int, models: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "layerkit",
        "train",
        str(models / "iris.json"),
        "--epochs",
        "1000000",
        "--format",
        "json",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # a shell's job in the background ignores SIGINT, and so would what it starts
    heeding = partial(signal.signal, number, signal.SIG_DFL)
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=heeding) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        os.kill(process.pid, number)
        out, _ = process.communicate(timeout=30)
    last = json.loads(out.splitlines()[-1])
    assert process.returncode == code
    assert last["event"] == "stopped"
    import layerkit

    assert layerkit.load(models / "iris.safetensors").step == last["step"]


@pytest.fixture
def beside_data(tmp_path: Path) -> Path:
    """A document whose data file stands where its saved file would."""
    save_file({"x": np.ones((4, 2), "f4"), "y": np.ones((4, 1), "f4")}, tmp_path / "rows.safetensors")
    document = {
        "input": [2],
        "layers": [{"type": "dense", "units": 1}],
        "loss": "half_squared_error",
        "optimizer": "sgd",
        "training": {"steps": 1, "data": {"path": "rows.safetensors"}},
    }
    tmp_path.joinpath("rows.json").write_text(json.dumps(document))
    return tmp_path


@pytest.mark.parametrize("options", [(), ("--restart",), ("--dry-run",)])
def test_nothing_is_saved_over_the_documents_data(options: Any, beside_data: Path, cli: Callable[..., Any]) -> None:
    before = (beside_data / "rows.safetensors").read_bytes()
    ran = cli("train", beside_data / "rows.json", *options)
    assert ran.code == 1
    assert f"{beside_data / 'rows.safetensors'}: holds the document's data" in ran.err
    assert "the model would be saved there: rename it" in cli("check", beside_data / "rows.json").out
    assert (beside_data / "rows.safetensors").read_bytes() == before
    assert cli("train", beside_data / "rows.json", "--output", beside_data / "other.safetensors").code == 0


def test_nor_over_other_data(beside_data: Path, cli: Callable[..., Any]) -> None:
    data = (beside_data / "rows.safetensors").rename(beside_data / "others.safetensors")
    before = data.read_bytes()
    ran = cli("train", beside_data / "rows.json", "--data", data, "--output", data, "--restart")
    assert (ran.code, data.read_bytes()) == (1, before)
    assert "would write over" in ran.err


def test_a_jax_that_breaks_as_it_is_imported_is_told_as_one_that_is_missing(models: Path, tmp_path: Path) -> None:
    (tmp_path / "broken" / "jax").mkdir(parents=True)
    (tmp_path / "broken" / "jax" / "__init__.py").write_text("raise RuntimeError('jaxlib is too old')")
    command = [sys.executable, "-m", "layerkit", "train", str(models / "activity.json"), "--engine", "jax"]
    env = os.environ | {"PYTHONPATH": str(tmp_path / "broken")}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert ran.returncode == 2
    assert "the engine jax needs JAX, which can't be imported (jaxlib is too old)" in ran.stderr
