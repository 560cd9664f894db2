"""What the tests of several processes share: starting some together, and what they should come to."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import layerkit

# a shell's background job ignores Ctrl-C, and so would what the tests start from one
HEEDING = "from signal import *; signal(SIGINT, SIG_DFL)"
LAYERKIT = [sys.executable, "-c", f"{HEEDING}; from layerkit.__main__ import main; main()"]
PATIENCE = 120
"""Seconds that a process may take to end: far more than it needs."""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return int(listening.getsockname()[1])


def started(
    document: Path, *options: str, environment: Mapping[str, str] = {}, limit: str = ""
) -> subprocess.Popen[str]:
    """One process that trains the document, perhaps under a limit that the shell sets."""
    return subprocess.Popen(
        ["bash", "-c", f'{limit}exec "$0" "$@"', *LAYERKIT, "train", str(document), "--format", "json", *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(document: Path, count: int, *options: str) -> list[subprocess.Popen[str]]:
    """So many processes that train the document together."""
    together = ["--engine", "jax", "--coordinator", f"localhost:{free_port()}", "--num-processes", str(count)]
    return [started(document, *together, "--process-id", str(number), *options) for number in range(count)]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each."""
    return [(process.wait(), out, err) for process in processes for out, err in [process.communicate(timeout=PATIENCE)]]


def trained(document: Path, steps: int) -> layerkit.Model:
    """What one process on NumPy makes of the document."""
    model = layerkit.load(document)
    model.train(steps=steps)
    return model


def expect_same(found: Path, due: layerkit.Model) -> None:
    model = layerkit.load(found)
    assert model.step == due.step
    for name, array in due.parameters.items():
        np.testing.assert_allclose(model.parameters[name], array, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.history["loss"], due.history["loss"], rtol=1e-9)


def document_anew(document: Path) -> Path:
    """The same document where nothing is saved beside it."""
    folder = document.parent / "anew"
    folder.mkdir()
    for name in ("iris.json", "iris.csv"):
        (folder / name).write_bytes((document.parent / name).read_bytes())
    return folder / "iris.json"
