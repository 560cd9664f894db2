"""The metrics: figures for people, from sums over the rows."""

from abc import abstractmethod
from math import sqrt
from typing import ClassVar

from layerkit.ops import Array
from layerkit.parts import Metric


class Mean(Metric):
    """The mean of a figure of each answer."""

    @abstractmethod
    def of_each(self, y: Array, t: Array) -> Array:
        """The figure of each answer, of any shape."""

    def sums(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        figures = xp.astype(self.of_each(y, t), xp.float64)
        return xp.stack([xp.sum(figures), xp.asarray(float(figures.size), dtype=xp.float64)])

    def value(self, sums: Array) -> float:
        return float(sums[0] / sums[1])


class Accuracy(Mean):
    """The share of right answers: the largest output where there are several, a threshold of ½ where there is one."""

    def of_each(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        return (y > 0.5) == (t > 0.5) if y.shape[-1] == 1 else xp.argmax(y, axis=-1) == xp.argmax(t, axis=-1)


class BinaryAccuracy(Mean):
    """The share of outputs on the right side of ½, each by itself: for several answers of yes or no."""

    def of_each(self, y: Array, t: Array) -> Array:
        return (y > 0.5) == (t > 0.5)


class MeanAbsoluteError(Mean):
    """The mean of |y - t|."""

    falls: ClassVar[bool] = True

    def of_each(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        return xp.abs(xp.astype(y, xp.float64) - xp.astype(t, xp.float64))


class RootMeanSquaredError(Mean):
    """√(mean of (y - t)²)."""

    falls: ClassVar[bool] = True

    def of_each(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        return (xp.astype(y, xp.float64) - xp.astype(t, xp.float64)) ** 2

    def value(self, sums: Array) -> float:
        return sqrt(super().value(sums))


class R2(Metric):
    """1 - Σ (y - t)² / Σ (t - mean of t)²: 1 is perfect, 0 no better than the mean of the rows.

    Of several outputs it is the mean, those left out that vary by less than a three-millionth of their mean. Wright,
    "Correlation and causation" (1921).
    """

    in_units: ClassVar[bool] = False

    def sums(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        y, t = xp.astype(y, xp.float64), xp.astype(t, xp.float64)
        sums = [xp.sum(each, axis=0) for each in ((y - t) ** 2, t, t**2, xp.ones_like(t))]
        return xp.reshape(xp.stack(sums), (-1,))

    def value(self, sums: Array) -> float:
        xp = sums.__array_namespace__()
        of_outputs = xp.reshape(sums, (4, -1))
        residual, total, squares, count = (of_outputs[i, :] for i in range(4))
        spread = squares - total**2 / count
        varies = spread > 1e-13 * squares  # what is less may be nothing but rounding
        explained = xp.where(varies, 1.0 - residual / xp.where(varies, spread, xp.ones_like(spread)), 0.0)
        outputs = float(xp.sum(xp.astype(varies, xp.float64)))
        return float(xp.sum(explained)) / outputs if outputs else float("nan")
