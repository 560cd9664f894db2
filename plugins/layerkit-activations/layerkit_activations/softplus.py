"""The softplus."""

from layerkit import Activation, Array


class Softplus(Activation):
    """y = ln(1 + eˣ), computed as max(x, 0) + ln(1 + e^-|x|); its derivative is sigmoid(x) = 1 - e⁻ʸ.

    Dugas, Bengio, Bélisle, Nadeau and Garcia, "Incorporating second-order functional knowledge for better option
    pricing" (NeurIPS 2000).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return -xp.expm1(-y)
