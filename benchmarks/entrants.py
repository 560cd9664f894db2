"""Who takes part. Only the harness imports this: it asks layerkit for its engines, which no peer's process loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

from layerkit import registry
from layerkit.starting import ENVIRONMENT


@dataclass(frozen=True)
class Contender:
    """A module, with what it needs installed and the environment that its process gets."""

    module: str
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    tolerance: float = 1e-9
    """How far its losses in float64 may lie from what is due, as a part of it.

    Keras keeps float32 here and there, on PyTorch in Adam's correction, too. Where a gradient is as small as Adam's
    epsilon, it shows that scikit-learn adds it before the correction.
    """

    @property
    def missing(self) -> list[str]:
        """The needed packages that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


PEERS = {
    "numpy by hand": Contender("contenders.numpy_by_hand"),
    "jax by hand": Contender("contenders.jax_by_hand", ("jax",)),
    "torch eager": Contender("contenders.torch_eager", ("torch",)),
    "torch defaults": Contender("contenders.torch_eager", ("torch",), {"TORCH_FUSED": "0"}),
    "torch compile": Contender("contenders.torch_compile", ("torch",)),
    "keras jax": Contender("contenders.keras_fit", ("keras", "jax"), {"KERAS_BACKEND": "jax"}, tolerance=1e-6),
    "keras torch": Contender("contenders.keras_fit", ("keras", "torch"), {"KERAS_BACKEND": "torch"}, tolerance=1e-5),
    "scikit-learn": Contender("contenders.scikit_learn", ("sklearn",), tolerance=1e-6),
}


def contenders() -> dict[str, Contender]:
    """Everyone by name: each installed engine of layerkit, in the command line's environment, then the peers."""
    engines = [part.name for part in registry.installed() if part.kind == "engine"]
    needs = {"jax": ("jax",)}
    own = {
        f"layerkit {name}": Contender(
            "contenders.layerkit_engine", needs.get(name, ()), {"LAYERKIT_ENGINE": name, **ENVIRONMENT}
        )
        for name in sorted(engines, key=lambda name: name != "numpy")
    }
    return own | PEERS


def chosen(names: Sequence[str] | None) -> dict[str, Contender]:
    """The contenders of these names, all without; layerkit's NumPy engine is always the first. Raises SystemExit."""
    known = contenders()
    unknown = set(names or ()) - set(known)
    if unknown:
        raise SystemExit(f"error: there is no contender {', '.join(unknown)}; known: {', '.join(known)}")
    return {name: each for name, each in known.items() if not names or name in names or name == "layerkit numpy"}
