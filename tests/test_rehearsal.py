"""The rehearsal: a part that breaks its contract is named before anything is trained or saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Activation, Model, PartError


def activation(forward: Callable[[Any], Any], slope: Callable[[Any], Any] = np.ones_like) -> Activation:
    class Odd(Activation):
        def __call__(self, x: Any) -> Any:
            return forward(x)

        def derivative(self, x: Any, y: Any) -> Any:
            return slope(x)

    return Odd()


@pytest.mark.parametrize(
    ("part", "due"),
    [
        (activation(lambda x: x[:, :1]), r"Odd.forward gives the shape \[2, 1\] where \[2, 3\] is due"),
        (activation(lambda x: x.astype(np.float64)), "Odd.forward gives float64 where float32 is due"),
        (activation(lambda x: x / x), "Odd.forward gives NaN for finite numbers"),
        (activation(lambda x: 1 / 0), "Odd.forward fails: ZeroDivisionError"),
        (activation(lambda x: None), "Odd.forward gives NoneType where an array is due"),
        (activation(lambda x: x, lambda x: x / x), "Odd.backward gives NaN"),
        (activation(lambda x: x, lambda x: np.ones((2, 2, 3), x.dtype)), r"Odd.backward gives the shape"),
        (activation(lambda x: x, lambda x: np.ones(x.shape)), "Odd.backward gives float64"),
    ],
)
def test_a_part_that_breaks_its_contract_is_named(part: Activation, due: str) -> None:
    model = Model(input=[3], layers=[part], loss="half_squared_error", optimizer="sgd")
    with pytest.raises(PartError, match=rf"layers\.0: {due}"):
        model.predict(np.ones((2, 3)))


def test_a_part_that_keeps_it_runs() -> None:
    model = Model(input=[3], layers=[activation(lambda x: x)])
    np.testing.assert_array_equal(model.predict(np.ones((1, 3))), np.ones((1, 3)))
