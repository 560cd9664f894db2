"""The checks of an initializer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from layerkit.ops import Array
from layerkit.parts import Initializer, Shape
from layerkit.random import Random
from layerkit.testing.arrays import expect_dtype, expect_shape, fresh
from layerkit.testing.check import CheckFailed, calling, check
from layerkit.testing.documents import json, schema
from layerkit.testing.namespaces import array_api_strict, branches, in_place, jax
from layerkit.testing.purity import purity
from layerkit.testing.suite import GIVE_SHAPE, Options

SHAPES: tuple[Shape, ...] = ((6, 4), (5,), (3, 3, 2, 4), ())


class Subject:
    """An initializer, and the shapes that it fills."""

    def __init__(self, part: Initializer, options: Options) -> None:
        self.part, self._shape = part, options.input_shape

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes that are tried: the author's, or those that `check` lets pass."""
        if self._shape is not None:
            return (tuple(self._shape),)
        small = (shape for rank in (1, 2, 3) for shape in product(range(1, 7), repeat=rank))
        accepted = tuple(shape for shape in SHAPES if self._fills(shape))
        accepted = accepted or tuple(shape for shape in small if self._fills(shape))[:1]
        if not accepted:
            raise CheckFailed(f"check refuses every shape that was tried; {GIVE_SHAPE}", found=SHAPES)
        return accepted

    def given(self, turn: int = 0) -> dict[str, Any]:
        """No arrays go into an initializer; the numbers of float64 are looked at."""
        return {"seed": np.asarray(turn)}

    def compute(self, given: Mapping[str, Any], xp: Any = np, copy: Callable[[Any], Any] = fresh) -> dict[str, Array]:
        """The values for each shape."""
        # the seed is a Python number for every namespace: compiled code has it as a constant
        return {f"the array of {list(shape)}": self.values(shape, 0, xp=xp) for shape in self.shapes}

    def values(self, shape: Shape, seed: int, stage: str = "a.kernel", dtype: str = "float64", xp: Any = np) -> Array:
        """The first values of the parameter `stage` in a run with this seed."""
        kind = getattr(xp, dtype)
        with calling("it", shape=list(shape)):
            return self.part(shape, Random(xp, kind, seed, 0, stage), xp, kind)

    def _fills(self, shape: Shape) -> bool:
        try:
            self.part.check(shape)
        except ValueError:
            return False
        return True


@check()
def shape(subject: Subject) -> None:
    """The array has the shape that was asked for."""
    for due in subject.shapes:
        expect_shape("the array", subject.values(due, 0), due, list(due))


@check("shape")
def dtype(subject: Subject) -> None:
    """The array has the dtype that was asked for."""
    for due in ("float32", "float64"):
        for row in subject.shapes:
            expect_dtype(f"the array of {list(row)}", subject.values(row, 0, dtype=due), due, list(row))


@check("shape")
def finite(subject: Subject) -> None:
    """The numbers are finite."""
    for row in subject.shapes:
        for due in ("float32", "float64"):
            array = subject.values(row, 0, dtype=due)
            if not np.all(np.isfinite(array)):
                raise CheckFailed("the array holds what is not finite", input=list(row), found=array)


@check("shape", "purity")
def stages(subject: Subject) -> None:
    """Where the numbers are random, two parameters of one shape don't begin alike."""
    for row in subject.shapes:
        one, again = subject.values(row, 0), subject.values(row, 1)
        other = subject.values(row, 0, stage="b.kernel")
        if not np.array_equal(one, again) and np.array_equal(one, other):
            raise CheckFailed("the numbers depend on the seed, and are the same for every parameter", found=other)


CHECKS = (
    *(json, schema),
    *(shape, dtype, finite, purity, stages),
    *(array_api_strict, branches, in_place, jax),
)
