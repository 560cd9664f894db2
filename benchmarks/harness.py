"""How contenders are compared: each runs in a process of its own, one after the other, a round after the other.

Before anything is timed, everyone's losses in float64 must be those of the first, which is layerkit. Whole programs
shuffle in an order of their own: there each epoch of the check is one batch, whose order makes no difference, and of
what is timed only the last epoch's loss is compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, time_ns

from entrants import Contender
from results import Comparison
from task import CannotRunError, Task
from workloads import Workload, task_of

MEASURE = Path(__file__).with_name("measure.py")
TOLERANCE = 1e-4
"""How far the losses of what is timed may lie from what is due, as a part of it."""
SHUFFLED_TOLERANCE = 0.1
"""The same for the last epoch of whole programs, each with its own order of rows."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ComparisonError(Exception):
    """A contender that computes something else, or that fails: its figures would mean nothing."""


@dataclass(frozen=True)
class Settings:
    """How everything is measured."""

    rounds: int
    seconds: float
    threads: int
    dtype: str = "float32"


@dataclass(frozen=True)
class Run:
    """What one process did: the losses of its first calls, or of its epochs; and the seconds of a step, or its own."""

    losses: Sequence[float]
    seconds: float


def compare(
    name: str, workload: Workload, optimizer: str, entrants: Mapping[str, Contender], settings: Settings, folder: Path
) -> Comparison:
    """Measure a workload. Raises ComparisonError, and CannotRunError where the workload's own data can't be made."""
    result = Comparison(name, optimizer)
    present = _check(result, workload, entrants, settings, folder)
    task = _write(workload, optimizer, settings, folder)
    tolerance = SHUFFLED_TOLERANCE if task.table else TOLERANCE
    due: Sequence[float] = ()
    for turn in range(settings.rounds if present else 0):
        # another one begins each round, but for the first, where layerkit says which losses are due
        for entrant in present[turn % len(present) :] + present[: turn % len(present)]:
            run = _run(entrant, entrants[entrant], task, folder, settings.seconds)
            losses = run.losses[-1:] if task.table else run.losses
            due = due or losses
            _must_agree(result, entrant, losses, due, tolerance)
            result.seconds.setdefault(entrant, []).append(run.seconds)
    return result


def _check(
    result: Comparison, workload: Workload, entrants: Mapping[str, Contender], settings: Settings, folder: Path
) -> list[str]:
    """Who can do the work, and computes in float64 what the first one does; the others are noted, with the reason."""
    folder = folder / "check"
    folder.mkdir(exist_ok=True)
    task = _write(workload.in_one_batch, result.optimizer, replace(settings, dtype="float64"), folder)
    present: list[str] = []
    due: Sequence[float] = ()
    for name, contender in entrants.items():
        try:
            run = _run(name, contender, task, folder)
        except CannotRunError as error:
            result.left_out[name] = str(error)
            continue
        due = due or run.losses
        _must_agree(result, name, run.losses, due, contender.tolerance)
        present.append(name)
    return present


def _must_agree(result: Comparison, name: str, losses: Sequence[float], due: Sequence[float], tolerance: float) -> None:
    close = (abs(own - other) <= tolerance * abs(other) for own, other in zip(losses, due))  # which no NaN is
    if len(losses) != len(due) or not all(close):
        what = f"{name} on {result.workload}, {result.optimizer}"
        raise ComparisonError(f"{what}: computes the losses {losses} where {due} are due")


def _write(workload: Workload, optimizer: str, settings: Settings, folder: Path) -> Task:
    task = task_of(workload, workload.problem(optimizer, settings.dtype, settings.threads), folder)
    task.write(folder)
    return task


def _run(name: str, contender: Contender, task: Task, folder: Path, seconds: float | None = None) -> Run:
    """One process of a contender, which times its steps where seconds are given.

    Raises ComparisonError where it fails, and CannotRunError where it can't do the work, with the reason.
    """
    if contender.missing:
        raise CannotRunError(f"not installed: {', '.join(contender.missing)}")
    mode = ["whole"] if task.table else ["losses"] if seconds is None else ["steps", str(seconds)]
    environment = os.environ | dict.fromkeys(THREADS, str(task.problem.threads)) | contender.environment
    # it would make an editable layerkit, and only that, be compiled anew in every process
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began, started = time_ns(), perf_counter()
    ran = subprocess.run(
        [sys.executable, str(MEASURE), contender.module, str(folder), *mode],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = perf_counter() - started
    if ran.returncode:
        raise ComparisonError(f"{name} failed with the status {ran.returncode}:\n{ran.stderr[-2000:]}")
    said = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    if "cannot" in said[-1]:
        raise CannotRunError(said[-1]["cannot"])
    if not task.table:
        return Run(said[-1]["losses"], said[-1].get("seconds", taken))
    if not _saved(task, folder, began):
        raise ComparisonError(f"{name} has not saved its parameters")
    return Run([each["loss"] for each in said if each["event"] == "epoch"], taken)


def _saved(task: Task, folder: Path, since: int) -> bool:
    """Whether there is a new file that has room for all parameters."""
    least = sum(each.nbytes for pair in task.parameters for each in pair)
    files = [path.stat() for path in folder.iterdir() if path.is_file()]
    return any(file.st_mtime_ns >= since and file.st_size >= least for file in files)
