"""Every layer in training on JAX: after a hundred steps, what it gives on NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Model

pytest.importorskip("jax", reason='jax is not installed: `pip install "layerkit[jax]"`')

RANDOM = np.random.default_rng(0)
NETWORKS: dict[str, dict[str, Any]] = {
    "vectors": {
        "input": [6],
        "layers": [
            {"type": "dense", "units": 6, "activation": "sigmoid"},
            {"type": "residual", "layers": ["batch_norm", {"type": "dense", "units": 6}, "dropout"]},
            *("gaussian_noise", "layer_norm"),
            {"type": "dense", "units": 2},
        ],
    },
    "images": {
        "input": [64],
        "layers": [
            {"type": "reshape", "shape": [8, 8, 1]},
            {"type": "rescale", "scale": 0.5},
            {"type": "conv2d", "filters": 3, "kernel_size": 3, "padding": "same"},
            {"type": "max_pool2d", "pool_size": 2},
            {"type": "conv2d", "filters": 4, "kernel_size": 2, "stride": 2},
            *({"type": "average_pool2d", "pool_size": 2, "stride": 1}, "global_average_pool2d"),
            {"type": "dense", "units": 2},
        ],
    },
    "categories": {
        "input": {"shape": [3], "dtype": "int64"},
        "layers": [
            {"type": "embedding", "categories": [7, 7, 7], "units": 4},
            *("pairwise_product", "flatten", "dropout"),
            {"type": "dense", "units": 2},
        ],
    },
}


@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_hundred_steps_give_what_they_give_on_numpy(name: str, dtype: str, close: float) -> None:
    network = NETWORKS[name]
    x = RANDOM.integers(0, 7, (12, 3)) if name == "categories" else RANDOM.normal(size=(12, network["input"][0]))
    t = RANDOM.normal(size=(12, 2))
    found, due = (
        Model(
            **network,
            dtype=dtype,
            loss="half_squared_error",
            optimizer={"type": "sgd", "learning_rate": 0.003, "momentum": 0.5},
            training={"batch_size": 12},
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
        np.testing.assert_allclose(one, other, rtol=close, atol=close * max(np.abs(other).max(), 1e-3))
