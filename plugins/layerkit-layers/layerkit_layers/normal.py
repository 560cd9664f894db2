"""The initializer that an embedding begins with."""

from __future__ import annotations

from math import sqrt
from typing import Any

from pydantic import Field

from layerkit import Array, Initializer, Random, Shape

__all__ = ["Normal"]


class Normal(Initializer):
    """Normal around 0 with the given deviation; without one, 1 / √(last axis), so that a row's length is around 1."""

    deviation: float | None = Field(None, gt=0)

    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        return random.normal(shape) * (self.deviation or 1.0 / sqrt(shape[-1] if shape else 1))
