"""All the checks of one part, run one by one, with or without pytest."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from layerkit import registry
from layerkit.errors import PartError
from layerkit.part import Part, part_to_json
from layerkit.parts import Shape
from layerkit.testing.check import Check, CheckFailed, CheckSkipped, calling, place_of, without_warnings
from layerkit.testing.purity import without_global_draws

_HOMES = {kind: f"layerkit.testing.{group.rpartition('.')[2]}" for kind, group in registry.GROUPS.items()}

GIVE_SHAPE = "give one: --input-shape '[…]', or input_shape=(…) in Python"


@dataclass(frozen=True)
class Options:
    """What the author may say of the input that a part takes, where the kit's own tries don't fit it."""

    input_shape: Shape | None = None
    """The shape of one row: of a layer, a loss or a metric; or the shape that an initializer fills."""
    dtype: str | None = None
    """A layer's input dtype: "int64" for whole numbers, or "float64"."""
    values: Sequence[Any] | None = None
    """The cells of a column."""
    example: Path | None = None
    """A file that a reader reads."""

    def __post_init__(self) -> None:
        if self.dtype not in (None, "int64", "float64"):
            raise PartError(f'should be "int64" or "float64", not {self.dtype!r}', "dtype")
        shape = self.input_shape or ()
        if any(type(length) is not int or length < 1 for length in shape):
            raise PartError(f"should be whole numbers from 1, such as [8, 8, 3], not {list(shape)}", "input_shape")


@dataclass(frozen=True)
class Result:
    """What one check gave; the message says why it failed or was skipped."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""


class Suite:
    """The checks of one part. Each runs once at most, and only where those that it builds on passed.

    What fails rightly, as `expected` says, keeps no other check from running.
    """

    def __init__(self, part: Part, options: Options | None = None, expected: Collection[str] = ()) -> None:
        self.part, self._options, self._expected = part, options or Options(), expected
        self._home = import_module(_HOMES[part.kind])
        self.checks: dict[str, Check] = {check.name: check for check in self._home.CHECKS}
        self._results: dict[str, Result] = {}

    def result(self, name: str) -> Result:
        """Run one check, unless it ran before."""
        if name not in self._results:
            self._results[name] = self._run(self.checks[name])
        return self._results[name]

    def results(self) -> list[Result]:
        """Run every check, in order."""
        return [self.result(name) for name in self.checks]

    @cached_property
    def _subject(self) -> Any:
        return self._home.Subject(self.part, self._options)

    def _run(self, check: Check) -> Result:
        if blocker := self._blocker(check):
            return Result(check.name, "skipped", f"builds on {blocker}, which failed")
        try:
            with without_warnings(), without_global_draws(), calling("the check"):
                check.run(self._subject)
        except CheckSkipped as skipped:
            return Result(check.name, "skipped", str(skipped))
        except CheckFailed as failed:
            where = f"\n  where  {place_of(failed.__cause__, self.part)}" if failed.__cause__ else ""
            return Result(check.name, "failed", f"{failed}{where}\n  part   {shown(self.part)}")
        return Result(check.name, "passed")

    def _blocker(self, check: Check) -> str | None:
        """The failed check that keeps this one from saying anything."""
        for name in check.after:
            if name not in self.checks:
                continue
            if name not in self._expected and self.result(name).outcome == "failed":
                return name
            if blocker := self._blocker(self.checks[name]):
                return blocker
        return None


def run_checks(
    part: Part,
    *,
    input_shape: Shape | None = None,
    dtype: str | None = None,
    values: Sequence[Any] | None = None,
    example: str | Path | None = None,
) -> list[Result]:
    """Every check of the part's kind. The options say what input it takes, where the kit's own tries don't fit it."""
    return Suite(part, Options(input_shape, dtype, values, Path(example) if example else None)).results()


def shown(part: Part) -> str:
    """A part as a document writes it; as Python does where no document can."""
    try:
        return json.dumps(part_to_json(part))
    except Exception:
        # registered nowhere, or its JSON is broken, which the check `json` says
        return f"{type(part).__name__}({', '.join(f'{name}={value!r}' for name, value in part)})"
