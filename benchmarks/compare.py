"""layerkit beside PyTorch, Keras, scikit-learn, and JAX and NumPy by hand: the same training, and how long it takes.

Each contender runs in a process of its own, one after the other, a round after the other. Everybody has the same first
parameters, batches, Adam and number of threads, and before anything is timed its losses must be layerkit's, in float64
to nine digits: a contender that computes others ends the run. What isn't installed, or can't do a workload, is named
and left out.

A step's time is the median over calls of many steps, on batches that are in memory; the losses are read once a call.
For `cold` and `table` it is the time of a whole process, from its start to its end: rows are read, shuffled and
trained on, and the model is saved. There everybody shuffles in an order of their own, so that the losses of
the last epoch need only agree to a tenth.

Where there is a GPU, JAX's and PyTorch's contenders run there; CUDA_VISIBLE_DEVICES= keeps them off it.

A ratio is a time over layerkit's in the same round: above 1, layerkit is ahead. It is the median over the rounds.

    python benchmarks/compare.py [--workload small] [--contender "torch eager"] [--optimizer adam] [--json FILE]
    python benchmarks/compare.py --from FILE …   what --json wrote as a Markdown table; measures nothing
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from entrants import Contender, chosen
from harness import ComparisonError, Settings, compare
from machine import KERNEL, machine
from options import add_options, read, settings_of, write
from results import Comparison, lines, markdown
from task import CannotRunError
from workloads import OPTIMIZERS, WORKLOADS, Workload

QUICK_ROWS = 10_000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--workload", action="append", metavar="NAME", help=f"one of {', '.join(WORKLOADS)}; table is both"
    )
    parser.add_argument("--optimizer", choices=OPTIMIZERS, action="append")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--from", dest="sources", type=Path, nargs="+", metavar="FILE", help="print these figures")
    add_options(parser)
    options = parser.parse_args(arguments)
    if options.sources:
        found = [each for source in options.sources for each in read(source, "results")]
        print(markdown([Comparison.from_json(each) for each in found]))
        return
    wanted = options.workload or list(WORKLOADS)
    workloads = {name: each for name, each in WORKLOADS.items() if name in wanted or name.split(".")[0] in wanted}
    unknown = [name for name in wanted if not any(name in (own, own.split(".")[0]) for own in workloads)]
    if unknown:
        parser.error(f"there is no workload {', '.join(unknown)}; known: {', '.join(WORKLOADS)}")
    if options.quick:
        workloads = {name: replace(each, rows=min(each.rows, QUICK_ROWS)) for name, each in workloads.items()}
    entrants, settings = chosen(options.contender), settings_of(options, options.dtype)
    print(f"{settings.threads} threads, {settings.rounds} rounds; {json.dumps(machine())}\n", flush=True)
    if KERNEL in os.environ:
        print(f"{KERNEL}={os.environ[KERNEL]} is set: without it NumPy's products may be faster\n", flush=True)
    try:
        measure(workloads, options.optimizer or OPTIMIZERS, entrants, settings, options.json)
    except ComparisonError as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def measure(
    workloads: Mapping[str, Workload],
    optimizers: Sequence[str],
    entrants: Mapping[str, Contender],
    settings: Settings,
    path: Path | None,
) -> None:
    """Print each comparison, and write all so far to the path, if there is one."""
    results: list[Any] = []
    figures = {"machine": machine(), "settings": asdict(settings), "results": results}
    write(path, figures)  # before hours of measuring
    with tempfile.TemporaryDirectory() as parent:
        for name, workload in workloads.items():
            folder = Path(parent) / name
            folder.mkdir()
            for optimizer in optimizers:
                try:
                    result = compare(name, workload, optimizer, entrants, settings, folder)
                except CannotRunError as error:
                    print(f"{name}: left out: {error}\n", flush=True)
                    break
                print(lines(result, workload, settings.dtype) + "\n", flush=True)
                results.append(result.as_json())
                write(path, figures)


if __name__ == "__main__":
    main()
