"""The schedules: their factors by hand, and one length at most."""

from __future__ import annotations

from math import cos, pi

import pytest

from layerkit import Constant, CosineDecay, DocumentError, Pace, Schedule, StepDecay, Warmup


def factors(schedule: Schedule, steps: int, goal: int = 100, steps_per_epoch: int = 10) -> list[float]:
    return [schedule(Pace(step, goal, steps_per_epoch)) for step in range(steps)]


def test_constant_changes_nothing() -> None:
    assert factors(Constant(), 5) == [1.0] * 5


def test_step_multiplies_after_each_stretch_of_steps() -> None:
    assert factors(StepDecay(steps=2, factor=0.5), 6) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_step_counts_epochs_by_their_steps() -> None:
    assert StepDecay(epochs=3, factor=0.5)(Pace(29, 100, 10)) == 1.0
    assert StepDecay(epochs=3, factor=0.5)(Pace(30, 100, 10)) == 0.5


def test_step_without_a_length_falls_twice_on_the_way() -> None:
    assert sorted(set(factors(StepDecay(factor=0.5), 99, goal=99))) == [0.25, 0.5, 1.0]


def test_cosine_falls_to_its_final_factor_at_the_goal_and_stays_there() -> None:
    found = factors(CosineDecay(final=0.1), 8, goal=4)
    due = [0.1 + 0.9 * 0.5 * (1 + cos(pi * step / 4)) for step in range(4)]
    assert found == pytest.approx([*due, 0.1, 0.1, 0.1, 0.1])


def test_cosine_over_its_own_steps_takes_no_heed_of_the_goal() -> None:
    assert factors(CosineDecay(steps=2), 4, goal=1000) == pytest.approx([1.0, 0.5, 0.0, 0.0])


def test_warmup_rises_evenly_to_one() -> None:
    assert factors(Warmup(steps=4), 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_what_follows_a_warmup_counts_from_its_end() -> None:
    found = factors(Warmup(steps=2, then=CosineDecay()), 6, goal=6)
    assert found == pytest.approx([0.5, 1.0, 1.0, 0.5 * (1 + cos(pi / 4)), 0.5, 0.5 * (1 + cos(3 * pi / 4))])


@pytest.mark.parametrize("schedule", [StepDecay, CosineDecay, Warmup])
def test_a_length_in_steps_and_in_epochs_is_refused(schedule: type[Schedule]) -> None:
    with pytest.raises(DocumentError, match="steps or epochs, not both"):
        schedule(steps=5, epochs=5)
