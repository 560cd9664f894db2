"""The logistic sigmoid."""

from layerkit.ops import Array
from layerkit.parts import Activation


class Sigmoid(Activation):
    """y = 1 / (1 + e⁻ˣ); its derivative is y · (1 - y).

    Verhulst, "Notice sur la loi que la population suit dans son accroissement" (1838).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        # e to a larger power would overflow; y is 0 to the last digit by then
        largest = 88.0 if x.dtype == xp.float32 else 709.0
        return 1.0 / (1.0 + xp.exp(xp.minimum(-x, largest)))

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1.0 - y)
