"""Several devices and several processes on JAX: one run, as one process has it; a death ends it, and it is taken up."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from together import LAYERKIT, document_anew, ended, expect_same, free_port, start, started, trained

import layerkit

pytest.importorskip("jax", reason='jax is not installed: `pip install "layerkit[jax]"`')
pytestmark = pytest.mark.usefixtures("on_processors")


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


def test_processes_of_several_devices_train_as_one_and_print_nothing_else(document: Path) -> None:
    due = trained(document, 8)
    place = ["--engine", "jax", "--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    two = [started(document, *place, str(i), "--steps", "8", environment=flags) for i in range(2)]
    (first, out, _), (second, silence, _) = ended(two)
    assert (first, second) == (0, 0)
    assert [json.loads(line)["event"] for line in out.splitlines()][-1] == "done"
    assert silence == ""
    expect_same(document.with_suffix(".safetensors"), due)


def test_where_the_first_can_not_save_the_others_end_with_it(document: Path) -> None:
    place = ["--engine", "jax", "--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    first = started(document, *place, "0", "--steps", "4", limit="ulimit -f 4; ")
    results = ended([first, started(document, *place, "1", "--steps", "4")])
    assert [code for code, _, _ in results] == [1, 1]
    assert "can't be written: File too large" in results[0][2]
    assert "another process can't go on, and says why" in results[1][2]


@pytest.mark.parametrize("number", [0, 1])
def test_where_one_refuses_before_the_first_step_the_others_end_with_it(number: int, document: Path) -> None:
    place = ["--engine", "jax", "--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    none_there: list[list[str]] = [[], []]
    none_there[number] = ["--data", str(document.parent / "gone.csv")]
    results = ended([started(document, *place, str(i), "--steps", "4", *none_there[i]) for i in range(2)])
    assert results[number][0] == 2
    assert "gone.csv" in results[number][2]
    assert results[1 - number][0] == 1
    assert "another process can't go on, and says why" in results[1 - number][2]


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


def test_the_benchmark_of_processes_compares_two_with_one() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "processes.py"
    command = [sys.executable, script, "--workload", "medium", "--rows", "32", "--rounds", "1"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"medium: \S+ ms by one, \S+ ms by 2, ratio \d+\.\d\d\n", shown)


IN_PYTHON = """
import sys, time, jax, numpy, layerkit
port, number, document = sys.argv[1:]
jax.distributed.initialize(f"localhost:{port}", 2, int(number))
model = layerkit.load(document)
model.engine = "jax"
if number == "1":  # as on another kind of processor
    first = model._current()
    model._state = first._replace(parameters={k: numpy.nextafter(v, 1) for k, v in first.parameters.items()})
model.train(steps=300, report=lambda progress: time.sleep(0.05 * int(number)))
if number == "0":
    model.save()
jax.distributed.shutdown()
"""


def test_processes_that_python_joined_take_the_same_steps_from_the_firsts_parameters(document: Path) -> None:
    due, port = trained(document, 300), str(free_port())
    two = [
        subprocess.Popen([sys.executable, "-c", IN_PYTHON, port, str(i), str(document)], stdout=subprocess.DEVNULL)
        for i in range(2)
    ]
    try:
        assert [each.wait(120) for each in two] == [0, 0]
    finally:
        for each in two:
            each.kill()
    expect_same(document.with_suffix(".safetensors"), due)
