"""Several devices and several processes on JAX: one run, as one process has it; a death ends it, and it is taken up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
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


def can_listen(port: int) -> bool:
    with socket.socket() as listening:
        try:
            listening.bind(("localhost", port))
        except OSError:
            return False
    return True


def start(document: Path, count: int, *options: str) -> list[subprocess.Popen[str]]:
    """So many processes that train the document together."""
    together = ["--engine", "jax", "--coordinator", f"localhost:{free_port()}", "--num-processes", str(count)]
    return [started(document, *together, "--process-id", str(number), *options) for number in range(count)]


def started(document: Path, *options: str, environment: Mapping[str, str] = {}) -> subprocess.Popen[str]:
    """One process that trains the document."""
    return subprocess.Popen(
        [*LAYERKIT, "train", str(document), "--format", "json", *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


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


def slurm(job: int, count: int, number: int) -> dict[str, str]:
    """The environment that SLURM gives a process of a step on this machine alone."""
    names = {"JOB_ID": job, "STEP_NODELIST": "localhost", "NTASKS": count, "PROCID": number, "LOCALID": number}
    return {f"SLURM_{name}": str(value) for name, value in names.items()}


def open_mpi(job: int, count: int, number: int) -> dict[str, str]:
    """The environment that Open MPI's mpirun gives a process on this machine alone."""
    names = {"WORLD_SIZE": count, "WORLD_RANK": number, "WORLD_LOCAL_RANK": number}
    uri = {"OMPI_MCA_orte_hnp_uri": f"{job * 2**12}.0;tcp://127.0.0.1:1"}
    return uri | {f"OMPI_COMM_{name}": str(value) for name, value in names.items()}


@pytest.mark.parametrize("launcher", [slurm, open_mpi])
def test_processes_find_each_other_by_their_launchers_environment(
    launcher: Callable[[int, int, int], dict[str, str]], document: Path
) -> None:
    document.write_text(json.dumps(json.loads(document.read_text()) | {"engine": "jax"}))
    job = next(port for port in range(61440, 65536) if can_listen(port)) - 61440  # JAX makes its port from the job
    due = trained(document, 8)
    environments = [launcher(job, 2, number) for number in range(2)]
    results = ended([started(document, "--distributed", "--steps", "8", environment=each) for each in environments])
    assert [code for code, _, _ in results] == [0, 0], results
    assert results[1][1] == ""
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


@pytest.mark.skipif(find_spec("kubernetes") is not None, reason="it is installed here")
def test_what_kubernetes_needs_is_said(document: Path) -> None:
    pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1"}
    ((code, _, err),) = ended([started(document, "--engine", "jax", "--distributed", environment=pod)])
    assert code == 2
    assert "pip install jax[k8s]" in err
    assert "--coordinator" in err
