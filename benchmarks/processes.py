"""Two processes of one core each beside one process of one core: the same steps of the same batches on JAX.

    python benchmarks/processes.py [--workload medium] [--rows 4096] [--rounds 5] [--processes 2]

Prints the median time of a step, and the ratio of one process to several in the same round: 2 is the most for two.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from time import perf_counter

from limits import at_least

STEPS = {"medium": 40, "large": 2}
"""Steps of a call, by workload."""


def child(workload: str, rows: int, place: Sequence[str], core: int) -> None:
    """Take the steps on one core; print the seconds of a step."""
    os.sched_setaffinity(0, [core])
    os.environ["JAX_PLATFORMS"] = "cpu"
    from layerkit.engines.joining import join

    if place[0]:
        join(place[0], int(place[1]), int(place[2]), print)
    from layerkit import Model
    from layerkit.data.batches import Rows
    from workloads import WORKLOADS, batches_of, document_of

    problem = WORKLOADS[workload].problem("sgd", "float32", threads=1)
    problem = replace(problem, batch=rows or problem.batch)
    session = Model(**document_of(problem, engine="jax")).session()
    x, t = batches_of(problem)[0]
    batches = [Rows(x, t).at(session.share(len(x)), len(x))] * STEPS[workload]
    session.train(batches)
    started = perf_counter()
    session.train(batches)
    print(json.dumps((perf_counter() - started) / len(batches)))


def seconds(workload: str, rows: int, cores: Sequence[int]) -> float:
    """The seconds of a step of a process on each of these cores. Raises SystemExit where one of them fails."""
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        coordinator = f"localhost:{listening.getsockname()[1]}" if len(cores) > 1 else ""
    started: list[subprocess.Popen[str]] = []
    try:
        for i, core in enumerate(cores):
            place = map(str, (workload, rows, coordinator, len(cores), i, core))
            command = [sys.executable, __file__, "--child", *place]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        said = [each.communicate()[0] for each in started]
    finally:
        for each in started:  # nobody waits for one that is gone
            each.kill()
            each.wait()
    failed = [each.returncode for each in started if each.returncode]
    if failed:
        raise SystemExit(f"error: a process of {workload} failed with the status {failed[0]}")
    return max(float(text.splitlines()[-1]) for text in said)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=STEPS, action="append")
    parser.add_argument("--rows", type=at_least(1), default=0, help="of the global batch, where not the workload's own")
    parser.add_argument("--rounds", type=at_least(1), default=5)
    parser.add_argument("--processes", type=at_least(2), default=2)
    given = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))[: given.processes]
    if len(cores) < given.processes:
        parser.error(f"{given.processes} processes need as many cores; there are {len(cores)}")
    for workload in given.workload or STEPS:
        rounds = [
            (seconds(workload, given.rows, cores[:1]), seconds(workload, given.rows, cores))
            for _ in range(given.rounds)
        ]
        one, several = (median(each) * 1e3 for each in zip(*rounds))
        ratios = [a / b for a, b in rounds]
        spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
        print(
            f"{workload}: {one:.4g} ms by one, {several:.4g} ms by {len(cores)}, ratio {median(ratios):.2f}{spread}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4:7], int(sys.argv[7]))
    else:
        main()
