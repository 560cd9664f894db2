"""The initializers: ranges and deviations of the papers, and literal values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import DocumentError, GlorotUniform, HeNormal, Initializer, Values, Zeros
from layerkit.random import Random


def fill(part: Initializer, shape: tuple[int, ...], stage: str = "a", xp: Any = np) -> Any:
    return part(shape, Random(xp, xp.float64, 0, 0, stage), xp, xp.float64)


def test_zeros_are_zero() -> None:
    assert not fill(Zeros(), (3, 2)).any()


@pytest.mark.parametrize(("shape", "limit"), [((200, 100), 0.02**0.5), ((3, 3, 10, 20), (6 / 270) ** 0.5)])
def test_glorot_uniform_keeps_to_its_limit(shape: tuple[int, ...], limit: float) -> None:
    values = fill(GlorotUniform(), shape)
    assert 0.95 * limit < abs(values).max() <= limit
    assert values.var() == pytest.approx(limit**2 / 3, rel=0.1)


@pytest.mark.parametrize(("shape", "inputs"), [((200, 100), 200), ((3, 3, 10, 40), 90)])
def test_he_normal_has_its_deviation(shape: tuple[int, ...], inputs: int) -> None:
    values = fill(HeNormal(), shape)
    assert values.std() == pytest.approx((2 / inputs) ** 0.5, rel=0.05)
    assert abs(values.mean()) < 0.01


@pytest.mark.parametrize("part", [GlorotUniform(), HeNormal()])
def test_each_parameter_gets_its_own_numbers_and_the_same_each_time(part: Initializer) -> None:
    np.testing.assert_array_equal(fill(part, (5, 5)), fill(part, (5, 5)))
    assert not np.any(fill(part, (5, 5), "a") == fill(part, (5, 5), "b"))


@pytest.mark.parametrize("part", [Zeros(), GlorotUniform(), HeNormal(), Values(values=[[1, 2.5]])])
def test_every_namespace_gets_the_same_numbers(part: Initializer, to_array: Callable[[Any], Any]) -> None:
    xp = to_array([0.0]).__array_namespace__()
    np.testing.assert_allclose(np.asarray(fill(part, (1, 2), xp=xp)), fill(part, (1, 2)), rtol=1e-15)


def test_a_single_number_fills_any_shape() -> None:
    Values(values=0.5).check((2, 3))
    np.testing.assert_array_equal(fill(Values(values=0.5), (2, 3)), np.full((2, 3), 0.5))


def test_values_may_come_from_an_array() -> None:
    np.testing.assert_array_equal(fill(Values(values=np.eye(2)), (2, 2)), np.eye(2))


@pytest.mark.parametrize("values", [[[1, 2], [3]], ["a"], [True], [None], [float("nan")], [1e999], {"a": 1}, "text"])
def test_values_are_regular_finite_numbers(values: Any) -> None:
    with pytest.raises(DocumentError):
        Values(values=values)


def test_values_know_their_shape() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\] where \[2, 1\] is due"):
        Values(values=[[1, 2]]).check((2, 1))
