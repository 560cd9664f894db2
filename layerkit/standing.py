"""Where a model stands: its first parameters and slots, or those of a saved file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerkit.document import Document
from layerkit.engines.session import State
from layerkit.network import Network
from layerkit.ops import Array
from layerkit.storage import Saved


def first_state(document: Document, network: Network) -> State:
    """Before any step: the parameters that the seed decides, and slots of zeros."""
    parameters = network.initial(document.training.seed, np)
    return State(parameters, _zero_slots(document, network, parameters))


def saved_state(saved: Saved, document: Document, network: Network) -> State:
    """What a file holds, for the network of a document that it was checked to fit."""
    zeros = _zero_slots(document, network, saved.parameters)
    # a parameter that is trained only from now on begins with zeros
    slots = {
        slot: {name: saved.slots.get(slot, {}).get(name, zero) for name, zero in own.items()}
        for slot, own in zeros.items()
    }
    # in the stages' order, which the file doesn't keep
    parameters = {name: saved.parameters[name] for name in network.parameters}
    return State(parameters, slots, saved.step)


def _zero_slots(document: Document, network: Network, parameters: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    slots = document.optimizer.slots if document.optimizer else ()
    return {slot: {name: np.zeros_like(parameters[name]) for name in network.trained} for slot in slots}
