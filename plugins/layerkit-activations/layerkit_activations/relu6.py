"""The rectified linear unit that stops at 6."""

from layerkit import Activation, Array


class ReLU6(Activation):
    """y = x, held between 0 and 6; its derivative is 1 where 0 < y < 6, and 0 elsewhere.

    Krizhevsky, "Convolutional deep belief networks on CIFAR-10" (2010).
    """

    def __call__(self, x: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.clip(x, 0.0, 6.0)

    def derivative(self, x: Array, y: Array) -> Array:
        xp = x.__array_namespace__()
        return xp.astype((y > 0.0) & (y < 6.0), y.dtype)
