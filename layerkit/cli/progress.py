"""How a run reports on itself: a bar on a terminal, lines elsewhere, JSON objects for programs, or nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EPIPE
from shutil import get_terminal_size
from time import monotonic
from typing import TYPE_CHECKING

import click

from layerkit.cli.common import aside, print_json

if TYPE_CHECKING:
    from layerkit.training import Progress, Report

SECONDS = 1.0
"""Between two lines."""
WIDTH = 10
BESIDE = WIDTH + len("  [] 100%  99d 23:59:59    ")
"""Characters that click writes beside what is shown: what goes on in a second line is never written over."""


@contextmanager
def reporting(form: str, quiet: bool, step: int, goal: int) -> Iterator[Report]:
    """What a run from `step` to `goal` calls with its progress. Only JSON goes to stdout."""
    if quiet:
        yield _nothing
    elif form == "json":
        yield _json
    elif sys.stderr.isatty():
        with _bar(step, goal) as report:
            yield report
    else:
        yield _Lines()


def _nothing(progress: Progress) -> None:
    pass


def _json(progress: Progress) -> None:
    """One object a line for each epoch."""
    for epoch in progress.ended:
        record = progress.history.record(epoch)
        # by the steps, as all that is saved: the history has fewer where the batches once were larger
        number = progress.epoch - (progress.ended[-1] - epoch)
        print_json({"event": "epoch", "epoch": number, "step": int(record.pop("step")), **record})


@contextmanager
def _bar(step: int, goal: int) -> Iterator[Report]:
    """The steps of this run, the time left, and how it goes; it appears once a run takes longer than a second."""
    bar = click.progressbar(length=goal - step, width=WIDTH, item_show_func=str, file=sys.stderr)
    due = monotonic() + SECONDS

    def report(progress: Progress) -> None:
        nonlocal due
        if monotonic() >= due or (bar.pos and progress.step == goal):
            room = max(_columns() - BESIDE, 0)
            bar.update(progress.step - step - bar.pos, _line(progress)[:room])
            due = monotonic() + SECONDS / 10

    try:
        yield report
    finally:
        if bar.pos:
            with suppress(OSError):  # the terminal may be closed, and the run is still to be saved
                bar.render_finish()


def _columns() -> int:
    """Of the terminal that stderr is; stdout may be a file. Some terminals say that they have none."""
    with suppress(OSError):
        if columns := os.get_terminal_size(sys.stderr.fileno()).columns:
            return columns
    return get_terminal_size().columns


class _Lines:
    """A line on stderr at most once a second."""

    def __init__(self) -> None:
        self._last = monotonic()

    def __call__(self, progress: Progress) -> None:
        if monotonic() - self._last >= SECONDS and progress.step < progress.goal:
            self._last = monotonic()
            left = f"{progress.seconds_left:,.0f} s left"
            if not aside(f"{_line(progress)}  {left}"):
                raise BrokenPipeError(EPIPE, "nobody reads this")


def _line(progress: Progress) -> str:
    """Steps, loss and speed."""
    speed = f"{progress.rows_per_second:,.0f} rows/s"
    return f"step {progress.step:,} of {progress.goal:,}  loss {progress.loss:.6g}  {speed}"
