"""Numbers in a better range."""

from __future__ import annotations

from layerkit import Array, Context, Layer, Params

__all__ = ["Rescale"]


class Rescale(Layer):
    """y = scale · x + offset, both fixed; by default the bytes of an image, 0 to 255, become 0 to 1.

    x and y have one shape, (rows, ...). Backward: dL/dx = scale · dy.
    """

    scale: float = 1.0 / 255.0
    offset: float = 0.0

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return self.scale * x + self.offset

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return self.scale * dy
