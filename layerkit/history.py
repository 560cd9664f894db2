"""The history of a run: its figures epoch by epoch, and the parameters of its best one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np

from layerkit.ops import Array

Figures: TypeAlias = dict[str, float]

_BEST = "best."


@dataclass(eq=False)
class History:
    """One record for each epoch: its last step, the mean loss of its steps, and what validation gave."""

    records: list[Figures] = field(default_factory=list)
    loss_sum: float = 0.0
    """Of the steps of the epoch that isn't over yet."""
    loss_count: int = 0
    best_epoch: int = 0
    """The number, from 1, of the best epoch that early stopping saw; 0 before there is one."""
    best: Mapping[str, Array] = field(default_factory=dict)
    """The parameters after that epoch."""

    def add(self, loss: float) -> None:
        """Count the loss of one more step."""
        self.loss_sum += loss
        self.loss_count += 1

    def close_epoch(self, step: int, figures: Figures) -> Figures:
        """End the epoch with this step; its record."""
        record: Figures = {"step": step, "loss": self.loss_sum / self.loss_count, **figures}
        self.records.append(record)
        self.loss_sum, self.loss_count = 0.0, 0
        return record

    def keep(self, parameters: Mapping[str, Array]) -> None:
        """Take the last epoch for the best, with these parameters."""
        self.best_epoch, self.best = len(self.records), parameters

    def arrays(self) -> dict[str, Array]:
        """Each figure as an array over the epochs; NaN where an epoch has no such figure."""
        names = dict.fromkeys(name for record in self.records for name in record)
        return {
            name: np.array([record.get(name, np.nan) for record in self.records], dtype=np.float64) for name in names
        }

    def state(self) -> dict[str, Array]:
        """What else a run needs to go on."""
        state = {"unfinished_epoch": np.array([self.loss_sum, float(self.loss_count)])} if self.loss_count else {}
        if self.best_epoch:
            state["best_epoch"] = np.array([self.best_epoch])
        return state | {f"{_BEST}{name}": array for name, array in self.best.items()}

    @staticmethod
    def of(arrays: Mapping[str, Array], state: Mapping[str, Array]) -> History:
        """The history that gave these arrays and this state."""
        count = max((len(array) for array in arrays.values()), default=0)
        records = [{name: float(array[i]) for name, array in arrays.items()} for i in range(count)]
        loss_sum, loss_count = state.get("unfinished_epoch", (0.0, 0.0))
        best = {name.removeprefix(_BEST): array for name, array in state.items() if name.startswith(_BEST)}
        (best_epoch,) = state.get("best_epoch", (0,))
        return History(records, float(loss_sum), int(loss_count), int(best_epoch), best)


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
        last = history.records[-1][self.figure]
        if not history.best_epoch:
            return last == last  # anything but NaN
        best = history.records[history.best_epoch - 1].get(self.figure, np.nan)
        change = best - last if self.falls else last - best
        return change > self.min_change or (best != best and last == last)

    def is_over(self, history: History) -> bool:
        """Whether it is time to stop."""
        return len(history.records) - max(history.best_epoch, self.since) >= self.epochs
