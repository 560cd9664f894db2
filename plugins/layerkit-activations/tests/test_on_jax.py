"""Every activation in training on JAX: after a hundred steps, what it gives on NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from test_documents import NAMES

from layerkit import Model

pytest.importorskip("jax", reason='jax is not installed: `pip install "layerkit[jax]"`')

GROUPS = [sorted(NAMES)[i::4] for i in range(4)]


@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("names", GROUPS, ids=",".join)
def test_a_hundred_steps_give_what_they_give_on_numpy(names: list[str], dtype: str, close: float) -> None:
    random = np.random.default_rng(0)
    x, t = random.normal(size=(8, 6)), random.normal(size=(8, 2))
    layers = [each for name in names for each in ({"type": "dense", "units": 6}, name)]
    found, due = (
        Model(
            input=[6],
            layers=[*layers, {"type": "dense", "units": 2}],
            dtype=dtype,
            loss="half_squared_error",
            optimizer={"type": "sgd", "learning_rate": 0.003},
            engine=engine,
        )
        for engine in ("jax", "numpy")
    )
    for each in (found, due):
        each.train(x, t, steps=100)
    for one, other in [
        (found.predict(x), due.predict(x)),
        *((found.parameters[name], array) for name, array in due.parameters.items()),
    ]:
        np.testing.assert_allclose(one, other, rtol=close, atol=close * np.abs(other).max())
