"""How several vectors agree."""

from __future__ import annotations

from itertools import accumulate

from layerkit import Array, Context, Layer, Params, Shape

__all__ = ["PairwiseProduct"]


class PairwiseProduct(Layer):
    """y = Σ vᵢ · vⱼ over every pair i < j of the vectors of a row, number by number.

    x has the shape (rows, ..., vectors, units), as an embedding of several columns gives it, and y (rows, ..., units).
    For a user's and an item's vector it is their product, and a dense layer of one unit after it makes their weighted
    inner product. Backward: dL/dvᵢ = dy · Σ vⱼ over the other vectors j.
    Rendle, "Factorization machines" (ICDM 2010); He and Chua, "Neural factorization machines for sparse predictive
    analytics" (SIGIR 2017).
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2 or input_shape[-2] < 2:
            raise ValueError("pairwise_product needs at least two vectors a row, (vectors, units)")
        return (*input_shape[:-2], input_shape[-1])

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        vectors = _vectors(x)
        sums = accumulate(vectors)
        return sum(before * vector for before, vector in zip(sums, vectors[1:], strict=False))

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        xp = x.__array_namespace__()
        vectors = _vectors(x)
        # the sum of the others from both sides: taking one off the sum of all would lose digits
        before, after = list(accumulate(vectors)), list(accumulate(vectors[::-1]))[::-1]
        inner = [left + right for left, right in zip(before, after[2:], strict=False)]
        return xp.stack([after[1], *inner, before[-2]], axis=-2) * xp.expand_dims(dy, axis=-2)


def _vectors(x: Array) -> list[Array]:
    return [x[..., i, :] for i in range(x.shape[-2])]
