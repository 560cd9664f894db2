"""The logarithm of the softmax."""

from layerkit import Activation, Array, Context, Params


class LogSoftmax(Activation):
    """yᵢ = xᵢ - ln Σⱼ e^xⱼ over the last axis; the largest x is taken off first, so that nothing overflows.

    Each output depends on every input: dL/dx = dy - e^y · Σⱼ dyⱼ.
    Bridle, "Probabilistic interpretation of feedforward classification network outputs" (1990).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        x = x - xp.max(x, axis=-1, keepdims=True)
        return x - xp.log(xp.sum(xp.exp(x), axis=-1, keepdims=True))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return dy - xp.exp(y) * xp.sum(dy, axis=-1, keepdims=True)
