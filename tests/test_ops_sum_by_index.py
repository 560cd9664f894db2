"""sum_by_index adds rows where an index says, in every namespace."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from layerkit.ops import sum_by_index

NAMESPACES = ["numpy", "array_api_strict", "jax.numpy"]


@pytest.fixture(params=NAMESPACES)
def xp(request: pytest.FixtureRequest) -> Any:
    """A namespace; one that isn't installed is skipped by name."""
    pytest.importorskip(request.param.partition(".")[0])
    return import_module(request.param)


def by_hand(values: Any, index: Any, size: int) -> Any:
    sums = np.zeros((size, *values.shape[1:]), dtype=values.dtype)
    for row, place in zip(values, index, strict=True):
        sums[place] += row
    return sums


@pytest.mark.parametrize("shape", [(9,), (9, 1), (9, 4), (9, 2, 3), (0, 4), (1, 4)])
@pytest.mark.parametrize("size", [1, 5, 40])
def test_rows_of_one_index_add_up(xp: Any, shape: tuple[int, ...], size: int) -> None:
    random = np.random.default_rng(7)
    values = random.integers(-50, 50, shape).astype(np.float32)  # sums of these are exact in any order
    index = random.integers(0, size, shape[0])
    found = sum_by_index(xp.asarray(values), xp.asarray(index), size)
    np.testing.assert_array_equal(np.asarray(found), by_hand(values, index, size))
    assert found.dtype == xp.float32


def test_repeated_rows_add_in_their_order() -> None:
    values = np.array([[1e16], [1.0], [-1e16], [1.0]])
    np.testing.assert_array_equal(sum_by_index(values, np.array([2, 2, 2, 2]), 4), [[0.0], [0.0], [1.0], [0.0]])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_an_index_of_any_integer_dtype(dtype: str) -> None:
    values = np.ones((200, 3))
    index = (np.arange(200) % 100).astype(dtype)
    np.testing.assert_array_equal(sum_by_index(values, index, 100), np.full((100, 3), 2.0))


def test_neither_argument_is_changed() -> None:
    values, index = np.ones((4, 2)), np.array([0, 1, 1, 0])
    for array in (values, index):
        array.flags.writeable = False
    sum_by_index(values, index, 3)
    np.testing.assert_array_equal(values, np.ones((4, 2)))


def test_it_traces_under_jit() -> None:
    jax = pytest.importorskip("jax")
    values, index = np.arange(8.0, dtype=np.float32).reshape(4, 2), np.array([2, 0, 2, 1])
    found = jax.jit(sum_by_index, static_argnums=2)(values, index, 3)
    np.testing.assert_array_equal(np.asarray(found), by_hand(values, index, 3))
