"""A contender's own process: `measure.py MODULE FOLDER SECONDS [EXPECTED]` times it and prints the result as JSON.

SECONDS of "whole" runs the contender's whole program instead, and the harness holds the watch.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from task import BATCHES, CannotRunError, Steps, Task

CHECKED_CALLS = (1, 1, 1, 1, BATCHES)
"""Steps of the calls whose mean losses are compared: four by the first batch, then one by each."""
LONGEST_CALL = 3333 * BATCHES
"""Steps of the longest call, so that the arrays of those who need them all at once stay small."""
CALLS = 5
"""How many calls share the seconds of a measurement."""


def check(losses: list[float], expected: list[float], dtype: str) -> str | None:
    """What is wrong with the losses, if anything is."""
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    if all(abs(own - due) <= tolerance * abs(due) for own, due in zip(losses, expected, strict=True)):
        return None
    return f"computes the losses {losses} where {expected} are due"


def seconds_per_step(steps: Steps, seconds: float) -> float:
    """The median over calls of many steps, after calls that grow until one lasts its share of the seconds."""
    count, share = BATCHES, seconds / CALLS
    while True:
        steps(count)  # the first call with a new count may compile, or build its rows
        taken = _timed(steps, count)
        if taken >= share / 2 or count >= LONGEST_CALL:
            break
        count = min(LONGEST_CALL, max(2, min(10, int(share / taken))) * count)
    times, started = [taken], perf_counter()
    while len(times) < 2 or perf_counter() - started < seconds - share:
        times.append(_timed(steps, count))
    return median(times) / count


def _timed(steps: Steps, count: int) -> float:
    started = perf_counter()
    steps(count)
    return perf_counter() - started


def measure(contender: Any, task: Task, seconds: float, expected: list[float]) -> dict[str, Any]:
    """The losses and, if they are right, the seconds that a step takes."""
    steps = contender.prepare(task)
    losses = [steps(count) for count in CHECKED_CALLS]
    fault = check(losses, expected or losses, task.problem.dtype)
    if fault:
        return {"fault": fault}
    return {"losses": losses, "seconds": seconds_per_step(steps, seconds)}


def main() -> None:
    module, folder, seconds, *expected = sys.argv[1:]
    task = Task.read(Path(folder))
    if hasattr(os, "sched_setaffinity"):  # what sizes its pool by the processors, as XLA does, sees these alone
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task.problem.threads])
    contender = import_module(module)
    try:
        if seconds == "whole":
            contender.whole(task)
            return
        result = measure(contender, task, float(seconds), json.loads(expected[0]) if expected else [])
    except (CannotRunError, ModuleNotFoundError) as error:
        result = {"cannot": str(error)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
