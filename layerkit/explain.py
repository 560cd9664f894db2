"""explain: every number of one forward pass, one backward pass and one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np

from layerkit import registry
from layerkit.engines.checks import check_optimizer
from layerkit.engines.session import Recipe, State
from layerkit.network import Network, equal_weights
from layerkit.ops import Array
from layerkit.part import naming
from layerkit.rehearsal import rehearse


@dataclass(frozen=True)
class StageValues:
    """One stage: what came in, what went out, and dL/d(output)."""

    name: str
    type: str
    input: Array
    output: Array
    gradient: Array | None


@dataclass(frozen=True)
class Explanation:
    """One step, taken apart. Arrays have the rows first; what needs a target is None where none was given."""

    stages: tuple[StageValues, ...]
    target: Array | None
    weights: Array | None
    """How much each row counts; None where all count 1."""
    loss: float | None
    gradients: Mapping[str, Array]
    parameters: Mapping[str, Array]
    updated: Mapping[str, Array]
    slots: Mapping[str, Mapping[str, Array]]
    """What the optimizer kept of each parameter before the step, by slot and then parameter."""
    updated_slots: Mapping[str, Mapping[str, Array]]
    schedule_factor: float
    """What the schedule multiplies the learning_rate by at this step."""
    clip_factor: float
    """What clip_norm multiplies the gradients by before the optimizer has them."""

    def to_json(self) -> dict[str, Any]:
        """The same as lists and numbers. A single row stands without its batch axis."""

        def of_row(array: Array | None) -> Any:
            return None if array is None else np.asarray(array[0] if len(array) == 1 else array).tolist()

        return {
            "stages": [
                {
                    "name": stage.name,
                    "type": stage.type,
                    "input": of_row(stage.input),
                    "output": of_row(stage.output),
                    "gradient": of_row(stage.gradient),
                }
                for stage in self.stages
            ],
            "target": of_row(self.target),
            "weights": of_row(self.weights),
            "loss": self.loss,
            "gradients": {name: array.tolist() for name, array in self.gradients.items()},
            "parameters": {name: array.tolist() for name, array in self.parameters.items()},
            "updated": {name: array.tolist() for name, array in self.updated.items()},
            "slots": _lists(self.slots),
            "updated_slots": _lists(self.updated_slots),
            "schedule_factor": self.schedule_factor,
            "clip_factor": self.clip_factor,
        }


def _lists(slots: Mapping[str, Mapping[str, Array]]) -> dict[str, Any]:
    return {slot: {name: array.tolist() for name, array in own.items()} for slot, own in slots.items()}


def explain(
    network: Network, recipe: Recipe, state: State, x: Array, t: Array | None, weights: Array | None = None
) -> Explanation:
    """Take one step over these rows and keep all its numbers. Runs on NumPy; the state isn't changed.

    Raises PartError where a part breaks its contract.
    """
    params, step = network.by_stage(state.parameters), state.step + 1
    contexts = network.contexts(np, recipe.seed, step)
    with np.errstate(all="ignore"):
        rehearse(network, params, np, x, t)  # which names the part that fails
        arrays = network.forward(params, x, contexts)
        upstream: list[Array | None] = [None] * len(arrays)
        gradients: dict[str, Array] = {}
        loss = None
        if t is not None and network.loss is not None:
            equal = equal_weights(len(x), np, network.dtype)
            shares = equal if weights is None else equal * weights
            loss = float(np.vecdot(network.losses(arrays, t), shares))
            dy, last = network.loss_gradient(arrays, t, shares)
            upstream, found = network.backward(params, arrays, dy, contexts, last, 1)
            upstream[-1] = network.loss.gradient(arrays[-1], t) * shares[(slice(None), *(None,) * (t.ndim - 1))]
            gradients = {
                f"{stage.name}.{name}": found[i][name]
                for i, stage in enumerate(network.stages)
                for name in stage.trained
            }
        updated: dict[str, Array] = {}
        slots: dict[str, dict[str, Array]] = {slot: {} for slot in state.slots}
        factor, shrink = recipe.factor(step), _shrink(recipe, gradients)
        check_optimizer(recipe.optimizer, network.dtype)
        if recipe.optimizer is not None and gradients:
            optimizer, now = recipe.optimizer.at(factor), float(step - recipe.steps_before)
            for name, gradient in gradients.items():
                held = {slot: np.array(own[name]) for slot, own in state.slots.items()}
                taken = gradient if shrink == 1.0 else gradient * shrink
                with naming(optimizer, "update", "optimizer"):
                    updated[name], changed = optimizer.update(state.parameters[name], taken, held, now)
                for slot in slots:
                    slots[slot][name] = changed[slot]
            for stage, own in zip(network.stages, network.updates(contexts), strict=True):
                updated |= {f"{stage.name}.{name}": value for name, value in own.items()}
    stages = tuple(
        StageValues(stage.name, registry.name_of(type(stage.layer)), arrays[i], arrays[i + 1], upstream[i + 1])
        for i, stage in enumerate(network.stages)
    )
    before = {name: np.array(array) for name, array in state.parameters.items()}
    kept = {slot: {name: np.array(array) for name, array in own.items()} for slot, own in state.slots.items()}
    return Explanation(stages, t, weights, loss, gradients, before, updated, kept, slots, factor, shrink)


def _shrink(recipe: Recipe, gradients: Mapping[str, Array]) -> float:
    """What the step multiplies the gradients by, so that they are no longer than the recipe allows."""
    if recipe.clip_norm is None or not gradients:
        return 1.0
    # scaled, so that no square overflows
    largest = max(float(np.abs(gradient).max(initial=0.0)) for gradient in gradients.values()) or 1.0
    length = largest * hypot(*(float(np.linalg.norm(gradient / largest)) for gradient in gradients.values()))
    return recipe.clip_norm / max(length, recipe.clip_norm)
