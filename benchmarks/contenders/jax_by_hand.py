"""JAX by hand: the gradient by jax.value_and_grad, all steps of a call in one lax.scan under jit, with donated buffers.

The batches stay on the device, stacked; a step takes its own by number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from task import BETA1, BETA2, EPSILON, Pair, Problem, Steps, Task


def prepare(task: Task) -> Steps:
    start, train = _trainer(task.problem)
    import jax.numpy as jnp

    state = start(task.parameters)
    x, t = (jnp.stack([jnp.asarray(pair[side]) for pair in task.batches]) for side in (0, 1))
    numbers = {}

    def steps(count: int) -> float:
        nonlocal state
        if count not in numbers:
            numbers[count] = jnp.arange(count) % len(task.batches)
        state, loss = train(state, x, t, numbers[count])
        return float(loss)

    return steps


def _trainer(problem: Problem) -> tuple[Callable[[Sequence[Pair]], Any], Callable[..., Any]]:
    """The state of first parameters; and what takes a step for each element of `rows`, which index x and t."""
    import jax

    jax.config.update("jax_enable_x64", problem.dtype == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")  # float32 on a GPU, too, as layerkit's and PyTorch's
    import jax.numpy as jnp

    def loss_of(layers: Any, x: Any, t: Any) -> Any:
        for kernel, bias in layers[:-1]:
            x = jax.nn.relu(x @ kernel + bias)
        kernel, bias = layers[-1]
        z = x @ kernel + bias
        if problem.output == "softmax":
            return -jnp.sum(t * jax.nn.log_softmax(z), axis=1).mean()
        if problem.loss == "binary_cross_entropy":
            return jnp.sum(jax.nn.softplus(z) - t * z, axis=1).mean()
        y = jax.nn.sigmoid(z) if problem.output == "sigmoid" else z
        return 0.5 * jnp.sum((y - t) ** 2, axis=1).mean()

    def adam(state: Any, gradient: Any) -> Any:
        layers, m, v, taken = state
        taken = taken + 1.0
        m = jax.tree.map(lambda m, g: BETA1 * m + (1.0 - BETA1) * g, m, gradient)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1.0 - BETA2) * g * g, v, gradient)
        rate = problem.learning_rate / (1.0 - BETA1**taken)
        seconds = 1.0 - BETA2**taken
        layers = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v / seconds) + EPSILON), layers, m, v)
        return layers, m, v, taken

    def sgd(state: Any, gradient: Any) -> Any:
        return (jax.tree.map(lambda w, g: w - problem.learning_rate * g, state[0], gradient),)

    def start(parameters: Sequence[Pair]) -> Any:
        layers = [(jnp.asarray(kernel), jnp.asarray(bias)) for kernel, bias in parameters]
        if problem.optimizer == "sgd":
            return (layers,)
        m, v = (jax.tree.map(jnp.zeros_like, layers) for _ in range(2))
        return layers, m, v, jnp.zeros((), problem.dtype)

    update = adam if problem.optimizer == "adam" else sgd

    def train(state: Any, x: Any, t: Any, rows: Any) -> Any:
        def step(state: Any, own: Any) -> Any:
            loss, gradient = jax.value_and_grad(loss_of)(state[0], x[own], t[own])
            return update(state, gradient), loss

        state, losses = jax.lax.scan(step, state, rows)
        return state, losses.mean()

    return start, jax.jit(train, donate_argnums=0)


def whole(task: Task) -> None:
    from contenders.reading import print_epoch, read_one_hot, save

    assert task.table is not None
    problem, table = task.problem, task.table
    x, t = read_one_hot(task)
    start, train = _trainer(problem)
    state = start(task.parameters)
    random = np.random.default_rng(0)
    even = len(x) - len(x) % problem.batch
    for _ in range(table.epochs):
        order, total = random.permutation(len(x)), 0.0
        for rows in (order[:even].reshape(-1, problem.batch), order[even:].reshape(1, -1)):  # the last batch is smaller
            if rows.size:
                state, loss = train(state, x, t, rows)
                total += float(loss) * rows.size
        print_epoch(total / len(x))
    save(state[0], Path(table.path).with_name("jax.npz"))
