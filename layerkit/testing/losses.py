"""The checks of a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Loss, Shape
from layerkit.testing.arrays import expect_close, expect_dtype, expect_shape, fresh, normal
from layerkit.testing.check import CheckFailed, CheckSkipped, calling, check, recorded_warnings
from layerkit.testing.documents import json, schema
from layerkit.testing.layer_checks import EXTREMES, expect_finite, expect_no_warning
from layerkit.testing.layer_subject import cast
from layerkit.testing.namespaces import array_api_strict, branches, in_place, jax
from layerkit.testing.purity import arguments, purity
from layerkit.testing.slopes import Slope, expect_slopes, slope
from layerkit.testing.suite import Options

ROWS = 4
SHAPES: tuple[Shape, ...] = ((3,), (1,), (4, 3))
TURNS = 4


class Subject:
    """A loss, with outputs and targets from a domain where it is finite."""

    def __init__(self, part: Loss, options: Options) -> None:
        self.part = part
        self.shapes = (tuple(options.input_shape),) if options.input_shape is not None else SHAPES
        if part.labels:
            # one class alone is always right
            self.shapes = tuple(shape for shape in self.shapes if shape[-1] > 1)

    @property
    def of_each_shape(self) -> list[dict[str, Any]]:
        """Arguments for each shape of a row."""
        return [self.given(shape=shape) for shape in self.shapes]

    def given(self, turn: int = 0, shape: Shape | None = None, rows: int = ROWS) -> dict[str, Any]:
        """Arguments: the output y and the target t; where the loss names a link, the pre-activation z too."""
        row = self.shapes[0] if shape is None else shape
        if self.part.link is not None:
            link = self.part.link()
            z = 2.0 * normal((rows, *row), turn)
            t = _one_hot(z.shape, turn) if self.part.labels else link(normal(z.shape, 50 + turn))
            return {"z": z, "y": link(z), "t": t}
        return self._domain((rows, *row), turn)

    def compute(self, given: Mapping[str, Any], xp: Any = np, copy: Callable[[Any], Any] = fresh) -> dict[str, Array]:
        """Everything that the loss gives."""
        y, t = given["y"], given["t"]
        with calling("the loss", input=dict(given)):
            found = {"the loss": self.part(copy(y), copy(t))}
        with calling("gradient", input=dict(given)):
            found["dL/dy"] = self.part.gradient(copy(y), copy(t))
        if "z" in given:
            with calling("linked", input=dict(given)):
                found["the linked loss"] = self.part.linked(copy(given["z"]), copy(t))
            with calling("linked_gradient", input=dict(given)):
                found["dL/dz"] = self.part.linked_gradient(copy(y), copy(t))
        return found

    @cached_property
    def _domain(self) -> Callable[[Shape, int], dict[str, Any]]:
        """The first domain where the loss is finite: all numbers, positive ones, those between 0 and 1.

        What the loss says of itself comes before that.
        """
        domains: tuple[Callable[[Shape, int], dict[str, Any]], ...] = (_real, _positive, _between_0_and_1)
        if self.part.labels:
            domains = (_labels,)
        elif self.part.probabilities:
            domains = (_between_0_and_1,)
        for domain in domains:
            given = domain((ROWS, *self.shapes[0]), 0)
            loss = self.compute(given)["the loss"]
            expect_shape("the loss", loss, (ROWS,), given["y"])
            if np.all(np.isfinite(loss)):
                return domain
        return domains[0]


@check()
def shape(subject: Subject) -> None:
    """One number a row for every shape of a row, and a gradient of y's shape."""
    for row in subject.shapes:
        given = subject.given(shape=row)
        for name, array in subject.compute(given).items():
            due = given["y"].shape if name.startswith("dL") else (ROWS,)
            expect_shape(name, array, due, given["y"])
            if not np.all(np.isfinite(array)):
                raise CheckFailed(f"{name} is not finite", input=given, found=array, due="finite numbers")


@check("shape")
def dtype(subject: Subject) -> None:
    """float32 gives float32, and float64 gives float64."""
    for due in ("float32", "float64"):
        given = cast(subject.given(), due)
        for name, array in subject.compute(given).items():
            expect_dtype(f"for {due}, {name}", array, due, given["y"])


@check("shape")
def empty_batch(subject: Subject) -> None:
    """No rows give no losses."""
    given = subject.given(rows=0)
    expect_shape("the loss of no rows", subject.compute(given)["the loss"], (0,), given["y"])


