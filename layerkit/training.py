"""The loop: from where a run stands to its goal, an epoch after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from layerkit.data.batches import Source, steps_per_epoch
from layerkit.document import Checkpoint, Document
from layerkit.engines.session import Session
from layerkit.history import Figures, History, Patience
from layerkit.ops import Array
from layerkit.part import naming
from layerkit.parts import Metric
from layerkit.signals import interrupts_later

QUICK = 0.03
"""Seconds. A call of the engine that takes less is followed by one of eight times as many steps."""
MOST_STEPS_PER_CALL = 2**14
SAMPLE = 8192
"""Rows of which the losses before and after are taken."""


class Progress(NamedTuple):
    """Where a run stands, as it is reported after each call of the engine: every few steps, or every few thousand."""

    step: int
    goal: int
    epoch: int
    loss: float
    rows_per_second: float
    seconds_left: float
    history: History
    ended: range
    """The epochs, counted from 1, that ended since the last report: `history.record` has the figures of each."""


Report: TypeAlias = Callable[[Progress], None]


class Run(NamedTuple):
    """What a run is to do. `goal` is the number of the last step; `seed` decides the order of the rows."""

    rows: Source
    validation: Source | None
    goal: int
    batch_size: int
    seed: int
    metrics: Callable[[Session, Source], Figures]
    checkpoint: Checkpoint
    factor: Callable[[int], float]
    """What the learning_rate is multiplied by at each step, counted from 1."""
    patience: Patience | None
    held_out: tuple[int, int] | None
    """By what the rows that were held out of these are known again."""
    document: Document
    """With its columns as these rows were encoded."""

    @property
    def steps_per_epoch(self) -> int:
        """How many steps take every row once."""
        return steps_per_epoch(self.rows.count, self.batch_size)


class End(NamedTuple):
    """The number of the last step, and what ended the run there."""

    step: int
    why: Literal["goal", "patience", "stop"]


class Trained(NamedTuple):
    """What a run did. The losses are over (at most the first 8,192 of) the training rows, before and after."""

    steps: int
    """How many were taken now."""
    loss_before: float
    loss: float
    validation: Figures
    stopped: bool
    """Whether it was asked to stop before its goal."""
    changed: bool
    """Whether the model isn't what it was: steps were taken, or it went back to its best epoch."""
    best_epoch: int = 0
    """The epoch whose parameters the model has, where early stopping chose it."""


def train(
    session: Session,
    run: Run,
    step: int,
    history: History,
    report: Report,
    stop: Callable[[], bool],
    save: Callable[[], None],
) -> End:
    """Take the steps from `step` to the goal, or until `stop` says so or patience is over.

    `save` is called at each checkpoint before the goal, with the history as it is then. Raises TrainingError where the
    loss or a parameter stops being finite; the session stays at the step before.
    """
    clock, anyone = session.processes.clock, session.processes.anyone
    started = saved = clock()
    first, most, is_quick = step, 1, False
    ahead = run.rows.epochs(run.batch_size, run.seed, step, session.share)

    def measure() -> None:
        """Enter what validation says of the epoch that has ended, and keep its parameters if they are the best."""
        if run.validation is not None:
            figures = run.metrics(session, run.validation)
            with interrupts_later():
                history.measure({f"validation_{name}": figure for name, figure in figures.items()})
        if run.patience is not None and run.patience.is_better(history):
            with interrupts_later():
                history.keep(session.state.parameters)

    def enter(losses: Sequence[float]) -> None:
        """Count the steps that were taken."""
        nonlocal step
        with interrupts_later():
            history.add(losses, step, run.steps_per_epoch)
            step += len(losses)

    def tell(losses: Sequence[float], ended: int) -> None:
        """What follows, and how it goes, after steps before which so many epochs had ended."""
        if step % run.steps_per_epoch == 0:
            measure()
        seconds = clock() - started
        report(_progress(run, step, first, losses[-1], seconds, history, range(ended + 1, history.epochs + 1)))

    if step < run.goal and run.validation is not None and history.lacks("validation_loss", step):
        measure()  # an epoch whose end was interrupted
    while step < run.goal:
        if run.patience is not None and run.patience.is_over(history):
            run.patience.check(history)
            return End(step, "patience")
        if anyone(stop()):
            return End(step, "stop")
        began, ended = clock(), history.epochs
        # where an interrupt is heard soon all the same, it comes once these steps are counted
        with interrupts_later() if is_quick else nullcontext():
            try:
                losses = session.train(list(islice(ahead, _steps_until_a_look(run, step, most))))
            except BaseException as error:  # a KeyboardInterrupt, too: the steps before it were taken
                if losses := getattr(error, "losses", ()):
                    enter(losses)
                    tell(losses, ended)
                raise
            # so that a request to stop is soon heard, and a small step doesn't wait for the loop
            is_quick = clock() - began < QUICK
            most = min(most * 8, MOST_STEPS_PER_CALL) if is_quick else most
            losses = np.asarray(losses).tolist()
            enter(losses)
        tell(losses, ended)
        if step < run.goal and _due(run.checkpoint, step, clock() - saved):
            save()
            saved = clock()
    return End(step, "goal")


def _steps_until_a_look(run: Run, step: int, most: int) -> int:
    """How many steps the engine may take before anything else has to happen."""
    rows = min(run.batch_size, run.rows.count)
    due = [most, run.goal - step, max(run.rows.at_once // rows, 1)]
    if run.checkpoint.steps is not None:
        due.append(run.checkpoint.steps - step % run.checkpoint.steps)
    if run.validation is not None or run.patience is not None:
        due.append(run.steps_per_epoch - step % run.steps_per_epoch)
    return min(due)


def _due(checkpoint: Checkpoint, step: int, seconds: float) -> bool:
    by_steps = checkpoint.steps is not None and step % checkpoint.steps == 0
    return by_steps or (checkpoint.seconds is not None and seconds >= checkpoint.seconds)


def _progress(run: Run, step: int, first: int, loss: float, seconds: float, history: History, ended: range) -> Progress:
    speed = (step - first) / max(seconds, 1e-9)
    rows, left = min(run.batch_size, run.rows.count), (run.goal - step) / speed
    return Progress(step, run.goal, step // run.steps_per_epoch, loss, speed * rows, left, history, ended)


def figures(
    session: Session, source: Source, rows: int, metrics: Mapping[str, Metric], for_people: Callable[[Array], Array]
) -> Figures:
    """The mean loss and each metric, so many rows at once. `for_people` gives outputs their own units."""
    total, count, sums = 0.0, 0, dict[str, Any]()
    for block in source.blocks(rows):
        y, losses = session.losses(block)
        count += len(block.x)  # for its own count, a source may read a whole file
        total += float(np.sum(losses, dtype=np.float64))
        for name, metric in metrics.items():
            with naming(metric, "sums", "training.metrics"):
                added = metric.sums(*(map(for_people, (y, block.t)) if metric.in_units else (y, block.t)))
                sums[name] = sums[name] + added if name in sums else added
    values = {"loss": total / count}
    for name, metric in metrics.items():
        with naming(metric, "value", "training.metrics"):
            values[name] = float(metric.value(sums[name]))
    return values
