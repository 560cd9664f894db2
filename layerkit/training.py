"""The loop: from where a run stands to its goal, an epoch after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from layerkit.data.batches import Rows, batches, steps_per_epoch
from layerkit.document import Checkpoint
from layerkit.engines.session import Session
from layerkit.ops import Array
from layerkit.parts import Metric

STEPS_PER_CALL = 64
"""How many steps an engine takes between two looks at the clock and at a request to stop."""
ROWS_PER_PASS = 8192

Figures: TypeAlias = dict[str, float]


@dataclass
class History:
    """One record for each epoch: its last step, the mean loss of its steps, and what validation gave."""

    records: list[Figures] = field(default_factory=list)
    loss_sum: float = 0.0
    """Of the steps of the epoch that isn't over yet."""
    loss_count: int = 0

    def arrays(self) -> dict[str, Array]:
        """Each figure as an array over the epochs; NaN where an epoch has no such figure."""
        names = dict.fromkeys(name for record in self.records for name in record)
        return {name: np.array([record.get(name, np.nan) for record in self.records]) for name in names}

    @staticmethod
    def of(arrays: Mapping[str, Array], unfinished: Sequence[float] = (0.0, 0.0)) -> History:
        """The history that `arrays` gave."""
        count = max((len(array) for array in arrays.values()), default=0)
        records = [{name: float(array[i]) for name, array in arrays.items()} for i in range(count)]
        return History(records, float(unfinished[0]), int(unfinished[1]))


@dataclass(frozen=True)
class Progress:
    """Where a run stands, as it is reported after every few steps and at the end of each epoch."""

    step: int
    goal: int
    epoch: int
    loss: float
    rows_per_second: float
    record: Figures | None = None
    """The epoch's figures, at its end."""


Report: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True)
class Run:
    """What a run is to do. `goal` is the number of the last step; `seed` decides the order of the rows."""

    rows: Rows
    validation: Rows | None
    goal: int
    batch_size: int
    seed: int
    metrics: Callable[[Session, Rows], Figures]
    checkpoint: Checkpoint

    @property
    def steps_per_epoch(self) -> int:
        """How many steps take every row once."""
        return steps_per_epoch(len(self.rows.x), self.batch_size)


def train(
    session: Session,
    run: Run,
    step: int,
    history: History,
    report: Report,
    stop: Callable[[], bool],
    save: Callable[[], None],
) -> int:
    """Take the steps from `step` to the goal, or until `stop` says so; the number of the last step taken.

    `save` is called at each checkpoint before the goal, with the history as it is then. Raises TrainingError where the
    loss or a parameter stops being finite; the session stays at the step before.
    """
    per_epoch, started, first = run.steps_per_epoch, perf_counter(), step
    saved = started
    while step < run.goal and not stop():
        left = batches(run.rows, run.batch_size, run.seed, step)
        while step < run.goal and (chunk := list(islice(left, _steps_until_a_look(run, step)))):
            losses = session.train(chunk)
            step += len(losses)
            for loss in losses:  # one by one: a run that is taken up again then adds in the same order
                history.loss_sum += loss
            history.loss_count += len(losses)
            record = _close_epoch(session, run, step, history) if step % per_epoch == 0 else None
            rows_done = (step - first) * min(run.batch_size, len(run.rows.x))
            speed = rows_done / max(perf_counter() - started, 1e-9)
            report(Progress(step, run.goal, step // per_epoch, losses[-1], speed, record))
            if step < run.goal and _due(run.checkpoint, step, perf_counter() - saved):
                save()
                saved = perf_counter()
            if stop():
                break
    return step


def _steps_until_a_look(run: Run, step: int) -> int:
    every = run.checkpoint.steps or STEPS_PER_CALL
    return min(STEPS_PER_CALL, run.goal - step, every - step % every)


def _due(checkpoint: Checkpoint, step: int, seconds: float) -> bool:
    by_steps = checkpoint.steps is not None and step % checkpoint.steps == 0
    return by_steps or (checkpoint.seconds is not None and seconds >= checkpoint.seconds)


def _close_epoch(session: Session, run: Run, step: int, history: History) -> Figures:
    record: Figures = {"step": step, "loss": history.loss_sum / history.loss_count}
    if run.validation is not None:
        figures = run.metrics(session, run.validation)
        record |= {f"validation_{name}": figure for name, figure in figures.items()}
    history.records.append(record)
    history.loss_sum, history.loss_count = 0.0, 0
    return record


def figures(session: Session, rows: Rows, metrics: dict[str, Metric], for_people: Callable[[Array], Array]) -> Figures:
    """The mean loss over the rows and each metric, block by block. `for_people` gives outputs their own units."""
    total, sums = 0.0, dict[str, Any]()
    for first in range(0, len(rows.x), ROWS_PER_PASS):
        block = rows.at(slice(first, first + ROWS_PER_PASS))
        y, losses = session.losses(block)
        total += float(np.sum(losses, dtype=np.float64))
        for name, metric in metrics.items():
            added = metric.sums(for_people(y), for_people(block.t))
            sums[name] = sums[name] + added if name in sums else added
    values = {name: float(metric.value(sums[name])) for name, metric in metrics.items()}
    return {"loss": total / len(rows.x), **values}
