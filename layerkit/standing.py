"""Where a model stands: its first parameters and slots, or those of a saved file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from layerkit.document import Document, Training
from layerkit.engines.session import State
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.storage import Saved

STEPS_BEFORE = "steps_before_optimizer"
"""Under which name the saved file has how many steps were taken before the optimizer's slots were zeros."""
HELD_OUT = "held_out"
"""Under which name it has the checksums of the rows that were held out for validation."""


def first_state(document: Document, network: Network) -> State:
    """Before any step: the parameters that the seed decides, and slots of zeros."""
    parameters = network.initial(document.training.seed, np)
    return State(parameters, _zero_slots(document, network, parameters))


def saved_state(saved: Saved, document: Document, network: Network) -> tuple[State, int]:
    """What a file holds, for the network of a document that it was checked to fit; and the optimizer's steps_before.

    Slots begin anew, all of them, for another optimizer, and where a parameter is trained that had none.
    """
    slots = _zero_slots(document, network, saved.parameters)
    (steps_before,) = map(int, saved.state.get(STEPS_BEFORE, (0,)))
    if type(saved.document.optimizer) is type(document.optimizer) and all(
        own.keys() <= saved.slots.get(slot, {}).keys() for slot, own in slots.items()
    ):
        slots = {slot: {name: saved.slots[slot][name] for name in own} for slot, own in slots.items()}
    else:
        steps_before = saved.step
    # in the stages' order, which the file doesn't keep
    parameters = {name: saved.parameters[name] for name in network.parameters}
    return State(parameters, slots, saved.step), steps_before


def saved_held_out(saved: Saved, document: Document) -> tuple[int, ...] | None:
    """The checksums of the rows that a saved run held out, if it did and the document asks for the same ones."""
    known = saved.state.get(HELD_OUT)
    return None if known is None or holds_out_others(document, saved.document) else tuple(map(int, known))


def holds_out_others(document: Document, before: Document) -> bool:
    """Whether a document asks for other validation rows than it did before, whatever the data."""
    own, kept = document.training, before.training
    drawn = isinstance(own.validation, float)
    return own.validation is not None and (own.validation != kept.validation or (drawn and own.seed != kept.seed))


def measures_alike(document: Document, before: Document) -> bool:
    """Whether the document asks early stopping for the figures of before: by the same network, loss and split."""
    own, kept = document.training, before.training
    same_rows = own.validation == kept.validation and not holds_out_others(document, before)
    same_loss = document.layers == before.layers and document.loss == before.loss
    return same_rows and same_loss and watched_figure(own) == watched_figure(kept)


def watched_figure(training: Training) -> str | None:
    """The figure that early stopping watches, if it does."""
    if training.early_stopping is None:
        return None
    return training.early_stopping.figure or ("loss" if training.validation is None else "validation_loss")


def standing(steps_before: int, held_out: Sequence[int] | None) -> dict[str, Array]:
    """What of a run, beside its arrays, the saved file has to know."""
    known = {} if held_out is None else {HELD_OUT: np.array(held_out)}
    return known | ({STEPS_BEFORE: np.array([steps_before])} if steps_before else {})


def _zero_slots(document: Document, network: Network, parameters: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    slots = document.optimizer.slots if document.optimizer else ()
    return {slot: {name: np.zeros_like(parameters[name]) for name in network.trained} for slot in slots}
