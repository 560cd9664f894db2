"""What the normalising layers share: numbers brought to mean 0 and variance 1."""

from __future__ import annotations

from math import prod, sqrt
from typing import NamedTuple

from layerkit import Array
from layerkit_layers._axes import sum_over, widened

__all__ = ["Standard", "backward", "standard"]


class Standard(NamedTuple):
    """z = (x - mean) / deviation, where deviation² = variance + epsilon. All but z have the summed axes as 1."""

    z: Array
    mean: Array
    variance: Array
    deviation: Array


def standard(x: Array, axes: tuple[int, ...], epsilon: float) -> Standard:
    """x standardised over `axes`, with its mean and its variance (over n, not n - 1); finite for an empty x too.

    The squares are taken of x - mean in units of its size wherever that is above 1, so that none overflows.
    """
    xp = x.__array_namespace__()
    mean = _mean(x, axes)
    centred = x - widened(mean, x)
    unit = xp.maximum(_mean(xp.abs(centred), axes), 1.0)
    centred = centred / widened(unit, x)
    square = _mean(centred * centred, axes)
    deviation = xp.sqrt(square + (sqrt(epsilon) / unit) ** 2)
    # a variance beyond the dtype's range becomes the largest that it holds
    largest = sqrt(float(xp.finfo(x.dtype).max)) * 0.999
    variance = xp.minimum(unit * xp.sqrt(square), largest) ** 2
    return Standard(centred / widened(deviation, x), mean, variance, deviation * unit)


def backward(found: Standard, dz: Array, axes: tuple[int, ...]) -> Array:
    """dL/dx from dz = dL/dz: (dz - mean(dz) - z · mean(dz · z)) / deviation, the means over `axes`."""
    along = widened(_mean(dz * found.z, axes), dz)
    return (dz - widened(_mean(dz, axes), dz) - found.z * along) / widened(found.deviation, dz)


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    return sum_over(x, axes) / max(prod(x.shape[axis] for axis in axes), 1)
