"""Layers that are wrong in one way each, and the check that is meant for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from layerkit import Array, Context, GlorotUniform, Layer, Parameter, Params, Shape, Zeros


def _over(x: Array, axes: int) -> Array:
    """The sum over the first axes."""
    return x.__array_namespace__().sum(x, axis=tuple(range(axes)))


class Affine(Layer):
    """y = x · scale + shift; right itself."""

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        shape = (input_shape[-1],)
        return {"scale": Parameter(shape, Zeros()), "shift": Parameter(shape, Zeros())}

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x * params["scale"] + params["shift"]

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy * params["scale"]

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        return {"scale": _over(dy * x, x.ndim - 1), "shift": _over(dy, x.ndim - 1)}


class TakesNothing(Affine):
    def output_shape(self, input_shape: Shape) -> Shape:
        raise ValueError("no shape will do")


class Averages(Affine):
    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        return {"scale": _over(dy * x, x.ndim - 1) / x.shape[0], "shift": _over(dy, x.ndim - 1)}


class FirstOfThirdAxis(Affine):
    """Right for vectors; of a matrix it sees the first row alone."""

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        while dy.ndim > 2:
            x, dy = x[:, 0, ...], dy[:, 0, ...]
        return {"scale": _over(dy * x, 1), "shift": _over(dy, 1)}


class Forgets(Affine):
    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        return {"scale": _over(dy * x, x.ndim - 1)}


class OtherName(Affine):
    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        return {"scale": _over(dy * x, x.ndim - 1), "shift": _over(dy, x.ndim - 1), "bias": _over(dy, x.ndim - 1)}


class KeepsAxes(Affine):
    """Its gradient is not of the parameter's shape."""

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        return {"scale": _over(dy * x, x.ndim - 1)[None, :], "shift": _over(dy, x.ndim - 1)}


class ShapeLie(Affine):
    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], 2 * input_shape[-1])


class BackwardIsOff(Affine):
    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy


class ConstantParameter(Affine):
    """Changes what it trains in place."""

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        params["shift"][...] = params["shift"] * 1.0
        return x * params["scale"] + params["shift"]


class Noise(Layer):
    """x · u, u drawn in training; right itself."""

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x * context.uniform(x.shape) if context.training else x

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy * context.uniform(x.shape) if context.training else dy


class OtherNoise(Noise):
    """Draws once more on the way back."""

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        context.uniform(x.shape)
        return dy * context.uniform(x.shape)


class AlwaysNoise(Noise):
    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x * context.uniform(x.shape)


class Running(Layer):
    """x minus a running mean, which training updates; right itself."""

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        return {"mean": Parameter(input_shape, Zeros(), trainable=False)}

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        if context.training:
            context.update("mean", 0.9 * params["mean"] + 0.1 * x.__array_namespace__().mean(x, axis=0))
        return x - params["mean"]

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy


class UpdatesInEvaluation(Running):
    def forward(self, params: Params, x: Array, context: Context) -> Array:
        context.update("mean", 0.9 * params["mean"])
        return x - params["mean"]


class UpdatesAnother(Running):
    def forward(self, params: Params, x: Array, context: Context) -> Array:
        if context.training:
            context.update("average", 0.9 * params["mean"])
        return x - params["mean"]


class UpdatesOtherShape(Running):
    def forward(self, params: Params, x: Array, context: Context) -> Array:
        if context.training:
            context.update("mean", 0.9 * params["mean"][:1])
        return x - params["mean"]


class UpdatesInBackward(Running):
    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        context.update("mean", 0.9 * params["mean"])
        return dy


class UpdatesInFloat64(Running):
    def forward(self, params: Params, x: Array, context: Context) -> Array:
        if context.training:
            xp = x.__array_namespace__()
            context.update("mean", xp.astype(params["mean"], xp.float64))
        return x - params["mean"]


class Lookup(Layer):
    """A row of the kernel for each index; right itself."""

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, 3)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        return {"kernel": Parameter((4, 3), GlorotUniform())}

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.reshape(xp.take(params["kernel"], xp.reshape(x, (-1,)), axis=0), (*x.shape, 3))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return x.__array_namespace__().sum(dy, axis=-1) * 0.0

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        xp = x.__array_namespace__()
        chosen = xp.astype(xp.reshape(x, (-1, 1)) == xp.arange(4, dtype=x.dtype), dy.dtype)
        return {"kernel": chosen.T @ xp.reshape(dy, (-1, 3))}


class LastIndexWins(Lookup):
    """Sets where it should add: wrong where an index comes twice."""

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        xp = x.__array_namespace__()
        index, rows = xp.reshape(x, (-1,)), xp.reshape(dy, (-1, 3))
        places = xp.arange(index.shape[0])[:, None]
        chosen = xp.where(index[:, None] == xp.arange(4, dtype=x.dtype), places, -1)
        last = xp.astype((places == xp.max(chosen, axis=0)) & (chosen >= 0), dy.dtype)
        return {"kernel": last.T @ rows}


class FlattensBadly(Layer):
    """-1 stands for no number where there are no rows."""

    def output_shape(self, input_shape: Shape) -> Shape:
        size = 1
        for length in input_shape:
            size *= length
        return (size,)

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x.__array_namespace__().reshape(x, (x.shape[0], -1))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return x.__array_namespace__().reshape(dy, x.shape)


