"""The hard sigmoid."""

from pydantic import Field

from layerkit import Activation, Array


class HardSigmoid(Activation):
    """y = slope · x + offset, held between 0 and 1; its derivative is slope where 0 < y < 1, and 0 elsewhere.

    Courbariaux, Bengio and David, "BinaryConnect: training deep neural networks with binary weights during
    propagations" (NeurIPS 2015), with slope ½; a slope of 1/6 is Howard et al., "Searching for MobileNetV3" (2019).
    """

    slope: float = Field(1.0 / 6.0, gt=0)
    offset: float = 0.5

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.clip(self.slope * x + self.offset, 0.0, 1.0)

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return self.slope * xp.astype((y > 0.0) & (y < 1.0), x.dtype)
