"""Keras on JAX or on PyTorch: fit, one epoch a call, over the batches as one long array in their order.

It runs callbacks and metrics as fit always does; on JAX, where it can, once for many steps.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from task import BETA1, BETA2, EPSILON, Pair, Problem, Steps, Task


def prepare(task: Task) -> Steps:
    model = _model(task.problem, task.parameters, jit_compile=True)
    long: dict[int, Pair] = {}

    def steps(count: int) -> float:
        if count not in long:
            long.clear()
            own = [task.batches[i % len(task.batches)] for i in range(count)]
            long[count] = tuple(np.concatenate(side) for side in zip(*own))
        x, t = long[count]
        history = model.fit(x, t, batch_size=task.problem.batch, epochs=1, shuffle=False, verbose=0).history
        return float(history["loss"][0])

    return steps


def whole(task: Task) -> None:
    from contenders.reading import print_epoch, read_one_hot

    assert task.table is not None
    problem, table = task.problem, task.table
    x, t = read_one_hot(task)
    # "auto" compiles on JAX alone: on PyTorch that takes longer than it saves here
    model = _model(problem, task.parameters, jit_compile="auto")
    losses = model.fit(x, t, batch_size=problem.batch, epochs=table.epochs, verbose=0).history["loss"]
    for loss in losses:
        print_epoch(loss)
    model.save(Path(table.path).with_name(f"{os.environ['KERAS_BACKEND']}.keras"))


def _model(problem: Problem, parameters: Sequence[Pair], jit_compile: bool | str) -> Any:
    """The model up to the link that its loss brings along, compiled."""
    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        jax.config.update("jax_enable_x64", problem.dtype == "float64")
        jax.config.update("jax_default_matmul_precision", "highest")  # as in jax_by_hand
    import keras

    keras.config.set_floatx(problem.dtype)

    def half_squared_error(t: Any, y: Any) -> Any:
        return 0.5 * keras.ops.sum((y - t) ** 2, axis=-1)

    losses = {
        "half_squared_error": half_squared_error,
        "cross_entropy": keras.losses.CategoricalCrossentropy(from_logits=True),
        "binary_cross_entropy": keras.losses.BinaryCrossentropy(from_logits=True),
    }
    optimizers = {
        "sgd": lambda rate: keras.optimizers.SGD(rate),
        "adam": lambda rate: keras.optimizers.Adam(rate, BETA1, BETA2, EPSILON),
    }
    link = "sigmoid" if (problem.output, problem.loss) == ("sigmoid", "half_squared_error") else None
    *hidden, last = problem.sizes[1:]
    layers = [keras.layers.Dense(units, "relu") for units in hidden] + [keras.layers.Dense(last, link)]
    model = keras.Sequential([keras.Input((problem.sizes[0],)), *layers])
    model.set_weights([each for pair in parameters for each in pair])
    model.compile(
        optimizers[problem.optimizer](problem.learning_rate),
        losses[problem.loss],
        steps_per_execution=32 if os.environ["KERAS_BACKEND"] == "jax" else 1,
        jit_compile=jit_compile,
    )
    return model
