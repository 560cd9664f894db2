"""What every layer keeps, gradients aside: shapes, dtypes, batches of any size, evaluation, the extremes."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

import numpy as np

from layerkit.ops import Array
from layerkit.testing.arrays import expect_close, expect_dtype, expect_same, expect_shape, fresh
from layerkit.testing.check import CheckFailed, CheckSkipped, calling, check, recorded_warnings
from layerkit.testing.layer_subject import Subject, cast, context_of
from layerkit.testing.purity import expect_pure

EXTREMES = (0.0, 1e-30, -1e-30, 30.0, -30.0, 1e30, -1e30)


@check()
def shape(subject: Subject) -> None:
    """y has the shape that output_shape declares, and dL/dx the shape of x."""
    for row in subject.shapes:
        given = subject.given(shape=row)
        y = subject.forward(given)
        expect_shape("y", y, given["dy"].shape, given["x"])
        expect_shape("dL/dx", subject.compute(given)["dL/dx"], given["x"].shape, given["x"])


@check("evaluation", "parameters")
def dtype(subject: Subject) -> None:
    """float32 gives float32, and float64 gives float64."""
    for due in ("float32", "float64"):
        for row in subject.shapes:
            given = cast(subject.given(shape=row), due)
            for name, array in subject.compute(given).items():
                if not (subject.integer and name == "dL/dx"):
                    expect_dtype(f"for {due}, {name}", array, due, given["x"])
            for name, array in subject.updates(given).items():
                expect_dtype(f"for {due}, the update of {name}", array, due, given["x"])
            expect_dtype(f"for {due} in evaluation, y", subject.forward(given, training=False), due, given["x"])


@check("shape")
def purity(subject: Subject) -> None:
    """The same call gives the same numbers, whatever was called in between, and nothing stays on the part."""
    expect_pure(subject)
    given, other = subject.given(0), subject.given(1)
    due = subject.compute(given)
    subject.forward(other)
    for name, array in subject.compute(given, y=due["y"]).items():
        expect_same(
            f"{name} depends on the forward pass before it, not on its arguments alone", array, due[name], given
        )


@check("evaluation")
def empty_batch(subject: Subject) -> None:
    """A batch of no rows gives no rows, of the right shape."""
    for row in subject.shapes:
        given = subject.given(shape=row, rows=0)
        expect_shape("y of no rows", subject.forward(given, training=False), given["dy"].shape, given["x"])


@check("evaluation")
def single_row(subject: Subject) -> None:
    """A batch of one keeps its first axis, there and back, and what it updates is finite: an epoch may end with one."""
    for row in subject.shapes:
        given = subject.given(shape=row, rows=1)
        expect_shape("y of one row", subject.forward(given, training=False), given["dy"].shape, given["x"])
        found = subject.compute(given)
        expect_shape("y of one row", found["y"], given["dy"].shape, given["x"])
        expect_shape("dL/dx of one row", found["dL/dx"], given["x"].shape, given["x"])
        updates = {f"over one row, the update of {name}": array for name, array in subject.updates(given).items()}
        expect_finite(updates, given["x"])


@check("single_row", "purity")
def rows(subject: Subject) -> None:
    """In evaluation no row depends on the others: rows one by one give what the batch gives."""
    for row in subject.shapes:
        given = subject.given(shape=row, rows=4)
        whole = subject.forward(given, training=False)
        for i in range(4):
            alone = subject.forward({**given, "x": given["x"][i : i + 1]}, training=False)
            expect_close(f"row {i} alone gives another y than in its batch", alone, whole[i : i + 1], given["x"])


@check("shape")
def evaluation(subject: Subject) -> None:
    """In evaluation it draws no random numbers, updates nothing, and gives y of the right shape."""
    for row in subject.shapes:
        given = subject.given(shape=row)
        context = context_of(np, given, training=False)
        with calling("forward in evaluation", input=given["x"]):
            y = subject.part.forward(fresh(given["params"]), fresh(given["x"]), context)
        expect_shape("y in evaluation", y, given["dy"].shape, given["x"])
        if context.updates:
            raise CheckFailed("evaluation updates parameters", input=given["x"], found=sorted(context.updates), due=[])


@check("shape")
def parameters(subject: Subject) -> None:
    """Each trained parameter gets a gradient of its declared shape, and forward updates declared ones that aren't."""
    for row in subject.shapes:
        declared, trained = subject.declared(row), subject.trained(row)
        given = subject.given(shape=row)
        for name, array in given["params"].items():
            expect_shape(f"the first {name}", array, declared[name].shape, given["x"])
        found = {name: array for name, array in subject.compute(given).items() if name not in ("y", "dL/dx")}
        due = [f"dL/d({name})" for name in trained]
        stray = found.keys() - {f"dL/d({name})" for name in declared}
        if stray or not found.keys() >= set(due):
            raise CheckFailed("gradients gives other parameters than those trained", found=sorted(found), due=due)
        for name in trained:
            expect_shape(f"dL/d({name})", found[f"dL/d({name})"], declared[name].shape, given["x"])
        updates = subject.updates(given)
        for name, array in updates.items():
            if name not in declared or declared[name].trainable:
                due_names = sorted(declared.keys() - set(trained))
                raise CheckFailed(
                    "updates something else than a declared parameter that isn't trained", found=name, due=due_names
                )
            expect_shape(f"the update of {name}", array, declared[name].shape, given["x"])
        if declared:
            _expect_no_other_updates(subject, given, updates)


