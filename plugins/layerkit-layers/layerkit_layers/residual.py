"""Layers with a way around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated

from layerkit import AT_LEAST_ONE, Array, Context, Entry, Layer, Network, Parameter, Params, Shape
from layerkit.building import build

__all__ = ["Residual"]


class Residual(Layer):
    """y = x + f(x), f being `layers` in order, written as a document's own: with activation, name and trainable.

    x and y have one shape, (rows, ...), and f keeps it. The parameters are called as in a document, inside this one:
    `layers.0.kernel`, or by the inner layer's name. Backward: dL/dx = dy + what f sends back. Nothing is kept between
    the passes, so that backward and gradients run f forward once more each.
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (CVPR 2016).
    """

    layers: Annotated[tuple[Entry, ...], AT_LEAST_ONE]

    def output_shape(self, input_shape: Shape) -> Shape:
        inner = self._network(input_shape).output_shape
        if inner != tuple(input_shape):
            raise ValueError(f"its layers give {list(inner)} a row, which can't be added to {list(input_shape)}")
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        return {
            f"{stage.name}.{name}": replace(parameter, trainable=name in stage.trained)
            for stage in self._network(input_shape).stages
            for name, parameter in stage.parameters.items()
        }

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return x + self._arrays(self._network(x.shape[1:]), params, x, context)[-1]

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        network = self._network(x.shape[1:], trained=False)
        arrays = self._arrays(network, params, x, context)
        own, contexts = network.by_stage(params), _contexts(network, context)
        upstream, _ = network.backward(own, arrays, dy, contexts, len(network.stages), 0)
        return dy + upstream[0]

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        network = self._network(x.shape[1:])
        arrays = self._arrays(network, params, x, context)
        own, contexts = network.by_stage(params), _contexts(network, context)
        _, found = network.backward(own, arrays, dy, contexts, len(network.stages), network.first_trained + 1)
        return {
            f"{stage.name}.{name}": gradients[name]
            for stage, gradients in zip(network.stages, found, strict=True)
            for name in stage.trained
        }

    def _network(self, input_shape: Shape, trained: bool = True) -> Network:
        return _built(_Key(self.layers), tuple(input_shape), trained)

    def _arrays(self, network: Network, params: Params, x: Array, context: Context) -> list[Array]:
        return network.forward(network.by_stage(params), x, _contexts(network, context))


class _Key:
    """Layers that equal themselves alone: looking them up costs the same, however many numbers they hold."""

    __slots__ = ("layers",)

    def __init__(self, layers: tuple[Entry, ...]) -> None:
        self.layers = layers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.layers is other.layers

    def __hash__(self) -> int:
        return id(self.layers)


@lru_cache(maxsize=256)
def _built(key: _Key, input_shape: Shape, trained: bool) -> Network:
    """The inner network; without `trained`, one that computes no parameter's gradient."""
    if not trained:
        network = _built(key, input_shape, True)
        return replace(network, stages=tuple(replace(stage, trainable=False) for stage in network.stages))
    # the dtype only serves to count sizes; the parameters are counted by the network outside, in the right one
    return build(key.layers, input_shape, "float32")


def _contexts(network: Network, context: Context) -> Sequence[Context]:
    return [context.within(stage.name) for stage in network.stages]
