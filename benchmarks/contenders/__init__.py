"""The contenders: a file each, with two functions.

`prepare(task)` gives the function that takes training steps on batches in memory (see task.Steps). `whole(task)` is the
program that a user would write: it reads the table, trains, saves, and prints its epochs as layerkit does. A contender
imports its library inside these functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec

from layerkit import registry


@dataclass(frozen=True)
class Contender:
    """A module, with what it needs installed and the environment that its process gets."""

    module: str
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The needed packages that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


PEERS = {
    "numpy by hand": Contender("contenders.numpy_by_hand"),
    "jax by hand": Contender("contenders.jax_by_hand", ("jax",)),
    "torch eager": Contender("contenders.torch_eager", ("torch",)),
    "torch compile": Contender("contenders.torch_compile", ("torch",)),
    "keras jax": Contender("contenders.keras_fit", ("keras", "jax"), {"KERAS_BACKEND": "jax"}),
    "keras torch": Contender("contenders.keras_fit", ("keras", "torch"), {"KERAS_BACKEND": "torch"}),
    "scikit-learn": Contender("contenders.scikit_learn", ("sklearn",)),
}


def contenders() -> dict[str, Contender]:
    """Everyone by name: each installed engine of layerkit, then the peers."""
    engines = [part.name for part in registry.installed() if part.kind == "engine"]
    needs = {"jax": ("jax",)}
    own = {
        f"layerkit {name}": Contender("contenders.layerkit_engine", needs.get(name, ()), {"LAYERKIT_ENGINE": name})
        for name in sorted(engines, key=lambda name: name != "numpy")
    }
    return own | PEERS
