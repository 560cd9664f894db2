"""The schedules: what the optimizer's learning_rate is multiplied by as a run goes on.

A length is so many `steps` or `epochs`, or a share of the steps that the document's goal asks for.
"""

from math import ceil, cos, pi
from typing import Self, TypeVar

from pydantic import Field, model_validator

from layerkit.declared import refuse
from layerkit.parts import Pace, Schedule

AnySchedule = TypeVar("AnySchedule", bound=Schedule)


class Constant(Schedule):
    """1 at every step."""

    def __call__(self, pace: Pace) -> float:
        return 1.0


class StepDecay(Schedule):
    """factor^k once k stretches of so many steps or epochs are over; left out, a stretch is a third of the goal."""

    steps: int | None = Field(None, ge=1)
    epochs: int | None = Field(None, ge=1)
    factor: float = Field(0.1, gt=0, le=1)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        return _checked(self, self.steps, self.epochs)

    def __call__(self, pace: Pace) -> float:
        return float(self.factor ** (pace.step // _length(self.steps, self.epochs, pace, 1 / 3)))


class CosineDecay(Schedule):
    """final + (1 - final) · ½ (1 + cos(π · step / n)): from 1 down to `final` in n steps, and `final` from there.

    n is that many steps or epochs; left out, the goal.
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (ICLR 2017).
    """

    steps: int | None = Field(None, ge=1)
    epochs: int | None = Field(None, ge=1)
    final: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        return _checked(self, self.steps, self.epochs)

    def __call__(self, pace: Pace) -> float:
        done = min(pace.step / _length(self.steps, self.epochs, pace, 1), 1.0)
        return self.final + (1.0 - self.final) * 0.5 * (1.0 + cos(pi * done))


class Warmup(Schedule):
    """(step + 1) / n in the first n steps; then what the schedule `then` gives, its steps and goal counted from there.

    n is that many steps or epochs; left out, a twentieth of the goal.
    Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour" (2017).
    """

    steps: int | None = Field(None, ge=1)
    epochs: int | None = Field(None, ge=1)
    then: Schedule = Constant()

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        return _checked(self, self.steps, self.epochs)

    def __call__(self, pace: Pace) -> float:
        n = _length(self.steps, self.epochs, pace, 1 / 20)
        if pace.step < n:
            return (pace.step + 1) / n
        return self.then(Pace(pace.step - n, max(pace.goal - n, 1), pace.steps_per_epoch))


def _length(steps: int | None, epochs: int | None, pace: Pace, share: float) -> int:
    """How many steps a schedule's fields mean."""
    return steps or (epochs or 0) * pace.steps_per_epoch or ceil(share * pace.goal)


def _checked(schedule: AnySchedule, steps: int | None, epochs: int | None) -> AnySchedule:
    if steps and epochs:
        raise refuse("takes steps or epochs, not both")
    return schedule
