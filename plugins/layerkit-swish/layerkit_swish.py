"""The swish activation."""

from layerkit import Activation, Array, Sigmoid

__all__ = ["Swish"]


class Swish(Activation):
    """y = x · sigmoid(beta · x).

    Ramachandran, Zoph and Le, "Searching for activation functions" (2017).
    """

    beta: float = 1.0

    def __call__(self, x: Array) -> Array:
        return x * Sigmoid()(self.beta * x)

    def derivative(self, x: Array, y: Array) -> Array:
        s = Sigmoid()(self.beta * x)
        return s + self.beta * y * (1.0 - s)
