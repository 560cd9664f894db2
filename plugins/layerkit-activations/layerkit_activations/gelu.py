"""The Gaussian error linear unit."""

from math import pi, sqrt

from layerkit import Activation, Array, Sigmoid
from layerkit.ops import erfc


class GELU(Activation):
    """y = x · Φ(x), Φ being the standard normal distribution; its derivative is Φ(x) + x · φ(x), φ being the density.

    Φ(x) = ½ erfc(-x / √2), which keeps its digits where x is far below 0 and 1 + erf would lose them. With
    `"approximate": true`, Φ(x) is ½ (1 + tanh u) = sigmoid(2u) with u = √(2/π) · (x + 0.044715 x³).
    Hendrycks and Gimpel, "Gaussian error linear units (GELUs)" (2016).
    """

    approximate: bool = False

    def __call__(self, x: Array) -> Array:
        if self.approximate:
            return x * Sigmoid()(_two_u(_bounded(x)))
        return x * (0.5 * erfc(x * -sqrt(0.5)))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        near = _bounded(x)
        if self.approximate:
            two_u = _two_u(near)
            s, rest = Sigmoid()(two_u), Sigmoid()(-two_u)
            return s + near * s * rest * (sqrt(8.0 / pi) * (1.0 + 3.0 * 0.044715 * near**2))
        density = xp.exp(-0.5 * near**2) * sqrt(0.5 / pi)
        return 0.5 * erfc(x * -sqrt(0.5)) + near * density


def _bounded(x: Array) -> Array:
    """x between -40 and 40: outside, Φ is 0 or 1 and φ is 0 in every precision, and x³ might overflow."""
    return x.__array_namespace__().clip(x, -40.0, 40.0)


def _two_u(x: Array) -> Array:
    return sqrt(8.0 / pi) * x * (1.0 + 0.044715 * x**2)