def _expect_no_other_updates(subject: Subject, given: dict[str, Any], updates: dict[str, Array]) -> None:
    """Fail if a way back updates something; it may compute forward once more, as a layer of layers does."""
    params, x, dy, y = given["params"], given["x"], given["dy"], subject.forward(given)
    for way_back in (subject.part.backward, subject.part.gradients):
        context = context_of(np, given)
        with calling(way_back.__name__, input=x):
            way_back(fresh(params), fresh(x), fresh(y), fresh(dy), context)
        for name, array in context.updates.items():
            if name not in updates or not np.array_equal(array, updates[name]):
                message = f"{way_back.__name__} updates {name}: not every step calls it, so do it in forward"
                raise CheckFailed(message, input=x, found=array, due=updates.get(name, "no update"))


@check("dtype")
def zeros(subject: Subject) -> None:
    """At 0 everything is finite: every engine rehearses with zeros."""
    for row in subject.shapes:
        given = subject.given(shape=row)
        given["x"] = np.zeros_like(given["x"])
        expect_finite(subject.compute(given), given["x"])


@check("zeros")
def extremes(subject: Subject) -> None:
    """At 0, ±1e-30, ±30 and ±1e30, alone and mixed, everything is finite and nothing is warned of."""
    if subject.integer:
        raise CheckSkipped("it takes whole numbers")
    for row in subject.shapes:
        for x in extreme_inputs((2, *row)):
            given = subject.around(x)
            with recorded_warnings() as messages:
                found = subject.compute(given)
                found["y in evaluation"] = subject.forward(given, training=False)
            expect_finite(found, x)
            expect_no_warning(messages, x)


def extreme_inputs(shape: tuple[int, ...]) -> list[Array]:
    """Each extreme everywhere, and all of them side by side."""
    mixed = np.array(list(islice(cycle(EXTREMES), int(np.prod(shape))))).reshape(shape)
    return [*(np.full(shape, value) for value in EXTREMES), mixed]


def expect_finite(found: dict[str, Any], x: Array, due: dict[str, Any] | None = None) -> None:
    """Fail unless all is finite; infinity is right where it is what `due` has."""
    for name, array in found.items():
        right = np.isfinite(array) | (False if due is None else array == due[name])
        if not np.all(right):
            raise CheckFailed(f"{name} is not finite", input=x, found=array, due="finite numbers")


def expect_no_warning(messages: list[str], x: Array) -> None:
    """Fail if something was warned of."""
    if messages:
        raise CheckFailed(f"computing it warns: {messages[0]}", input=x, found="; ".join(dict.fromkeys(messages)))