class Unstable(Layer):
    """x / √(Σ x²): nothing over nothing at 0."""

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x / self._norm(x)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return (dy - y * xp.sum(dy * y, axis=-1, keepdims=True)) / self._norm(x)

    def _norm(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.sqrt(xp.sum(x * x, axis=-1, keepdims=True))


class NotDifferentiated(Layer):
    """Standardises each row, and takes mean and deviation for constants on the way back."""

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return (x - self._mean(x)) / self._deviation(x)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy / self._deviation(x)

    def _mean(self, x: Array) -> Array:
        return x.__array_namespace__().mean(x, axis=-1, keepdims=True)

    def _deviation(self, x: Array) -> Any:
        xp = x.__array_namespace__()
        return xp.sqrt(self._mean((x - self._mean(x)) ** 2) + 1e-5)


class RightForTwo(Lookup):
    """Its gradient is right for the first two rows of the table alone."""

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        return super().gradients(params, x % 2, y, dy, context)


class GivesNothing(Layer):
    """Its forward has no return."""

    def forward(self, params: Params, x: Array, context: Context) -> Any:
        x * 2.0

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return 2.0 * dy


class KeepsAxesOfMany(Affine):
    """Its gradient has an axis more where there are more than four rows."""

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        found = super().gradients(params, x, y, dy, context)
        return found if x.shape[0] <= 4 else {name: array[None, ...] for name, array in found.items()}


class FirstFive(Layer):
    """Gives no more than five rows."""

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return 1.0 * x[: min(5, x.shape[0]), ...]

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy


class ListsNames(Affine):
    """Its parameters are their names alone."""

    def parameters(self, input_shape: Shape) -> Any:
        return ["scale", "shift"]


class Square(Layer):
    """Takes height for width."""

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        if x.ndim != 4:
            return 1.0 * x
        rows, height, width, channels = x.shape
        return xp.reshape(xp.permute_dims(x, (0, 2, 1, 3)), (rows, height, width, channels))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.reshape(xp.permute_dims(dy, (0, 2, 1, 3)), x.shape) if x.ndim == 4 else 1.0 * dy


class WritesIntoSequences(Affine):
    def forward(self, params: Params, x: Array, context: Context) -> Array:
        if x.ndim == 3:
            x *= 2.0
        return super().forward(params, x, context)


class BranchesOnSequences(Layer):
    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return 1.0 * x if x.ndim < 3 or not bool(x.__array_namespace__().any(x > 100.0)) else 0.0 * x

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return 1.0 * dy


class NoVarianceOfOne(Running):
    """As PyTorch has it: of n - 1 rows."""

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        if context.training:
            context.update("mean", 0.9 * params["mean"] + xp.var(x, axis=0, correction=1))
        return x - params["mean"]


class FromNumPysOwn(Layer):
    """Noise of one process."""

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x * _drawn()

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy * _drawn()


@lru_cache
def _drawn() -> float:
    return float(np.random.normal())


class RememberedScale(Layer):
    """Divides by the spread of the first batch that it ever saw."""

    @cached_property
    def _memory(self) -> dict[str, float]:
        return {}

    def _scale(self, x: Array) -> float:
        if "scale" not in self._memory:
            self._memory["scale"] = float(x.__array_namespace__().std(x)) + 0.1
        return self._memory["scale"]

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x / self._scale(x)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return dy / self._scale(x)


RIGHT: list[type[Layer]] = [Affine, Noise, Running, Lookup]
WRONG: list[tuple[type[Layer], str, str]] = [
    (Averages, "gradient_of_parameters", "summed over the rows, not averaged"),
    (FirstOfThirdAxis, "gradient_batched", "not the slope"),
    (Forgets, "parameters", "other parameters than those trained"),
    (OtherName, "parameters", "other parameters than those trained"),
    (KeepsAxes, "parameters", "another shape"),
    (ShapeLie, "shape", "y has another shape"),
    (BackwardIsOff, "gradient_of_x", "not the slope"),
    (ConstantParameter, "arguments", "read-only"),
    (OtherNoise, "gradient_of_x", "not the slope"),
    (AlwaysNoise, "evaluation", "ask context.training first"),
    (UpdatesInEvaluation, "evaluation", "evaluation updates"),
    (UpdatesAnother, "parameters", "a declared parameter that isn't trained"),
    (UpdatesInFloat64, "dtype", "for float32, the update of mean"),
    (UpdatesInBackward, "parameters", "backward updates mean: not every step calls it"),
    (UpdatesOtherShape, "parameters", "the update of mean"),
    (LastIndexWins, "gradient_of_parameters", "not the slope"),
    (FlattensBadly, "empty_batch", "cannot reshape"),
    (Unstable, "zeros", "not finite"),
    (NotDifferentiated, "gradient_of_x", "not the slope"),
    (RightForTwo, "gradient_of_parameters", "not the slope"),
    (GivesNothing, "shape", "is a NoneType, not an array"),
    (KeepsAxesOfMany, "gradient_batched", "over 7 rows has another shape"),
    (FirstFive, "gradient_batched", "y of 7 rows has another shape"),
    (ListsNames, "shape", "something else than a dict of Parameters"),
    (Square, "gradient_batched", "not the slope"),
    (WritesIntoSequences, "arguments", "read-only"),
    (BranchesOnSequences, "branches", "never branches on values"),
    (NoVarianceOfOne, "single_row", "over one row, the update of mean is not finite"),
    (FromNumPysOwn, "shape", "draws from np.random"),
    (RememberedScale, "purity", "first called with"),
]
