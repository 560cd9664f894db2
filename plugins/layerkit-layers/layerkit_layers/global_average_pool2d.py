"""The mean of each channel."""

from __future__ import annotations

from layerkit import Array, Context, Layer, Params, Shape

__all__ = ["GlobalAveragePool2D"]


class GlobalAveragePool2D(Layer):
    """y[c] is the mean x of channel c, for x of shape (rows, height, width, channels) and y of (rows, channels).

    Backward: dL/dx = dy / (height · width) at every place.
    Lin, Chen and Yan, "Network in network" (ICLR 2014).
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise ValueError("images are due, (height, width, channels)")
        return input_shape[-1:]

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.mean(x, axis=(1, 2))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        share = dy / float(x.shape[1] * x.shape[2])
        return xp.broadcast_to(share[:, None, None, :], x.shape)
