"""The same numbers in another shape."""

from __future__ import annotations

from math import prod
from typing import Annotated

from layerkit import AT_LEAST_ONE, Array, Context, Layer, Params, Shape, Size

__all__ = ["Reshape"]


class Reshape(Layer):
    """y holds the numbers of x in their order: (rows, ...) becomes (rows, *shape).

    The last axis runs fastest; `"shape": [8, 8, 1]` makes images of one channel out of rows of 64 numbers.
    Backward: dy in x's shape.
    """

    shape: Annotated[tuple[Size, ...], AT_LEAST_ONE]

    def output_shape(self, input_shape: Shape) -> Shape:
        if prod(input_shape) != prod(self.shape):
            raise ValueError(
                f"a row has {prod(input_shape):,} numbers, and the shape {list(self.shape)} has {prod(self.shape):,}"
            )
        return self.shape

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.reshape(x, (x.shape[0], *self.shape))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.reshape(dy, x.shape)
