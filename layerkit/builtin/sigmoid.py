"""The logistic sigmoid."""

from __future__ import annotations

from layerkit.ops import Array
from layerkit.parts import Activation


class Sigmoid(Activation):
    """y = 1 / (1 + e⁻ˣ); its derivative is y · (1 - y).

    Computed from e^-|x|, which never overflows: 1 / (1 + e^-|x|) for x ≥ 0, and e^-|x| / (1 + e^-|x|) for x < 0.
    Verhulst, "Notice sur la loi que la population suit dans son accroissement" (1838).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        tail = xp.exp(-xp.abs(x))
        return xp.where(x >= 0.0, 1.0, tail) / (1.0 + tail)

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1.0 - y)
