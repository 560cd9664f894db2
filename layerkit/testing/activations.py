"""The checks of an activation: a layer's, and its derivative point by point."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Activation
from layerkit.testing import layer_subject, layers
from layerkit.testing.arrays import fresh
from layerkit.testing.check import CheckFailed, calling, check, recorded_warnings
from layerkit.testing.layer_checks import expect_finite, expect_no_warning, extreme_inputs
from layerkit.testing.layer_gradients import expect_gradient_of_x
from layerkit.testing.layer_subject import ROWS, cast, overrides
from layerkit.testing.slopes import Slope, slope

__all__ = ["CHECKS", "Subject"]

_TRAPS = {
    "(y, y)": "it is right only if y is fed as x: it reads x where y is meant",
    "(x, x)": "it is right only if x is fed as y: it reads y where x is meant",
    "(y, x)": "it is right only with x and y exchanged: the signature is derivative(self, x, y)",
}


class Subject(layer_subject.Subject):
    """An activation, and what it is called with."""

    part: Activation


@check("shape", "purity", "arguments", "dtype")
def derivative_arguments(subject: Subject) -> None:
    """derivative(x, y) is a function of the input x and the output y, not of one mistaken for the other."""
    if not _by_derivative(subject.part):
        return
    x, y = _points(subject.part)
    there = _slopes(subject.part, x, y, x, y)
    if np.mean(there.right | ~there.smooth) > 0.7:
        # a derivative that is wrong here and there is no mistaken argument
        return
    for fed, trap in _TRAPS.items():
        first, second = {"(y, y)": (y, y), "(x, x)": (x, x), "(y, x)": (y, x)}[fed]
        if _right(_slopes(subject.part, x, y, first, second)):
            raise _failed(f"derivative(x, y) is wrong, and derivative{fed} is right: {trap}", x, there)


@check("shape", "purity", "arguments", "dtype", "derivative_arguments")
def gradient_of_x(subject: Subject) -> None:
    """dL/dx is the slope of the values: at each of many points, and of L = Σ dy · y along random directions."""
    expect_gradient_of_x(subject, subject.shapes[0], ROWS)
    if _by_derivative(subject.part):
        x, y = _points(subject.part)
        there = _slopes(subject.part, x, y, x, y)
        if not _right(there):
            raise _failed("derivative(x, y) is not the slope of the values", x, there)


@check("zeros")
def extremes(subject: Subject) -> None:
    """At 0, ±1e-30, ±30 and ±1e30, alone and mixed, all is finite; in float64 nothing is warned of."""
    for row in subject.shapes:
        for x in extreme_inputs((2, *row)):
            given = subject.around(x)
            given["dy"] = np.ones_like(given["dy"])
            with recorded_warnings() as messages:
                found = subject.compute(given)
            expect_finite(found, x)
            expect_no_warning(messages, x)
            narrow = subject.compute(cast(given, "float32"))
            # a value that is too large for float32 is honestly infinite there
            expect_finite(narrow, cast(given, "float32")["x"], cast(found, "float32"))


_REPLACED = {each.name: each for each in (gradient_of_x, extremes)}
_LEFT_OUT = ("parameters", "gradient_of_parameters")

CHECKS = tuple(
    each
    for one in layers.CHECKS
    if one.name not in _LEFT_OUT
    for each in ([derivative_arguments] if one.name == "gradient_of_x" else []) + [_REPLACED.get(one.name, one)]
)


def _by_derivative(part: Activation) -> bool:
    """Whether the way back goes through derivative(x, y)."""
    return overrides(part, "derivative") and not overrides(part, "backward")


def _points(part: Activation) -> tuple[Array, Array]:
    """Inputs in one row, dense around 0 and thin far out, and their outputs."""
    random = np.random.default_rng(7)
    spread = [random.normal(size=96) * 2.0, random.uniform(-12.0, 12.0, 64), random.uniform(-40.0, 40.0, 32)]
    x = np.concatenate(spread)[None, :]
    with calling("__call__", input=x):
        return x, part(x.copy())


def _slopes(part: Activation, x: Array, y: Array, first: Array, second: Array) -> Slope:
    """derivative(first, second) beside the slope of the values at each point."""
    found = _derivative(part, first, second)
    return slope(lambda step: part(x + step), found, np.zeros(()), 1.0 + np.abs(x) + np.abs(y))


def _derivative(part: Activation, x: Array, y: Array) -> Array:
    with calling("derivative", input=x):
        return part.derivative(fresh(x), fresh(y))


def _right(there: Slope) -> bool:
    return bool(np.all(there.right | ~there.smooth)) and bool(np.any(there.smooth))


def _failed(message: str, x: Array, there: Slope) -> CheckFailed:
    """The failure at the point that is furthest from right."""
    off: Any = np.where(there.smooth & ~there.right, np.abs(there.found - there.due), -1.0)
    if not np.any(there.smooth):
        return CheckFailed(f"{message}: no point has a slope", input=x)
    worst = np.unravel_index(np.argmax(off), off.shape)
    at = {"input": f"x = {x[worst]!r}", "found": float(there.found[worst]), "due": float(there.due[worst])}
    return CheckFailed(message, **at)
