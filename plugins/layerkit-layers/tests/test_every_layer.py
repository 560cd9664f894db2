"""Every layer passes layerkit's own kit, and has its gradients outside of training, too, where the kit doesn't look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layer_cases import CASES, Case, context

from layerkit.testing import run_checks

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_it_passes_the_kit(case: Case) -> None:
    results = run_checks(case.layer, input_shape=case.shape, dtype="int64" if case.categories else None)
    assert [f"{each.name}: {each.message}" for each in results if each.outcome == "failed"] == []


def slope(function: Any, at: Any, step: float = 1e-6) -> Any:
    """d(function)/d(at) by central differences."""
    found = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        moved = [at.copy(), at.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        found[place] = (function(moved[0]) - function(moved[1])) / (2.0 * step)
    return found


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
def test_gradients_are_the_slopes(case: Case, training: bool, rows: int) -> None:
    x, dy, params, layer = case.x(rows), case.dy(rows), case.params(), case.layer
    y = layer.forward(params, x, context(training))
    dx = layer.backward(params, x, y, dy, context(training))
    if case.categories:
        np.testing.assert_array_equal(dx, np.zeros(x.shape))
    else:
        due = slope(lambda x: float(np.sum(dy * layer.forward(params, x, context(training)))), x)
        np.testing.assert_allclose(dx, due, rtol=1e-6, atol=1e-7)
    for name, parameter in layer.parameters(case.shape).items():
        if parameter.trainable:
            found = layer.gradients(params, x, y, dy, context(training))[name]
            due = slope(
                lambda w, name=name: float(np.sum(dy * layer.forward({**params, name: w}, x, context(training)))),
                params[name],
            )
            np.testing.assert_allclose(found, due, rtol=1e-6, atol=1e-7, err_msg=name)
