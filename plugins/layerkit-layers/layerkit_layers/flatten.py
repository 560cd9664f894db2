"""One axis out of many."""

from __future__ import annotations

from math import prod

from layerkit import Array, Context, Layer, Params, Shape

__all__ = ["Flatten"]


class Flatten(Layer):
    """y holds the numbers of x in their order: (rows, a, b, ...) becomes (rows, a · b · ...).

    The last axis runs fastest. Backward: dy in x's shape.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.reshape(x, (x.shape[0], prod(x.shape[1:])))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.reshape(dy, x.shape)
