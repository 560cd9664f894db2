"""The way back from an update that went wrong, once it has changed numbers in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from layerkit.data.batches import Rows
from layerkit.engines.aligned import zeros
from layerkit.ops import Array

STEPS = 16
"""So many steps are taken again at most: a copy every 16 steps costs little beside them."""
BYTES = 64 * 2**20
"""Batches are kept for as long as they have no more bytes, if all are as large as the first; but one always is."""


class Taken(NamedTuple):
    """The step before the first of these batches, each of which was a step since."""

    first: int
    batches: list[Rows]


class Rewind:
    """A copy of some arrays, and the batches of the steps since then: together they are every state in between.

    Wherever its methods are interrupted, it is right.
    """

    def __init__(self, arrays: Sequence[Array], step: int) -> None:
        self._arrays = arrays
        self._copies: list[Array] = []
        self._taken = Taken(step, [])
        self._most = 0
        """So many steps may be taken since the copy; 0 where there is none."""

    @property
    def step(self) -> int:
        """The number of the last step that was taken."""
        return self._taken.first + len(self._taken.batches)

    def before(self, batch: Rows) -> int:
        """Copy the arrays as they are, where the last copy has become too old; the number of the step to take now."""
        first, batches = self._taken
        if len(batches) >= self._most:
            self.renew()
            self._most = max(min(STEPS, BYTES // max(batch.x.nbytes + batch.t.nbytes, 1)), 1)
        return first + len(batches) + 1

    def after(self, batch: Rows) -> None:
        """Count a step that was taken. Its batch must stay as it is."""
        self._taken.batches.append(batch)

    def back(self) -> Taken:
        """The arrays become what they were when they were copied; the steps that were taken since."""
        for copy, array in zip(self._copies, self._arrays, strict=True):
            np.copyto(array, copy)
        return self._taken

    def renew(self) -> None:
        """Copy the arrays as they are, which is after the last step that was taken."""
        self._most = 0
        self._copies = self._copies or [zeros(each.size, each.dtype).reshape(each.shape) for each in self._arrays]
        for copy, array in zip(self._copies, self._arrays, strict=True):
            np.copyto(copy, array)
        self._taken = Taken(self.step, [])
