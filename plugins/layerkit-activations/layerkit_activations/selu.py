"""The scaled exponential linear unit."""

from layerkit import Activation, Array

ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805


class SELU(Activation):
    """y = scale · x where x > 0, and scale · alpha · (eˣ - 1) elsewhere; its derivative is scale or scale · alpha · eˣ.

    With alpha = 1.67326… and scale = 1.05070…, mean 0 and variance 1 are a fixed point from layer to layer.
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks" (NeurIPS 2017).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return SCALE * xp.where(x > 0.0, x, ALPHA * xp.expm1(xp.minimum(x, 0.0)))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return SCALE * xp.where(x > 0.0, 1.0, ALPHA * xp.exp(xp.minimum(x, 0.0)))
