"""Initializers, metrics and engines, wrong in one way each."""

# ruff: noqa: N818

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import (
    Array,
    GlorotUniform,
    MeanAbsoluteError,
    NumPy,
    Part,
    Random,
    Shape,
)


class Unseeded(GlorotUniform):
    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        return xp.asarray(np.random.default_rng().uniform(size=shape), dtype=dtype)


class SameEverywhere(GlorotUniform):
    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        return super().__call__(shape, Random(xp, dtype, random._seed, 0, "one"), xp, dtype)


class AlwaysDouble(GlorotUniform):
    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        return xp.astype(super().__call__(shape, random, xp, dtype), xp.float64)


class Transposed(GlorotUniform):
    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        return super().__call__(shape[::-1], random, xp, dtype)


class FillsNothing(GlorotUniform):
    def check(self, shape: Shape) -> None:
        raise ValueError("no shape will do")


class Infinite(GlorotUniform):
    def __call__(self, shape: Shape, random: Random, xp: Any, dtype: Any) -> Array:
        return xp.full(shape, xp.inf, dtype=dtype)


class MeanOfMeans(MeanAbsoluteError):
    def sums(self, y: Array, t: Array) -> Array:
        sums = super().sums(y, t)
        return sums / sums[1]


class Narrow(MeanAbsoluteError):
    def sums(self, y: Array, t: Array) -> Array:
        return y.__array_namespace__().astype(super().sums(y, t), y.dtype)


class GivesArray(MeanAbsoluteError):
    def value(self, sums: Array) -> float:
        return sums[0] / sums[1] * np.ones(1)  # type: ignore[no-any-return]


class SkipsBatch(NumPy):
    def session(self, network: Any, recipe: Any, state: Any) -> Any:
        session = super().session(network, recipe, state)
        train = session.train
        session.train = lambda batches: train(batches[1:])  # type: ignore[method-assign]
        return session


class StartsAgain(NumPy):
    """Leaves the slots of the state out."""

    def session(self, network: Any, recipe: Any, state: Any) -> Any:
        return super().session(network, recipe, type(state)(state.parameters, {}, state.step))


WRONG: list[tuple[Part, str, str]] = [
    (Unseeded(), "purity", "the second time"),
    (SameEverywhere(), "stages", "the same for every parameter"),
    (AlwaysDouble(), "dtype", "another dtype"),
    (Transposed(), "shape", "another shape"),
    (Infinite(), "finite", "not finite"),
    (MeanOfMeans(), "additive", "don't add up"),
    (Narrow(), "dtype", "another dtype"),
    (GivesArray(), "value", "not a finite float"),
    (SkipsBatch(), "training", "differ"),
    (StartsAgain(), "continuation", "after going on"),
]
