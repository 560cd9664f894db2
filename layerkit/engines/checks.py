"""What every engine refuses, in the same words: a part's wrong gradient or update, and numbers that aren't finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from layerkit.errors import PartError, TrainingError
from layerkit.network import Network, Stage
from layerkit.ops import Array
from layerkit.parts import Params


def checked_gradient(stage: Stage, name: str, gradients: Mapping[str, Array]) -> Array:
    """The gradient of a stage's own parameter. Raises PartError if there is none, or it has another shape."""
    gradient, shape = gradients.get(name), stage.parameters[name].shape
    if gradient is None or gradient.shape != shape:
        found = None if gradient is None else list(gradient.shape)
        message = f"{type(stage.layer).__name__} gives the gradient {found} where {list(shape)} is due"
        raise PartError(message, f"{stage.name}.{name}")
    return gradient


def check_update(stage: Stage, name: str, value: Array) -> None:
    """Raise PartError unless the stage declares the parameter that its layer updates, and in this shape."""
    parameter = stage.parameters.get(name)
    if parameter is None or value.shape != parameter.shape:
        message = f'updates "{name}" to the shape {list(value.shape)}, and declares no such parameter'
        raise PartError(message, stage.name)


def stopped(where: str, step: int) -> TrainingError:
    """What to raise where something is no longer finite at a step that is taken back."""
    return TrainingError(
        f"{where} is no longer finite at step {step}; the model stays as it was before that step. "
        "A smaller learning_rate may help",
    )


def not_finite(network: Network, params: Sequence[Params], x: Array, seed: int, step: int) -> str:
    """The first stage whose output isn't finite at a step whose loss isn't, for the message. Runs on NumPy."""
    with np.errstate(all="ignore"):
        arrays = network.forward(params, x, network.contexts(np, seed, step))
    return next(
        (f"the output of {stage.name}" for stage, y in zip(network.stages, arrays[1:]) if not np.all(np.isfinite(y))),
        f"the loss, from the output of {network.stages[-1].name},",
    )
