"""Dropout."""

from __future__ import annotations

from pydantic import Field

from layerkit import Array, Context, Layer, Params

__all__ = ["Dropout"]


class Dropout(Layer):
    """In training y = x · mask, each mask 0 with the probability rate and 1 / (1 - rate) elsewhere; otherwise y = x.

    x and y have one shape, (rows, ...). The mean of y is x, so nothing is scaled afterwards ("inverted" dropout).
    Backward: dL/dx = dy · mask, with the mask that forward drew.
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural networks from
    overfitting" (JMLR 15, 2014).
    """

    rate: float = Field(0.5, ge=0, lt=1)

    def forward(self, params: Params, x: Array, context: Context) -> Array:
        return self._masked(x, context)

    def backward(self, params: Params, x: Array, y: Array, dy: Array, context: Context) -> Array:
        return self._masked(dy, context)

    def _masked(self, values: Array, context: Context) -> Array:
        if not context.training or self.rate == 0.0:
            return values
        xp = values.__array_namespace__()
        kept = context.uniform(values.shape) >= self.rate
        return xp.where(kept, values * (1.0 / (1.0 - self.rate)), 0.0)
