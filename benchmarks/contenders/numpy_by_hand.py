"""NumPy by hand, as fast as it goes: views of one flat vector, arrays made once, Adam in blocks that stay in cache.

Blocks of a long vector go to as many threads as the others have: NumPy lets go of the interpreter inside a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import prod, sqrt
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from task import BETA1, BETA2, EPSILON, Pair, Problem, Steps, Task

Step: TypeAlias = Callable[[Any, Any], float]

BLOCK = 32_768
"""Numbers that the optimizer updates at once, as many as the NumPy engine does."""


def prepare(task: Task) -> Steps:
    step = step_function(task.problem, task.parameters)[0]
    batches = task.batches

    def steps(count: int) -> float:
        return sum([step(*batches[i % len(batches)]) for i in range(count)]) / count

    return steps


def step_function(problem: Problem, parameters: Sequence[Pair]) -> tuple[Step, Sequence[Pair]]:
    """What takes one step and gives its loss; and the (kernel, bias) pairs that it changes in place."""
    flat = np.concatenate([each.ravel() for pair in parameters for each in pair])
    vector, gradient = _zeros(problem.dtype, len(flat)), _zeros(problem.dtype, len(flat))
    vector[:] = flat
    layers, dlayers = _views(vector, problem.sizes), _views(gradient, problem.sizes)
    hidden, flowing = ([_zeros(problem.dtype, problem.batch, size) for size in problem.sizes[1:]] for _ in range(2))
    update = _optimizer(problem, vector, gradient)
    finish = FINISH[problem.output, problem.loss]
    last = len(layers) - 1
    ones = np.ones(problem.batch, problem.dtype)

    def step(x: Any, t: Any) -> float:
        rows = len(x)
        y = [x, *(each[:rows] for each in hidden)]
        for i, (kernel, bias) in enumerate(layers):
            out = np.matmul(y[i], kernel, out=y[i + 1])
            out += bias
            if i < last:
                np.maximum(out, 0.0, out=out)
        dy = flowing[last][:rows]
        loss = finish(y[-1], t, dy)
        dy *= 1.0 / rows
        for i in range(last, -1, -1):
            np.matmul(y[i].T, dy, out=dlayers[i][0])
            np.dot(ones[:rows], dy, out=dlayers[i][1])
            if i:
                dx = np.matmul(dy, layers[i][0].T, out=flowing[i - 1][:rows])
                dx *= y[i] > 0.0
                dy = dx
        update()
        return loss / rows

    return step, layers


def _zeros(dtype: str, *shape: int) -> Any:
    """An array that begins at a cache line, as the NumPy engine's do."""
    size = prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(size + 63, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size].view(dtype).reshape(shape)


def _views(vector: Any, sizes: Sequence[int]) -> list[Pair]:
    views, first = [], 0
    for inputs, units in pairwise(sizes):
        middle, end = first + inputs * units, first + inputs * units + units
        views.append((vector[first:middle].reshape(inputs, units), vector[middle:end]))
        first = end
    return views


def _cross_entropy(z: Any, t: Any, dy: Any) -> float:
    """The sum of the rows' losses; dy becomes the gradient of each row's at the pre-activation z."""
    z -= z.T.copy().max(axis=0)[:, None]  # narrow rows are slow to go along
    np.exp(z, out=dy)
    total = dy @ np.ones((z.shape[1], 1), z.dtype)
    loss = float(np.log(total).sum()) - float(np.vdot(z, t))
    dy /= total
    dy -= t
    return loss


def _sigmoid(z: Any, y: Any) -> None:
    np.negative(z, out=y)
    np.exp(y, out=y)
    y += 1.0
    np.reciprocal(y, out=y)


def _half_squared_error_of_sigmoid(z: Any, t: Any, dy: Any) -> float:
    _sigmoid(z, dy)
    error = dy - t
    dy *= 1.0 - dy
    dy *= error
    return 0.5 * float(np.vdot(error, error))


def _half_squared_error(z: Any, t: Any, dy: Any) -> float:
    np.subtract(z, t, out=dy)
    return 0.5 * float(np.vdot(dy, dy))


def _binary_cross_entropy(z: Any, t: Any, dy: Any) -> float:
    _sigmoid(z, dy)
    dy -= t
    return float(np.logaddexp(0.0, z).sum()) - float(np.vdot(z, t))


FINISH = {
    ("softmax", "cross_entropy"): _cross_entropy,
    ("sigmoid", "half_squared_error"): _half_squared_error_of_sigmoid,
    ("sigmoid", "binary_cross_entropy"): _binary_cross_entropy,
    ("linear", "half_squared_error"): _half_squared_error,
}


def _optimizer(problem: Problem, vector: Any, gradient: Any) -> Callable[[], None]:
    """What updates the vector in place by the gradient, once a call."""
    blocks = [slice(first, first + BLOCK) for first in range(0, len(vector), BLOCK)]
    moments = 2 if problem.optimizer == "adam" else 0
    arrays = [vector, gradient, *(_zeros(problem.dtype, len(vector)) for _ in range(moments))]
    parts = [[each[block] for each in arrays] for block in blocks]
    workers = min(problem.threads, len(parts))
    pool = ThreadPoolExecutor(workers) if workers > 1 else None
    rate, taken = problem.learning_rate, 0

    def share(first: int, rates: tuple[float, float]) -> None:
        spare = _zeros(problem.dtype, len(parts[0][0]))
        for part in parts[first::workers]:
            _descend(spare[: len(part[0])], rates, *part)

    def update() -> None:
        nonlocal taken
        taken += 1
        # Kingma and Ba's more efficient order: both corrections in the rate and in epsilon
        correction = sqrt(1.0 - BETA2**taken)
        rates = (rate * correction / (1.0 - BETA1**taken), EPSILON * correction) if moments else (rate, 0.0)
        if pool is None:
            share(0, rates)
        else:
            list(pool.map(share, range(workers), [rates] * workers))

    return update


def _descend(spare: Any, rates: tuple[float, float], w: Any, g: Any, m: Any = None, v: Any = None) -> None:
    """SGD, or Adam where there are moments."""
    rate, epsilon = rates
    if m is None:
        np.multiply(g, rate, out=spare)
        w -= spare
        return
    np.subtract(g, m, out=spare)
    spare *= 1.0 - BETA1
    m += spare
    np.multiply(g, g, out=spare)
    spare -= v
    spare *= 1.0 - BETA2
    v += spare
    np.sqrt(v, out=spare)
    spare += epsilon
    np.divide(m, spare, out=spare)
    spare *= rate
    w -= spare


def whole(task: Task) -> None:
    from contenders.reading import print_epoch, read

    assert task.table is not None
    problem, table = task.problem, task.table
    x, t = read(task)
    if problem.output == "softmax":
        t = np.eye(problem.sizes[-1], dtype=problem.dtype)[t]
    step, layers = step_function(problem, task.parameters)
    random = np.random.default_rng(0)
    for _ in range(table.epochs):
        order, total = random.permutation(len(x)), 0.0
        for first in range(0, len(x), problem.batch):
            rows = order[first : first + problem.batch]
            total += step(x[rows], t[rows]) * len(rows)
        print_epoch(total / len(x))
    arrays = {f"{name}_{i}": array for i, pair in enumerate(layers) for name, array in zip(("kernel", "bias"), pair)}
    np.savez(Path(table.path).with_name("numpy.npz"), **arrays)
