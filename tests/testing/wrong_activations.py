"""Activations that are wrong in one way each, and the check that is meant for it."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

import numpy as np
from pydantic import Field, field_serializer

from layerkit import Activation, Array, Context, Params

_calls = itertools.count()
_seen: dict[str, Any] = {}


def _xp(x: Array) -> Any:
    return x.__array_namespace__()


class Tanh(Activation):
    """What most of the wrong ones are wrong copies of; right itself."""

    def __call__(self, x: Array) -> Array:
        return _xp(x).tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 1.0 - y * y


class WrongFactor(Tanh):
    def derivative(self, x: Array, y: Array) -> Array:
        return 0.5 * (1.0 - y * y)


class ForgetsItsField(Tanh):
    """Right while its field is 1."""

    rate: float = 1.0

    def __call__(self, x: Array) -> Array:
        return _xp(x).tanh(self.rate * x)


class SlightlyWrong(Tanh):
    def derivative(self, x: Array, y: Array) -> Array:
        return 1.0 - y * y + 1e-5


class WrongFarOut(Tanh):
    """Only below -15, where tanh is flat."""

    def derivative(self, x: Array, y: Array) -> Array:
        return _xp(x).where(x < -15.0, 1e-3, 1.0 - y * y)


class NotANumberFarOut(Tanh):
    def derivative(self, x: Array, y: Array) -> Array:
        return _xp(x).where((x > 9.0) & (x < 10.0), _xp(x).nan, 1.0 - y * y)


class MeansY(Tanh):
    """Written for y, given x."""

    def derivative(self, x: Array, y: Array) -> Array:
        return 1.0 - x * x


class MeansX(Tanh):
    """Written for x, given y."""

    def derivative(self, x: Array, y: Array) -> Array:
        return 1.0 - _xp(y).tanh(y) ** 2


class Exchanged(Activation):
    """x · tanh(x), the order of the arguments forgotten."""

    def __call__(self, x: Array) -> Array:
        return x * _xp(x).tanh(x)

    def derivative(self, y: Array, x: Array) -> Array:
        t = _xp(x).tanh(x)
        return t + x - y * t


class Diagonal(Activation):
    """A softmax whose other inputs are forgotten."""

    def __call__(self, x: Array) -> Array:
        xp = _xp(x)
        e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        return e / xp.sum(e, axis=-1, keepdims=True)

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1.0 - y)


class IgnoresUpstream(Tanh):
    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return 1.0 - y * y


class Wide(Tanh):
    """Computes in float64 whatever comes in."""

    def __call__(self, x: Array) -> Array:
        return _xp(x).tanh(_xp(x).astype(x, _xp(x).float64))


class WideDerivative(Tanh):
    def derivative(self, x: Array, y: Array) -> Array:
        xp = _xp(x)
        return xp.asarray(1.0, dtype=xp.float64) - y * y


class Overwrites(Tanh):
    def __call__(self, x: Array) -> Array:
        x *= 1.0
        return _xp(x).tanh(x)


class OverwritesBackward(Tanh):
    def derivative(self, x: Array, y: Array) -> Array:
        y[...] = 1.0 - y * y
        return y


class Remembers(Tanh):
    """Keeps y on itself for the way back."""

    def __call__(self, x: Array) -> Array:
        y = _xp(x).tanh(x)
        object.__setattr__(self, "_y", y)
        return y

    def derivative(self, x: Array, y: Array) -> Array:
        return 1.0 - self._y * self._y  # type: ignore[attr-defined]


class RemembersElsewhere(Tanh):
    """Keeps y in the module for the way back."""

    def __call__(self, x: Array) -> Array:
        _seen["y"] = _xp(x).tanh(x)
        return _seen["y"]

    def derivative(self, x: Array, y: Array) -> Array:
        return 1.0 - _seen["y"] * _seen["y"]


class Counts(Tanh):
    def __call__(self, x: Array) -> Array:
        return _xp(x).tanh(x) + 1e-3 * next(_calls)


class Overflows(Activation):
    """A softplus that overflows from 710 on."""

    def __call__(self, x: Array) -> Array:
        return _xp(x).log(1.0 + _xp(x).exp(x))

    def derivative(self, x: Array, y: Array) -> Array:
        return 1.0 - _xp(y).exp(-y)


class WarnsOnly(Activation):
    """A sigmoid whose value is right and whose exponential overflows."""

    def __call__(self, x: Array) -> Array:
        return 1.0 / (1.0 + _xp(x).exp(-x))

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1.0 - y)


class DividesByZero(Activation):
    """sin(x) / x, without its value at 0."""

    def __call__(self, x: Array) -> Array:
        return _xp(x).sin(x) / x

    def derivative(self, x: Array, y: Array) -> Array:
        return (_xp(x).cos(x) - y) / x


class OverflowsInFloat32(Activation):
    """x · tanh(x³ + x) without overflow in float64 alone: its derivative is ∞ · 0 in float32."""

    def __call__(self, x: Array) -> Array:
        return x * _xp(x).tanh(x**3 + x)

    def derivative(self, x: Array, y: Array) -> Array:
        t = _xp(x).tanh(x**3 + x)
        return t + (3.0 * x**3 + x) * (1.0 - t * t)


class OtherShape(Tanh):
    def __call__(self, x: Array) -> Array:
        return _xp(x).tanh(x[..., :-1])


class DropsSingleRow(Tanh):
    def __call__(self, x: Array) -> Array:
        return _xp(x).squeeze(_xp(x).tanh(x), axis=0) if x.shape[0] == 1 else _xp(x).tanh(x)


class NeedsRows(Tanh):
    """Asks for the largest number of the whole batch, which an empty one lacks."""

    def __call__(self, x: Array) -> Array:
        return _xp(x).tanh(x) + 0.0 * _xp(x).max(x)


class AcrossRows(Activation):
    """A softmax over the rows."""

    def __call__(self, x: Array) -> Array:
        xp = _xp(x)
        if not x.shape[0]:
            return x
        e = xp.exp(x - xp.max(x, axis=0, keepdims=True))
        return e / xp.sum(e, axis=0, keepdims=True)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return y * (dy - _xp(x).sum(dy * y, axis=0, keepdims=True))


class OverThirdAxis(Diagonal):
    """Right where a row is a vector: the sum is over all axes of a row but not where the softmax is."""

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        axes = tuple(range(1, x.ndim))
        return y * (dy - _xp(x).sum(dy * y, axis=axes, keepdims=True))


class RaisesInALibrary(Tanh):
    def __call__(self, x: Array) -> Array:
        return x * statistics.mean([])


class RaisesInNumPy(Tanh):
    def __call__(self, x: Array) -> Array:
        return np.stack([x, x[:, :1]])


class UsesNumPy(Tanh):
    def __call__(self, x: Array) -> Array:
        return np.tanh(x)


class Branches(Tanh):
    def __call__(self, x: Array) -> Array:
        xp = _xp(x)
        return xp.tanh(x) if xp.any(x > 0.0) else -xp.tanh(-x)


class Masks(Tanh):
    """Its intermediate shape depends on the values."""

    def derivative(self, x: Array, y: Array) -> Array:
        return 1.0 - y * y + 0.0 * _xp(x).sum(x[x > 0.0])


class Assigns(Tanh):
    """Writes one element after the other, which JAX's arrays don't let it."""

    def __call__(self, x: Array) -> Array:
        y = _xp(x).zeros_like(x)
        y[...] = _xp(x).tanh(x)
        return y


class TwoNames(Tanh):
    """On NumPy `same` changes with y, on JAX it doesn't."""

    def __call__(self, x: Array) -> Array:
        y = _xp(x).tanh(x) - 1.0
        same = y
        y += 1.0
        return same


