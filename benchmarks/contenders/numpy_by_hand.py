"""NumPy by hand, as fast as it goes: views of one flat vector, arrays made once, Adam in blocks that stay in cache.

Blocks of a long vector go to as many threads as the others have: NumPy lets go of the interpreter inside a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count, pairwise, repeat
from math import prod, sqrt
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from task import BETA1, BETA2, EPSILON, Pair, Problem, Steps, Task

Step: TypeAlias = Callable[[Any, Any], float]

BLOCK = 32_768
"""Numbers that the optimizer updates at once, as many as the NumPy engine does."""
LARGE = 8192
"""A product of so many numbers isn't left to np.dot, which clears their place first."""
FADING = 64
"""After so many steps, what has faded below the smallest normal float becomes 0: processors are slow with such."""


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
    update = _optimizer(problem, vector, gradient)

    @cache  # a table's last batch is smaller
    def passes_of(rows: int) -> Step:
        return _passes(problem, rows, layers, dlayers)

    def step(x: Any, t: Any) -> float:
        loss = passes_of(len(x))(x, t)
        update()
        return loss

    return step, layers


def _passes(problem: Problem, rows: int, layers: Sequence[Pair], dlayers: Sequence[Pair]) -> Step:
    """Forward and back over so many rows: gives the loss, and puts the gradient into `dlayers`."""
    dtype, last = problem.dtype, len(layers) - 1
    y, dy, zeros, slopes = ([_zeros(dtype, rows, units) for units in problem.sizes[1:]] for _ in range(4))
    ones, row, share = np.ones_like(y[last]), np.ones((1, rows), dtype), np.array(1.0 / rows, dtype)
    forward, back, across = (list(map(_product, out)) for out in (y, dy, [dkernel for dkernel, _ in dlayers]))
    finish = FINISH[problem.output, problem.loss]

    def passes(x: Any, t: Any) -> float:
        inputs = [x, *y]
        for i, (kernel, bias) in enumerate(layers):
            z = forward[i](inputs[i], kernel, y[i])
            z += bias
            if i < last:
                np.maximum(z, zeros[i], out=z)
        dz = dy[last]
        loss = finish(y[last], t, ones, dz)
        if rows > 1:
            dz *= share
        for i in range(last, -1, -1):
            dkernel, dbias = dlayers[i]
            across[i](inputs[i].T, dz, dkernel)
            np.dot(row, dz, dbias)
            if i:
                dz = back[i - 1](dz, layers[i][0].T, dy[i - 1])
                dz *= np.sign(y[i - 1], out=slopes[i - 1])  # y is never below 0
        return loss / rows

    return passes


def _product(out: Any) -> Callable[[Any, Any, Any], Any]:
    """The function that puts a product there soonest."""
    return np.dot if out.size < LARGE else np.matmul


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
        # a bias is a row: what has the shape of one row of a batch is added to it in half the time
        views.append((vector[first:middle].reshape(inputs, units), vector[middle:end].reshape(1, units)))
        first = end
    return views


def _cross_entropy(z: Any, t: Any, ones: Any, dz: Any) -> float:
    """The sum of the rows' losses; dz becomes the gradient of each row's at the pre-activation z."""
    z -= np.maximum.reduce(z.T.copy())[:, None]  # narrow rows are slow to go along
    np.exp(z, out=dz)
    total = np.dot(dz, ones[0])[:, None]
    dz /= total
    dz -= t
    return float(np.add.reduce(np.log(total), axis=None)) - float(np.vdot(z, t))


def _half_squared_error_of_sigmoid(z: Any, t: Any, ones: Any, dz: Any) -> float:
    y = _sigmoid(z, ones)
    np.subtract(ones, y, out=dz)
    dz *= y
    y -= t
    dz *= y
    return 0.5 * float(np.vdot(y, y))


def _half_squared_error(z: Any, t: Any, ones: Any, dz: Any) -> float:
    np.subtract(z, t, out=dz)
    return 0.5 * float(np.vdot(dz, dz))


def _binary_cross_entropy(z: Any, t: Any, ones: Any, dz: Any) -> float:
    loss = float(np.logaddexp(0.0, z).sum()) - float(np.vdot(z, t))
    np.subtract(_sigmoid(z, ones), t, out=dz)
    return loss


def _sigmoid(z: Any, ones: Any) -> Any:
    """z becomes its sigmoid."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += ones
    return np.reciprocal(z, out=z)


FINISH = {
    ("softmax", "cross_entropy"): _cross_entropy,
    ("sigmoid", "half_squared_error"): _half_squared_error_of_sigmoid,
    ("sigmoid", "binary_cross_entropy"): _binary_cross_entropy,
    ("linear", "half_squared_error"): _half_squared_error,
}


def _optimizer(problem: Problem, vector: Any, gradient: Any) -> Callable[[], None]:
    """What updates the vector in place by the gradient, once a call; the gradient is used up."""
    moments = 2 if problem.optimizer == "adam" else 0
    arrays = [vector, gradient, *(_zeros(problem.dtype, len(vector)) for _ in range(moments))]
    blocks = [[each[first : first + BLOCK] for each in arrays] for first in range(0, len(vector), BLOCK)]
    descend = _adam(problem) if moments else _sgd(problem)
    workers = min(problem.threads, len(blocks))
    pool = ThreadPoolExecutor(workers) if workers > 1 else None
    numbers = count(1)

    def share(first: int, step: int) -> None:
        for block in blocks[first::workers]:
            descend(step, *block)

    def update() -> None:
        step = next(numbers)
        if pool is None:
            share(0, step)
        else:
            list(pool.map(share, range(workers), repeat(step)))

    return update


def _sgd(problem: Problem) -> Callable[..., None]:
    rate = np.array(problem.learning_rate, problem.dtype)

    def descend(step: int, w: Any, g: Any) -> None:
        g *= rate
        w -= g

    return descend


def _adam(problem: Problem) -> Callable[..., None]:
    """m and v are Adam's averages over 1 - beta: these factors go into the rate and epsilon, as the corrections do."""
    beta1, beta2 = np.array(BETA1, problem.dtype), np.array(BETA2, problem.dtype)
    smallest = np.finfo(problem.dtype).smallest_normal

    def descend(step: int, w: Any, g: Any, m: Any, v: Any) -> None:
        correction = sqrt((1.0 - BETA2**step) / (1.0 - BETA2))
        rate = problem.learning_rate * correction * (1.0 - BETA1) / (1.0 - BETA1**step)
        m *= beta1
        m += g
        v *= beta2
        g *= g
        v += g
        np.sqrt(v, out=g)
        g += EPSILON * correction
        np.divide(m, g, out=g)
        g *= rate
        w -= g
        if step % FADING == 0:
            for moment in (m, v):
                moment *= np.abs(moment) >= smallest

    return descend


def whole(task: Task) -> None:
    from contenders.reading import print_epoch, read_one_hot, save

    assert task.table is not None
    problem, table = task.problem, task.table
    x, t = read_one_hot(task)
    step, layers = step_function(problem, task.parameters)
    random = np.random.default_rng(0)
    for _ in range(table.epochs):
        order, total = random.permutation(len(x)), 0.0
        for first in range(0, len(x), problem.batch):
            rows = order[first : first + problem.batch]
            total += step(x[rows], t[rows]) * len(rows)
        print_epoch(total / len(x))
    save(layers, Path(table.path).with_name("numpy.npz"))
