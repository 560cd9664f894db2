"""What every engine gives: a session that holds parameters, takes steps, and hands the parameters back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from layerkit.data.batches import Batch, Rows, everything
from layerkit.engines.processes import Processes
from layerkit.ops import Array
from layerkit.parts import Optimizer


class State(NamedTuple):
    """Where a run stands: arrays by full name, slots by slot and then parameter, and the steps taken."""

    parameters: Mapping[str, Array]
    slots: Mapping[str, Mapping[str, Array]] = MappingProxyType({})
    step: int = 0


def unchanged(step: int) -> float:
    """The factor that leaves the learning_rate as it is."""
    return 1.0


class Recipe(NamedTuple):
    """How a step is taken. Without an optimizer, none is."""

    optimizer: Optimizer | None = None
    seed: int = 0
    """Of the random numbers that layers draw."""
    clip_norm: float | None = None
    """The largest length of the gradient of all trained parameters together; a longer one is scaled down to it."""
    factor: Callable[[int], float] = unchanged
    """What the optimizer's learning_rate is multiplied by at a step, counted from 1."""
    steps_before: int = 0
    """How many steps were taken before the optimizer's slots were zeros: it counts its own from there."""


class Session(ABC):
    """One network on one engine. Arrays go in and come out as NumPy's."""

    processes: Processes = Processes()
    """Those that train together, each with a session of its own; this one alone, unless the engine says otherwise."""

    def share(self, rows: int) -> slice:
        """Which rows of a batch of so many are handed to `train` here: all, unless several processes train together."""
        return everything(rows)

    @abstractmethod
    def train(self, batches: Sequence[Batch]) -> Sequence[float] | Array:
        """Take one step a batch and give each batch's loss, before its step, in a sequence or an array.

        `batch.gathered()` has its x, t and weights. Batches must stay as they are: to take back a step, those before it
        may be taken again.
        Raises TrainingError at the first step whose loss or parameters aren't finite; the state stays as before it.
        Whatever is raised, a KeyboardInterrupt too, has the losses of the steps that were taken as its `losses`.
        """

    @abstractmethod
    def predict(self, x: Array) -> Array:
        """The output for each row."""

    @abstractmethod
    def losses(self, rows: Rows) -> tuple[Array, Array]:
        """The output and the loss of each row."""

    @property
    @abstractmethod
    def state(self) -> State:
        """Copies of all that the session holds."""
