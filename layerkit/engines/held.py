"""The state of a run on JAX's devices, and a copy of an earlier one to go back to."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from layerkit.engines.devices import devices
from layerkit.engines.processes import of_the_first
from layerkit.engines.programs import Held, Programs, Steps
from layerkit.ops import Array


class HeldState:
    """Parameters and slots after a step, and the number of the next one."""

    def __init__(self, programs: Programs, held: Held, step: int, dtype: str) -> None:
        self._programs, self._dtype = programs, dtype
        self.held: Held = devices().everywhere(of_the_first(held))
        # on the devices: to hand numbers over takes as long as a hundred small steps
        self.following: Array = devices().everywhere([np.int64(step + 1)])[0]
        self._copy: Any = None

    def advance(self, steps: Steps) -> None:
        """The state becomes what these steps led to."""
        self.held, self.following = steps.held, steps.following

    def keep(self) -> None:
        """Copy the state as it is; a copy takes the memory of the copy before."""
        memory, self._copy = self._copy, None
        if not self._programs.writes_over:
            self._copy = self.held
        else:
            if memory is None:
                size = sum(array.size for array in jax.tree.leaves(self.held))
                memory = jnp.zeros(size, self._dtype, device=devices().whole)
            self._copy = self._programs.copied(self.held, memory)
        self._after_copy = self.following

    def restore(self) -> None:
        """The state becomes what it was when it was copied. No process needs another for it."""
        self.held = self._programs.restored(self._copy) if self._programs.writes_over else self._copy
        self.following = self._after_copy
