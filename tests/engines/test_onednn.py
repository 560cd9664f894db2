"""oneDNN's products: those of float64 to float32's precision, and NumPy's where it has none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extras import NEEDS_ONEDNN
from hypothesis import given
from hypothesis import strategies as st
from test_products import lying

from layerkit import Model, load
from layerkit.engines import onednn, products
from layerkit.engines.onednn import FEW_ROWS, product

SIZES = st.integers(1, 200)


@pytest.fixture
def without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Python for which it isn't installed."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(onednn.site, "ENABLE_USER_SITE", False)
    onednn._sgemm.cache_clear()
    yield
    onednn._sgemm.cache_clear()


_RANDOM = np.random.default_rng(0)
X, T = _RANDOM.standard_normal((192, 140)), _RANDOM.standard_normal((192, 3))


def trained(steps: int, dtype: str = "float32") -> Model:
    """A network in which products of each kind are oneDNN's: of few rows and of many, and of transposed matrices."""
    hidden = [{"type": "dense", "units": units, "activation": "sigmoid"} for units in (130, 120)]
    layers = [*hidden, {"type": "dense", "units": 3}]
    model = Model(input=[140], layers=layers, loss="mean_squared_error", optimizer="adam", dtype=dtype)
    model.train(X, T, steps=steps, batch_size=64)
    return model


@NEEDS_ONEDNN
@pytest.mark.parametrize("left", ["by row", "by column", "wide"])
@pytest.mark.parametrize("right", ["by row", "by column", "wide"])
@given(SIZES, SIZES, SIZES, st.integers(0, 99))
def test_a_product_is_exact_where_nothing_is_rounded(left: str, right: str, m: int, k: int, n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = lying((m, k), left, random), lying((k, n), right, random)
    out = np.full((m, n), np.nan, np.float32)
    made = product(a, b, out)
    assert made is not None
    made()
    np.testing.assert_array_equal(out, a.astype(np.float64) @ b.astype(np.float64))


@NEEDS_ONEDNN
@pytest.mark.parametrize("rows", [1, FEW_ROWS, FEW_ROWS + 1, 512])
def test_it_is_as_exact_as_numpys(rows: int) -> None:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(shape).astype(np.float32) for shape in ((rows, 900), (700, 900)))
    due, out = a.astype(np.float64) @ b.T.astype(np.float64), np.zeros((rows, 700), np.float32)
    made = product(a, b.T, out)
    assert made is not None
    made()
    assert np.abs(out - due).max() <= 3.0 * np.abs(a @ b.T - due).max()


@NEEDS_ONEDNN
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_own_row(wrong: float) -> None:
    a, b = np.ones((200, 60), np.float32), np.ones((60, 70), np.float32)
    a[7, 3] = wrong
    out = np.zeros((200, 70), np.float32)
    made = product(a, b, out)
    assert made is not None
    made()
    np.testing.assert_array_equal(out, a @ b)


@NEEDS_ONEDNN
def test_matrices_that_lie_otherwise_are_left_to_numpy() -> None:
    plain, out = np.ones((8, 8), np.float32), np.zeros((8, 8), np.float32)
    others = [
        plain.astype(np.float64),
        plain.astype(">f4"),
        plain[::-1],
        np.ones((8, 16), np.float32)[:, ::2],
        np.broadcast_to(np.float32(1), (8, 8)),
        np.lib.stride_tricks.as_strided(np.ones(99, np.float32), (8, 8), (12, 4)),
        np.zeros(8, [("x", "f4", 8), ("y", "u1")])["x"],
    ]
    assert product(plain, plain, out)
    assert [product(each, plain, out) or product(plain, each, out) for each in others] == [None] * len(others)
    assert product(plain, plain, out.T.copy().T) is None


@NEEDS_ONEDNN
def test_large_products_of_a_step_are_its_own_and_small_ones_numpys() -> None:
    def left_to(size: int, dtype: Any) -> Any:
        return multiplied.func if isinstance(multiplied := made(size, dtype), partial) else multiplied

    def made(size: int, dtype: Any) -> Any:
        return products.multiplying(*(np.ones((size, size), dtype) for _ in range(3)))

    assert left_to(100, np.float32) is onednn._sgemm()
    assert (left_to(60, np.float32), left_to(100, np.float64)) == (np.dot, np.matmul)


@NEEDS_ONEDNN
def test_a_run_ends_as_in_float64_but_for_rounding() -> None:
    single, double = trained(30), trained(30, "float64")
    for name, array in single.parameters.items():
        np.testing.assert_allclose(array, double.parameters[name], rtol=0, atol=2e-5)


@NEEDS_ONEDNN
def test_a_run_that_is_cut_off_ends_bit_for_bit_as_one_that_is_not(tmp_path: Path) -> None:
    whole, part = trained(9), trained(4)
    part.save(tmp_path / "part.safetensors")
    rest = load(tmp_path / "part.safetensors")
    rest.train(X, T, steps=5, batch_size=64)
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(array, rest.parameters[name])


@NEEDS_ONEDNN
@pytest.mark.parametrize("status", [1, 2])
def test_a_step_whose_products_fail_is_taken_by_numpy(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn._sgemm(), "restype", lambda _: onednn._checked(status))
    found = trained(3)
    monkeypatch.setattr(onednn, "_sgemm", lambda: None)
    for name, array in trained(3).parameters.items():
        np.testing.assert_allclose(found.parameters[name], array, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("without_it")
def test_without_it_numpy_makes_them() -> None:
    large = np.ones((100, 100), np.float32)
    assert product(large, large, large.copy()) is None
    assert np.isfinite(trained(2).parameters["layers.0.kernel"]).all()


def test_a_file_that_is_no_library_is_as_none(tmp_path: Path, without_it: None) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / onednn.LIBRARY).write_bytes(b"no library")
    assert onednn._sgemm() is None


@NEEDS_ONEDNN
def test_a_processor_without_avx512_is_left_to_numpy() -> None:
    code = "from layerkit.engines.onednn import _sgemm; print(_sgemm())"
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | given).stdout
        for given in ({}, {"DNNL_MAX_CPU_ISA": "AVX2"})
    ]
    assert "FuncPtr" in found[0]
    assert found[1] == "None\n"


@NEEDS_ONEDNN
def test_a_process_that_is_forked_later_trains_on() -> None:
    code = f"""
import os, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_onednn import trained

trained(2)
if not (child := os.fork()):
    trained(2)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "7\n"


@pytest.mark.parametrize(("status", "error"), [(1, MemoryError), (2, RuntimeError)])
def test_what_it_cannot_do_is_an_error(status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="oneDNN"):
        onednn._checked(status)
    onednn._checked(0)
