"""Several devices and several processes on JAX: one run, as one process has it; a death ends it, and it is taken up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit

pytest.importorskip("jax", reason='jax is not installed: `pip install "layerkit[jax]"`')

LAYERKIT = [sys.executable, "-c", "from layerkit.__main__ import main; main()"]
PATIENCE = 120
"""Seconds that a process may take to end: far more than it needs."""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return int(listening.getsockname()[1])


def start(document: Path, count: int, *options: str) -> list[subprocess.Popen[str]]:
    """So many processes that train the document together."""
    together = ["--engine", "jax", "--coordinator", f"localhost:{free_port()}", "--num-processes", str(count)]
    return [
        subprocess.Popen(
            [*LAYERKIT, "train", str(document), *together, "--process-id", str(number), "--format", "json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each."""
    return [(process.wait(), out, err) for process in processes for out, err in [process.communicate(timeout=PATIENCE)]]


@pytest.fixture
def document(models: Path) -> Path:
    """Iris in float64 with batches of 15, which two don't share evenly, and a norm over the batch."""
    path = models / "iris.json"
    fields = json.loads(path.read_text()) | {"dtype": "float64"}
    fields["training"] |= {"batch_size": 15, "clip_norm": 1.0}
    path.write_text(json.dumps(fields))
    return path


def expect_same(found: Path, due: layerkit.Model) -> None:
    model = layerkit.load(found)
    assert model.step == due.step
    for name, array in due.parameters.items():
        np.testing.assert_allclose(model.parameters[name], array, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.history["loss"], due.history["loss"], rtol=1e-9)


def trained(document: Path, steps: int) -> layerkit.Model:
    """What one process on NumPy makes of the document."""
    model = layerkit.load(document)
    model.train(steps=steps)
    return model


def test_two_processes_train_as_one_and_the_first_alone_prints_and_saves(document: Path) -> None:
    due = trained(document, 20)
    (first, out, _), (second, silence, _) = ended(start(document, 2, "--steps", "20"))
    assert (first, second) == (0, 0)
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["epoch", "epoch", "done"]
    assert silence == ""
    expect_same(document.with_suffix(".safetensors"), due)


@pytest.mark.parametrize("size", [15, 1])
def test_two_processes_train_as_one_from_a_file_that_is_streamed(document: Path, size: int) -> None:
    fields = json.loads(document.read_text())
    fields["training"] |= {"batch_size": size, "data": {"path": "iris.csv", "buffer": 40}}
    document.write_text(json.dumps(fields))
    due = trained(document, 130)
    assert [code for code, _, _ in ended(start(document, 2, "--steps", "130"))] == [0, 0]
    expect_same(document.with_suffix(".safetensors"), due)


def test_both_name_the_stage_that_fails_on_a_row_of_one(document: Path) -> None:
    layers = [{"type": "dense", "units": 1, "kernel": [[1e200]]}, {"type": "dense", "units": 1}]
    fields = json.loads(document.read_text()) | {"input": [1], "layers": layers, "loss": "half_squared_error"}
    del fields["output"]
    fields["training"] = {"steps": 3, "data": {"x": [[1.0], [1e200]], "y": [[0.0], [0.0]]}}
    document.write_text(json.dumps(fields))
    results = ended(start(document, 2))
    assert [code for code, _, _ in results] == [1, 1]
    for _, _, err in results:
        assert "the output of layers.0 is no longer finite at step 1" in err


def test_one_that_dies_ends_the_others_and_the_run_goes_on_with_another_number_of_processes(document: Path) -> None:
    processes = start(document, 2, "--steps", "1000000", "--set", 'training.checkpoint={"steps": 16}')
    assert processes[0].stdout is not None
    while json.loads(processes[0].stdout.readline())["event"] != "saved":
        pass
    processes[1].send_signal(signal.SIGKILL)
    (code, _, err), (killed, _, _) = ended(processes)
    assert killed == -signal.SIGKILL
    assert code == 1
    assert "start all again to go on from the last save" in err
    saved = document.with_suffix(".safetensors")
    reached = layerkit.load(saved).step
    assert reached % 16 == 0
    due = trained(document_anew(document), reached)
    expect_same(saved, due)
    due.train(steps=3)
    one = subprocess.run([*LAYERKIT, "train", str(document), "--engine", "jax", "--steps", "3", "--quiet"], check=True)
    assert one.returncode == 0
    expect_same(saved, due)


def document_anew(document: Path) -> Path:
    """The same document where nothing is saved beside it."""
    folder = document.parent / "anew"
    folder.mkdir()
    for name in ("iris.json", "iris.csv"):
        (folder / name).write_bytes((document.parent / name).read_bytes())
    return folder / "iris.json"


def test_a_signal_to_one_stops_all_at_the_same_step(document: Path) -> None:
    processes = start(document, 2, "--steps", "1000000", "--set", 'training.checkpoint={"steps": 16}')
    assert processes[0].stdout is not None
    processes[0].stdout.readline()
    processes[1].send_signal(signal.SIGTERM)
    (first, out, _), (second, _, _) = ended(processes)
    assert (first, second) == (143, 143)
    assert json.loads(out.splitlines()[-1])["step"] == layerkit.load(document).step


@pytest.mark.slow
@pytest.mark.skipif("LAYERKIT_PROCESSES" not in os.environ, reason="set LAYERKIT_PROCESSES=4 for so many processes")
def test_more_processes_train_as_one(document: Path) -> None:
    due = trained(document, 20)
    results = ended(start(document, int(os.environ["LAYERKIT_PROCESSES"]), "--steps", "20"))
    assert {code for code, _, _ in results} == {0}
    expect_same(document.with_suffix(".safetensors"), due)


def test_the_devices_of_one_process_share_a_batch_that_they_do_not_divide() -> None:
    code = """
import numpy as np, jax, layerkit
assert len(jax.devices()) == 3
random = np.random.default_rng(0)
x, t = random.normal(size=(14, 4)), random.normal(size=(14, 2))
layers = [{"type": "dense", "units": 4, "activation": "sigmoid"}, {"type": "dense", "units": 2}]
jax_, numpy = (
    layerkit.Model(input=[4], layers=layers, dtype="float64", loss="half_squared_error", optimizer="adam",
                   training={"batch_size": 7}, engine=engine) for engine in ("jax", "numpy"))
for model in (jax_, numpy):
    model.train(x, t, weights=np.arange(14.0), steps=20)
for name, array in numpy.parameters.items():
    np.testing.assert_allclose(jax_.parameters[name], array, rtol=1e-12, atol=1e-12)
np.testing.assert_allclose(jax_.predict(x[:5]), numpy.predict(x[:5]), rtol=1e-12)
"""
    environment: dict[str, Any] = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_processes_that_train_on_another_engine_are_refused(cli: Any, models: Path) -> None:
    ran = cli("train", models / "activity.json", "--coordinator", "localhost:1", "--num-processes", "2")
    assert ran.code == 2
    assert "--engine jax" in ran.err
