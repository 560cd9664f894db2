"""The gradients of a layer against central differences of its values, in float64, along random directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Layer, Shape
from layerkit.testing.arrays import expect_shape, normal
from layerkit.testing.check import CheckFailed, CheckSkipped, check
from layerkit.testing.documents import varied
from layerkit.testing.layer_subject import ROWS, Subject
from layerkit.testing.slopes import Slope, expect_slopes, slope

TURNS = 6
_NUMERIC = ("shape", "arguments", "purity", "dtype")


@check(*_NUMERIC, "derivative_arguments")
def gradient_of_x(subject: Subject) -> None:
    """dL/dx is the slope of L = Σ dy · y along random directions of x."""
    if subject.integer:
        raise CheckSkipped("it takes whole numbers, which have no slope")
    expect_gradient_of_x(subject, subject.shapes[0], ROWS)


@check(*_NUMERIC, "parameters")
def gradient_of_parameters(subject: Subject) -> None:
    """dL/d(parameter) is the slope of L = Σ dy · y along random directions of each trained parameter."""
    _expect_gradient_of_parameters(subject, subject.shapes[0], ROWS)


@check("gradient_of_x", "gradient_of_parameters", "single_row")
def gradient_batched(subject: Subject) -> None:
    """The same holds for every shape of a row that it takes, for one row and for seven."""
    for shape in subject.shapes:
        for rows in (1, 7):
            _expect_shapes(subject, shape, rows)
            if not subject.integer:
                expect_gradient_of_x(subject, shape, rows)
            _expect_gradient_of_parameters(subject, shape, rows)


def _expect_shapes(subject: Subject, shape: Shape, rows: int) -> None:
    """Fail unless everything has the shape that it has for fewer rows."""
    given = subject.given(0, shape, rows)
    expect_shape(f"y of {rows} rows", subject.forward(given), given["dy"].shape, given["x"])
    found = subject.compute(given)
    expect_shape(f"dL/dx of {rows} rows", found["dL/dx"], given["x"].shape, given["x"])
    for name in subject.trained(shape):
        array = found[f"dL/d({name})"]
        expect_shape(f"dL/d({name}) over {rows} rows", array, given["params"][name].shape, given["x"])


@check("gradient_of_x", "gradient_of_parameters", "json")
def gradient_of_fields(subject: Subject) -> None:
    """The same holds with other numbers in its fields: one that is 1 by default is easily left out."""
    for name, part in varied(subject.part):
        value = getattr(part, name)
        # another whole number may be another size, which the shapes that were tried needn't fit
        if not isinstance(value, float):
            continue
        assert isinstance(part, Layer)
        other = Subject(part, subject.options)
        try:
            if not other.integer:
                expect_gradient_of_x(other, subject.shapes[0], ROWS)
            _expect_gradient_of_parameters(other, subject.shapes[0], ROWS)
        except CheckFailed as failed:
            raise CheckFailed(f"with {name} = {value:.6g}: {failed}") from failed.__cause__


def expect_gradient_of_x(subject: Subject, shape: Shape, rows: int) -> None:
    """Fail unless dL/dx is the slope along x."""

    def of_turn(turn: int) -> tuple[Slope, Any]:
        given = subject.given(turn, shape, rows)
        return _along(subject, given, subject.compute(given)["dL/dx"], lambda v: {"x": given["x"] + v}, turn)

    def hint() -> str:
        given = subject.given(0, shape, rows)
        doubled = subject.compute({**given, "dy": 2.0 * given["dy"]})["dL/dx"]
        unmoved = np.array_equal(doubled, subject.compute(given)["dL/dx"])
        return "it stays as it is when dy is doubled: the upstream gradient is left out" if unmoved else ""

    expect_slopes("dL/dx", [of_turn(turn) for turn in range(TURNS)], hint)


def _expect_gradient_of_parameters(subject: Subject, shape: Shape, rows: int) -> None:
    for name in subject.trained(shape):

        def of_turn(turn: int, name: str = name) -> tuple[Slope, Any]:
            given = subject.given(turn, shape, rows)
            found = subject.compute(given)[f"dL/d({name})"]
            params = given["params"]
            return _along(subject, given, found, lambda v: {"params": {**params, name: params[name] + v}}, turn)

        slopes = [of_turn(turn) for turn in range(TURNS)]
        expect_slopes(f"dL/d({name})", slopes, lambda slopes=slopes: _averaged(slopes, rows))  # type: ignore[misc]


def _along(subject: Subject, given: dict[str, Any], found: Array, moved: Any, turn: int) -> tuple[Slope, Any]:
    """The slope of L along a random direction of what `moved` moves."""
    direction = normal(found.shape, 500 + turn)

    def value(step: float) -> Array:
        y = subject.forward({**given, **moved(step * direction)})
        return np.sum(given["dy"] * y)

    terms = found * direction
    rounding = np.sum(np.abs(given["dy"] * subject.forward(given)))
    return slope(value, np.sum(terms), np.sqrt(np.sum(terms**2)), rounding), given["x"]


def _averaged(slopes: list[tuple[Slope, Any]], rows: int) -> str:
    """A hint where the gradient is that of the mean over the rows."""
    found = [(float(each.found), float(each.due) / rows) for each, _ in slopes if each.smooth]
    averaged = rows > 1 and all(np.isclose(a, b, rtol=1e-4) for a, b in found)
    return (
        f"it is 1/{rows} of what is due for {rows} rows: it is summed over the rows, not averaged" if averaged else ""
    )
