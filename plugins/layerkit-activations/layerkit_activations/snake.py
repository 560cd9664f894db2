"""The snake."""

from pydantic import Field

from layerkit import Activation, Array


class Snake(Activation):
    """y = x + sin²(frequency · x) / frequency; its derivative is 1 + sin(2 · frequency · x).

    Ziyin, Hartwig and Ueda, "Neural networks fail to learn periodic functions and how to fix it" (NeurIPS 2020).
    """

    frequency: float = Field(1.0, gt=0)

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        wave = xp.sin(self.frequency * x)
        return x + wave * (wave / self.frequency)

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return 1.0 + xp.sin(2.0 * (self.frequency * x))
