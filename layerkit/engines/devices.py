"""Where JAX keeps arrays: the state on every device, the rows of a batch shared out among all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from layerkit.ops import Array

ROOM = 8 * 2**30
"""The bytes of memory that a device is taken to have if it doesn't say how many, as a processor doesn't."""


class Devices:
    """All devices of all processes, in one line, each process's side by side."""

    def __init__(self) -> None:
        # JAX looks them up anew at each call
        self._all, self._own, self._process = jax.device_count(), jax.local_device_count(), jax.process_index()
        self._mesh = jax.make_mesh((self._all,), ("rows",), axis_types=(AxisType.Auto,))
        self.whole = NamedSharding(self._mesh, PartitionSpec())  # type: ignore[no-untyped-call]
        """Of an array that every device holds as a whole."""
        self.launch_each_turn = jax.devices()[0].platform == "gpu"
        """Whether the turns of a loop are launched from here, so that each waits until it is known to be one."""

    @property
    def room(self) -> int:
        """The bytes of data that every device may hold: a quarter of its memory, where it says how much it has."""
        told = jax.local_devices()[0].memory_stats() or {}
        return int(told.get("bytes_limit", ROOM)) // 4

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

    def given(self, array: Array, axis: int) -> Array:
        """The same as an argument of a program: a single device takes a small one sooner than it is put there."""
        return array if self._all == 1 else self.shared(array, axis)

    def share(self, rows: int) -> slice:
        """Which of so many rows this process gets. The last ones may not be there: all devices get the same number."""
        own = -(-rows // self._all) * self._own
        return slice(self._process * own, (self._process + 1) * own)


def rounded(rows: int) -> int:
    """A power of 2, no less than so many rows: what is padded to it is of few shapes, and few are compiled."""
    return 1 << max(rows - 1, 0).bit_length()


@cache
def devices() -> Devices:
    """The devices of this process and of those that it was joined with."""
    return Devices()
