"""Many arrays in one: end to end in a vector, and each a view of its part."""

from collections.abc import Mapping
from math import prod

from layerkit.engines.aligned import zeros
from layerkit.ops import Array


def end_to_end(shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Array], dtype: str) -> Array:
    """One vector of the arrays in order, zeros where there is none."""
    vector = zeros(sum(prod(shape) for shape in shapes.values()), dtype)
    for name, view in views(vector, shapes).items():
        view[...] = arrays.get(name, 0.0)
    return vector


def views(vector: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Each array as a view of its part of the vector."""
    found, first = {}, 0
    for name, shape in shapes.items():
        found[name] = vector[first : first + prod(shape)].reshape(shape)
        first += prod(shape)
    return found
