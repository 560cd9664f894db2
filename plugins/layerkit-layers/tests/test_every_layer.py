"""What every layer keeps: its gradients, its purity, and the same numbers on every namespace."""

from __future__ import annotations

import warnings
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from layer_cases import CASES, Case, context, run

from layerkit import Layer
from layerkit.part import part_to_json

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(params=[True, False], ids=["training", "not training"])
def training(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def slope(function: Any, at: Any, step: float = 1e-6) -> Any:
    """d(function)/d(at) by central differences."""
    found = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        moved = [at.copy(), at.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        found[place] = (function(moved[0]) - function(moved[1])) / (2.0 * step)
    return found


@pytest.mark.parametrize("rows", [1, 3])
def test_gradients_are_the_slopes(case: Case, training: bool, rows: int) -> None:
    x, dy, params, layer = case.x(rows), case.dy(rows), case.params(), case.layer
    found = run(layer, params, x, dy, partial(context, training))
    if case.categories:
        np.testing.assert_array_equal(found["dx"], np.zeros(x.shape))
    else:
        due = slope(lambda x: float(np.sum(dy * layer.forward(params, x, context(training)))), x)
        np.testing.assert_allclose(found["dx"], due, rtol=1e-6, atol=1e-7)
    for name, parameter in layer.parameters(case.shape).items():
        if parameter.trainable:
            due = slope(
                lambda w, name=name: float(np.sum(dy * layer.forward({**params, name: w}, x, context(training)))),
                params[name],
            )
            np.testing.assert_allclose(found[name], due, rtol=1e-6, atol=1e-7, err_msg=name)


def test_shapes_and_dtypes(case: Case, training: bool, dtype: str) -> None:
    for rows in (0, 1, 3):
        params, x = case.params(dtype), case.x(rows, dtype)
        found = run(case.layer, params, x, case.dy(rows, dtype), partial(context, training, dtype))
        assert found["y"].shape == (rows, *case.layer.output_shape(case.shape))
        assert found["dx"].shape == x.shape
        for name, array in found.items():
            assert array.dtype == dtype, name
            assert np.all(np.isfinite(array)), name
            if name.removesuffix(" next") in params:
                assert array.shape == params[name.removesuffix(" next")].shape


def test_an_empty_batch_has_gradients_of_zero(case: Case, training: bool) -> None:
    found = run(case.layer, case.params(), case.x(0), case.dy(0), partial(context, training))
    for name, array in found.items():
        assert not np.any(array), name


def test_nothing_is_changed_and_twice_is_the_same(case: Case, training: bool) -> None:
    arrays = [case.x(3), case.dy(3), *case.params().values()]
    kept = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    x, dy, *values = arrays
    params = dict(zip(case.params(), values, strict=True))
    first = run(case.layer, params, x, dy, partial(context, training))
    second = run(case.layer, params, x, dy, partial(context, training))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    for array, before in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_the_array_api_standard_suffices(case: Case, training: bool, dtype: str) -> None:
    xp = pytest.importorskip("array_api_strict")
    _same_on(xp, lambda function: function, case, training, dtype)


def test_it_runs_under_jit(case: Case, training: bool, dtype: str) -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(dtype == "float64"):
        _same_on(import_module("jax.numpy"), jax.jit, case, training, dtype)


def _same_on(xp: Any, compiled: Any, case: Case, training: bool, dtype: str) -> None:
    x, dy, params = case.x(3, dtype), case.dy(3, dtype), case.params(dtype)
    due = run(case.layer, params, x, dy, partial(context, training, dtype))
    function = compiled(partial(run, case.layer, make_context=partial(context, training, dtype, xp)))
    own = {name: xp.asarray(array) for name, array in params.items()}
    found = function(own, xp.asarray(x), xp.asarray(dy))
    assert found.keys() == due.keys()
    for name, array in found.items():
        assert array.dtype == getattr(xp, dtype)
        close = {"float32": 2e-5, "float64": 1e-13}[dtype]
        np.testing.assert_allclose(np.asarray(array), due[name], rtol=close, atol=close, err_msg=name)


def test_extremes_stay_finite_without_a_warning(case: Case, training: bool, dtype: str) -> None:
    if case.categories:
        pytest.skip("takes whole numbers")
    if type(case.layer).__name__ == "PairwiseProduct":
        pytest.skip("the product of 1e30 and 1e30 is beyond float32")
    extremes = np.array([0.0, 1e-30, -1e-30, 30.0, -30.0, 1e30, -1e30])
    x = np.random.default_rng(6).choice(extremes, (7, *case.shape)).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run(case.layer, case.params(dtype), x, np.sign(case.dy(7, dtype)), partial(context, training, dtype))
    for name, array in found.items():
        assert np.all(np.isfinite(array)), name


def test_json_round_trip(case: Case) -> None:
    written = part_to_json(case.layer)
    fields = {} if isinstance(written, str) else {name: value for name, value in written.items() if name != "type"}
    again: Layer = type(case.layer).model_validate(fields)
    assert part_to_json(again) == written
    assert again.parameters(case.shape).keys() == case.layer.parameters(case.shape).keys()
