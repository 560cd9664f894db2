"""erf and erfc have the digits of the C library's, on every namespace and at every size."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit.ops import erf, erfc

SIZES = np.concatenate([np.geomspace(1e-37, 30.0, 2000), np.linspace(0.0, 7.0, 4001), [1e30]])
GRID = np.concatenate([SIZES, -SIZES])


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param


def test_erf_is_within_two_units_in_the_last_place(dtype: str) -> None:
    x = GRID.astype(dtype)
    assert _units_off(erf(x), x, math.erf) < 2.5


def test_erfc_is_within_seven_units_in_the_last_place(dtype: str) -> None:
    # beyond, the result has fewer digits than the dtype
    largest = {"float32": 9.0, "float64": 26.0}[dtype]
    x = GRID[largest > GRID].astype(dtype)
    assert _units_off(erfc(x), x, math.erfc) < 7.5


def test_the_ends_are_exact(dtype: str) -> None:
    x = np.array([0.0, -0.0, 1e30, -1e30, np.inf, -np.inf], dtype)
    np.testing.assert_array_equal(erf(x), [0.0, -0.0, 1.0, -1.0, 1.0, -1.0])
    np.testing.assert_array_equal(np.signbit(erf(x)), np.signbit(x))
    np.testing.assert_array_equal(erfc(x), [1.0, 1.0, 0.0, 2.0, 0.0, 2.0])


@pytest.mark.parametrize("function", [erf, erfc])
def test_nan_stays_nan(function: Callable[[Any], Any], dtype: str) -> None:
    assert np.isnan(function(np.array([np.nan], dtype)))[0]


@pytest.mark.parametrize("function", [erf, erfc])
def test_nothing_is_warned_of_and_the_dtype_stays(function: Callable[[Any], Any], dtype: str) -> None:
    x = GRID.astype(dtype)
    x.flags.writeable = False
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        assert function(x).dtype == x.dtype
        assert function(x[:0]).shape == (0,)


@pytest.mark.parametrize("function", [erf, erfc])
def test_array_api_strict_gives_the_same(function: Callable[[Any], Any], dtype: str) -> None:
    strict = pytest.importorskip("array_api_strict")
    x = GRID.astype(dtype)
    np.testing.assert_array_equal(np.asarray(function(strict.asarray(x))), function(x))


@pytest.mark.parametrize("function", [erf, erfc])
def test_jax_compiles_it(function: Callable[[Any], Any], dtype: str) -> None:
    jax = pytest.importorskip("jax")
    x = GRID[np.abs(GRID) < 8.0].astype(dtype)
    with jax.enable_x64(True):
        found = jax.jit(function)(jax.numpy.asarray(x))
    assert str(found.dtype) == dtype
    np.testing.assert_allclose(found, function(x), rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


def _units_off(found: Any, x: Any, reference: Callable[[float], float]) -> float:
    """The largest difference from the reference, in units of the last place of the result."""
    due = np.array([reference(float(v)) for v in x])
    units = np.spacing(np.abs(due).astype(x.dtype)).astype(np.float64)
    return float(np.max(np.abs(found.astype(np.float64) - due) / units))
