"""The work: networks and batches of made-up numbers in memory, and tables in files for whole processes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from layerkit import Model
from task import BATCHES, BETA1, BETA2, EPSILON, CannotRunError, Pair, Problem, TableFile, Task

OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class Workload:
    """One line of the table: the sizes and, for a whole process, where its rows come from."""

    batch: int
    sizes: tuple[int, ...]
    output: str
    loss: str
    source: str | None = None
    """digits, or made-up; None for batches in memory."""
    suffix: str = "csv"
    rows: int = 0
    epochs: int = 1
    adam_rate: float = 0.001

    def problem(self, optimizer: str, dtype: str, threads: int) -> Problem:
        """The workload for one optimizer."""
        rate = 0.02 if optimizer == "sgd" else self.adam_rate
        return Problem(self.sizes, self.batch, self.output, self.loss, optimizer, rate, dtype, threads)

    @property
    def in_one_batch(self) -> Workload:
        """Of a table, one batch alone and many epochs of it: they are the same in whatever order its rows come."""
        return replace(self, rows=self.batch, epochs=20) if self.source else self


WORKLOADS = {
    "activity": Workload(1, (2, 2, 1), "sigmoid", "half_squared_error"),
    "binary": Workload(1, (2, 2, 1), "sigmoid", "binary_cross_entropy"),
    "small": Workload(32, (64, 64, 10), "softmax", "cross_entropy"),
    "medium": Workload(128, (784, 256, 128, 10), "softmax", "cross_entropy"),
    "large": Workload(512, (1024, 4096, 4096, 10), "softmax", "cross_entropy", adam_rate=0.0001),
    "cold": Workload(32, (64, 64, 10), "softmax", "cross_entropy", "digits", "csv", 1797, 5),
    "table.csv": Workload(256, (20, 32, 1), "linear", "half_squared_error", "made-up", "csv", 1_000_000),
    "table.parquet": Workload(256, (20, 32, 1), "linear", "half_squared_error", "made-up", "parquet", 1_000_000),
}
"""`binary` is the activity with the one loss that scikit-learn has for a sigmoid.

At Adam's usual rate the large network's first steps are so wide that scikit-learn's report of the loss is cut off.
"""


def task_of(workload: Workload, problem: Problem, folder: Path) -> Task:
    """The task with its first parameters and batches, or with its table; its files are in the folder.

    Raises CannotRunError where what makes the table isn't installed.
    """
    parameters = Model(**document_of(problem)).parameters
    layers = range(len(problem.sizes) - 1)
    pairs = [(parameters[f"layers.{i}.kernel"], parameters[f"layers.{i}.bias"]) for i in layers]
    if workload.source is None:
        return Task(problem, pairs, batches_of(problem))
    table = _table_file(workload, folder)
    (folder / "model.json").write_text(json.dumps(document_of(problem, table)), encoding="utf-8")
    return Task(problem, pairs, table=table)


def document_of(problem: Problem, table: TableFile | None = None, engine: str = "numpy") -> dict[str, Any]:
    """The problem as layerkit's document."""
    *hidden, last = problem.sizes[1:]
    layers: list[dict[str, Any]] = [{"type": "dense", "units": units, "activation": "relu"} for units in hidden]
    layers.append({"type": "dense", "units": last})
    if problem.output != "linear":
        layers[-1]["activation"] = problem.output
    optimizer = {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON} if problem.optimizer == "adam" else {}
    document: dict[str, Any] = {
        "dtype": problem.dtype,
        "input": [problem.sizes[0]],
        "layers": layers,
        "loss": problem.loss,
        "optimizer": {"type": problem.optimizer, "learning_rate": problem.learning_rate} | optimizer,
        "engine": engine,
    }
    if table is not None:
        scale = "standard" if table.standardise else "none"
        target = {"type": "category"} if problem.output == "softmax" else {"scale": scale}
        document["input"] = [{"column": f"x{i}", "scale": scale} for i in range(problem.sizes[0])]
        document["output"] = {"column": table.target} | target
        document["training"] = {
            "epochs": table.epochs,
            "batch_size": problem.batch,
            "data": {"path": Path(table.path).name},
        }
    return document


def batches_of(problem: Problem) -> Sequence[Pair]:
    """Rows and their answers for the problem, made up."""
    random = np.random.default_rng(0)
    batches = []
    for _ in range(BATCHES):
        x = random.standard_normal((problem.batch, problem.sizes[0])).astype(problem.dtype)
        if problem.output == "softmax":
            t = np.eye(problem.sizes[-1], dtype=problem.dtype)[random.integers(problem.sizes[-1], size=problem.batch)]
        else:
            t = random.integers(2, size=(problem.batch, problem.sizes[-1])).astype(problem.dtype)
        batches.append((x, t))
    return batches


def _table_file(workload: Workload, folder: Path) -> TableFile:
    path = folder / f"rows.{workload.suffix}"
    table = TableFile(str(path), "y", workload.rows, workload.epochs, standardise=workload.source == "made-up")
    if not path.exists():
        x, y = (_digits if workload.source == "digits" else _made_up)(workload)
        _write(path, {f"x{i}": x[:, i] for i in range(x.shape[1])} | {"y": y})
    return table


def _digits(workload: Workload) -> Pair:
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise CannotRunError("the digits come with scikit-learn, which is not installed") from None
    ink, digit = load_digits(return_X_y=True)
    return ink[: workload.rows] / 16, digit[: workload.rows]


def _made_up(workload: Workload) -> Pair:
    """Numbers with four decimals, and a curved function of them with noise."""
    random = np.random.default_rng(0)
    x = random.standard_normal((workload.rows, workload.sizes[0])).round(4)
    y = np.tanh(x[:, :10].sum(axis=1)) + x[:, 10] * x[:, 11] + 0.3 * random.standard_normal(workload.rows)
    return x, y.round(4)


def _write(path: Path, columns: dict[str, Any]) -> None:
    try:
        import pyarrow
        from pyarrow import csv, parquet
    except ModuleNotFoundError:
        raise CannotRunError("pyarrow writes the table, and is not installed") from None
    table = pyarrow.table(columns)
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        csv.write_csv(table, path)
