"""The history of a run: its figures epoch by epoch, and the parameters of its best one."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import isnan, nan
from operator import add
from typing import NamedTuple, TypeAlias

import numpy as np

from layerkit.errors import TrainingError
from layerkit.ops import Array

Figures: TypeAlias = dict[str, float]

_BEST = "best."


@dataclass(eq=False)
class History:
    """Figures of each epoch: its last step, the mean loss of its steps, and what validation gave."""

    columns: dict[str, array[float]] = field(default_factory=dict)
    """Each figure over the epochs, of which a small network may have millions; NaN where an epoch has none."""
    loss_sum: float = 0.0
    """Of the steps of the epoch that isn't over yet."""
    loss_count: int = 0
    best_epoch: int = 0
    """The number, from 1, of the best epoch that early stopping saw; 0 before there is one."""
    best: Mapping[str, Array] = field(default_factory=dict)
    """The parameters after that epoch."""

    @property
    def epochs(self) -> int:
        """How many are over."""
        return len(self.columns.get("step", ()))

    def record(self, epoch: int) -> Figures:
        """The figures that there are of an epoch, counted from 1."""
        figures = {name: column[epoch - 1] for name, column in self.columns.items()}
        return {name: figure for name, figure in figures.items() if not isnan(figure)}

    def add(self, losses: Sequence[float], step: int, steps_per_epoch: int) -> None:
        """Count the losses of the steps after `step`, and close each epoch that ends among them.

        An epoch's losses are added one by one: a run that is taken up again adds in the same order.
        """
        left = steps_per_epoch - step % steps_per_epoch
        self.loss_sum = reduce(add, losses[:left], self.loss_sum)
        self.loss_count += len(losses[:left])
        if len(losses) < left:
            return
        whole, begun = divmod(len(losses) - left, steps_per_epoch)
        epochs = np.reshape(losses[left : len(losses) - begun], (whole, steps_per_epoch))
        means = np.cumsum(epochs, axis=1)[:, -1] / steps_per_epoch
        steps = range(step + left, step + len(losses) + 1, steps_per_epoch)
        self._close(steps, [self.loss_sum / self.loss_count, *means.tolist()])
        self.loss_sum, self.loss_count = reduce(add, losses[len(losses) - begun :], 0.0), begun

    def _close(self, steps: Sequence[int], losses: Sequence[float]) -> None:
        ended = {"step": steps, "loss": losses}
        for name in ended:
            self.columns.setdefault(name, array("d"))
        for name, column in self.columns.items():
            column.extend(ended.get(name, [nan] * len(steps)))

    def measure(self, figures: Figures) -> None:
        """Enter what validation gave after the last epoch."""
        for name, figure in figures.items():
            self.columns.setdefault(name, array("d", [nan]) * self.epochs)[-1] = figure

    def lacks(self, name: str, step: int) -> bool:
        """Whether an epoch ended with this step, and nobody entered this figure of it."""
        return bool(self.epochs) and self.columns["step"][-1] == step and name not in self.record(self.epochs)

    def keep(self, parameters: Mapping[str, Array]) -> None:
        """Take the last epoch for the best, with these parameters."""
        self.best_epoch, self.best = self.epochs, parameters

    def forget_best(self) -> None:
        """Know no best epoch: those so far were not measured as the next ones are, or nobody asks for the best."""
        self.best_epoch, self.best = 0, {}

    def arrays(self) -> dict[str, Array]:
        """Each figure as an array over the epochs."""
        return {name: np.array(column) for name, column in self.columns.items()}

    def state(self) -> dict[str, Array]:
        """What else a run needs to go on."""
        state = {"unfinished_epoch": np.array([self.loss_sum, float(self.loss_count)])} if self.loss_count else {}
        if self.best_epoch:
            state["best_epoch"] = np.array([self.best_epoch])
        return state | {f"{_BEST}{name}": parameter for name, parameter in self.best.items()}

    @staticmethod
    def of(arrays: Mapping[str, Array], state: Mapping[str, Array]) -> History:
        """The history that gave these arrays and this state."""
        # in one order: the file keeps none
        names = sorted(arrays, key=lambda name: (name != "step", name != "loss", name))
        columns = {name: array("d", arrays[name].astype(np.float64).tobytes()) for name in names}
        loss_sum, loss_count = state.get("unfinished_epoch", (0.0, 0.0))
        best = {name.removeprefix(_BEST): own for name, own in state.items() if name.startswith(_BEST)}
        (best_epoch,) = state.get("best_epoch", (0,))
        return History(columns, float(loss_sum), int(loss_count), int(best_epoch), best)


def faults(
    arrays: Mapping[str, Array], state: Mapping[str, Array], parameters: Mapping[str, tuple[str, tuple[int, ...]]]
) -> Iterator[tuple[str, str]]:
    """What `History.of` could make nothing of: a name in the saved file, and what is wrong with it.

    `parameters` has the dtype and the shape of each.
    """
    steps = arrays.get("step", np.zeros(0))
    for name, figures in arrays.items():
        if figures.ndim != 1 or figures.shape != steps.shape or figures.dtype.kind != "f":
            yield f"history.{name}", "should hold a number for each epoch"
    begun, best = state.get("unfinished_epoch", np.zeros(2)), state.get("best_epoch", np.zeros(1))
    if not np.all(np.isfinite(steps)):
        yield "history.step", "should be finite"
    if begun.shape != (2,) or not np.all(np.isfinite(begun)) or begun[1] < 0:
        yield "state.unfinished_epoch", "should be a finite sum and a count"
    if best.shape != (1,) or not 0 <= best[0] <= steps.size:
        yield "state.best_epoch", f"should be one of the {steps.size} epochs"
    for name, kept in state.items():
        own = name.removeprefix(_BEST)
        if own != name and (parameters.get(own) != (str(kept.dtype), kept.shape) or not np.all(np.isfinite(kept))):
            yield f"state.{name}", f"should be as {own} is"


class Patience(NamedTuple):
    """When a run ends early: once `figure` has not got better for `epochs` epochs."""

    figure: str
    falls: bool
    """Whether lower is better."""
    epochs: int
    min_change: float
    since: int = 0
    """Epochs up to this one make nobody impatient: a run that is asked to go on does so."""

    def is_better(self, history: History) -> bool:
        """Whether the last epoch is the best so far."""
        figures = history.columns[self.figure]
        last = figures[-1]
        if not history.best_epoch:
            return last == last  # anything but NaN
        best = figures[history.best_epoch - 1]
        change = best - last if self.falls else last - best
        return change > self.min_change or (best != best and last == last)

    def is_over(self, history: History) -> bool:
        """Whether it is time to stop."""
        return history.epochs - max(history.best_epoch, self.since) >= self.epochs

    def check(self, history: History) -> None:
        """Raise TrainingError where the run waited for a figure that never was a number."""
        if not history.best_epoch:
            message = (
                f"{self.figure} was no number in {self.epochs} epochs, so nothing says when to stop: watch another"
            )
            raise TrainingError(message, "training.early_stopping.figure")
