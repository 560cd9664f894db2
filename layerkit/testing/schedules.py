"""The checks of a schedule."""

from __future__ import annotations

from math import isfinite

from layerkit.parts import Pace, Schedule
from layerkit.testing.check import CheckFailed, calling, check
from layerkit.testing.documents import json, schema
from layerkit.testing.purity import expect_same_state, state
from layerkit.testing.suite import Options

RUNS = ((1, 1), (7, 3), (100, 10), (100_000, 1000), (5, 100))
"""Goals, and the steps of an epoch."""


class Subject:
    """A schedule, and where it is asked: at the beginning, the middle and the end of runs, and beyond."""

    def __init__(self, part: Schedule, options: Options) -> None:
        self.part = part
        self.paces = [
            Pace(step, goal, per_epoch)
            for goal, per_epoch in RUNS
            for step in sorted({0, 1, goal // 2, goal - 1, goal, 3 * goal})
        ]

    def factor(self, pace: Pace) -> float:
        """The factor there."""
        with calling("it", input=pace):
            return self.part(pace)


@check()
def factor(subject: Subject) -> None:
    """The factor is a finite number of Python's that is not negative, beyond the goal too."""
    for pace in subject.paces:
        found = subject.factor(pace)
        if not isinstance(found, int | float) or not isfinite(found) or found < 0.0:
            beyond = ", beyond the goal" if pace.step > pace.goal else ""
            raise CheckFailed(f"the factor is not a finite number from 0{beyond}", input=pace, found=found)


@check("factor")
def purity(subject: Subject) -> None:
    """The same step has the same factor, whatever was asked in between, and nothing stays on the part."""
    before = state(subject.part)
    first = [subject.factor(pace) for pace in subject.paces]
    for pace, due in reversed(list(zip(subject.paces, first))):
        found = subject.factor(pace)
        if found != due:
            raise CheckFailed("the same step has another factor the second time", input=pace, found=found, due=due)
    expect_same_state(subject.part, before)


CHECKS = (json, schema, factor, purity)
