"""The schedules: what the optimizer's learning_rate is multiplied by as a run goes on.

A length is so many `steps` or `epochs`, or a share of the steps that the document's goal asks for.
"""

from math import ceil, cos, pi
from typing import Self

from pydantic import Field, model_validator

from layerkit.declared import Count, refuse
from layerkit.parts import Pace, Schedule


class Timed(Schedule):
    """A schedule with a length: so many `steps` or `epochs`, or a share of the goal where neither is given."""

    steps: Count | None = None
    epochs: Count | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps and self.epochs:
            raise refuse("takes steps or epochs, not both")
        return self

    def _length(self, pace: Pace, share: float) -> int:
        """In steps."""
        return self.steps or (self.epochs or 0) * pace.steps_per_epoch or ceil(share * pace.goal)


class Constant(Schedule):
    """1 at every step."""

    def __call__(self, pace: Pace) -> float:
        return 1.0


class StepDecay(Timed):
    """factor^k once k stretches of so many steps or epochs are over; left out, a stretch is a third of the goal."""

    factor: float = Field(0.1, gt=0, le=1)

    def __call__(self, pace: Pace) -> float:
        return float(self.factor ** (pace.step // self._length(pace, 1 / 3)))


class CosineDecay(Timed):
    """final + (1 - final) · ½ (1 + cos(π · step / n)): from 1 down to `final` in n steps, and `final` from there.

    n is that many steps or epochs; left out, the goal.
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (ICLR 2017).
    """

    final: float = Field(0.0, ge=0)

    def __call__(self, pace: Pace) -> float:
        done = min(pace.step / self._length(pace, 1), 1.0)
        return self.final + (1.0 - self.final) * 0.5 * (1.0 + cos(pi * done))


class Warmup(Timed):
    """(step + 1) / n in the first n steps; then what the schedule `then` gives, its steps and goal counted from there.

    n is that many steps or epochs; left out, a twentieth of the goal.
    Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour" (2017).
    """

    then: Schedule = Constant()

    def __call__(self, pace: Pace) -> float:
        n = self._length(pace, 1 / 20)
        if pace.step < n:
            return (pace.step + 1) / n
        return self.then(Pace(pace.step - n, max(pace.goal - n, 1), pace.steps_per_epoch))