class Rounded(Tanh):
    """Its JSON keeps one digit."""

    scale: float = Field(1.0, gt=0)

    def __call__(self, x: Array) -> Array:
        return _xp(x).tanh(self.scale * x)

    def derivative(self, x: Array, y: Array) -> Array:
        return self.scale * (1.0 - y * y)

    @field_serializer("scale")
    def _short(self, scale: float) -> float:
        return round(scale, 1)


class LeftOut(Tanh):
    """Its JSON lacks the field."""

    scale: float = Field(1.0, gt=0, exclude=True)


class AsksNumPy(Tanh):
    """Computes in NumPy itself, and gives back an array of the namespace."""

    def __call__(self, x: Array) -> Array:
        return _xp(x).asarray(np.tanh(np.asarray(x)))


class TakesTheGrammarsName(Tanh):
    name: str = "x"


class Renames(Tanh):
    scale: float = Field(1.0, gt=0, serialization_alias="size")


class Unlisted(Tanh):
    """Its JSON Schema lacks the field."""

    scale: float = 1.0

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {}}


WRONG: list[tuple[type[Activation], str, str]] = [
    (WrongFactor, "gradient_of_x", "0.5 times what is due"),
    (SlightlyWrong, "gradient_of_x", "dL/dx is not the slope"),
    (ForgetsItsField, "gradient_of_fields", "with rate = "),
    (WrongFarOut, "gradient_of_x", "derivative(x, y) is not the slope"),
    (NotANumberFarOut, "gradient_of_x", "derivative(x, y) is not the slope"),
    (MeansY, "derivative_arguments", "reads x where y is meant"),
    (MeansX, "derivative_arguments", "reads y where x is meant"),
    (Exchanged, "derivative_arguments", "with x and y exchanged"),
    (Diagonal, "gradient_of_x", "not the slope"),
    (IgnoresUpstream, "gradient_of_x", "the upstream gradient is left out"),
    (Wide, "dtype", "for float32, y"),
    (WideDerivative, "dtype", "for float32, dL/dx"),
    (Overwrites, "arguments", "output array is read-only: it changes an array that it was given: make a new one"),
    (OverwritesBackward, "arguments", "read-only"),
    (Remembers, "purity", "kept on self"),
    (RemembersElsewhere, "purity", "depends on the forward pass before it"),
    (Counts, "purity", "the second time"),
    (Overflows, "extremes", "y is not finite"),
    (WarnsOnly, "extremes", "overflow"),
    (DividesByZero, "zeros", "not finite"),
    (OverflowsInFloat32, "extremes", "dL/dx is not finite"),
    (OtherShape, "shape", "y has another shape"),
    (DropsSingleRow, "single_row", "y of one row"),
    (NeedsRows, "empty_batch", "raises ValueError"),
    (AcrossRows, "rows", "alone gives another y"),
    (OverThirdAxis, "gradient_batched", "not the slope"),
    (UsesNumPy, "array_api_strict", "y is a numpy.ndarray where an array of array_api_strict is due: take"),
    (AsksNumPy, "branches", "never numpy's own"),
    (Branches, "branches", "use xp.where"),
    (Masks, "branches", "boolean"),
    (Assigns, "in_place", "is assigned to"),
    (TwoNames, "in_place", "y differs"),
    (Rounded, "json", "doesn't come back"),
    (LeftOut, "json", "doesn't come back"),
    (TakesTheGrammarsName, "json", "own grammar"),
    (Renames, "json", "has an alias"),
    (Unlisted, "schema", "lacks scale"),
]
