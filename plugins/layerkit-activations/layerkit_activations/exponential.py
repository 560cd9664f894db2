"""The exponential."""

from layerkit import Activation, Array


class Exponential(Activation):
    """y = eˣ, which is its own derivative.

    Above 88.7 in float32, and 709.7 in float64, eˣ is larger than any number of the dtype: y is then infinite.
    Nelder and Wedderburn, "Generalized linear models" (1972), whose log link this inverts.
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.exp(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return y
