"""How a contender's time grows with batch, width, depth and rows, as a picture on log axes.

Batch, width and depth: the time of one Adam step of a network in memory, as compare.py measures it. Rows: the time of a
whole process over a table of so many rows, from CSV.

    python benchmarks/growth.py [--contender NAME] [--output docs/performance.svg] [--json FILE]
    python benchmarks/growth.py --axis batch | --quick   a part of it, drawn only where --output says
    python benchmarks/growth.py --from FILE   draws what --json wrote, and measures nothing
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from entrants import Contender, chosen
from harness import ComparisonError, Settings, compare
from machine import machine
from options import add_options, read, settings_of, write
from task import CannotRunError
from workloads import WORKLOADS, Workload

PICTURE = Path(__file__).parent.parent / "docs" / "performance.svg"


def _square(batch: int, width: int, depth: int) -> Workload:
    """`depth` hidden layers, all as wide as the input."""
    return Workload(batch, (*(width,) * (depth + 1), 10), "softmax", "cross_entropy", adam_rate=0.0001)


AXES: dict[str, dict[int, Workload]] = {
    "batch": {batch: _square(batch, 64, 1) for batch in (1, 4, 16, 64, 256, 1024, 4096)},
    "width": {width: _square(128, width, 1) for width in (4, 16, 64, 256, 1024, 4096)},
    "depth": {depth: _square(32, 64, depth) for depth in (1, 2, 4, 8, 16, 32)},
    "rows": {rows: replace(WORKLOADS["table.csv"], rows=rows) for rows in (1_000, 10_000, 100_000, 1_000_000)},
}
TITLES = {
    "batch": "a step by batch: 64-64-10",
    "width": "a step by width w: 128 rows of w-w-10",
    "depth": "a step by hidden layers: 32 rows, 64 wide",
    "rows": "a whole process by rows: CSV, 20-32-1",
}
QUICK = 2
"""How many places of an axis the quick run takes."""


def places(axis: str, quick: bool) -> dict[int, Workload]:
    """The workloads along an axis, or the first of them."""
    return dict(list(AXES[axis].items())[: QUICK if quick else None])


def measure(
    axes: Mapping[str, Mapping[int, Workload]], entrants: Mapping[str, Contender], settings: Settings, path: Path | None
) -> dict[str, Any]:
    """The seconds in each round, as {axis: {contender: {place: [seconds]}}}, which go to the path place by place."""
    found: dict[str, Any] = {axis: {} for axis in axes}
    figures = {"machine": machine(), "settings": asdict(settings), "seconds": found}
    write(path, figures)
    for axis, workloads in axes.items():
        for place, workload in workloads.items():
            with tempfile.TemporaryDirectory() as folder:
                try:
                    result = compare(f"{axis} {place}", workload, "adam", entrants, settings, Path(folder))
                except CannotRunError as error:
                    print(f"{axis}: left out: {error}", flush=True)
                    break
            for name, seconds in result.seconds.items():
                found[axis].setdefault(name, {})[str(place)] = seconds
            write(path, figures)
            medians = ", ".join(f"{name} {median(seconds):.3g} s" for name, seconds in result.seconds.items())
            print(f"{axis} {place}: {medians}", flush=True)
            for name, why in result.left_out.items():
                print(f"  {name} left out: {why}", flush=True)
    return found


def draw(found: Mapping[str, Any], path: Path) -> None:
    """A panel for each axis, a line for each contender, from its fastest to its slowest round in pale."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "layerkit"  # the same picture from the same figures
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(11, 8.5), layout="constrained")
    names = list(dict.fromkeys(name for lines in found.values() for name in lines))
    colours = {name: f"C{number}" for number, name in enumerate(names)}
    for panel, axis in zip(panels.flat, AXES):
        for name, places in found.get(axis, {}).items():
            x, rounds = [int(place) for place in places], list(places.values())
            own = name.startswith("layerkit")
            look = {"color": colours[name], "linewidth": 2.5 if own else 1.2, "linestyle": "-" if own else "--"}
            panel.plot(x, [median(each) for each in rounds], marker="o", markersize=3, label=name, **look)
            panel.fill_between(x, list(map(min, rounds)), list(map(max, rounds)), color=colours[name], alpha=0.12)
        panel.set(xscale="log", yscale="log", title=TITLES[axis], xlabel=axis, ylabel="seconds")
        panel.grid(True, which="major", alpha=0.3)
    lines = {line.get_label(): line for panel in panels.flat for line in panel.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axis", action="append", choices=list(AXES))
    parser.add_argument("--output", type=Path, metavar="FILE", help="the picture; docs/performance.svg of the whole")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="draw these figures")
    add_options(parser)
    options = parser.parse_args(arguments)
    if options.source:
        found = read(options.source, "seconds")
    else:
        axes = {axis: places(axis, options.quick) for axis in options.axis or AXES}
        try:
            found = measure(axes, chosen(options.contender), settings_of(options), options.json)
        except ComparisonError as error:
            raise SystemExit(f"error: {error}") from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None
    output = options.output or (None if options.axis or options.quick else PICTURE)
    if output:
        draw(found, output)
        print(f"wrote {output}")


if __name__ == "__main__":
    main()
