"""A contender's own process: it prints what it found as JSON.

measure.py MODULE FOLDER losses          the mean losses of its first calls
measure.py MODULE FOLDER steps SECONDS   these, and the seconds of a step
measure.py MODULE FOLDER whole           runs its whole program; the harness holds the watch
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


def seconds_per_step(steps: Steps, seconds: float) -> float:
    """The median over calls of many steps, after calls that grow until one lasts its share of the seconds."""
    count, share = BATCHES, seconds / CALLS
    while True:
        steps(count)  # the first call with a new count may compile, or build its rows
        times = [_timed(steps, count) for _ in range(2)]  # one of them may have been held up
        taken = min(times)
        if taken >= share / 2 or count >= LONGEST_CALL:
            break
        count = min(LONGEST_CALL, max(2, min(10, int(share / taken))) * count)
    started = perf_counter()
    while perf_counter() - started < seconds - 2 * share:
        times.append(_timed(steps, count))
    return median(times) / count


def _timed(steps: Steps, count: int) -> float:
    started = perf_counter()
    steps(count)
    return perf_counter() - started


def main() -> None:
    module, folder, mode, *seconds = sys.argv[1:]
    task = Task.read(Path(folder))
    if hasattr(os, "sched_setaffinity"):  # what sizes its pool by the processors, as XLA does, sees these alone
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task.problem.threads])
    contender = import_module(module)
    result: dict[str, Any]
    try:
        if mode == "whole":
            contender.whole(task)
            return
        steps = contender.prepare(task)
        result = {"losses": [steps(count) for count in CHECKED_CALLS]}
        if mode == "steps":
            result["seconds"] = seconds_per_step(steps, float(seconds[0]))
    except (CannotRunError, ModuleNotFoundError) as error:
        result = {"cannot": str(error)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
