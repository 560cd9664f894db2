"""What the peers' whole programs share: reading a table the fastest way that there is, saying a loss, and saving.

A small CSV is read by numpy.loadtxt, whose import everybody has paid for already; a large one, and Parquet, by pyarrow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from task import CannotRunError, Pair, Task

SMALL = 4 * 2**20


def read(task: Task) -> Pair:
    """x of (rows, inputs); and t of (rows, 1), or the class of each row where the output is a softmax."""
    assert task.table is not None
    cells = _cells(Path(task.table.path), task.problem.dtype)
    classes = task.problem.output == "softmax"
    if task.table.standardise:
        numbers = cells[:, :-1] if classes else cells
        numbers -= numbers.mean(axis=0)
        numbers /= numbers.std(axis=0)
    x = np.ascontiguousarray(cells[:, :-1])
    return (x, cells[:, -1].astype(np.int64)) if classes else (x, np.ascontiguousarray(cells[:, -1:]))


def read_one_hot(task: Task) -> Pair:
    """The same with a row of zeros and a one for each class."""
    x, t = read(task)
    return (x, np.eye(task.problem.sizes[-1], dtype=task.problem.dtype)[t]) if t.ndim == 1 else (x, t)


def _cells(path: Path, dtype: str) -> Any:
    if path.suffix == ".csv" and path.stat().st_size < SMALL:
        return np.loadtxt(path, dtype=dtype, delimiter=",", skiprows=1)
    try:
        from pyarrow import csv, parquet
    except ModuleNotFoundError:
        raise CannotRunError("pyarrow reads the table, and is not installed") from None
    table = csv.read_csv(path) if path.suffix == ".csv" else parquet.read_table(path)
    return np.stack([column.to_numpy().astype(dtype) for column in table.columns], axis=1)


def print_epoch(loss: Any) -> None:
    """Say an epoch's mean loss, in the form of `layerkit train --format json`."""
    print(json.dumps({"event": "epoch", "loss": float(loss)}))


def save(layers: Sequence[Pair], path: Path) -> None:
    """Keep each kernel and bias by name."""
    arrays = {f"{name}_{i}": array for i, pair in enumerate(layers) for name, array in zip(("kernel", "bias"), pair)}
    np.savez(path, **arrays)
