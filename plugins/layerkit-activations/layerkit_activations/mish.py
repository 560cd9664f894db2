"""The mish."""

from layerkit import Activation, Array


class Mish(Activation):
    """y = x · tanh(ln(1 + eˣ)), which is x · n / (n + 2) with e = eˣ and n = e · (e + 2).

    Its derivative is n / (n + 2) + 4x · e · (1 + e) / (n + 2)². Above 30, y is x in every precision.
    Misra, "Mish: a self regularized non-monotonic activation function" (BMVC 2020).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        e = xp.exp(xp.minimum(x, 30.0))
        n = e * (e + 2.0)
        return x * (n / (n + 2.0))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        x = xp.minimum(x, 30.0)
        e = xp.exp(x)
        n = e * (e + 2.0)
        return n / (n + 2.0) + 4.0 * x * (e / (n + 2.0)) * ((1.0 + e) / (n + 2.0))
