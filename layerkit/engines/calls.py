"""One call of NumPy's on a tape, and the arrays that go in and come out."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from layerkit.ops import Array


class Call(NamedTuple):
    """A function of NumPy's, what it is given, and the array that its result is put into."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Array

    def given(self) -> dict[str, Any]:
        """What goes in, by the names of these fields."""
        return {"args": self.args, "kwargs": self.kwargs}

    def arrays(self) -> Iterator[Array]:
        """The arrays that go in."""
        return (value for value in flattened((self.args, *self.kwargs.values())) if isinstance(value, np.ndarray))

    @property
    def is_elementwise(self) -> bool:
        """Whether each number of the result comes from those in its place alone."""
        return isinstance(self.function, np.ufunc) and self.function.signature is None

    def touches(self, roots: Container[int]) -> bool:
        """Whether it reads or fills an array with one of these roots."""
        return any(id(root_of(array)) in roots for array in (*self.arrays(), self.out))


def placed(value: Any, moved: Mapping[int, Array]) -> Any:
    """A call's argument with each array where it lies now."""
    if isinstance(value, list | tuple):
        return type(value)(placed(item, moved) for item in value)
    if isinstance(value, dict):
        return {name: placed(item, moved) for name, item in value.items()}
    if not isinstance(value, np.ndarray) or id(root_of(value)) not in moved:
        return value
    root = root_of(value)
    offset = value.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return np.ndarray(value.shape, value.dtype, moved[id(root)], offset, value.strides)


def flattened(values: Any) -> Iterator[Any]:
    """All that nested lists and tuples hold."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flattened(value)
        else:
            yield value


def root_of(array: Array) -> Array:
    """The array whose memory this one is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
