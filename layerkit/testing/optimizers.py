"""The checks of an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Optimizer
from layerkit.testing.arrays import expect_close, expect_dtype, expect_shape, fresh, normal
from layerkit.testing.check import CheckFailed, calling, check, recorded_warnings
from layerkit.testing.documents import json, schema
from layerkit.testing.layer_checks import EXTREMES, expect_finite, expect_no_warning
from layerkit.testing.layer_subject import cast
from layerkit.testing.namespaces import array_api_strict, branches, in_place, jax
from layerkit.testing.purity import arguments, purity
from layerkit.testing.suite import Options

SCALES = (1.0, 1e3, 1e-3)
"""Of gradients: a length that is clipped is that of large ones."""
STEPS = 50
LATE = 100_000
"""A step of a long run, where a power that grows with the step has long left the floats."""


class Subject:
    """An optimizer, with a parameter, its gradient and slots that some steps have filled."""

    def __init__(self, part: Optimizer, options: Options) -> None:
        self.part = part

    def given(self, turn: int = 0, shape: tuple[int, ...] = (4, 3)) -> dict[str, Any]:
        """Arguments of the second step, after one with another gradient."""
        parameter = normal(shape, turn)
        slots = {name: np.zeros(shape) for name in self.part.slots}
        with calling("update"):
            parameter, filled = self.part.update(fresh(parameter), normal(shape, 50 + turn), slots, 1.0)
        arrays = {"parameter": parameter, "gradient": normal(shape, 80 + turn), "slots": dict(filled)}
        return arrays | {"step": np.asarray(2.0), "factor": np.asarray(0.5)}

    def compute(self, given: Mapping[str, Any], xp: Any = np, copy: Callable[[Any], Any] = fresh) -> dict[str, Array]:
        """The parameter and the slots after the second step, at half the learning_rate.

        On NumPy, step and factor are floats; elsewhere they are arrays without axes, as a compiled step has them.
        """
        step, factor = (float(given[name]) if xp is np else given[name] for name in ("step", "factor"))
        arguments = (copy(given["parameter"]), copy(given["gradient"]), copy(given["slots"]))
        with calling("update", input=dict(given)):
            part = self.part.at(factor) if hasattr(self.part, "learning_rate") else self.part
            parameter, slots = part.update(*arguments, step)
        return {"the parameter": parameter, **{f"the slot {name}": array for name, array in slots.items()}}


@check()
def slots(subject: Subject) -> None:
    """update gives back exactly the slots that it names."""
    names = subject.part.slots
    if not isinstance(names, tuple) or len(set(names)) < len(names) or not all(map(str.isidentifier, names)):
        raise CheckFailed("slots is a tuple of different names", found=names)
    shape = (4, 3)
    zeros = {name: np.zeros(shape) for name in names}
    with calling("update"):
        _, found = subject.part.update(normal(shape, 0), normal(shape, 1), zeros, 1.0)
    if set(found) != set(names):
        raise CheckFailed("update gives other slots than the optimizer names", found=sorted(found), due=sorted(names))


@check("slots")
def shape(subject: Subject) -> None:
    """The parameter and its slots keep their shape, whatever it is."""
    for due in ((), (5,), (4, 3), (0,)):
        given = subject.given(shape=due)
        for name, array in subject.compute(given).items():
            expect_shape(name, array, due, given["parameter"])


@check("shape")
def dtype(subject: Subject) -> None:
    """float32 gives float32, and float64 gives float64."""
    for due in ("float32", "float64"):
        given = cast(subject.given(), due)
        for name, array in subject.compute(given).items():
            expect_dtype(f"for {due}, {name}", array, due, given["parameter"])


@check("shape", "purity", "arguments")
def elementwise(subject: Subject) -> None:
    """One flat vector of all numbers, or each number alone, gives what the array gives."""
    for scale in SCALES:
        given = subject.given()
        given["gradient"] = scale * given["gradient"]
        whole = subject.compute(given)
        flat = subject.compute(_each(given, lambda array: array.reshape(-1)))
        for name, array in whole.items():
            message = f"{name} differs where the update runs on one flat vector"
            expect_close(message, flat[name], array.reshape(-1), given)
        alone = subject.compute(_each(given, lambda array: array[1:2, 2:3]))
        for name, array in whole.items():
            message = f"{name} differs where the update runs on one number alone"
            expect_close(message, alone[name], array[1:2, 2:3], given)


@check("elementwise", "dtype")
def descent(subject: Subject) -> None:
    """The first step goes against the gradient, and steps on a gentle quadratic bring it down."""
    for scale in (1.0, 100.0):
        _expect_descent(subject, scale * normal((12,), 3), 1)
    zeros = {name: np.zeros(12) for name in subject.part.slots}
    start = parameter = np.sign(normal((12,), 4)) + normal((12,), 4)
    held = dict(zeros)
    for step in range(1, STEPS + 1):
        # the gradient of 0.01 · ½ Σ w², so gentle that any fair learning rate goes down
        parameter, new = subject.part.update(parameter, 0.01 * parameter, held, float(step))
        held = dict(new)
    before, after = float(np.sum(start**2)), float(np.sum(parameter**2))
    if not after < before:
        raise CheckFailed(f"{STEPS} steps on Σ w² don't bring it down", input=start, found=after, due=f"< {before}")


@check("shape", "dtype")
def extremes(subject: Subject) -> None:
    """Gradients of 0, ±1e-30, ±30 and ±1e30, of 0 and ±30 in float32, give finite numbers, and nothing is warned of."""
    for dtype, values in (
        ("float64", EXTREMES),
        ("float32", [value for value in EXTREMES if value in (0.0, 30.0, -30.0)]),
    ):
        for value in values:
            gradient = np.full(6, value, dtype)
            zeros = {name: np.zeros(6, dtype) for name in subject.part.slots}
            with recorded_warnings() as messages, calling("update", input=gradient):
                parameter, slots = subject.part.update(np.ones(6, dtype), gradient.copy(), zeros, 1.0)
            expect_finite({"the parameter": parameter, **slots}, gradient)
            expect_no_warning(messages, gradient)


@check("descent")
def late_step(subject: Subject) -> None:
    """At step 100,000 the update gives finite numbers, in float32 too, and goes against the gradient."""
    for dtype in ("float64", "float32"):
        given = cast(subject.given(), dtype)
        arrays = fresh(given)
        with calling(f"at step {LATE:,}, update", input=given["gradient"]):
            parameter, slots = subject.part.update(
                arrays["parameter"], arrays["gradient"], arrays["slots"], float(LATE)
            )
        found = {"the parameter": parameter, **{f"the slot {name}": array for name, array in slots.items()}}
        expect_finite({f"at step {LATE:,}, {name}": array for name, array in found.items()}, given["gradient"])
    _expect_descent(subject, normal((12,), 3), LATE)


def _expect_descent(subject: Subject, gradient: Array, step: int) -> None:
    """Fail if a step from 0, with slots of zeros, goes along the gradient."""
    zeros = {name: np.zeros_like(gradient) for name in subject.part.slots}
    with calling(f"at step {step:,}, update", input=gradient):
        moved, _ = subject.part.update(np.zeros_like(gradient), gradient.copy(), zeros, float(step))
    if float(np.sum(moved * gradient)) > 0.0:
        message = f"step {step:,}, from 0, goes along the gradient"
        raise CheckFailed(message, input=gradient, found=moved, due=-gradient)


def _each(given: Mapping[str, Any], change: Callable[[Array], Array]) -> dict[str, Any]:
    arrays = {name: change(given[name]) for name in ("parameter", "gradient")}
    return {**given, **arrays, "slots": {name: change(array) for name, array in given["slots"].items()}}


CHECKS = (
    *(json, schema),
    *(slots, shape, dtype, arguments, purity, elementwise, descent, extremes, late_step),
    *(array_api_strict, branches, in_place, jax),
)
