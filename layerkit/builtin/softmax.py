"""The softmax."""

from layerkit.context import Context
from layerkit.ops import Array
from layerkit.parts import Activation, Params


class Softmax(Activation):
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ over the last axis; the largest x is taken off first, so that nothing overflows.

    Each output depends on every input: dL/dx = y · (dy - Σⱼ dyⱼ yⱼ).
    Bridle, "Probabilistic interpretation of feedforward classification network outputs" (1990).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        return e / xp.sum(e, axis=-1, keepdims=True)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return y * (dy - xp.sum(dy * y, axis=-1, keepdims=True))
