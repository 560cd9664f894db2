"""The way back from a step that went wrong, once it has written over the numbers before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from layerkit.data.batches import Batch
from layerkit.engines.aligned import zeros
from layerkit.ops import Array

STEPS = 16
"""So many steps are taken again at most: a copy every 16 steps costs little beside them."""
BYTES = 64 * 2**20
"""Batches are kept for as long as they have no more bytes, if all are as large as the first; but one always is."""


class Taken(NamedTuple):
    """The step before the first of these batches, each of which was a step since."""

    first: int
    batches: list[Batch]


class Rewind:
    """A copy of some numbers, and the batches of the steps since then: together they are every state in between.

    `copy` copies them as they are, in the place of the copy before, and `restore` makes them what they were then.
    Wherever its methods are interrupted, it is right.
    """

    def __init__(self, copy: Callable[[], None], restore: Callable[[], None], step: int, most: int = STEPS) -> None:
        self._copy, self._restore = copy, restore
        self._taken = Taken(step, [])
        self._most = most
        self._due = 0
        """So many steps may be taken since the copy; 0 where there is none."""

    @property
    def step(self) -> int:
        """The number of the last step that was taken."""
        return self._taken.first + len(self._taken.batches)

    @property
    def is_due(self) -> bool:
        """Whether the numbers are copied after the step to take now."""
        return len(self._taken.batches) + 1 >= self._due

    def before(self, batch: Batch) -> int:
        """Copy the numbers as they are, where the last copy has become too old; the number of the step to take now."""
        first, batches = self._taken
        if len(batches) >= self._due:
            self.renew()
            self._due = max(min(self._most, BYTES // max(batch.nbytes, 1)), 1)
        return first + len(batches) + 1

    def after(self, batch: Batch) -> None:
        """Count a step that was taken. Its batch must stay as it is."""
        self._taken.batches.append(batch)

    def after_all(self, batches: list[Batch]) -> None:
        """Count the steps of a call, as thousands may be: where they are the first, their list is kept as it is."""
        first, before = self._taken
        self._taken = Taken(first, [*before, *batches] if before else batches)

    def back(self) -> Taken:
        """The numbers become what they were when they were copied; the steps that were taken since."""
        self._restore()
        return self._taken

    def forget(self, step: int) -> None:
        """That step, and those after it, were not taken."""
        first, batches = self._taken
        self._taken = Taken(first, batches[: step - first - 1])

    def renew(self) -> None:
        """Copy the numbers as they are, which is after the last step that was taken."""
        due, self._due = self._due, 0  # until it is copied, there is no copy
        self._copy()
        self._taken, self._due = Taken(self.step, []), due


class Copies:
    """Copies of arrays that are changed in their place."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays = arrays
        self._copies: list[Array] = []

    def renew(self) -> None:
        """Copy them."""
        self._copies = self._copies or [zeros(each.size, each.dtype).reshape(each.shape) for each in self._arrays]
        for copy, array in zip(self._copies, self._arrays, strict=True):
            np.copyto(copy, array)

    def restore(self) -> None:
        """They become what they were when they were copied."""
        for copy, array in zip(self._copies, self._arrays, strict=True):
            np.copyto(array, copy)
