"""What every engine refuses, in the same words: an optimizer's wrong update, and numbers that aren't finite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from layerkit.errors import PartError, TrainingError
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.part import naming
from layerkit.parts import Optimizer, Params
from layerkit.rehearsal import read_only

PARAMETER = ""
"""The name of the parameter among those of the slots."""


def checked_slots(optimizer: Optimizer, slots: Params) -> Params:
    """What an update made of the slots. Raises PartError unless they are those that the optimizer names."""
    if set(slots) != set(optimizer.slots):
        found, due = (", ".join(sorted(names)) or "none" for names in (slots, optimizer.slots))
        raise PartError(f"{type(optimizer).__name__}.update gives the slots {found} where {due} are due", "optimizer")
    return slots


def check_optimizer(optimizer: Optimizer | None, dtype: str) -> None:
    """Raise PartError where a step fails, gives another shape or dtype, or isn't that of each number by itself.

    It is refused, too, where a slot's name could not stand in the saved file's `optimizer.SLOT.PARAMETER`.
    """
    if optimizer is None:
        return
    if odd := [slot for slot in optimizer.slots if not str(slot).isidentifier()]:
        message = f"{type(optimizer).__name__} names a slot {odd[0]!r}: letters, digits and _ make a name"
        raise PartError(message, "optimizer")

    def updated(numbers: Array) -> dict[str, Array]:
        parameter, gradient, slot = (read_only(array) for array in (numbers, -numbers, abs(numbers)))
        with naming(optimizer, "update", "optimizer"):
            new, slots = optimizer.update(parameter, gradient, dict.fromkeys(optimizer.slots, slot), 1.0)
            return {PARAMETER: new, **checked_slots(optimizer, slots)}

    flat = np.array([1.0, -3e3, 0.5, 2e-3], dtype)
    given, square = updated(flat), updated(flat.reshape(2, 2))
    for name, found in given.items():
        check_updated(optimizer, name, found, flat)
        check_updated(optimizer, name, square[name], flat.reshape(2, 2))
    alone = [updated(flat[i : i + 1].reshape(1, 1)) for i in range(len(flat))]
    for name, found in given.items():
        for due in (np.concatenate([np.reshape(each[name], -1) for each in alone]), np.reshape(square[name], -1)):
            if found.shape != due.shape or not np.allclose(found, due, rtol=1e-3, equal_nan=True):
                makes = f"makes {found.tolist()} of {name or 'the parameter'}"
                message = f"{makes} where in arrays of other shapes they become {due.tolist()}"
                advice = "an update takes each number by itself, in an array of any shape"
                raise PartError(f"{type(optimizer).__name__}.update {message}: {advice}", "optimizer")


def check_updated(optimizer: Optimizer, name: str, found: Array, due: Array) -> None:
    """Raise PartError unless an update made an array of the due one's shape and dtype of PARAMETER, or of a slot."""
    is_array = hasattr(found, "__array_namespace__")
    if not is_array or found.shape != due.shape or found.dtype != due.dtype:
        shown = f"{found.dtype} {list(found.shape)}" if is_array else type(found).__name__
        message = f"makes {shown} of {name or 'the parameter'} where {due.dtype} {list(due.shape)} is due"
        raise PartError(f"{type(optimizer).__name__}.update {message}", "optimizer")


def stopped(where: str, step: int, advice: str = "A smaller learning_rate may help") -> TrainingError:
    """What to raise where something is no longer finite at a step that is taken back."""
    return TrainingError(
        f"{where} is no longer finite at step {step}; the model stays as it was before that step. {advice}"
    )


def overflowed(network: Network, where: str, step: int) -> TrainingError:
    """What to raise where a parameter, or a slot of one, isn't finite after a step."""
    if where in network.parameters and where not in network.trained:
        return stopped(where, step, "Its layer updates it in forward: is that finite of one row, too?")
    return stopped(where, step)


def diverged(network: Network, fine: Iterable[Array], step: int, begun: int) -> TrainingError:
    """What to raise where the loss isn't finite at a step: of the first stage whose output isn't `fine`, or the loss.

    `begun` is the step before the first that the session took.
    """
    where = next(
        (f"the output of {stage.name}" for stage, is_fine in zip(network.stages, fine) if not is_fine),
        f"the loss, from the output of {network.stages[-1].name},",
    )
    if step > begun + 1:
        return stopped(where, step)
    again = ", or to begin again: `layerkit train --restart`" if begun else ""
    return stopped(where, step, f"It is the first of this run: smaller numbers in the rows may help{again}")


def finite_outputs(network: Network, params: Sequence[Params], x: Array, seed: int, step: Any) -> list[Array]:
    """Whether the output of each stage is finite at a step."""
    xp = x.__array_namespace__()
    arrays = network.forward(params, x, network.contexts(xp, seed, step))
    return [xp.all(xp.isfinite(y)) for y in arrays[1:]]
