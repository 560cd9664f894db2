"""Losses, optimizers, initializers, metrics, columns, readers and engines, wrong in one way each."""

# ruff: noqa: N818

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import layerkit
from layerkit import (
    Activation,
    Adam,
    Array,
    BinaryCrossEntropy,
    GlorotUniform,
    HalfSquaredError,
    MeanAbsoluteError,
    Number,
    NumPy,
    Params,
    Part,
    Random,
    Shape,
    Sigmoid,
    Table,
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


class Uphill(Adam):
    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        return super().update(parameter, -gradient, slots, step)


class Normed(Adam):
    """Looks at the whole array."""

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        xp = gradient.__array_namespace__()
        return super().update(parameter, gradient / (1.0 + xp.sum(gradient**2, axis=None) ** 0.5), slots, step)


class ByRows(Adam):
    """Looks at the rows of a matrix."""

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        if gradient.ndim > 1:
            gradient = gradient - gradient.__array_namespace__().mean(gradient, axis=0)
        return super().update(parameter, gradient, slots, step)


class LosesSlot(Adam):
    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        new, kept = super().update(parameter, gradient, slots, step)
        return new, {"m": kept["m"]}


class InPlace(Adam):
    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        new, kept = super().update(parameter, gradient, slots, step)
        parameter[...] = new
        return parameter, kept


class LooksAtStep(Adam):
    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        if step == 1:
            return parameter - self.learning_rate * gradient, slots
        return super().update(parameter, gradient, slots, step)


class LooksAtRate(Adam):
    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        return parameter - math.sqrt(self.learning_rate) * gradient, slots


class NoEpsilon(Adam):
    """0 / 0 where a gradient is 0."""

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        return parameter - 0.001 * gradient / abs(gradient), slots


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


class LastBlock(Number):
    """Forgets the blocks before the last."""

    def fit(self, values: Sequence[Any], units: int | None = None) -> Any:
        fields = {"mean": None, "deviation": None, "count": 0}
        return Number.fit(self.model_copy(update=fields), values) if len(values) else self


class WidthOff(Number):
    @property
    def width(self) -> int:
        return 2


class NotDecoded(Number):
    def decode(self, encoded: Array) -> Sequence[Any]:
        return np.asarray(encoded)[:, 0]


class AnyError(Number):
    def encode(self, values: Sequence[Any]) -> Array:
        numbers = np.array([float(value) for value in values]).reshape(-1, 1)
        return numbers if self.mean is None else (numbers - self.mean) / self.deviation


class Batchwise(Number):
    """Centres the cells that it is given."""

    def encode(self, values: Sequence[Any]) -> Array:
        encoded = super().encode(values)
        return encoded + 1e-3 * np.arange(len(encoded))[:, None]


class FitsItself(Number):
    def fit(self, values: Sequence[Any], units: int | None = None) -> Any:
        fitted = super().fit(values)
        for name, value in fitted:
            object.__setattr__(self, name, value)
            self.__dict__[name] = value
        return fitted


class FromZero(layerkit.CSV):
    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        for table in super().blocks(path, columns):
            yield Table(table.columns, [number - 1 for number in table.numbers], table.source)


class AllColumns(layerkit.CSV):
    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        yield from super().blocks(path)


class OwnError(layerkit.CSV):
    def blocks(self, path: Path, columns: Sequence[str] | None = None) -> Iterator[Table]:
        path.open().close()
        yield from super().blocks(path, columns)


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


class NotFloat(layerkit.Schedule):
    def __call__(self, pace: layerkit.Pace) -> Any:
        return 1


class Ascends(layerkit.Schedule):
    """Counts its calls instead of the steps."""

    def __call__(self, pace: layerkit.Pace) -> float:
        object.__setattr__(self, "_calls", getattr(self, "_calls", 0) + 1)
        return 1.0 / self._calls


class OneRowOff(layerkit.CSV):
    """Its arrays begin with the second row."""

    def arrays(self, path: Path, columns: Sequence[str] | None = None) -> Mapping[str, Any]:
        (table,) = self.blocks(path, columns)
        return {name: np.roll(np.array(list(cells)), -1) for name, cells in table.columns.items()}


class Rounds(Number):
    """Packs its cells into too little."""

    def packed(self, values: Sequence[Any]) -> Sequence[Any]:
        return np.asarray(values, dtype=np.float16).round().tolist()


WRONG: list[tuple[Part, str, str]] = [
    (HalfGradient(), "gradient", "0.5 times"),
    (MeanOverRows(), "rows", "alone gives another"),
    (OneNumber(), "shape", "another shape"),
    (LinkOff(), "linked", "differs from the loss"),
    (LinkGradientOff(), "linked", "-1 times"),
    (LinkOverflows(), "extremes", "not finite"),
    (Uphill(), "descent", "along the gradient"),
    (Normed(), "elementwise", "one number alone"),
    (ByRows(), "elementwise", "one flat vector"),
    (LosesSlot(), "slots", "other slots"),
    (InPlace(), "arguments", "read-only"),
    (LooksAtStep(), "branches", "never branches on values"),
    (LooksAtRate(), "branches", "never branches on values"),
    (NoEpsilon(), "extremes", "not finite"),
    (Unseeded(), "purity", "the second time"),
    (NotFloat(), "factor", "not a finite float"),
    (Ascends(), "purity", "the second time"),
    (SameEverywhere(), "stages", "the same for every parameter"),
    (AlwaysDouble(), "dtype", "another dtype"),
    (Transposed(), "shape", "another shape"),
    (Infinite(), "finite", "not finite"),
    (MeanOfMeans(), "additive", "don't add up"),
    (Narrow(), "dtype", "another dtype"),
    (GivesArray(), "value", "not a finite float"),
    (LastBlock(column="a"), "blocks", "fitted in blocks"),
    (WidthOff(column="a"), "width", "another shape"),
    (NotDecoded(column="a"), "decoding", "doesn't come back"),
    (AnyError(column="a"), "bad_cell", "fails on a bad cell"),
    (Batchwise(column="a"), "cells", "in another order"),
    (FitsItself(column="a"), "fit", "kept on self"),
    (FromZero(), "tables", "numbered from 1"),
    (AllColumns(), "columns", "other columns"),
    (OneRowOff(), "arrays", "not what blocks gives"),
    (Rounds(column="a"), "packing", "fitted or encoded otherwise"),
    (OwnError(), "missing_file", "no file"),
    (SkipsBatch(), "training", "differ"),
    (StartsAgain(), "continuation", "after going on"),
]
