"""The sigmoid linear unit."""

from layerkit import Activation, Array, Sigmoid


class SiLU(Activation):
    """y = x · sigmoid(x); its derivative is sigmoid(x) + y · sigmoid(-x).

    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation in reinforcement
    learning" (2018).
    """

    def __call__(self, x: Array) -> Array:
        return x * Sigmoid()(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return Sigmoid()(x) + y * Sigmoid()(-x)
