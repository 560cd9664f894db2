"""Noise on the inputs."""

from __future__ import annotations

from pydantic import Field

from layerkit import Array, Context, Layer, Params

__all__ = ["GaussianNoise"]


class GaussianNoise(Layer):
    """In training y = x + deviation · n, n standard normal and drawn for each number; otherwise y = x.

    x and y have one shape, (rows, ...). Backward: dL/dx = dy.
    Bishop, "Training with noise is equivalent to Tikhonov regularization" (Neural Computation 7, 1995).
    """

    deviation: float = Field(0.1, gt=0)

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x + self.deviation * context.normal(x.shape) if context.training else x

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy
