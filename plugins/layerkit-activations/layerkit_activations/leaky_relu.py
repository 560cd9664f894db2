"""The leaky rectified linear unit."""

from layerkit import Activation, Array


class LeakyReLU(Activation):
    """y = x where x > 0, and negative_slope · x elsewhere; its derivative is 1 or negative_slope, the latter at 0 too.

    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models" (ICML 2013).
    """

    negative_slope: float = 0.01

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.maximum(x, 0.0) + self.negative_slope * xp.minimum(x, 0.0)

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.where(x > 0.0, xp.ones_like(x), self.negative_slope)
