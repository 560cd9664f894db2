"""Losses, wrong in one way each."""

# ruff: noqa: N818

from __future__ import annotations

from typing import ClassVar

from layerkit import (
    Activation,
    Array,
    BinaryCrossEntropy,
    HalfSquaredError,
    Loss,
    Part,
    Sigmoid,
)


class HalfGradient(HalfSquaredError):
    def gradient(self, y: Array, t: Array) -> Array:
        return 0.5 * (y - t)


class MeanOverRows(HalfSquaredError):
    def gradient(self, y: Array, t: Array) -> Array:
        return (y - t) / max(y.shape[0], 1)


class OneNumber(HalfSquaredError):
    def __call__(self, y: Array, t: Array) -> Array:
        return y.__array_namespace__().sum((y - t) ** 2)


class Pair(HalfSquaredError):
    """The loss, and something beside it."""

    def __call__(self, y: Array, t: Array) -> Array:
        return super().__call__(y, t), 3


class LinkOff(BinaryCrossEntropy):
    def linked(self, z: Array, t: Array) -> Array:
        return 2.0 * super().linked(z, t)


class LinkGradientOff(BinaryCrossEntropy):
    def linked_gradient(self, y: Array, t: Array) -> Array:
        return t - y


class LinkOverflows(BinaryCrossEntropy):
    link: ClassVar[type[Activation] | None] = Sigmoid

    def linked(self, z: Array, t: Array) -> Array:
        xp = z.__array_namespace__()
        return xp.sum(xp.log(1.0 + xp.exp(z)) - t * z, axis=tuple(range(1, z.ndim)))


class Distance(Loss):
    """|y - t|, whose gradient is 0 / 0 where it is fitted."""

    def __call__(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        return xp.sum((y - t) ** 2, axis=tuple(range(1, y.ndim))) ** 0.5

    def gradient(self, y: Array, t: Array) -> Array:
        xp = y.__array_namespace__()
        return (y - t) / xp.reshape(self(y, t), (-1, *[1] * (y.ndim - 1)))


WRONG: list[tuple[Part, str, str]] = [
    (HalfGradient(), "gradient", "0.5 times"),
    (MeanOverRows(), "rows", "alone gives another"),
    (OneNumber(), "shape", "another shape"),
    (Pair(), "shape", "the loss is a tuple, not an array"),
    (Distance(), "at_target", "dL/dy is not finite"),
    (LinkOff(), "linked", "differs from the loss"),
    (LinkGradientOff(), "linked", "-1 times"),
    (LinkOverflows(), "extremes", "not finite"),
]
