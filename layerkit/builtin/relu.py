"""The rectified linear unit."""

from layerkit.ops import Array
from layerkit.parts import Activation


class ReLU(Activation):
    """y = max(x, 0); its derivative is 1 where x > 0, and 0 elsewhere.

    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (ICML 2010).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.maximum(x, 0.0)

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.astype(y > 0.0, y.dtype)
