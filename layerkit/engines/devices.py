"""Where JAX keeps arrays: the state on every device, the rows of a batch shared out among all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from layerkit.ops import Array


class Devices:
    """All devices of all processes, in one line."""

    def __init__(self) -> None:
        self.count = jax.device_count()
        mesh = jax.make_mesh((self.count,), ("rows",), axis_types=(AxisType.Auto,))
        self._everywhere = NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]
        self._mesh = mesh

    def everywhere(self, tree: Any) -> Any:
        """NumPy arrays as arrays that every device holds as a whole. They are copied."""
        return jax.device_put(jax.tree.map(np.array, tree), self._everywhere)

    def shared(self, array: Array, axis: int) -> Array:
        """A NumPy array whose rows, on this axis, are shared out: so many as `rounded` says."""
        spec = PartitionSpec(*(None,) * axis, "rows")  # type: ignore[no-untyped-call]
        return jax.device_put(array, NamedSharding(self._mesh, spec))

    def rounded(self, rows: int) -> int:
        """So many rows, or more, that every device gets the same number."""
        return -(-rows // self.count) * self.count


@cache
def devices() -> Devices:
    """The devices of this process and of those that it was joined with."""
    return Devices()
