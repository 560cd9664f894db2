"""Where JAX keeps arrays: the state on every device, the rows of a batch shared out among all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from layerkit.ops import Array


class Devices:
    """All devices of all processes, in one line, each process's side by side."""

    def __init__(self) -> None:
        self._mesh = jax.make_mesh((jax.device_count(),), ("rows",), axis_types=(AxisType.Auto,))
        self.whole = NamedSharding(self._mesh, PartitionSpec())  # type: ignore[no-untyped-call]
        """Of an array that every device holds as a whole."""
        self.launch_each_turn = jax.devices()[0].platform == "gpu"
        """Whether the turns of a loop are launched from here, so that each waits until it is known to be one."""

    def everywhere(self, tree: Any) -> Any:
        """NumPy arrays, the same in every process, as arrays that every device holds as a whole. They are copied."""
        return jax.device_put(jax.tree.map(np.array, tree), self.whole)

    def shared(self, array: Array, axis: int) -> Array:
        """This process's `share` of the rows of an array, which are on this axis, as its part of that array."""
        spec = PartitionSpec(*(None,) * axis, "rows")  # type: ignore[no-untyped-call]
        sharding = NamedSharding(self._mesh, spec)
        if jax.process_count() == 1:
            return jax.device_put(array, sharding)  # which copies nothing on a processor
        return jax.make_array_from_process_local_data(sharding, array)  # type: ignore[no-untyped-call]

    def share(self, rows: int) -> slice:
        """Which of so many rows this process gets. The last ones may not be there: all devices get the same number."""
        own = -(-rows // jax.device_count()) * jax.local_device_count()
        return slice(jax.process_index() * own, (jax.process_index() + 1) * own)


@cache
def devices() -> Devices:
    """The devices of this process and of those that it was joined with."""
    return Devices()
