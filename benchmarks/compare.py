"""layerkit beside PyTorch, Keras, scikit-learn, and JAX and NumPy by hand: the same training, and how long it takes.

Each contender runs in a process of its own, one after the other, a round after the other. Everybody has the same first
parameters, batches, Adam and number of threads, and before anything is timed its losses must be layerkit's: a contender
that computes others ends the run. What isn't installed, or can't do a workload, is named and left out.

A step's time is the median over calls of many steps, on batches that are in memory; the losses are read once a call.
For `cold` and `table` it is the time of a whole process, from its start to its end: rows are read, shuffled and
trained on, and the model is saved. There everybody shuffles in an order of their own, so that the losses of
the last epoch need only agree to a tenth.

A ratio is a time over layerkit's in the same round: above 1, layerkit is ahead. It is the median over the rounds.

    python benchmarks/compare.py [--workload small] [--contender "torch eager"] [--optimizer adam] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from contenders import Contender, contenders
from task import CannotRunError
from workloads import OPTIMIZERS, WORKLOADS, Workload, task_of

MEASURE = Path(__file__).with_name("measure.py")
WHOLE_TOLERANCE = 0.1
"""How far the last epoch's losses of whole programs may lie apart: each has its own order of rows."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PACKAGES = ("layerkit", "numpy", "torch", "jax", "keras", "scikit-learn", "pyarrow")
KERNEL = "OPENBLAS_CORETYPE"
"""Whoever sets it keeps NumPy's products to the kernels of one processor, however much more this one can do."""


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
class Comparison:
    """The seconds of a step, or of a whole process, of each contender in each round."""

    workload: str
    optimizer: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Who didn't take part, and why."""

    def ratios(self, name: str, base: str) -> list[float]:
        """A contender's time over another's, round by round."""
        return [own / other for own, other in zip(self.seconds[name], self.seconds[base], strict=True)]

    @property
    def bases(self) -> list[str]:
        """The engines of layerkit that took part."""
        return [name for name in self.seconds if name.startswith("layerkit")]


def compare(
    name: str, workload: Workload, optimizer: str, entrants: Mapping[str, Contender], settings: Settings, folder: Path
) -> Comparison:
    """Measure a workload. Raises ComparisonError, and CannotRunError where the workload's own data can't be made."""
    problem = workload.problem(optimizer, settings.dtype, settings.threads)
    task_of(workload, problem, folder).write(folder)
    result, expected = Comparison(name, optimizer), list[float]()
    present = list(entrants)
    for turn in range(settings.rounds):
        # another one begins each round, but for the first, where layerkit says which losses are due
        for entrant in present[turn % len(present) :] + present[: turn % len(present)]:
            contender = entrants[entrant]
            if entrant in result.left_out:
                continue
            if contender.missing:
                result.left_out[entrant] = f"not installed: {', '.join(contender.missing)}"
                continue
            measured = _measure(entrant, contender, workload, settings, folder, expected)
            if "cannot" in measured:
                result.left_out[entrant] = measured["cannot"]
            elif "fault" in measured:
                raise ComparisonError(f"{entrant} on {name}, {optimizer}: {measured['fault']}")
            else:
                expected = expected or measured["losses"]
                result.seconds.setdefault(entrant, []).append(measured["seconds"])
    return result


