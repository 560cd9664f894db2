"""The initializers."""

import sys
from math import prod, sqrt
from typing import Any, Self

from pydantic import model_validator

from layerkit.declared import refuse, shown
from layerkit.ops import Array
from layerkit.parts import Initializer, Shape
from layerkit.random import Random


class Zeros(Initializer):
    """0 everywhere."""

    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        return xp.zeros(shape, dtype=dtype)


class GlorotUniform(Initializer):
    """Uniform between -a and a, a = √(6 / (inputs + outputs)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (AISTATS 2010).
    """

    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        inputs, outputs = _fans(shape)
        limit = sqrt(6.0 / (inputs + outputs))
        return random.uniform(shape) * (2.0 * limit) - limit


class HeNormal(Initializer):
    """Normal around 0 with the deviation √(2 / inputs), which suits ReLU.

    He, Zhang, Ren and Sun, "Delving deep into rectifiers" (ICCV 2015).
    """

    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        inputs, _ = _fans(shape)
        return random.normal(shape) * sqrt(2.0 / inputs)


class Values(Initializer):
    """The very numbers, as nested lists; a single number fills any shape. In a document they alone mean this."""

    values: Any

    @model_validator(mode="after")
    def _regular(self) -> Self:
        values = self.values.tolist() if hasattr(self.values, "tolist") else self.values
        object.__setattr__(self, "values", _frozen(values))
        _shape(self.values)
        return self

    def check(self, shape: Shape) -> None:
        """Raises ValueError unless the numbers have this shape, or are one number."""
        if (own := _shape(self.values)) not in ((), tuple(shape)):
            raise ValueError(f"has the shape {list(own)} where {list(shape)} is due")

    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        numbers = xp.asarray(self.values, dtype=dtype)
        return xp.asarray(xp.broadcast_to(numbers, shape), copy=True)


def _fans(shape: Shape) -> tuple[int, int]:
    """Inputs and outputs of one unit: (inputs, units) of a dense kernel, (..., channels, filters) of a convolution."""
    if len(shape) < 2:
        return prod(shape), prod(shape)
    field = prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _frozen(values: Any) -> Any:
    return tuple(_frozen(value) for value in values) if isinstance(values, list | tuple) else values


def _shape(values: Any) -> Shape:
    """The shape of nested tuples of numbers; refuses what isn't a regular array."""
    if isinstance(values, bool) or not isinstance(values, int | float | tuple):
        raise refuse(f"should be numbers in regular nested lists, and holds {shown(values)}")
    if not isinstance(values, tuple):
        if not abs(values) <= sys.float_info.max:
            raise refuse(f"should be finite numbers, and holds {shown(values)}")
        return ()
    shapes = {_shape(value) for value in values}
    if len(shapes) > 1:
        raise refuse("should be numbers in regular nested lists, and its rows differ in length")
    return (len(values), *next(iter(shapes), ()))
