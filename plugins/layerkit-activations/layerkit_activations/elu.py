"""The exponential linear unit."""

from pydantic import Field

from layerkit import Activation, Array


class ELU(Activation):
    """y = x where x > 0, and alpha · (eˣ - 1) elsewhere; its derivative is 1 or alpha · eˣ.

    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units (ELUs)"
    (ICLR 2016).
    """

    alpha: float = Field(1.0, gt=0)

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.where(x > 0.0, x, self.alpha * xp.expm1(xp.minimum(x, 0.0)))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.where(x > 0.0, 1.0, self.alpha * xp.exp(xp.minimum(x, 0.0)))
