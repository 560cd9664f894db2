"""Sums and extremes along axes: NumPy's own, whatever the array's shape and layout, and whatever lay in their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit.engines.reducing import REDUCTIONS, WIDE, reducing

FUNCTIONS = sorted(REDUCTIONS, key=lambda function: str(function.__name__))
SHAPES = st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple)


def reduced(function: Any, array: Any, **kwargs: Any) -> Any:
    """What it puts in the place of numbers that aren't any."""
    out = np.full_like(function(array, **kwargs), np.nan)
    reducing(function, array, kwargs, out)()
    return out


@given(st.data(), SHAPES, st.sampled_from(FUNCTIONS), st.booleans(), st.sampled_from(["C", "F"]))
def test_it_is_numpys_along_any_axes(data: Any, shape: Any, function: Any, keepdims: bool, order: Any) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    array = np.array(random.integers(-3, 4, size=shape).astype(np.float64), order=order)  # whose sums nothing rounds
    axes = st.lists(st.integers(-len(shape), len(shape) - 1), unique_by=lambda axis: axis % len(shape)).map(tuple)
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1), axes))
    due = function(array, axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(reduced(function, array, axis=axis, keepdims=keepdims), due)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_not_finite_stays_so_in_its_own_row_or_column(function: Any, wrong: float, axis: int) -> None:
    array = np.ones((40, 10), np.float32)
    array[7, 3] = wrong
    np.testing.assert_array_equal(reduced(function, array, axis=axis), function(array, axis=axis))


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_sum_of_nothing_is_0(shape: tuple[int, int], axis: int) -> None:
    np.testing.assert_array_equal(reduced(np.sum, np.ones(shape), axis=axis), np.zeros(shape[1 - axis]))


@pytest.mark.parametrize("shape", [(8, 100), (8, WIDE), (8, 100_000), (4096, 8)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_sum_is_as_exact_as_numpys_but_for_a_few_units_in_the_last_place(shape: tuple[int, int], axis: int) -> None:
    array = np.random.default_rng(0).random(shape).astype(np.float32)
    due = array.astype(np.float64).sum(axis=axis)
    own, numpys = (np.abs(found - due).max() for found in (reduced(np.sum, array, axis=axis), array.sum(axis=axis)))
    assert own <= 2.0 * numpys + 3.0 * np.spacing(np.float32(due.max()))


def test_a_sum_of_another_dtype_is_numpys() -> None:
    array = np.arange(12, dtype=np.int32).reshape(4, 3)
    out = np.zeros(3, np.int64)
    reducing(np.sum, array, {"axis": 0}, out)()
    np.testing.assert_array_equal(out, [18, 22, 26])
