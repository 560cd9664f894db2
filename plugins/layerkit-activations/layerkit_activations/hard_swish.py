"""The hard swish."""

from layerkit import Activation, Array


class HardSwish(Activation):
    """y = x · g, g being x / 6 + ½ held between 0 and 1; its derivative is g + x / 6 where |x| < 3, and g elsewhere.

    Howard et al., "Searching for MobileNetV3" (ICCV 2019).
    """

    def __call__(self, x: Array) -> Array:
        return x * _gate(x)

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return _gate(x) + xp.where(xp.abs(x) < 3.0, x / 6.0, 0.0)


def _gate(x: Array) -> Array:
    xp = x.__array_namespace__()
    return xp.clip(x + 3.0, 0.0, 6.0) / 6.0