def _measure(
    name: str, contender: Contender, workload: Workload, settings: Settings, folder: Path, expected: Sequence[float]
) -> dict[str, Any]:
    """Run one contender in a process of its own: its losses and seconds, what is wrong, or why it can't."""
    whole = workload.source is not None
    arguments = ["whole"] if whole else [str(settings.seconds), json.dumps(expected)]
    environment = os.environ | {name: str(settings.threads) for name in THREADS} | contender.environment
    started = perf_counter()
    ran = subprocess.run(
        [sys.executable, str(MEASURE), contender.module, str(folder), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = perf_counter() - started
    if ran.returncode:
        raise ComparisonError(f"{name} failed:\n{ran.stderr[-2000:]}")
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    if not whole or "cannot" in lines[-1]:
        return dict(lines[-1])
    loss = next(line["loss"] for line in reversed(lines) if line["event"] == "epoch")
    if expected and abs(loss - expected[0]) > WHOLE_TOLERANCE * expected[0]:
        return {"fault": f"ends with the loss {loss} where layerkit has {expected[0]}"}
    return {"losses": [loss], "seconds": taken}


def table(result: Comparison, workload: Workload, dtype: str) -> str:
    """A comparison for people."""
    sizes = "-".join(map(str, workload.sizes))
    what = f"{workload.rows:,} rows, whole process" if workload.source else "a step"
    lines = [f"{result.workload}, {result.optimizer}: {workload.batch} × {sizes}, {dtype}, {what}"]
    lines.append(" " * 51 + "".join(f"{'÷ ' + base:>19}" for base in result.bases))
    for name, own in result.seconds.items():
        spread = f"({_time(min(own))} to {_time(max(own))})"
        ratios = "".join(f"{median(result.ratios(name, base)):18.3g}×" for base in result.bases)
        lines.append(f"  {name:15} {_time(median(own)):>9} {spread:23}{ratios}")
    lines += [f"  {name:15} left out: {why}" for name, why in result.left_out.items()]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    if seconds >= 1.0:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    python = {"python": platform.python_version(), "system": platform.platform(), "cores": cores()}
    return python | {"packages": versions, "blas": blas()}


def blas() -> list[str]:
    """What multiplies NumPy's matrices, and the kernels that it took for this processor, where that can be told."""
    import numpy as np  # has to be there before it is looked for

    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return [f"{built['name']} {built['version']}"]
    found = [each for each in threadpool_info() if each["user_api"] == "blas"]
    return [
        f"{each['internal_api']} {each['version']} ({each.get('architecture', 'kernels unknown')})" for each in found
    ]


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of everything that measures."""
    parser.add_argument("--contender", action="append", metavar="NAME", help=f"one of {', '.join(contenders())}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--threads", type=int, default=cores(), help="of everybody; as many as there are cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")


def settings_of(options: argparse.Namespace, dtype: str = "float32") -> Settings:
    """What the options say."""
    rounds, seconds = (1, 0.05) if options.quick else (options.rounds, options.seconds)
    return Settings(rounds, seconds, options.threads, dtype)


def chosen(names: Sequence[str] | None) -> dict[str, Contender]:
    """The contenders of these names, all without; layerkit's NumPy engine is always the first. Raises SystemExit."""
    known = contenders()
    unknown = set(names or ()) - set(known)
    if unknown:
        raise SystemExit(f"error: there is no contender {', '.join(unknown)}; known: {', '.join(known)}")
    return {name: each for name, each in known.items() if not names or name in names or name == "layerkit numpy"}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--workload", action="append", metavar="NAME", help=f"one of {', '.join(WORKLOADS)}; table is both"
    )
    parser.add_argument("--optimizer", choices=OPTIMIZERS, action="append")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    add_options(parser)
    options = parser.parse_args(arguments)
    wanted = options.workload or list(WORKLOADS)
    workloads = {name: each for name, each in WORKLOADS.items() if name in wanted or name.split(".")[0] in wanted}
    unknown = [name for name in wanted if not any(name in (own, own.split(".")[0]) for own in workloads)]
    if unknown:
        parser.error(f"there is no workload {', '.join(unknown)}; known: {', '.join(WORKLOADS)}")
    entrants, settings = chosen(options.contender), settings_of(options, options.dtype)
    print(f"{settings.threads} threads, {settings.rounds} rounds; {json.dumps(machine())}\n", flush=True)
    if KERNEL in os.environ:
        print(f"{KERNEL}={os.environ[KERNEL]} is set: without it NumPy's products may be faster\n", flush=True)
    results = []
    with tempfile.TemporaryDirectory() as parent:
        for name, workload in workloads.items():
            folder = Path(parent) / name
            folder.mkdir()
            for optimizer in options.optimizer or OPTIMIZERS:
                try:
                    result = compare(name, workload, optimizer, entrants, settings, folder)
                except CannotRunError as error:
                    print(f"{name}: left out: {error}\n", flush=True)
                    break
                except ComparisonError as error:
                    raise SystemExit(f"error: {error}") from None
                print(table(result, workload, settings.dtype) + "\n", flush=True)
                results.append(result)
    if options.json:
        written = {"machine": machine(), "settings": asdict(settings), "results": [as_json(each) for each in results]}
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def as_json(result: Comparison) -> dict[str, Any]:
    """A comparison with its medians and ratios."""
    medians = {name: median(own) for name, own in result.seconds.items()}
    ratios = {base: {name: median(result.ratios(name, base)) for name in result.seconds} for base in result.bases}
    return asdict(result) | {"medians": medians, "ratios": ratios}


if __name__ == "__main__":
    main()
