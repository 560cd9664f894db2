"""How processes meet: by an address or their launcher's environment, and only where they are to do the same."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from together import PATIENCE, document_anew, ended, expect_same, free_port, started, trained

import layerkit

pytest.importorskip("jax", reason='jax is not installed: `pip install "layerkit[jax]"`')
pytestmark = pytest.mark.usefixtures("on_processors")


def can_listen(port: int) -> bool:
    with socket.socket() as listening:
        try:
            listening.bind(("localhost", port))
        except OSError:
            return False
    return True


def has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


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


def changed(document: Path, what: str) -> list[tuple[Path, list[str]]]:
    """Two documents and options of `train`, the second with something changed."""
    anew, options = document_anew(document), list[str]()
    if what == "the data":
        rows = (anew.parent / "iris.csv").read_text().splitlines()
        (anew.parent / "iris.csv").write_text("\n".join([rows[0], *rows[:0:-1], ""]))
    elif what == "the saved file":
        layerkit.load(anew).save()
        for path, steps in ((document, 3), (anew, 2)):
            model = layerkit.load(path)
            model.train(steps=steps)
            model.save()
    else:
        options = {"the document": ["--set", "optimizer.learning_rate=0.5"], "--dry-run": ["--dry-run"]}[what]
    return [(document, []), (anew, options)]


@pytest.mark.parametrize("what", ["the document", "the data", "the saved file", "--dry-run"])
def test_processes_that_differ_are_refused_with_what_they_differ_in(what: str, document: Path) -> None:
    place = ["--engine", "jax", "--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    both = enumerate(changed(document, what))
    results = ended([started(path, *place, str(i), "--steps", "4", *options) for i, (path, options) in both])
    for code, _, err in results:
        assert code == 1
        assert re.search(f"error: the processes differ in .*{what}", err)


def test_processes_of_different_numbers_of_devices_are_refused(document: Path) -> None:
    place = ["--engine", "jax", "--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    flags = [{"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"} for count in (1, 2)]
    results = ended([started(document, *place, str(i), environment=each) for i, each in enumerate(flags)])
    for code, _, err in results:
        assert code == 1
        assert "each process needs as many devices as any other: process 0 has 1, 1 has 2" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_waits_for_the_others_says_so_and_heeds_a_signal(number: int, document: Path) -> None:
    place = ["--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id", "0"]
    process = started(document, "--engine", "jax", *place)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("waiting for the other processes at localhost:")
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE) == 128 + number


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no ::1")
def test_an_address_may_be_of_the_sixth_version(document: Path) -> None:
    place = ["--engine", "jax", "--coordinator", f"[::1]:{free_port()}", "--num-processes", "2", "--process-id"]
    for code, _, err in ended([started(document, *place, str(i), "--steps", "4") for i in range(2)]):
        assert code == 0, err


def test_the_engine_may_be_the_documents_in_one_process_and_an_options_in_another(document: Path) -> None:
    document.write_text(json.dumps(json.loads(document.read_text()) | {"engine": "jax"}))
    place = ["--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--steps", "4", "--process-id"]
    options: list[list[str]] = [["0"], ["1", "--engine", "jax"]]
    for code, _, err in ended([started(document, *place, *each) for each in options]):
        assert code == 0, err


@pytest.mark.parametrize(
    "address",
    ["localhost", "localhost:abc", "localhost:99999", ":80", "[::zz]:7000", "1:2:3", "h:" + 5000 * "7", "[host:70"],
)
def test_an_address_that_is_none_is_refused(address: str, document: Path) -> None:
    place = ["--coordinator", address, "--num-processes", "2", "--process-id", "0"]
    ((code, _, err),) = ended([started(document, "--engine", "jax", *place)])
    assert code == 2
    assert f"--coordinator: is HOST:PORT, such as 10.0.0.1:7000, not {address!r}" in err


def test_a_port_that_is_taken_is_said(document: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        listening.listen()
        place = [
            "--coordinator",
            f"localhost:{listening.getsockname()[1]}",
            "--num-processes",
            "2",
            "--process-id",
            "0",
        ]
        ((code, _, err),) = ended([started(document, "--engine", "jax", *place)])
    assert code == 1
    assert "Address already in use; choose another" in err


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
