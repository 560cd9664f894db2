"""scikit-learn: partial_fit, one pass a call, over the batches as one long array in their order.

So its checks of the input are paid once a call and not once a step. MLPClassifier has cross-entropy alone, after a
softmax or a sigmoid, and MLPRegressor half the squared error of a linear output; alpha, their weight decay, is 0.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from task import BETA1, BETA2, EPSILON, CannotRunError, Pair, Problem, Steps, Task


def prepare(task: Task) -> Steps:
    problem = task.problem
    estimator = _estimator(problem, shuffle=False)
    classes = {} if problem.output == "linear" else {"classes": np.arange(max(problem.sizes[-1], 2))}
    x, t = _long(task, 1)
    estimator.partial_fit(x, t, **classes)  # which makes the arrays that the first parameters go to
    del estimator._optimizer
    _set_parameters(estimator, task.parameters)
    long: dict[int, Pair] = {}

    def steps(count: int) -> float:
        if count not in long:
            long.clear()
            long[count] = _long(task, count)
        return float(estimator.partial_fit(*long[count]).loss_)

    return steps


def whole(task: Task) -> None:
    from contenders.reading import print_epoch, read

    assert task.table is not None
    x, t = read(task)
    epochs = task.table.epochs
    estimator = _estimator(task.problem, shuffle=True).set_params(max_iter=epochs, n_iter_no_change=epochs)
    estimator.fit(x, t.ravel())
    for loss in estimator.loss_curve_:
        print_epoch(loss)
    with Path(task.table.path).with_name("sklearn.pickle").open("wb") as file:
        pickle.dump(estimator, file)


def _long(task: Task, count: int) -> Pair:
    own = [task.batches[i % len(task.batches)] for i in range(count)]
    x, t = (np.concatenate(side) for side in zip(*own))
    return x, t.argmax(axis=1) if task.problem.output == "softmax" else t.ravel()


def _estimator(problem: Problem, shuffle: bool) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    kinds = {
        ("softmax", "cross_entropy"): MLPClassifier,
        ("sigmoid", "binary_cross_entropy"): MLPClassifier,
        ("linear", "half_squared_error"): MLPRegressor,
    }
    if (problem.output, problem.loss) not in kinds:
        raise CannotRunError(f"it has no {problem.loss} after a {problem.output}")
    return kinds[problem.output, problem.loss](
        hidden_layer_sizes=problem.sizes[1:-1],
        alpha=0.0,
        solver=problem.optimizer,
        batch_size=problem.batch,
        learning_rate_init=problem.learning_rate,
        momentum=0.0,
        nesterovs_momentum=False,
        beta_1=BETA1,
        beta_2=BETA2,
        epsilon=EPSILON,
        shuffle=shuffle,
        random_state=0,
    )


def _set_parameters(estimator: Any, parameters: Sequence[Pair]) -> None:
    for own, bias, (kernel, first_bias) in zip(estimator.coefs_, estimator.intercepts_, parameters):
        own[...], bias[...] = kernel, first_bias
