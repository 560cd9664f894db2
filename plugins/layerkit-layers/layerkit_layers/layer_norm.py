"""Layer normalisation."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from layerkit import Array, Context, Initializer, Layer, Parameter, Params, Shape, Values, Zeros
from layerkit_layers._axes import all_but_last
from layerkit_layers._standard import backward, standard

__all__ = ["LayerNorm"]


class LayerNorm(Layer):
    """y = scale · z + shift, z = (x - mean) / √(variance + epsilon), over the last axis of each row by itself.

    x and y have one shape, (rows, ..., features); scale and shift have the shape (features,). The variance is over n.
    Backward, with dz = scale · dy and means over the last axis:
    dL/dx = (dz - mean(dz) - z · mean(dz · z)) / √(variance + epsilon); dL/dscale = Σ dy · z and dL/dshift = Σ dy.
    Ba, Kiros and Hinton, "Layer normalization" (2016).
    """

    epsilon: float = Field(1e-5, gt=0)
    scale: Initializer = Values(values=1.0)
    shift: Initializer = Zeros()

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ValueError("a row is one number, and layer_norm works over the last axis of a row")
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        features = input_shape[-1:]
        return {"scale": Parameter(features, self.scale), "shift": Parameter(features, self.shift)}

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return params["scale"] * standard(x, (x.ndim - 1,), self.epsilon).z + params["shift"]

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        axes = (x.ndim - 1,)
        return backward(standard(x, axes, self.epsilon), params["scale"] * dy, axes)

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        xp = x.__array_namespace__()
        z, axes = standard(x, (x.ndim - 1,), self.epsilon).z, all_but_last(x)
        return {"scale": xp.sum(dy * z, axis=axes), "shift": xp.sum(dy, axis=axes)}
