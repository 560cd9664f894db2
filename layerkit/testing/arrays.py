"""Sample arrays, copies that nobody else holds, and comparisons that say what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Shape
from layerkit.testing.check import CheckFailed


def normal(shape: Shape, seed: int, scale: float = 1.0) -> Array:
    """float64 numbers around 0, the same for the same seed."""
    return np.random.default_rng(seed).normal(size=shape) * scale


def fresh(value: Any) -> Any:
    """A copy of an array, or of a mapping of arrays: what a part does to it, nobody else sees."""
    if isinstance(value, Mapping):
        return {name: fresh(inner) for name, inner in value.items()}
    return np.array(value) if isinstance(value, np.ndarray | np.generic) else value


def guarded(value: Any) -> Any:
    """A copy that can't be written."""
    if isinstance(value, Mapping):
        return {name: guarded(inner) for name, inner in value.items()}
    copied = np.array(value)
    copied.flags.writeable = False
    return copied


def on(xp: Any, value: Any) -> Any:
    """NumPy arrays as arrays of the namespace xp."""
    if isinstance(value, Mapping):
        return {name: on(xp, inner) for name, inner in value.items()}
    return xp.asarray(value)


def expect_shape(what: str, array: Array, due: Shape, x: Array) -> None:
    """Fail unless `array` is an array of this shape."""
    found = getattr(array, "shape", None)
    if found is None:
        raise CheckFailed(f"{what} is a {type(array).__name__}, not an array", input=x)
    if tuple(found) != tuple(due):
        raise CheckFailed(f"{what} has another shape than it should", input=x, found=list(found), due=list(due))


def expect_dtype(what: str, array: Array, due: str, x: Array) -> None:
    """Fail unless `array` has this dtype."""
    if str(array.dtype) != due:
        advice = ": of Python's numbers alone, or of a mask, a function makes float64" if due == "float32" else ""
        message = f"{what} has another dtype than it should{advice}"
        raise CheckFailed(message, input=x, found=array.dtype, due=due)


def expect_namespace(what: str, array: Any, xp: Any, x: Any) -> None:
    """Fail unless `array` is one of the namespace xp."""
    if not hasattr(array, "__array_namespace__") or array.__array_namespace__() is not xp:
        found, due = f"{type(array).__module__}.{type(array).__qualname__}", f"an array of {xp.__name__}"
        advice = "take every function from x.__array_namespace__()"
        raise CheckFailed(f"{what} is a {found} where {due} is due: {advice}", input=x)


def expect_same(what: str, found: Array, due: Array, x: Any) -> None:
    """Fail unless two arrays hold the very same numbers."""
    found, due = np.asarray(found), np.asarray(due)
    if found.shape != due.shape or not np.array_equal(found, due, equal_nan=found.dtype.kind == "f"):
        raise CheckFailed(what, input=x, found=found, due=due)


def expect_close(what: str, found: Array, due: Array, x: Any, relative: float = 1e-9) -> None:
    """Fail unless the shapes are one and each number is within rounding of its own size or of the array's."""
    found, due = np.asarray(found), np.asarray(due)
    if found.shape != due.shape:
        raise CheckFailed(what, input=x, found=f"shape {list(found.shape)}", due=f"shape {list(due.shape)}")
    largest = float(np.max(np.abs(due), initial=0.0, where=np.isfinite(due)))
    if not np.allclose(found, due, rtol=relative, atol=relative * max(largest, 1e-5), equal_nan=True):
        raise CheckFailed(what, input=x, found=found, due=due)
