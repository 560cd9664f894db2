"""Optimizers, and schedules of their learning_rate, wrong in one way each."""

from __future__ import annotations

import math
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


class NotFloat(layerkit.Schedule):
    def __call__(self, pace: layerkit.Pace) -> Any:
        return 1


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
    (NotFloat(), "factor", "not a finite float"),
    (Ascends(), "purity", "the second time"),
]
