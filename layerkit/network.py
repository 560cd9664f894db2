"""The network: named stages, and the passes over them. Pure, on any array API namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from layerkit.context import Context, Step
from layerkit.errors import DocumentError, PartError
from layerkit.ops import Array
from layerkit.part import naming
from layerkit.parts import Dtype, Layer, Loss, Parameter, Params, Shape
from layerkit.random import Random

ROWS_PER_PASS = 8192
BYTES_PER_PASS = 2**25
ITEMSIZE: dict[Dtype, int] = {"float32": 4, "float64": 8}


@dataclass(frozen=True, eq=False)
class Stage:
    """One layer or activation in its place. `parameters` are by the layer's own names."""

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: Mapping[str, Parameter]
    trainable: bool
    where: str
    """The place in the document, for messages."""

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """The parameters that get a gradient, by the layer's own names."""
        return tuple(name for name, parameter in self.parameters.items() if self.trainable and parameter.trainable)


class Passes(NamedTuple):
    """What one forward and one backward pass gave. `gradients` and `updates` are a mapping for each stage."""

    loss: Array
    gradients: Sequence[Mapping[str, Array]]
    updates: Sequence[Mapping[str, Array]]


@dataclass(frozen=True, eq=False)
class Network:
    """Stages in order. Parameters go in as one mapping for each stage, by the layer's own names."""

    stages: tuple[Stage, ...]
    dtype: Dtype
    loss: Loss | None = None
    integers: bool = False
    """Whether whole numbers go in, such as an embedding takes."""

    @property
    def input_dtype(self) -> str:
        """The dtype of x."""
        return "int64" if self.integers else self.dtype

    @property
    def input_shape(self) -> Shape:
        """The shape of one row that goes in."""
        return self.stages[0].input_shape

    @property
    def output_shape(self) -> Shape:
        """The shape of one row that comes out."""
        return self.stages[-1].output_shape

    @property
    def rows_per_pass(self) -> int:
        """How many rows of many go through at once: what all stages give them has 32 MiB at most. A power of two."""
        numbers = prod(self.input_shape) + sum(prod(stage.output_shape) for stage in self.stages)
        rows = min(BYTES_PER_PASS // (max(numbers, 1) * ITEMSIZE[self.dtype]), ROWS_PER_PASS)
        return 1 << max(rows.bit_length() - 1, 0)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by its full name, such as `layers.0.kernel`."""
        return {
            f"{stage.name}.{name}": parameter for stage in self.stages for name, parameter in stage.parameters.items()
        }

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """The full names of the parameters that get a gradient."""
        return tuple(f"{stage.name}.{name}" for stage in self.stages for name in stage.trained)

    @cached_property
    def first_trained(self) -> int:
        """The index of the lowest stage with a trained parameter; below it nothing flows back."""
        return next((i for i, stage in enumerate(self.stages) if stage.trained), len(self.stages))

    @cached_property
    def linked(self) -> bool:
        """Whether the last stage is the loss's canonical link."""
        return self.loss is not None and self.loss.link is type(self.stages[-1].layer)

    def by_stage(self, parameters: Mapping[str, Array]) -> list[dict[str, Array]]:
        """Parameters by full name as one mapping for each stage."""
        return [{name: parameters[f"{stage.name}.{name}"] for name in stage.parameters} for stage in self.stages]

    def initial(self, seed: int, xp: Any) -> dict[str, Array]:
        """The first parameters by full name, as arrays of xp. Their sizes were counted when the network was built."""
        dtype = getattr(xp, self.dtype)
        arrays = {}
        for name, parameter in self.parameters.items():
            with naming(parameter.initializer, "__call__", name):
                array = parameter.initializer(parameter.shape, Random(xp, dtype, seed, 0, name), xp, dtype)
            if not hasattr(array, "__array_namespace__"):
                message = f"{type(parameter.initializer).__name__} gives {type(array).__name__} where an array is due"
                raise PartError(message, name)
            if array.shape != parameter.shape or array.dtype != dtype:
                raise PartError(
                    f"{type(parameter.initializer).__name__} gives {array.dtype} {list(array.shape)} "
                    f"where {self.dtype} {list(parameter.shape)} is due",
                    name,
                )
            if not xp.all(xp.isfinite(array)):
                message = f"{type(parameter.initializer).__name__} gives what is not a finite number"
                if self.dtype == "float32" and xp.any(xp.isinf(array)):
                    message += '; if it is too large for float32, give the model "dtype": "float64"'
                raise PartError(message, name)
            arrays[name] = array
        return arrays

    def forward(self, params: Sequence[Params], x: Array, contexts: Sequence[Context]) -> list[Array]:
        """The input, then the output of every stage: stage i takes element i and gives element i + 1."""
        arrays = [x]
        for stage, own, context in zip(self.stages, params, contexts, strict=True):
            y = stage.layer.forward(own, x, context)
            arrays.append(y)
            x = y
        return arrays

    def losses(self, arrays: Sequence[Array], t: Array) -> Array:
        """The loss of each row, from what `forward` gave."""
        loss = self._needed_loss()
        return loss.linked(arrays[-2], t) if self.linked else loss(arrays[-1], t)

    def backward(
        self,
        params: Sequence[Params],
        arrays: Sequence[Array],
        dy: Array,
        contexts: Sequence[Context],
        last: int,
        down_to: int,
    ) -> tuple[list[Array | None], list[Mapping[str, Array]]]:
        """From dy = dL/d(arrays[last]) back to arrays[down_to].

        First dL/d(arrays[i]) for each i from `down_to` to `last`, None elsewhere; then dL/d(parameters) for each stage.
        Of the stage below `down_to`, only the parameters' gradients are computed.
        """
        upstream: list[Array | None] = [None] * len(arrays)
        gradients: list[Mapping[str, Array]] = [{}] * len(self.stages)
        for i in range(last, max(down_to, 1) - 1, -1):
            stage, x, y, context = self.stages[i - 1], arrays[i - 1], arrays[i], contexts[i - 1]
            upstream[i] = dy
            if stage.trained:
                gradients[i - 1] = stage.layer.gradients(params[i - 1], x, y, dy, context.again())
            if i > down_to:
                dy = stage.layer.backward(params[i - 1], x, y, dy, context.again())
        if down_to == 0:
            upstream[0] = dy
        return upstream, gradients

    def loss_gradient(self, arrays: Sequence[Array], t: Array, weights: Array) -> tuple[Array, int]:
        """dL/d(arrays[i]) and this i, L being the sum of the rows' losses by their weights.

        i is the output; or the pre-activation, where the last stage is the loss's link and is passed in one step.
        """
        loss, y = self._needed_loss(), arrays[-1]
        of_row = weights[(slice(None), *(None,) * (y.ndim - 1))]
        if self.linked:
            return loss.linked_gradient(y, t) * of_row, len(arrays) - 2
        return loss.gradient(y, t) * of_row, len(arrays) - 1

    def passes(
        self, params: Sequence[Params], x: Array, t: Array, seed: int, step: Any, weights: Array | None = None
    ) -> Passes:
        """One forward and one backward pass of a training step over a batch.

        The loss is the sum of the rows' losses by `weights`, of shape (rows,); their mean where none are given.
        """
        xp = x.__array_namespace__()
        weights = equal_weights(x.shape[0], xp, getattr(xp, self.dtype)) if weights is None else weights
        contexts = self.contexts(xp, seed, step)
        arrays = self.forward(params, x, contexts)
        loss = xp.vecdot(self.losses(arrays, t), weights)
        dy, last = self.loss_gradient(arrays, t, weights)
        _, gradients = self.backward(params, arrays, dy, contexts, last, self.first_trained + 1)
        return Passes(loss, gradients, self.updates(contexts))

    def updates(self, contexts: Sequence[Context]) -> list[Mapping[str, Array]]:
        """What each stage wants of its parameters that aren't trained, by name: nothing, where it is frozen."""
        return [context.updates if stage.trainable else {} for stage, context in zip(self.stages, contexts)]

    def predict(self, params: Sequence[Params], x: Array) -> Array:
        """The output for each row."""
        return self.forward(params, x, self.contexts_outside(x.__array_namespace__()))[-1]

    def contexts(self, xp: Any, seed: int, step: Any) -> list[Context]:
        """A training context for each stage."""
        dtype = getattr(xp, self.dtype)
        now = Step(xp, dtype, seed, step)
        return [Context(True, now, stage.name) for stage in self.stages]

    def contexts_outside(self, xp: Any) -> list[Context]:
        """A context for each stage outside of training."""
        return [Context(dtype=getattr(xp, self.dtype))] * len(self.stages)

    def _needed_loss(self) -> Loss:
        if self.loss is None:
            raise DocumentError('the document has no "loss", so there is nothing to measure or to train', "loss")
        return self.loss


def equal_weights(rows: int, xp: Any, dtype: Any) -> Array:
    """The weights that make a sum a mean: 1 / rows each."""
    return xp.full((rows,), 1.0 / max(rows, 1), dtype=dtype)
