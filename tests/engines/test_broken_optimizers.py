"""An optimizer that breaks its contract is refused before the first step, and by its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import SGD, Adam, Dense, Model, PartError

X, T = np.ones((4, 2), dtype=np.float32), np.ones((4, 1), dtype=np.float32)


class Forgets(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, gradient, slots, step)[0], {}


@pytest.mark.parametrize("units", [1, 1000])
def test_an_optimizer_that_gives_back_no_slots_is_refused(units: int, engine: str) -> None:
    layers = [Dense(units=units)]
    model = Model(input=[2], layers=layers, loss="half_squared_error", optimizer=Forgets(), engine=engine)
    with pytest.raises(PartError, match=r"optimizer: Forgets.update gives the slots none where m, v are due"):
        model.train(X, np.zeros((len(X), units)), steps=1)


class Doubles(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return super().update(parameter, np.float64(1.0) * gradient, slots, step)


class OneForAll(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        new, slots = super().update(parameter, gradient, slots, step)
        return new[:1], slots


class Breaks(Adam):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return slots["momentum"], slots


class DecaysKernels(SGD):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return parameter - 0.1 * gradient - (0.5 * parameter if parameter.ndim > 1 else 0.0), slots


class OfAll(SGD):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp = gradient.__array_namespace__()
        return parameter - 0.1 * gradient / xp.mean(gradient**2), slots


class Factored(SGD):
    """Takes a matrix by its rows and its columns, as Adafactor does, and a vector number by number."""

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        xp, squares = gradient.__array_namespace__(), gradient**2
        if gradient.ndim == 2:
            squares = xp.mean(squares, axis=0, keepdims=True) * xp.mean(squares, axis=1, keepdims=True)
            squares = squares / xp.mean(squares) ** 0.5
        return parameter - 0.1 * gradient / xp.sqrt(squares), slots


class WritesOver(SGD):
    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        parameter[...] = 2.0 * parameter
        return parameter, slots


class Dotted(Adam):
    @property
    def slots(self) -> tuple[str, ...]:
        return ("m", "v.all")


class Nameless(Adam):
    @property
    def slots(self) -> tuple[str, ...]:
        return ("",)


@pytest.mark.parametrize(
    ("optimizer", "due"),
    [
        (DecaysKernels(), r"DecaysKernels.update makes .* an update takes each number by itself, in an array of any"),
        (OfAll(), r"OfAll.update makes .* where in arrays of other shapes they become .*: an update takes each number"),
        (Factored(), r"Factored.update makes .* where in arrays of other shapes they become .*"),
        (WritesOver(), r"WritesOver.update fails: ValueError: .* read-only: it changes .* make a new one"),
        (Dotted(), r"Dotted names a slot 'v.all': letters, digits and _ make a name"),
        (Nameless(), r"Nameless names a slot '': letters, digits and _ make a name"),
        (Doubles(), r"Doubles.update makes float64 \[4\] of the parameter where float32 \[4\] is due"),
        (OneForAll(), r"OneForAll.update makes float32 \[1\] of the parameter where float32 \[4\] is due"),
        (Breaks(), r"Breaks.update fails: KeyError: 'momentum'"),
    ],
)
def test_an_optimizer_that_breaks_its_contract_is_named(optimizer: Any, due: str, engine: str) -> None:
    model = Model(input=[2], layers=[Dense(units=1)], loss="half_squared_error", optimizer=optimizer, engine=engine)
    with pytest.raises(PartError, match=rf"optimizer: {due}"):
        model.train(X, T, steps=1)
