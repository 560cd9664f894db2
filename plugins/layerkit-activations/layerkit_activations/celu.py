"""The continuously differentiable exponential linear unit."""

from pydantic import Field

from layerkit import Activation, Array


class CELU(Activation):
    """y = x where x > 0, and alpha · (e^(x / alpha) - 1) elsewhere; its derivative is 1 or e^(x / alpha).

    Barron, "Continuously differentiable exponential linear units" (2017).
    """

    alpha: float = Field(1.0, gt=0)

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.where(x > 0.0, x, self.alpha * xp.expm1(xp.minimum(x, 0.0) / self.alpha))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.exp(xp.minimum(x, 0.0) / self.alpha)
