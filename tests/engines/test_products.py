"""Products of matrices as the tape has them made: NumPy's, whatever their shapes and however they lie."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit.engines.filling import filling
from layerkit.engines.products import multiplying

SIZES = st.integers(0, 90)
WHOLE = st.integers(0, 99).map(np.random.default_rng)


def lying(shape: tuple[int, ...], how: str, random: Any) -> Any:
    """Small whole numbers, of which every sum is exact: in one piece, by column, or a part of a wider matrix."""
    array = random.integers(-3, 4, size=shape).astype(np.float32)
    if how == "wide":
        wide = np.full((*shape[:-1], shape[-1] + 5), np.nan, np.float32)
        wide[..., 2:-3] = array
        return wide[..., 2:-3]
    return np.array(array, order="F" if how == "by column" else "C")


LIES = st.sampled_from(["by row", "by column", "wide"])


@given(SIZES, SIZES, SIZES, LIES, LIES, WHOLE)
def test_it_is_numpys_however_the_matrices_lie(m: int, k: int, n: int, left: str, right: str, random: Any) -> None:
    a, b = lying((m, k), left, random), lying((k, n), right, random)
    out = np.full((m, n), np.nan, np.float32)
    multiplying(a, b, out)()
    np.testing.assert_array_equal(out, a @ b)


@pytest.mark.parametrize(
    "dtypes", [("float64", "float64"), ("int32", "int32"), ("float32", "float64"), ("bool", "bool")]
)
@pytest.mark.parametrize("size", [4, 100])
def test_it_is_numpys_in_every_dtype(dtypes: tuple[str, str], size: int) -> None:
    a, b = (np.ones((size, size), dtype) for dtype in dtypes)
    out = np.zeros_like(a @ b)
    multiplying(a, b, out)()
    np.testing.assert_array_equal(out, a @ b)


@pytest.mark.parametrize("how", ["by row", "by column", "wide"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (4, 1, 2, 5), (0, 3, 5), (70, 30, 5)])
def test_a_product_of_many_matrices_by_one_is_numpys(shape: tuple[int, ...], how: str) -> None:
    random = np.random.default_rng(0)
    a, b = lying(shape, how, random), lying((5, 7), "by column", random)
    out = np.full((*shape[:-1], 7), np.nan, np.float32)
    filling(np.matmul, (a, b), {}, out)()
    np.testing.assert_array_equal(out, a @ b)


@pytest.mark.parametrize("shapes", [((5,), (5, 3)), ((4, 5), (5,)), ((2, 4, 5), (2, 5, 3)), ((4, 5), (2, 5, 3))])
def test_other_products_are_numpys(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    random = np.random.default_rng(0)
    a, b = (lying(shape, "by row", random) for shape in shapes)
    out = np.full((a @ b).shape, np.nan, np.float32)
    filling(np.matmul, (a, b), {}, out)()
    np.testing.assert_array_equal(out, a @ b)


def test_small_products_load_no_library() -> None:
    code = """
import sys
import numpy as np
from layerkit import Model

model = Model(input=[8], layers=[{"type": "dense", "units": 3}], loss="mean_squared_error", optimizer="sgd")
model.train(np.ones((64, 8)), np.ones((64, 3)), steps=5)
print("layerkit.engines.onednn" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
