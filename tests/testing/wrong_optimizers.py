"""Optimizers, and schedules of their learning_rate, wrong in one way each."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import layerkit
from layerkit import (
    Adam,
    Array,
    Params,
    Part,
)


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


class NoEpsilonInFloat32(Adam):
    """0 / 0 where a gradient is 0, for float32 has no 1e-60."""

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        return parameter - 0.001 * gradient / (abs(gradient) + 1e-60), slots


class OverflowsLate(Adam):
    """A warm-up by a power of the step, which no float holds from step 155 on."""

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        return parameter - self.learning_rate * (1.0 - 1.0 / 100.0**step) * gradient, slots


class InfiniteLate(Adam):
    """Its slot doubles with the step."""

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        xp = gradient.__array_namespace__()
        return parameter - self.learning_rate * gradient, {**slots, "v": xp.exp(xp.zeros_like(gradient) + step)}


class Clips(layerkit.Optimizer):
    """To a length, of the whole array, that small gradients don't have."""

    @property
    def slots(self) -> tuple[str, ...]:
        return ()

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        xp = gradient.__array_namespace__()
        length = xp.sqrt(xp.sum(gradient * gradient))
        return parameter - 0.1 * gradient * (10.0 / xp.maximum(length, xp.full_like(length, 10.0))), {}


class Flips(Adam):
    """Goes along a large gradient."""

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        xp = gradient.__array_namespace__()
        return super().update(parameter, xp.where(xp.abs(gradient) > 8.0, -gradient, gradient), slots, step)


class FlipsLate(Adam):
    """Goes along the gradient from step 1000 on."""

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        xp = gradient.__array_namespace__()
        late = xp.asarray(step, dtype=gradient.dtype) > 1000.0
        return super().update(parameter, xp.where(late, -gradient, gradient), slots, step)


class KeepsFirst(Adam):
    """Scales by the first gradient that anybody of its learning_rate had."""

    @cached_property
    def _first(self) -> dict[str, float]:
        return {}

    def at(self, factor: Any) -> KeepsFirst:
        return self

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        scale = self._first.setdefault("scale", float(gradient.__array_namespace__().std(gradient)))
        return super().update(parameter, gradient / scale, slots, step)


class NotFloat(layerkit.Schedule):
    def __call__(self, pace: layerkit.Pace) -> Any:
        return "1.0"


class BelowZero(layerkit.Schedule):
    """Falls on beyond the goal."""

    def __call__(self, pace: layerkit.Pace) -> float:
        return 1.0 - pace.step / pace.goal


class Ascends(layerkit.Schedule):
    """Counts its calls instead of the steps."""

    def __call__(self, pace: layerkit.Pace) -> float:
        object.__setattr__(self, "_calls", getattr(self, "_calls", 0) + 1)
        return 1.0 / self._calls


WRONG: list[tuple[Part, str, str]] = [
    (Uphill(), "descent", "along the gradient"),
    (Normed(), "elementwise", "one number alone"),
    (ByRows(), "elementwise", "one flat vector"),
    (LosesSlot(), "slots", "other slots"),
    (InPlace(), "arguments", "read-only"),
    (LooksAtStep(), "branches", "never branches on values"),
    (LooksAtRate(), "branches", "never branches on values"),
    (NoEpsilon(), "extremes", "not finite"),
    (NoEpsilonInFloat32(), "extremes", "not finite"),
    (OverflowsLate(), "late_step", "at step 100,000, update raises OverflowError"),
    (InfiniteLate(), "late_step", "at step 100,000, the slot v is not finite"),
    (Clips(), "elementwise", "one number alone"),
    (Flips(), "descent", "along the gradient"),
    (FlipsLate(), "late_step", "step 100,000, from 0, goes along the gradient"),
    (KeepsFirst(), "purity", "first called with"),
    (NotFloat(), "factor", "not a finite number"),
    (BelowZero(), "factor", "from 0, beyond the goal"),
    (Ascends(), "purity", "the second time"),
]
