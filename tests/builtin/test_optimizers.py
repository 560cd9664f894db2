"""The optimizers: steps by hand, and elementwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from pydantic import PrivateAttr

from layerkit import SGD, Adam, Optimizer

PARTS: list[Optimizer] = [
    SGD(learning_rate=0.1),
    SGD(learning_rate=0.1, momentum=0.9),
    SGD(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    Adam(learning_rate=0.1),
    Adam(learning_rate=0.1, weight_decay=0.1),
]


def run(part: Optimizer, w: Any, gradients: list[Any]) -> Any:
    slots = dict.fromkeys(part.slots, 0.0 * w)
    for step, gradient in enumerate(gradients, start=1):
        w, slots = part.update(w, gradient, slots, float(step))  # type: ignore[assignment]
    return w


@pytest.mark.parametrize(
    ("part", "due"),
    [
        (SGD(learning_rate=0.1), 1.0 - 0.1 * 2.0 - 0.1 * 4.0),
        (SGD(learning_rate=0.1, momentum=0.5), 1.0 - 0.1 * 2.0 - 0.1 * (0.5 * 2.0 + 4.0)),
        (SGD(learning_rate=0.1, momentum=0.5, nesterov=True), 1.0 - 0.1 * (2.0 + 1.0) - 0.1 * (4.0 + 0.5 * 5.0)),
        (SGD(learning_rate=0.1, weight_decay=0.5), (1.0 - 0.1 * 2.5) - 0.1 * (4.0 + 0.5 * 0.75)),
        # m: 0.2, 0.58; v: 0.004, 0.019996; unbiased: 2, 0.58/0.19; 4, 0.019996/0.001999
        (Adam(learning_rate=0.1, epsilon=1e-300), 0.9 - 0.1 * (0.58 / 0.19) / (0.019996 / 0.001999) ** 0.5),
        (Adam(learning_rate=0.1, epsilon=1e-300, beta1=0.0, beta2=0.0, weight_decay=0.5), 0.85 - 0.1 * (1.0 + 0.425)),
    ],
)
def test_two_steps_by_hand(part: Optimizer, due: float, to_array: Callable[[Any], Any]) -> None:
    found = run(part, to_array([1.0]), [to_array([2.0]), to_array([4.0])])
    assert float(found[0]) == pytest.approx(due, rel=1e-12)


@pytest.mark.parametrize("part", PARTS)
def test_an_optimizer_is_elementwise_so_blocks_may_be_updated_apart(part: Optimizer) -> None:
    rng = np.random.default_rng(0)
    w, gradients = rng.normal(size=10), [rng.normal(size=10) for _ in range(5)]
    whole = run(part, w, gradients)
    halves = [run(part, w[half], [g[half] for g in gradients]) for half in (slice(0, 4), slice(4, 10))]
    np.testing.assert_array_equal(whole, np.concatenate(halves))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_the_parameters(part: Optimizer, dtype: str, to_array: Callable[[Any], Any]) -> None:
    w = to_array(np.ones(3, dtype=dtype))
    assert run(part, w, [w, w]).dtype == w.dtype


class Doubled(Optimizer):
    """What it works out of its learning_rate once."""

    learning_rate: float = 0.1
    _thrice: float = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        self._thrice = 3.0 * self.learning_rate

    @cached_property
    def twice(self) -> float:
        return 2.0 * self.learning_rate

    @property
    def slots(self) -> tuple[str, ...]:
        return ()

    def update(self, parameter: Any, gradient: Any, slots: Any, step: Any) -> Any:
        return parameter - (self.twice + self._thrice) * gradient, {}


def test_another_rate_holds_for_what_an_optimizer_works_out_of_its_rate() -> None:
    part, w = Doubled(), np.zeros(1)
    assert run(part, w, [np.ones(1)]) == pytest.approx(-0.5)
    assert run(part.at(0.1), w, [np.ones(1)]) == pytest.approx(-0.05)


@pytest.mark.parametrize("part", PARTS)
def test_the_slots_are_those_it_names(part: Optimizer) -> None:
    w = np.ones(3)
    assert set(part.update(w, w, dict.fromkeys(part.slots, w), 1.0)[1]) == set(part.slots)
