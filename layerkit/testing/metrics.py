"""The checks of a metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Metric, Shape
from layerkit.testing.arrays import expect_close, expect_dtype, fresh, normal
from layerkit.testing.check import CheckFailed, calling, check
from layerkit.testing.documents import json, schema
from layerkit.testing.layer_subject import cast
from layerkit.testing.namespaces import array_api_strict, branches
from layerkit.testing.purity import arguments, purity
from layerkit.testing.suite import Options

ROWS = 12
SHAPES: tuple[Shape, ...] = ((1,), (3,))


class Subject:
    """A metric, with outputs and targets: of one number a row, and of three classes."""

    def __init__(self, part: Metric, options: Options) -> None:
        self.part, self._shape = part, options.input_shape

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of a row that the metric works with."""
        if self._shape is not None:
            return (tuple(self._shape),)
        return tuple(shape for shape in SHAPES if self._works(shape)) or SHAPES

    def given(self, turn: int = 0, shape: Shape | None = None) -> dict[str, Any]:
        """Arguments: y between 0 and 1 as a network's last activation gives it, and t of 0 and 1."""
        row = self.shapes[0] if shape is None else shape
        y = 1.0 / (1.0 + np.exp(-normal((ROWS, *row), turn)))
        if row[-1:] == (1,):
            t = np.round(np.random.default_rng(50 + turn).uniform(size=y.shape))
        else:
            t = np.eye(row[-1])[np.random.default_rng(50 + turn).integers(0, row[-1], size=(ROWS, *row[:-1]))]
        return {"y": y, "t": t}

    def compute(self, given: Mapping[str, Any], xp: Any = np, copy: Callable[[Any], Any] = fresh) -> dict[str, Array]:
        """The sums."""
        with calling("sums", input=dict(given)):
            return {"the sums": self.part.sums(copy(given["y"]), copy(given["t"]))}

    def _works(self, shape: Shape) -> bool:
        try:
            self.compute(self.given(0, shape))
        except CheckFailed:
            return False
        return True


@check()
def shape(subject: Subject) -> None:
    """The sums are one vector, whose length doesn't depend on the rows."""
    for row in subject.shapes:
        given = subject.given(shape=row)
        whole, part = subject.compute(given)["the sums"], subject.compute(_rows(given, slice(0, 5)))["the sums"]
        if np.ndim(whole) != 1 or np.shape(whole) != np.shape(part):
            raise CheckFailed("the sums are one vector of one length", input=given, found=whole)


@check("shape")
def dtype(subject: Subject) -> None:
    """The sums are float64, for outputs of float32 too."""
    for due in ("float32", "float64"):
        given = cast(subject.given(), due)
        expect_dtype(f"for {due}, the sums", subject.compute(given)["the sums"], "float64", given["y"])


@check("shape", "purity", "arguments")
def additive(subject: Subject) -> None:
    """The sums of batches add up to the sums of all rows."""
    for row in subject.shapes:
        given = subject.given(shape=row)
        whole = subject.compute(given)["the sums"]
        batches = [_rows(given, slice(0, 5)), _rows(given, slice(5, 6)), _rows(given, slice(6, ROWS))]
        added = sum(np.asarray(subject.compute(batch)["the sums"]) for batch in batches)
        expect_close("the sums of three batches don't add up to those of all rows", added, whole, given)


@check("shape")
def value(subject: Subject) -> None:
    """The figure is a finite Python number."""
    for row in subject.shapes:
        given = subject.given(shape=row)
        with calling("value", input=given):
            found = subject.part.value(subject.compute(given)["the sums"])
        if not isinstance(found, float) or not isfinite(found):
            raise CheckFailed("value is not a finite float", input=given, found=found)


def _rows(given: Mapping[str, Array], rows: slice) -> dict[str, Array]:
    return {name: array[rows] for name, array in given.items()}


CHECKS = (
    *(json, schema),
    *(shape, dtype, arguments, purity, additive, value),
    *(array_api_strict, branches),
)
