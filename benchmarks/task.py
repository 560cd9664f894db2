"""What every contender is given, and how it is handed from the harness to the contender's own process.

Only NumPy is imported here, so that no contender's process loads more than its own library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Pair: TypeAlias = tuple[Any, Any]
Steps: TypeAlias = Callable[[int], float]
"""Takes that many training steps, beginning with the first batch, and gives the mean of their losses.

Each step's loss is the mean over its rows, before its update. Parameters and optimizer go on from call to call.
"""

BATCHES = 3
"""How many different batches a contender goes through again and again."""
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-12
"""Everybody's Adam; SGD has neither momentum nor weight decay.

Keras and scikit-learn add epsilon before the correction of the second moment: so small a one makes that no difference.
"""


@dataclass(frozen=True)
class Problem:
    """A network of dense layers, relu between them, and how it is trained."""

    sizes: tuple[int, ...]
    """Inputs, hidden units, outputs."""
    batch: int
    output: str
    """The last activation: linear, sigmoid or softmax."""
    loss: str
    optimizer: str
    learning_rate: float
    dtype: str = "float32"
    threads: int = 1


@dataclass(frozen=True)
class TableFile:
    """A table to train from: all columns but the last are inputs, and the last is `target`."""

    path: str
    target: str
    rows: int
    epochs: int
    standardise: bool
    """Whether inputs and a number target are to have mean 0 and deviation 1."""


@dataclass(frozen=True)
class Task:
    """The problem, first parameters (kernel, bias) a layer, and batches (x, t) to go through again and again.

    t is one-hot where the output is a softmax. A workload of whole processes has a table instead.
    """

    problem: Problem
    parameters: Sequence[Pair] = field(default=())
    batches: Sequence[Pair] = field(default=())
    table: TableFile | None = None

    def write(self, folder: Path) -> None:
        """Keep the task in this folder."""
        described = {"problem": asdict(self.problem), "table": self.table and asdict(self.table)}
        (folder / "task.json").write_text(json.dumps(described))
        arrays = {}
        for kind, pairs in (("parameter", self.parameters), ("batch", self.batches)):
            for i, pair in enumerate(pairs):
                arrays[f"{kind}_{i}_0"], arrays[f"{kind}_{i}_1"] = pair
        np.savez(folder / "task.npz", **arrays)

    @staticmethod
    def read(folder: Path) -> Task:
        """The task that `write` kept."""
        described = json.loads((folder / "task.json").read_text())
        problem = Problem(**described["problem"] | {"sizes": tuple(described["problem"]["sizes"])})
        with np.load(folder / "task.npz") as file:
            arrays = dict(file)

        def pairs(kind: str) -> list[Pair]:
            count = sum(name.startswith(f"{kind}_") for name in arrays) // 2
            return [(arrays[f"{kind}_{i}_0"], arrays[f"{kind}_{i}_1"]) for i in range(count)]

        table = described["table"] and TableFile(**described["table"])
        return Task(problem, pairs("parameter"), pairs("batch"), table)


class CannotRunError(Exception):
    """Why a contender has to sit a workload out, such as a loss that it doesn't have."""
