"""The thresholded rectified linear unit."""

from pydantic import Field

from layerkit import Activation, Array


class ThresholdedReLU(Activation):
    """y = x where x > threshold, and 0 elsewhere; its derivative is 1 or 0.

    Konda, Memisevic and Krueger, "Zero-bias autoencoders and the benefits of co-adapting features" (ICLR 2015).
    """

    threshold: float = Field(1.0, ge=0)

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.where(x <= self.threshold, 0.0, x)

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.astype(x > self.threshold, x.dtype)
