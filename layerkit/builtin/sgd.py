"""SGD: gradient descent. Elementwise, and pure: w is a parameter, g its gradient."""

from typing import Any

from pydantic import Field

from layerkit.ops import Array
from layerkit.parts import Optimizer, Params


class SGD(Optimizer):
    """Gradient descent: w ← w - learning_rate · g.

    With momentum, v ← momentum · v + g stands in for g (Polyak, 1964); with nesterov, g + momentum · v (Nesterov, 1983,
    in the form of Sutskever, Martens, Dahl and Hinton, ICML 2013). weight_decay adds weight_decay · w to g.
    """

    learning_rate: float = Field(0.01, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(0.0, ge=0)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()

    def update(self, parameter: Array, gradient: Array, slots: Params, step: Any) -> tuple[Array, Params]:
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        if not self.momentum:
            return parameter - self.learning_rate * gradient, {}
        velocity = self.momentum * slots["momentum"] + gradient
        direction = gradient + self.momentum * velocity if self.nesterov else velocity
        return parameter - self.learning_rate * direction, {"momentum": velocity}
