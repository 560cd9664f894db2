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
from statistics import median
from time import perf_counter
from typing import Any

WORKLOADS = {"medium": (128, (784, 256, 128, 10), 40), "large": (512, (1024, 4096, 4096, 10), 2)}
"""Rows of the global batch, sizes, and steps of a call."""


def child(workload: str, wanted: int, place: list[str], core: int) -> None:
    """Take the steps on one core; print the seconds of a step."""
    os.sched_setaffinity(0, [core])
    from layerkit.engines.joining import join

    if place[0]:
        join(place[0], int(place[1]), int(place[2]), print)
    import numpy as np

    from layerkit import Model
    from layerkit.data.batches import Rows

    rows, sizes, steps = WORKLOADS[workload]
    rows = wanted or rows
    layers: list[Any] = [{"type": "dense", "units": units, "activation": "relu"} for units in sizes[1:-1]]
    layers.append({"type": "dense", "units": sizes[-1], "activation": "softmax"})
    model = Model(input=[sizes[0]], layers=layers, loss="cross_entropy", optimizer="sgd", engine="jax")
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, sizes[0])).astype("float32")
    t = np.eye(sizes[-1], dtype="float32")[random.integers(sizes[-1], size=rows)]
    session = model.session()
    batches = [Rows(x, t).at(session.share(rows), rows)] * steps
    session.train(batches)
    started = perf_counter()
    session.train(batches)
    print(json.dumps((perf_counter() - started) / steps))


def seconds(workload: str, rows: int, processes: int) -> float:
    """The seconds of a step of so many processes, each on a core of its own."""
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        coordinator = f"localhost:{listening.getsockname()[1]}" if processes > 1 else ""
    cores = sorted(os.sched_getaffinity(0))
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--child", workload, *map(str, (rows, coordinator, processes, i, cores[i]))],
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(processes)
    ]
    return max(float(each.communicate()[0].splitlines()[-1]) for each in started)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4:7], int(sys.argv[7]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, action="append")
    parser.add_argument("--rows", type=int, default=0, help="of the global batch, where not the workload's own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    for workload in given.workload or WORKLOADS:
        rounds = [
            (seconds(workload, given.rows, 1), seconds(workload, given.rows, given.processes))
            for _ in range(given.rounds)
        ]
        one, several = (median(each) * 1e3 for each in zip(*rounds))
        ratio = median(a / b for a, b in rounds)
        print(f"{workload}: {one:.4g} ms by one, {several:.4g} ms by {given.processes}, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
