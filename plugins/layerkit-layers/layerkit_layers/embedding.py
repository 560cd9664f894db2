"""A learned vector for each category."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from math import prod
from typing import Annotated, Any

from pydantic import BeforeValidator

from layerkit import Array, Context, Initializer, Layer, Parameter, Params, Shape, Size
from layerkit.ops import sum_by_index
from layerkit_layers.normal import Normal

__all__ = ["Embedding"]


def _check_categories(value: Any) -> Any:
    sizes = value if isinstance(value, list | tuple) else [value]
    if not sizes or any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError("should be how many categories there are, from 1, or a list of that for each column")
    return value


class Embedding(Layer):
    """y[..., :] = kernel[x[...], :], for x of shape (rows, ...) holding whole numbers from 0 to categories - 1.

    y has the shape (rows, ..., units) and the kernel (categories, units). A list of categories, one for each place of
    x's last axis, gives every column of a table its own part of the kernel, (Σ categories, units), one below the other:
    `{"type": "embedding", "categories": [943, 1682], "units": 16}` for users and items. What is no such number, a
    category out of range or a fraction, gives NaN, which no step passes over in silence.
    Backward: dL/dkernel sums dy over the places that hold each category. dL/dx is 0: nothing below is trained.
    Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model" (JMLR 3, 2003); for tables Guo and
    Berkhahn, "Entity embeddings of categorical variables" (2016).
    """

    categories: Annotated[Size | tuple[Size, ...], BeforeValidator(_check_categories)]
    units: Size
    kernel: Initializer = Normal()

    def output_shape(self, input_shape: Shape) -> Shape:
        columns = input_shape[-1] if input_shape else 1
        if isinstance(self.categories, tuple) and len(self.categories) != columns:
            raise ValueError(f"categories lists {len(self.categories)} columns where the last axis has {columns}")
        return (*input_shape, self.units)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        return {"kernel": Parameter((self._total, self.units), self.kernel)}

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        index, known = self._index(x)
        y = xp.reshape(xp.take(params["kernel"], index, axis=0), (*x.shape, self.units))
        return xp.where(xp.expand_dims(known, axis=-1), y, xp.nan)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        return xp.zeros(x.shape, dtype=dy.dtype)

    def gradients(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Mapping[str, Array]:
        xp = x.__array_namespace__()
        index, known = self._index(x)
        dy = xp.where(xp.expand_dims(known, axis=-1), dy, 0.0)
        return {"kernel": sum_by_index(xp.reshape(dy, (prod(x.shape), self.units)), index, self._total)}

    @property
    def _total(self) -> int:
        return sum(self.categories) if isinstance(self.categories, tuple) else self.categories

    def _index(self, x: Array) -> tuple[Array, Array]:
        """The row of the kernel for each number of x, one after the other, and where x is a category at all."""
        xp = x.__array_namespace__()
        fractions = xp.isdtype(x.dtype, "real floating")
        integer = xp.int32 if fractions else x.dtype if x.dtype in (xp.int32, xp.int64) else xp.int64
        x = x if fractions else xp.astype(x, integer, copy=False)
        first: Any = 0
        sizes: Any = self.categories
        if isinstance(self.categories, tuple):
            first = xp.asarray([0, *accumulate(self.categories[:-1])], dtype=integer)
            sizes = xp.asarray(self.categories, dtype=x.dtype)
        known = (x >= 0) & (x < sizes)
        if fractions:
            known = known & (xp.floor(x) == x)
        index = xp.astype(xp.where(known, x, 0), integer) + first
        return xp.reshape(index, (prod(x.shape),)), known