@check("shape", "purity")
def rows(subject: Subject) -> None:
    """A row's loss and gradient don't depend on the others: the network takes the mean, not the loss."""
    for row in subject.shapes:
        given = subject.given(shape=row)
        whole = subject.compute(given)
        for i in range(ROWS):
            one = {name: array[i : i + 1] for name, array in given.items()}
            for name, array in subject.compute(one).items():
                expect_close(f"row {i} alone gives another value of {name}", array, whole[name][i : i + 1], given)


@check("shape", "purity", "arguments", "dtype", "rows")
def gradient(subject: Subject) -> None:
    """dL/dy is the slope of each row's loss along random directions."""
    _expect_gradient(subject, "y", lambda given: subject.part(given["y"], given["t"]), "dL/dy")


@check("shape", "purity", "arguments", "dtype", "rows")
def linked(subject: Subject) -> None:
    """After its link, the loss from the pre-activation is the loss from the output, and its gradient the slope."""
    if subject.part.link is None:
        raise CheckSkipped("it names no link")
    for row in subject.shapes:
        given = subject.given(shape=row)
        found = subject.compute(given)
        expect_close(
            "linked(z, t) differs from the loss of link(z)", found["the linked loss"], found["the loss"], given
        )
    _expect_gradient(subject, "z", lambda given: subject.part.linked(given["z"], given["t"]), "dL/dz")


@check("shape")
def at_target(subject: Subject) -> None:
    """Where y is exactly t, as of a row that is fitted, the loss and its gradient are finite."""
    if subject.part.labels or subject.part.probabilities or subject.part.link is not None:
        raise CheckSkipped("it takes probabilities, which seldom are what is due")
    for row in subject.shapes:
        given = subject.given(shape=row)
        given["y"] = given["t"].copy()
        expect_finite({f"where y is t, {name}": array for name, array in subject.compute(given).items()}, given["y"])


@check("shape", "dtype")
def extremes(subject: Subject) -> None:
    """From pre-activations of 0, ±1e-30, ±30 and ±1e30, the linked loss and its gradient are finite, unwarned."""
    if subject.part.link is None:
        raise CheckSkipped("it names no link, and what outputs it takes is its own affair")
    for row in subject.shapes:
        for value in EXTREMES:
            given = subject.given(shape=row)
            given["z"] = np.full(given["z"].shape, value)
            given["y"] = subject.part.link()(given["z"])
            with recorded_warnings() as messages:
                found = {
                    "the linked loss": subject.part.linked(fresh(given["z"]), fresh(given["t"])),
                    "dL/dz": subject.part.linked_gradient(fresh(given["y"]), fresh(given["t"])),
                }
            expect_finite(found, given["z"])
            expect_no_warning(messages, given["z"])


def _expect_gradient(subject: Subject, moved: str, loss: Callable[[Any], Array], name: str) -> None:
    for row in subject.shapes:

        def of_turn(turn: int, row: Shape = row) -> tuple[Slope, Any]:
            given = subject.given(turn, row)
            direction, weights = normal(given[moved].shape, 500 + turn), normal((ROWS,), 600 + turn)
            # the rows' losses are weighed apart, so that a gradient of one row can't pass for another's
            across = np.reshape(weights, (ROWS, *[1] * len(row)))
            terms = subject.compute(given)[name] * across * direction

            def value(step: float) -> Array:
                return np.sum(weights * loss({**given, moved: given[moved] + step * direction}))

            rounding = np.sum(np.abs(weights * loss(given)))
            return slope(value, np.sum(terms), np.sqrt(np.sum(terms**2)), rounding), given

        expect_slopes(name, [of_turn(turn) for turn in range(TURNS)])


def _real(shape: Shape, turn: int) -> dict[str, Any]:
    return {"y": normal(shape, turn), "t": normal(shape, 50 + turn)}


def _positive(shape: Shape, turn: int) -> dict[str, Any]:
    return {name: np.abs(array) + 0.1 for name, array in _real(shape, turn).items()}


def _between_0_and_1(shape: Shape, turn: int) -> dict[str, Any]:
    return {name: 0.5 + 0.45 * np.tanh(array) for name, array in _real(shape, turn).items()}


def _labels(shape: Shape, turn: int) -> dict[str, Any]:
    e = np.exp(normal(shape, turn))
    return {"y": e / e.sum(axis=-1, keepdims=True), "t": _one_hot(shape, turn)}


def _one_hot(shape: Shape, turn: int) -> Array:
    classes = np.random.default_rng(50 + turn).integers(0, shape[-1], size=shape[:-1])
    return np.eye(shape[-1])[classes]


CHECKS = (
    *(json, schema),
    *(shape, dtype, arguments, purity, empty_batch, rows, at_target, extremes),
    *(gradient, linked),
    *(array_api_strict, branches, in_place, jax),
)
