"""What a comparison found, for people and as JSON.

A ratio is a time over layerkit's in the same round: above 1, layerkit is ahead. What is said is the median over rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from workloads import Workload


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

    def as_json(self) -> dict[str, Any]:
        """Everything, with medians and ratios."""
        medians = {name: median(own) for name, own in self.seconds.items()}
        ratios = {base: {name: median(self.ratios(name, base)) for name in self.seconds} for base in self.bases}
        return asdict(self) | {"medians": medians, "ratios": ratios}

    @staticmethod
    def from_json(found: dict[str, Any]) -> Comparison:
        """What `as_json` made of it."""
        return Comparison(found["workload"], found["optimizer"], found["seconds"], found["left_out"])


def lines(result: Comparison, workload: Workload, dtype: str) -> str:
    """One comparison, a contender a line."""
    sizes = "-".join(map(str, workload.sizes))
    what = f"{workload.rows:,} rows, whole process" if workload.source else "a step"
    told = [f"{result.workload}, {result.optimizer}: {workload.batch} × {sizes}, {dtype}, {what}"]
    told.append(" " * 51 + "".join(f"{'÷ ' + base:>19}" for base in result.bases))
    for name, own in result.seconds.items():
        spread = f"({_time(min(own))} to {_time(max(own))})"
        ratios = "".join(f"{median(result.ratios(name, base)):18.3g}×" for base in result.bases)
        told.append(f"  {name:15} {_time(median(own)):>9} {spread:23}{ratios}")
    told += [f"  {name:15} left out: {why}" for name, why in result.left_out.items()]
    return "\n".join(told)


def markdown(results: Sequence[Comparison]) -> str:
    """All comparisons as one table: the times of layerkit's engines, and everybody else's ratios to the first."""
    names = list(dict.fromkeys(name for each in results for name in each.seconds))
    names.sort(key=lambda name: not name.startswith("layerkit"))
    rows = [["workload", *names], ["---"] * (1 + len(names))]
    rows += [[f"{each.workload}, {each.optimizer}", *(_cell(each, name) for name in names)] for each in results]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows).replace(" --- ", "---")


def _cell(result: Comparison, name: str) -> str:
    if name not in result.seconds:
        return "–"
    if name in result.bases:
        own, say = result.seconds[name], _time
    else:
        own, say = result.ratios(name, result.bases[0]), "{:.3g}".format
    return say(own[0]) if len(own) == 1 else f"{say(median(own))} ({say(min(own))} to {say(max(own))})"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
