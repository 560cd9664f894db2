"""Adam. Elementwise, and pure: w is a parameter, g its gradient."""

from typing import Any

from pydantic import Field

from layerkit.ops import Array
from layerkit.parts import Optimizer, Params


class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015), with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).

    m ← beta1 · m + (1 - beta1) · g,  v ← beta2 · v + (1 - beta2) · g²
    w ← w - learning_rate · (m / (1 - beta1^step) / (√(v / (1 - beta2^step)) + epsilon) + weight_decay · w)

    Computed in their more efficient order: with c = √(1 - beta2^step), the step along m is
    learning_rate · c / (1 - beta1^step) · m / (√v + c · epsilon).
    """

    learning_rate: float = Field(0.001, gt=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    epsilon: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("m", "v")

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        xp = parameter.__array_namespace__()
        m = self.beta1 * slots["m"] + (1.0 - self.beta1) * gradient
        v = self.beta2 * slots["v"] + (1.0 - self.beta2) * gradient**2
        correction = (1.0 - self.beta2**step) ** 0.5
        rate = self.learning_rate * correction / (1.0 - self.beta1**step)
        change = rate * m / (xp.sqrt(v) + self.epsilon * correction)
        if self.weight_decay:
            change = change + self.learning_rate * self.weight_decay * parameter
        return parameter - change, {"m": m, "v": v}
