"""A layer under test: the shapes that it takes, sample arrays, and calls whose arguments nobody else holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from layerkit.context import Context, Step
from layerkit.ops import Array
from layerkit.parts import Activation, Layer, Parameter, Params, Shape
from layerkit.random import Random
from layerkit.testing.arrays import expect_namespace, fresh, normal
from layerkit.testing.check import CheckFailed, calling
from layerkit.testing.suite import GIVE_SHAPE, Options

SHAPES: tuple[Shape, ...] = ((5,), (5, 3), (6, 5, 2), (1,))
MORE_SHAPES: tuple[Shape, ...] = (
    (3,),
    (6,),
    (9,),
    (16,),
    (4, 3),
    (6, 6, 2),
    (12, 4),
    (12, 12, 3),
    (8, 8, 4),
    (32, 32, 3),
    (5, 5, 5, 2),
)
"""Tried where a layer takes none of the first."""
WHOLE_NUMBERS = (10, 7, 5, 4, 3)
"""So many are tried of a layer that takes them, until it takes the largest."""
ROWS = 3
SCALES = (1.0, 0.3, 4.0)


class Subject:
    """A layer, and what it is called with."""

    def __init__(self, part: Layer, options: Options) -> None:
        self.part, self.options = part, options
        self._shape, self._dtype = options.input_shape, options.dtype

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of a row that are tried: the author's, or those that output_shape takes."""
        if self._shape is not None:
            return (tuple(self._shape),)
        refusals: list[str] = []
        accepted = tuple(shape for shape in SHAPES if self._takes(shape, refusals))
        accepted = accepted or tuple(shape for shape in MORE_SHAPES if self._takes(shape, refusals))[:2]
        if not accepted:
            message = f"it takes none of the shapes that were tried; {GIVE_SHAPE}"
            raise CheckFailed(message, found="; ".join(refusals))
        return accepted

    @cached_property
    def integer(self) -> bool:
        """Whether it takes whole numbers alone, as an embedding does."""
        if self._dtype is not None:
            return not self._dtype.startswith("float")
        if isinstance(self.part, Activation):
            return False
        # fields of a part tell nothing of its input: a half is in the domain of most functions, and nobody's index
        return not any(self._runs(shape, 0.5) for shape in self.shapes) and any(
            self._runs(shape, 1) for shape in self.shapes
        )

    @cached_property
    def _whole_numbers(self) -> int:
        """From 0, how many whole numbers it takes, as far as that can be told by trying."""
        return next((n for n in WHOLE_NUMBERS if self._runs(self.shapes[0], n - 1)), 2)

    @property
    def of_each_shape(self) -> list[dict[str, Any]]:
        """Arguments for each shape of a row."""
        return [self.given(shape=shape) for shape in self.shapes]

    def given(self, turn: int = 0, shape: Shape | None = None, rows: int = ROWS) -> dict[str, Any]:
        """Arguments: x of `rows` rows, the parameters, and dy for an output of the declared shape."""
        shape = self.shapes[0] if shape is None else shape
        return self.around(self.sample((rows, *shape), turn), turn)

    def around(self, x: Array, turn: int = 0) -> dict[str, Any]:
        """Arguments with this x."""
        shape = x.shape[1:]
        dy = normal((x.shape[0], *self.part.output_shape(shape)), 100 + turn)
        return {"x": x, "params": self.params(shape, turn), "dy": dy}

    def sample(self, shape: Shape, turn: int = 0) -> Array:
        """Numbers that the layer takes."""
        if self.integer:
            return np.random.default_rng(turn).integers(0, self._whole_numbers, size=shape)
        return normal(shape, turn, SCALES[turn % len(SCALES)])

    def declared(self, shape: Shape) -> Mapping[str, Parameter]:
        """The parameters for an input of this shape."""
        with calling("parameters", input_shape=shape):
            declared = self.part.parameters(shape)
        if not isinstance(declared, Mapping) or not all(isinstance(each, Parameter) for each in declared.values()):
            raise CheckFailed("parameters gives something else than a dict of Parameters", found=declared)
        return declared

    def trained(self, shape: Shape) -> list[str]:
        """The names of the parameters that get a gradient."""
        return [name for name, parameter in self.declared(shape).items() if parameter.trainable]

    def params(self, shape: Shape, turn: int = 0) -> dict[str, Array]:
        """First parameters, the trained ones moved a little: zeros and ones would hide a factor."""
        params = {}
        for number, (name, parameter) in enumerate(self.declared(shape).items()):
            array = parameter.initializer(parameter.shape, Random(np, np.float64, turn, 0, name), np, np.float64)
            moved = 0.2 * normal(parameter.shape, 1000 * (turn + 1) + number) if parameter.trainable else 0.0
            params[name] = np.asarray(array + moved)
        return params

    def forward(self, given: Mapping[str, Any], training: bool = True) -> Array:
        """y on NumPy."""
        context = context_of(np, given, training)
        with calling("forward", input=given["x"]):
            return self.part.forward(fresh(given["params"]), fresh(given["x"]), context)

    def updates(self, given: Mapping[str, Any]) -> dict[str, Array]:
        """What forward sets in training of the parameters that aren't trained."""
        context = context_of(np, given)
        with calling("forward", input=given["x"]):
            self.part.forward(fresh(given["params"]), fresh(given["x"]), context)
        return context.updates

    def compute(
        self, given: Mapping[str, Any], xp: Any = np, copy: Callable[[Any], Any] = fresh, y: Array = None
    ) -> dict[str, Array]:
        """Everything that the layer gives in training: y, dL/dx and the parameters' gradients."""
        x, dy, params = given["x"], given["dy"], given["params"]
        with calling("forward", input=x):
            y = self.part.forward(copy(params), copy(x), context_of(xp, given)) if y is None else y
        # backward would be given it, and be blamed
        expect_namespace("y", y, xp, x)
        with calling("backward", input=x):
            dx = self.part.backward(copy(params), copy(x), copy(y), copy(dy), context_of(xp, given))
        gradients: Params = {}
        if params:
            with calling("gradients", input=x):
                gradients = self.part.gradients(copy(params), copy(x), copy(y), copy(dy), context_of(xp, given))
        return {"y": y, "dL/dx": dx, **{f"dL/d({name})": array for name, array in gradients.items()}}

    def _takes(self, shape: Shape, refusals: list[str]) -> bool:
        try:
            self.part.output_shape(shape)
            self.part.parameters(shape)
        except Exception as error:
            refusals.append(f"{list(shape)}: {type(error).__name__}: {error}")
            return False
        return True

    def _runs(self, shape: Shape, value: float) -> bool:
        x = np.full((ROWS, *shape), value)
        try:
            y = self.part.forward(self.params(shape), x, context_of(np, {"dy": np.ones(1)}))
            return bool(np.all(np.isfinite(y)))
        except Exception:
            return False


def cast(given: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """The arguments with every array of floats in this dtype."""

    def each(value: Any) -> Any:
        if isinstance(value, Mapping):
            return cast(value, dtype)
        return value.astype(dtype) if value.dtype.kind == "f" else value

    return {name: each(value) for name, value in given.items()}


def overrides(part: Activation, method: str) -> bool:
    """Whether an activation has its own method of this name."""
    return getattr(type(part), method) is not getattr(Activation, method)


def context_of(xp: Any, given: Mapping[str, Any], training: bool = True) -> Context:
    """The context of one fixed step: the same random numbers for every call."""
    dtype = getattr(xp, str(given["dy"].dtype).rpartition(".")[2])
    return Context(training, Step(xp, dtype, 0, 1) if training else None, "layers.0", dtype=dtype)
