"""Memory: what training takes does not grow with the file, where a buffer is declared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "memory.py"
COLUMNS = 21


def growth(form: str, few: int, many: int, *options: str) -> float:
    """How many bytes more the peak is with many rows than with few."""
    # a process of its own: a child's peak counts what its parent held when it began
    command = [sys.executable, str(BENCHMARK), "--formats", form, "--rows", str(few), str(many), "--json", *options]
    first, second = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return float(second["peak_mib"] - first["peak_mib"]) * 2**20


def test_arrays_are_read_piece_by_piece() -> None:
    few, many = 80_000, 480_000
    as_float32 = (many - few) * COLUMNS * 4
    assert growth("npz", few, many, "--buffer", "8192") < as_float32 / 2
    assert growth("npz", few, many, "--held") > as_float32


def test_a_table_is_read_block_by_block() -> None:
    few, many = 60_000, 180_000
    as_float64_and_encoded = (many - few) * COLUMNS * (8 + 4)
    assert growth("csv", few, many, "--buffer", "8192") < as_float64_and_encoded / 2
