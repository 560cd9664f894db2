"""The hyperbolic tangent."""

from layerkit import Activation, Array


class Tanh(Activation):
    """y = tanh x = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ); its derivative is 1 - y².

    LeCun, Bottou, Orr and Müller, "Efficient BackProp" (1998).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return (1.0 - y) * (1.0 + y)
