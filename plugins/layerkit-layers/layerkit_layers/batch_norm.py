"""Batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from layerkit import Array, Context, Initializer, Layer, Parameter, Params, Shape, Values, Zeros
from layerkit_layers._axes import all_but_last, sum_over, widened
from layerkit_layers._standard import backward, standard

__all__ = ["BatchNorm"]


class BatchNorm(Layer):
    """y = scale · z + shift, z = (x - mean) / √(variance + epsilon), for each feature by itself.

    x and y have one shape, (rows, ..., features); the parameters have the shape (features,). In training, mean and
    variance (over n) are those of the batch, over every axis but the last, and
    running ← momentum · running + (1 - momentum) · batch, for running_mean and running_variance; an empty batch leaves
    them as they are. Outside training the running ones stand in, and y is linear in x.
    Backward in training, with dz = scale · dy and means over every axis but the last:
    dL/dx = (dz - mean(dz) - z · mean(dz · z)) / √(variance + epsilon); otherwise dL/dx = dz / √(variance + epsilon).
    dL/dscale = Σ dy · z and dL/dshift = Σ dy. With one row (and one place in it), z is 0 in training.
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift"
    (ICML 2015).
    """

    momentum: float = Field(0.9, ge=0, lt=1)
    epsilon: float = Field(1e-5, gt=0)
    scale: Initializer = Values(values=1.0)
    shift: Initializer = Zeros()
    running_mean: Initializer = Zeros()
    running_variance: Initializer = Values(values=1.0)

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ValueError("a row is one number, and batch_norm takes the last axis of a row as its features")
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        features = input_shape[-1:]
        return {
            "scale": Parameter(features, self.scale),
            "shift": Parameter(features, self.shift),
            "running_mean": Parameter(features, self.running_mean, trainable=False),
            "running_variance": Parameter(features, self.running_variance, trainable=False),
        }

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        if not context.training:
            return self._scaled(params, self._by_running(params, x))
        xp = x.__array_namespace__()
        found = standard(x, all_but_last(x), self.epsilon)
        if x.shape[0] > 0:
            for name, batch in (("mean", found.mean), ("variance", found.variance)):
                running = params[f"running_{name}"]
                batch = xp.reshape(batch, running.shape)
                context.update(f"running_{name}", self.momentum * running + (1.0 - self.momentum) * batch)
        return self._scaled(params, found.z)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        dz = widened(params["scale"], x) * dy
        if context.training:
            return backward(standard(x, all_but_last(x), self.epsilon), dz, all_but_last(x))
        return dz / widened(self._running_deviation(params), x)

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        xp = x.__array_namespace__()
        axes, features = all_but_last(x), params["scale"].shape
        z = standard(x, axes, self.epsilon).z if context.training else self._by_running(params, x)
        return {
            "scale": xp.reshape(sum_over(dy * z, axes), features),
            "shift": xp.reshape(sum_over(dy, axes), features),
        }

    def _scaled(self, params: Params, z: Array) -> Array:
        return widened(params["scale"], z) * z + widened(params["shift"], z)

    def _by_running(self, params: Params, x: Array) -> Array:
        return (x - widened(params["running_mean"], x)) / widened(self._running_deviation(params), x)

    def _running_deviation(self, params: Params) -> Array:
        variance = params["running_variance"]
        xp = variance.__array_namespace__()
        return xp.sqrt(variance + self.epsilon)
