"""The softsign."""

from layerkit import Activation, Array


class Softsign(Activation):
    """y = x / (1 + |x|); its derivative is 1 / (1 + |x|)².

    Bergstra, Desjardins, Lamblin and Bengio, "Quadratic polynomials learn better image features" (2009).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return x / (1.0 + xp.abs(x))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return (1.0 / (1.0 + xp.abs(x))) ** 2
