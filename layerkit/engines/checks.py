"""What every engine refuses, in the same words: a part's wrong gradient or update, and numbers that aren't finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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


def finite_outputs(network: Network, params: Sequence[Params], x: Array, seed: int, step: Any) -> list[Array]:
    """Whether the output of each stage is finite at a step."""
    xp = x.__array_namespace__()
    arrays = network.forward(params, x, network.contexts(xp, seed, step))
    return [xp.all(xp.isfinite(y)) for y in arrays[1:]]


def not_finite(network: Network, fine: Iterable[Array]) -> str:
    """What to say isn't finite at a step whose loss isn't: the first stage whose output isn't `fine`, or the loss."""
    return next(
        (f"the output of {stage.name}" for stage, is_fine in zip(network.stages, fine) if not is_fine),
        f"the loss, from the output of {network.stages[-1].name},",
    )
