"""Losses of probabilities. y is the network's output and t the target, of one shape (rows, ...); each gives a number a
row.
"""

from typing import ClassVar

from layerkit.builtin.sigmoid import Sigmoid
from layerkit.builtin.softmax import Softmax
from layerkit.ops import Array
from layerkit.parts import Activation, Loss


class BinaryCrossEntropy(Loss):
    """-Σ (t ln y + (1 - t) ln(1 - y)) over the outputs of a row, each y a probability and each t 0 or 1 (or between).

    After a sigmoid it is Σ (ln(1 + e^z) - t z), with the gradient y - t at the pre-activation z. Elsewhere y is kept
    one machine epsilon away from 0 and 1.
    Good, "Rational decisions" (1952); Bishop, "Pattern Recognition and Machine Learning" (2006), 4.3.
    """

    link: ClassVar[type[Activation] | None] = Sigmoid
    probabilities: ClassVar[bool] = True

    def __call__(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        y = _inside(y)
        return -_sum_of_row(t * xp.log(y) + (1.0 - t) * xp.log1p(-y))

    def gradient(self, y: Array, t: Array) -> Array:
        y = _inside(y)
        return (y - t) / (y * (1.0 - y))

    def linked(self, z: Array, t: Array) -> Array:
        xp = z.__array_namespace__()
        log_one_plus_exp = xp.maximum(z, 0.0) + xp.log1p(xp.exp(-xp.abs(z)))
        return _sum_of_row(log_one_plus_exp - t * z)

    def linked_gradient(self, y: Array, t: Array) -> Array:
        return y - t


class CrossEntropy(Loss):
    """-Σ tᵢ ln yᵢ, y and t being probabilities of the classes on the last axis.

    After a softmax it is Σ tᵢ (ln Σⱼ e^zⱼ - zᵢ), with the gradient y Σ t - t, which is y - t where t sums to 1, at the
    pre-activation z. Elsewhere y is kept one machine epsilon away from 0.
    Bishop, "Pattern Recognition and Machine Learning" (2006), 4.3.4.
    """

    link: ClassVar[type[Activation] | None] = Softmax
    probabilities: ClassVar[bool] = True
    labels: ClassVar[bool] = True

    def __call__(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        return -_sum_of_row(t * xp.log(_inside(y)))

    def gradient(self, y: Array, t: Array) -> Array:
        return -t / _inside(y)

    def linked(self, z: Array, t: Array) -> Array:
        xp = z.__array_namespace__()
        z = z - xp.max(z, axis=-1, keepdims=True)
        log_of_sum = xp.log(xp.sum(xp.exp(z), axis=-1, keepdims=True))
        return _sum_of_row(t * (log_of_sum - z))

    def linked_gradient(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        return y * xp.sum(t, axis=-1, keepdims=True) - t


def _sum_of_row(values: Array) -> Array:
    """Σ over every axis but the first."""
    xp = values.__array_namespace__()
    return xp.sum(values, axis=tuple(range(1, values.ndim)))


def _inside(y: Array) -> Array:
    """y, no nearer to 0 and 1 than one machine epsilon."""
    xp = y.__array_namespace__()
    epsilon = float(xp.finfo(y.dtype).eps)
    return xp.clip(y, epsilon, 1.0 - epsilon)
