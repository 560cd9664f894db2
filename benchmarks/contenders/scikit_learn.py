"""scikit-learn: partial_fit, one pass a call, over the batches as one long array in their order.

So its checks of the input are paid once a call and not once a step. MLPClassifier has cross-entropy alone, after a
softmax or a sigmoid, and MLPRegressor half the squared error of a linear output; alpha, their weight decay, is 0.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from task import BETA1, BETA2, EPSILON, CannotRunError, Pair, Steps, Task


def prepare(task: Task) -> Steps:
    estimator = _estimator(task, *_long(task, 1)).set_params(shuffle=False)
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
    t, epochs, first = t.ravel(), task.table.epochs, task.problem.batch
    estimator = _estimator(task, x[:first], t[:first])
    estimator.set_params(max_iter=epochs, n_iter_no_change=epochs, warm_start=True).fit(x, t)
    for loss in estimator.loss_curve_[-epochs:]:
        print_epoch(loss)
    with Path(task.table.path).with_name("sklearn.pickle").open("wb") as file:
        pickle.dump(estimator, file)


def _long(task: Task, count: int) -> Pair:
    own = [task.batches[i % len(task.batches)] for i in range(count)]
    x, t = (np.concatenate(side) for side in zip(*own))
    return x, t.argmax(axis=1) if task.problem.output == "softmax" else t.ravel()


def _estimator(task: Task, x: Any, t: Any) -> Any:
    """The estimator with the task's first parameters. A batch is needed to make the arrays that they go to."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    problem = task.problem
    kinds = {
        ("softmax", "cross_entropy"): MLPClassifier,
        ("sigmoid", "binary_cross_entropy"): MLPClassifier,
        ("linear", "half_squared_error"): MLPRegressor,
    }
    if (problem.output, problem.loss) not in kinds:
        raise CannotRunError(f"it has no {problem.loss} after a {problem.output}")
    estimator = kinds[problem.output, problem.loss](
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
        random_state=0,
    )
    classes = {} if problem.output == "linear" else {"classes": np.arange(max(problem.sizes[-1], 2))}
    estimator.partial_fit(x, t, **classes)
    del estimator._optimizer
    for own, bias, (kernel, first_bias) in zip(estimator.coefs_, estimator.intercepts_, task.parameters):
        own[...], bias[...] = kernel, first_bias
    return estimator
