"""Memory: what training takes does not grow with the file, where a buffer is declared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "memory.py"
FEW, MANY = 20_000, 220_000
HELD = 200_000 * 21 * 4 / 2**20
"""MiB that the further rows take as float32."""


def growth(form: str, *options: str) -> float:
    """How many MiB more the peak is with many rows than with few."""
    # a process of its own: a child's peak counts what its parent held when it began
    command = [sys.executable, str(BENCHMARK), "--formats", form, "--rows", str(FEW), str(MANY), "--json", *options]
    few, many = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return float(many["peak_mib"] - few["peak_mib"])


@pytest.mark.parametrize("form", ["csv", "npz"])
def test_the_peak_does_not_grow_with_the_rows(form: str) -> None:
    assert growth(form, "--buffer", "8192") < HELD / 2


def test_without_a_buffer_it_does() -> None:
    assert growth("npz", "--held") > HELD
