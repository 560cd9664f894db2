"""Losses of squares. y is the network's output and t the target, of one shape (rows, ...); each gives a number a
row.
"""

from math import prod

from layerkit.ops import Array
from layerkit.parts import Loss


class HalfSquaredError(Loss):
    """½ Σ (y - t)² over the outputs of a row; its gradient is y - t."""

    def __call__(self, y: Array, t: Array) -> Array:
        error = _flat(y - t)
        return 0.5 * error.__array_namespace__().vecdot(error, error)

    def gradient(self, y: Array, t: Array) -> Array:
        return y - t


class MeanSquaredError(Loss):
    """The mean of (y - t)² over the n outputs of a row; its gradient is 2 (y - t) / n."""

    def __call__(self, y: Array, t: Array) -> Array:
        error = _flat(y - t)
        return error.__array_namespace__().vecdot(error, error) / error.shape[1]

    def gradient(self, y: Array, t: Array) -> Array:
        return (y - t) * (2.0 / prod(y.shape[1:]))


def _flat(values: Array) -> Array:
    """(rows, ...) as a matrix (rows, outputs)."""
    xp = values.__array_namespace__()
    return values if values.ndim == 2 else xp.reshape(values, (values.shape[0], prod(values.shape[1:])))
